"""Many at once: the provider's list is asked, and only what has ended is asked about by itself."""

from collections import Counter
from concurrent.futures import Future
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from generations import credentials, follower
from generations.models import Credential, Generation, Status
from generations.providers import client
from generations.providers.exchange import Reply
from generations.providers.kling import PROVIDER
from generations.services import listing
from klingweb.accounts.models import Team
from tests.road import Ask

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 14


@pytest.fixture(autouse=True)
def no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SAMPLES", 0)


def asked(sandbox: str) -> Counter[str]:
    visits = httpx.get(f"{sandbox}/requests").json()["requests"]
    return Counter(
        "list" if visit["path"].endswith("generations") else "one" for visit in visits if visit["method"] == "GET"
    )


def place(credential: Credential) -> listing.Place:
    return (credential.pk, "kling", "text-to-image", "")


def test_one_list_stands_for_many_and_each_is_asked_about_once_it_has_ended(
    ask: Ask, credential: Credential, sandbox: str, settings: object
) -> None:
    Credential.objects.filter(pk=credential.pk).update(slots=100)
    settings.SANDBOX_SLOTS = 100  # type: ignore[attr-defined]
    for number in range(MANY):
        ask(f"vase {number}")
    follower.Turn(60).run(until=lambda: Generation.objects.filter(status=Status.COLLECTING).count() == MANY)
    assert Generation.objects.filter(status=Status.COLLECTING).count() == MANY
    calls = asked(sandbox)
    assert calls["list"] >= 1
    assert calls["one"] < 4 * MANY


def test_few_are_asked_about_by_themselves(ask: Ask, credential: Credential) -> None:
    generation = ask()
    Generation.objects.filter(pk=generation.pk).update(status=Status.RUNNING, provider_task_id="1")
    assert listing.places(timezone.now()) == {}


@pytest.fixture
def crowd(ask: Ask) -> list[Generation]:
    made = [ask(f"vase {number}") for number in range(MANY)]
    for number, each in enumerate(made):
        Generation.objects.filter(pk=each.pk).update(status=Status.RUNNING, provider_task_id=f"task-{number}")
    return made


def answer(*tasks: tuple[str, str]) -> httpx.Response:
    data = [{"task_id": name, "task_status": status, "task_info": {}} for name, status in tasks]
    return httpx.Response(200, json={"code": 0, "message": "SUCCEED", "data": data})


def test_what_has_ended_is_due_at_once_and_the_rest_is_put_off(crowd: list[Generation], credential: Credential) -> None:
    now = timezone.now()
    assert listing.places(now) == {place(credential): MANY}
    round_ = listing.begin(place(credential), now, set())
    assert round_
    assert [str(call.request.url.query, "ascii") for call in round_.calls] == ["pageNum=1&pageSize=500"]
    assert listing.places(timezone.now()) == {}
    round_.open = 1
    states = [(f"task-{number}", "processing") for number in range(2, MANY)]
    round_.take(answer(("task-0", "failed"), ("stranger", "succeed"), *states))
    assert listing.finish(place(credential), round_, Counter()) == {crowd[0].pk}
    due = Generation.objects.filter(due_at__lte=timezone.now())
    assert [each.pk for each in due] == [crowd[0].pk]
    assert Generation.objects.filter(due_at__lte=timezone.now() + timedelta(seconds=3)).count() == MANY


def test_what_two_lists_do_not_show_is_asked_about_by_itself(crowd: list[Generation], credential: Credential) -> None:
    misses: Counter[object] = Counter()
    for expected in (set(), {each.pk for each in crowd[1:]}):
        Generation.objects.update(due_at=timezone.now())
        round_ = listing.begin(place(credential), timezone.now(), set())
        assert round_
        round_.take(answer(("task-0", "processing")))
        assert listing.finish(place(credential), round_, misses) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", [httpx.Response(502, text="<html>"), httpx.Response(200, text="[")])
def test_a_list_that_does_not_come_holds_up_nobody(
    crowd: list[Generation], credential: Credential, reply: httpx.Response
) -> None:
    misses: Counter[object] = Counter()
    for expected in (set(), {each.pk for each in crowd}):
        Generation.objects.update(due_at=timezone.now())
        round_ = listing.begin(place(credential), timezone.now(), set())
        assert round_
        round_.take(reply)
        assert listing.finish(place(credential), round_, misses) == expected  # type: ignore[arg-type]


def test_hundreds_take_as_many_pages_as_hold_them(
    crowd: list[Generation], credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PROVIDER.listing
    monkeypatch.setattr(listing, "CROWD", 1)
    pages = listing._pages(
        PROVIDER.listing,
        PROVIDER.operations[0],
        credential,
        credentials.account(credential),
        1200,
        timezone.now(),
    )
    assert [dict(call.request.url.params)["pageNum"] for call in pages] == ["1", "2", "3", "4"]


def test_some_that_the_list_shows_running_are_asked_about_all_the_same(
    crowd: list[Generation], credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SAMPLES", 2)
    round_ = listing.begin(place(credential), timezone.now(), set())
    assert round_
    round_.take(answer(*[(f"task-{number}", "processing") for number in range(MANY)]))
    assert listing.finish(place(credential), round_, Counter()) == set()
    assert Generation.objects.filter(due_at__lte=timezone.now()).count() == 2


def test_a_place_that_cannot_be_asked_is_left_to_the_polls(
    crowd: list[Generation], credential: Credential, halden: Team
) -> None:
    now = timezone.now()
    assert listing.begin((credential.pk, "kling", "gone", ""), now, set()) is None
    assert listing.begin(place(credential), now, {each.pk for each in crowd}) is None


def test_a_provider_that_asks_to_be_left_alone_is(crowd: list[Generation], credential: Credential) -> None:
    misses: Counter[object] = Counter()
    busy = httpx.Response(429, headers={"Retry-After": "60"}, json={"code": 1302, "message": "too many"})
    for _ in range(listing.MISSES):
        Generation.objects.update(due_at=timezone.now())
        round_ = listing.begin(place(credential), timezone.now(), set())
        assert round_
        round_.take(busy)
        assert round_.rest > timedelta(seconds=5)
        assert listing.finish(place(credential), round_, misses) == set()  # type: ignore[arg-type]
    assert not Generation.objects.filter(due_at__lt=timezone.now() + timedelta(seconds=50)).exists()


def test_what_a_list_was_asked_about_is_due_again_once_nobody_waits_for_it_any_more(
    crowd: list[Generation], credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "shared", Silent)
    turn = follower.Turn(60)
    turn.run(until=lambda: bool(turn.listed))
    assert Generation.objects.filter(due_at__lte=timezone.now()).count() == MANY


class Silent:
    """Stands where the client stood: nothing is ever answered."""

    def send(self, _call: client.Call) -> "Future[Reply]":
        return Future()
