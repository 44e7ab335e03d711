"""Answers that are not as documented: understood, or waiting with the answer kept, until a rule is added as data."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from generations import credentials
from generations.catalogue import offers
from generations.models import Generation, Image, Reading, Status
from generations.providers import client
from generations.providers.exchange import Reply
from generations.services import asking, collecting, following, readying, submission, unconfirmed
from klingweb.accounts.models import Membership, User
from tests.drift.conftest import END
from tests.drift.ways import WAYS, Way
from tests.drift.wire import DIALECTS, Answer, Wire, told

pytestmark = pytest.mark.django_db

TOKEN = "the turn"
WAITING = {"create": Status.UNCONFIRMED, "query": Status.RUNNING}
ENDED = {"understood": Status.SUCCEEDED, "failed": Status.FAILED}


def mendable(way: Way, slug: str) -> bool:
    return way.end(slug) == "waits" and bool(way.rules(DIALECTS[slug]))


PAIRS = [(way, slug) for way in WAYS for slug in DIALECTS]
CASES = [pytest.param(*pair, id=f"{pair[1]}-{pair[0].step}-{pair[0].name}") for pair in PAIRS]
MENDED = [each for each, pair in zip(CASES, PAIRS, strict=True) if mendable(*pair)]


@dataclass
class Road:
    """One generation, its line, and the services that carry it along it."""

    person: Membership
    generation: Generation
    wire: Wire

    def drive(self, rounds: int = 6) -> str:
        """What the follower and the queue would do, without waiting."""
        for _ in range(rounds):
            self.generation = Generation.objects.select_related("credential").get(pk=self.generation.pk)
            STEPS.get(Status(self.generation.status), _nothing)(self)
        self.generation.refresh_from_db()
        return self.generation.status

    def send(self, call: client.Call) -> Reply:
        return self.wire.send(call).result(10)

    def kept(self) -> list[str]:
        return [each.answer for each in self.generation.events.filter(riddle=True)]


def _nothing(_road: Road) -> None:
    """It has ended."""


def _submit(road: Road) -> None:
    generation = road.generation
    if not generation.ready:
        Generation.objects.update(due_at=timezone.now())
        readying.make_ready(generation.pk)
    elif call := submission.begin(generation, TOKEN):
        submission.finish(generation.pk, TOKEN, road.send(call))


def _follow(road: Road) -> None:
    following.finish(road.generation, road.send(following.begin(road.generation)))


def _look(road: Road) -> None:
    if road.generation.provider in unconfirmed.findable():
        unconfirmed.finish(road.generation, road.send(unconfirmed.begin(road.generation)))


def _collect(road: Road) -> None:
    Image.objects.filter(state=Image.State.PENDING).update(due_at=timezone.now())
    for pk in collecting.due_images(timezone.now()):
        collecting.collect(pk)


STEPS: dict[Status, Callable[[Road], None]] = {
    Status.QUEUED: _submit,
    Status.RUNNING: _follow,
    Status.UNCONFIRMED: _look,
    Status.COLLECTING: _collect,
}


@pytest.fixture
def road(alice: User, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[str], Road]:
    """A road to the provider of this slug, on which all is as documented so far."""

    def made(slug: str) -> Road:
        dialect = DIALECTS[slug]
        member = Membership.objects.select_related("team", "user").get(user=alice)
        credentials.ensure(team=member.team, provider=slug, name="Key", secrets={dialect.secret: "user:1-secret-key"})
        wire = Wire(dialect, lambda: told(dialect.create()), lambda: told(dialect.query()))
        request.addfinalizer(wire.close)
        monkeypatch.setattr(client, "shared", lambda: wire)
        offer = next(each for each in offers(member.team) if each.provider.slug == slug)
        texts = {"prompt": "A vase", dialect.count: "2"}
        asked = asking.ask(member, offer, offer.operation(dialect.operation), offer.credentials[0], texts, "form")
        assert asked.generation, asked.errors
        return Road(member, asked.generation, wire)

    return made


def drifts(road: Road, way: Way) -> Answer:
    """From now on the provider answers in this way."""
    dialect = road.wire.dialect
    answer = way.change(dialect, dialect.create() if way.step == "create" else dialect.query())
    setattr(road.wire, f"on_{way.step}", lambda: answer)
    return answer


def heals(road: Road) -> None:
    """The provider answers as documented again."""
    road.wire.on_query = lambda: told(road.wire.dialect.query())


@pytest.mark.parametrize(("way", "slug"), CASES)
def test_an_answer_that_differs_is_understood_or_waits(
    way: Way,
    slug: str,
    road: Callable[[str], Road],
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    road_there, end = road(slug), way.end(slug)
    answer = drifts(road_there, way)
    status = road_there.drive()
    record_property(END, f"{way.step}|{way.name}|{slug}|{end}{', mended' if mendable(way, slug) else ''}")
    if end == "understood":
        assert status == Status.SUCCEEDED
    else:
        assert status == WAITING[way.step]
        assert road_there.generation.problem or end == "not yet"
        expected = [f"HTTP {answer.status}\n{answer.text}"] if end == "waits" and way.kept else []
        assert road_there.kept() == expected
        if way.step == "create":
            unconfirmed.it_was_made(road_there.generation, "77", road_there.person.user)
        heals(road_there)
        assert road_there.drive() == Status.SUCCEEDED
    assert road_there.generation.images.filter(state=Image.State.KEPT).count() == 2
    assert road_there.wire.posts == 1
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize(("way", "slug"), MENDED)
def test_a_rule_mends_it_without_another_request(way: Way, slug: str, road: Callable[[str], Road]) -> None:
    road_there = road(slug)
    drifts(road_there, way)
    road_there.drive()
    for kind, found, means in way.rules(road_there.wire.dialect):
        Reading.objects.create(team=road_there.person.team, provider=slug, kind=kind, found=found, means=means)
    told_by_command = StringIO()
    call_command("reinterpret", stdout=told_by_command)
    assert "1 of 1 went on." in told_by_command.getvalue()
    assert road_there.drive() == ENDED[way.mended]
    assert road_there.wire.posts == 1


def test_there_are_forty_ways_and_a_dozen_that_rules_mend() -> None:
    assert len({(each.step, each.name) for each in WAYS}) == len(WAYS) >= 40
    assert min(Counter(slug for way, slug in PAIRS if mendable(way, slug)).values()) >= 12
