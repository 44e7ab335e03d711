"""What an open page hears when it asks each second, and what that costs."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import queue
from generations.models import Credential, Generation, Lease, Status
from klingweb.accounts import services as accounts
from klingweb.accounts.models import Role, User
from tests.cast import sign_in
from tests.road import Ask, finish
from tests.states import every_state, put

pytestmark = pytest.mark.django_db

CHANGES = "/changes/"
HTMX = {"HX-Request": "true"}


class Page:
    """An open page: it asks as its script would, with what it was told last."""

    def __init__(self, client: Client, path: str) -> None:
        self.client = client
        self._learn(client.get(path).content.decode(), anew=True)

    def _learn(self, answer: str, *, anew: bool = False) -> None:
        if live := re.search(r'<div id="live"[^>]*>', answer):
            asks = re.search(r' hx-get="([^"]+)"', live[0])
            own = re.findall(r'name="own" value="(\d+)" data-live', answer)
            self.asks = f"{asks[1].replace('&amp;', '&')}&own={own[0]}" if asks else ""
        named = dict(re.findall(r'name="g" value="([^."]+)[.]([^"]+)" data-live', answer))
        shown = dict.fromkeys(re.findall(r' data-generation="([^"]+)"', answer), "")
        kept = {} if anew else {pk: version for pk, version in self.named.items() if pk not in shown}
        self.named: dict[str, str] = kept | named

    def ask(self, **more: str) -> Any:
        asked = "".join(f"&{name}={value}" for name, value in more.items())
        named = "".join(f"&g={pk}.{version}" for pk, version in self.named.items())
        answer = self.client.get(f"{self.asks}{asked}{named}", headers=HTMX)
        if answer.status_code == 200:
            self._learn(answer.content.decode())
        return answer

    def hears(self, **more: str) -> str:
        """The answer; empty where nothing is new."""
        answer = self.ask(**more)
        assert (answer.status_code == 204) == (not answer.content)
        return str(answer.content.decode())

    def grow_older(self, seconds: float) -> None:
        """It was told last that much longer ago."""
        since = re.search(r"since=([0-9.]+)", self.asks)
        assert since
        self.asks = self.asks.replace(since[0], f"since={float(since[1]) - seconds}")


@pytest.fixture
def bobs(client: Client, bob: User, credential: Credential) -> Client:
    return sign_in(client, bob)


@pytest.fixture
def _followed(db: None) -> None:
    end = timezone.now() + timedelta(seconds=settings.FOLLOWER_LEASE)
    Lease.objects.create(name=queue.FOLLOWER, expires_at=end)


def settled(generation: Generation, status: Status = Status.RUNNING) -> Generation:
    """It has been so for a while: no page is told of it because it was a moment ago."""
    put(generation, status)
    generation.changed = timezone.now() - timedelta(minutes=1)
    generation.save(update_fields=["changed"])
    return generation


# What is new ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/history/", "/g/{pk}/"])
def test_an_open_page_hears_once_of_what_it_shows(bobs: Client, ask: Ask, path: str) -> None:
    running, ending = settled(ask("A jug")), settled(ask("A vase"))
    page = Page(bobs, path.format(pk=ending.pk))
    assert page.hears() == ""
    finish(ending)
    put(ending, Status.SUCCEEDED)
    said = page.hears()
    assert f'id="g-{ending.pk}"' in said
    assert 'data-status="succeeded"' in said
    assert str(running.pk) not in said
    assert '<p hx-swap-oob="innerHTML:#news">1 picture is here: A vase.</p>' in said
    assert ">1 running<" in said
    assert page.hears() == ""


def test_a_page_stops_asking_when_nothing_is_under_way(bobs: Client, ask: Ask) -> None:
    generation = settled(ask())
    page = Page(bobs, "/")
    finish(generation)
    put(generation, Status.SUCCEEDED)
    said = page.hears()
    assert 'data-running="0"' in said
    assert page.asks == ""


def test_a_page_without_pictures_asks_more_rarely_and_counts_too(bobs: Client, ask: Ask) -> None:
    generation = settled(ask())
    assert 'hx-trigger="every 5s, soon"' in bobs.get("/account/").content.decode()
    page = Page(bobs, "/account/")
    assert page.hears() == ""
    put(generation, Status.UNCONFIRMED)
    assert "1 needs you" in page.hears()
    assert page.asks == ""


def test_what_needs_a_person_is_asked_about_while_it_may_clear_up_by_itself(bobs: Client, ask: Ask) -> None:
    doubtful = settled(ask(), Status.UNCONFIRMED)
    page = Page(bobs, "/")
    assert page.hears() == ""
    Generation.objects.filter(pk=doubtful.pk).update(submitted_at=timezone.now() - timedelta(hours=1))
    assert page.hears()
    assert page.asks == ""


def test_what_was_changed_by_a_commit_that_came_late_is_heard_of(bobs: Client, ask: Ask) -> None:
    early, late = settled(ask("A jug")), settled(ask("A vase"))
    page = Page(bobs, "/")
    put(early, Status.FAILED, problem="It broke.")
    before = timezone.now()
    assert "Failed: A jug. It broke." in page.hears()
    put(late, Status.FAILED, problem="It broke.")
    Generation.objects.filter(pk=late.pk).update(changed=before - timedelta(seconds=1))
    assert "Failed: A vase. It broke." in page.hears()


def test_what_ends_while_forms_are_sent_is_heard_of_all_the_same(bobs: Client, ask: Ask) -> None:
    ending = settled(ask("A jug"))
    page = Page(bobs, "/")
    put(ending, Status.FAILED)
    form = {"provider": "kling", "operation": "text-to-image", "key": "k", "model_name": "kling-v3", "prompt": "A cup"}
    accepted = bobs.post("/", form | {"aspect_ratio": "3:4", "n": "1", "resolution": "1k"}, headers=HTMX)
    page._learn(accepted.content.decode())
    assert 'data-status="failed"' in page.hears()


def test_what_was_deleted_elsewhere_goes(bobs: Client, ask: Ask) -> None:
    settled(ask("A jug"))
    generation = settled(ask("A vase"))
    page = Page(bobs, "/history/")
    Generation.objects.filter(pk=generation.pk).delete()
    assert f'<div id="g-{generation.pk}" hx-swap-oob="delete">' in page.hears()


def test_a_place_in_line_is_told_anew_while_one_waits(bobs: Client, ask: Ask, alice: User) -> None:
    first = ask("Hers", person=alice)
    settled(ask("His"), Status.QUEUED)
    Generation.objects.update(due_at=timezone.now(), submitted_at=None)
    page = Page(bobs, "/")
    assert page.hears() == ""
    put(first, Status.RUNNING)
    page.grow_older(4)
    assert page.hears() == ""
    page.grow_older(2)
    said = page.hears()
    assert re.search(r'<span id="w-[^"]+" hx-swap-oob="true">next in line for Sandbox', said)
    assert "data-generation" not in said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.FAILED, "Failed: A vase. It broke."),
        (Status.CANCELED, "Canceled: A vase."),
        (Status.UNCONFIRMED, "Nobody knows what became of: A vase."),
        (Status.COLLECTING, ""),
    ],
)
def test_an_end_is_said_aloud(bobs: Client, ask: Ask, status: Status, said: str) -> None:
    generation = settled(ask("A vase"))
    page = Page(bobs, "/")
    put(generation, status, problem="It broke.")
    answer = page.hears()
    assert ("#news" in answer) == bool(said)
    assert said in answer


@pytest.mark.parametrize("since", ["", "yesterday", "1e400", "nan", "-1", "99999999999"])
def test_a_page_that_does_not_know_what_it_was_told_hears_of_all_that_it_names(
    bobs: Client, ask: Ask, since: str
) -> None:
    generation = settled(ask())
    said = bobs.get(CHANGES, {"page": "create", "since": since, "g": str(generation.pk)})
    assert f'data-generation="{generation.pk}"' in said.content.decode()


def test_what_is_no_id_is_no_page(bobs: Client) -> None:
    assert bobs.get(CHANGES, {"page": "create", "g": "nothing"}).status_code == 404


def test_other_teams_hear_nothing_of_it(client: Client, charlie: User, ask: Ask) -> None:
    generation = settled(ask("A secret vase"))
    answer = sign_in(client, charlie).get(CHANGES, {"page": "generation", "g": str(generation.pk)})
    said = answer.content.decode()
    assert "data-generation" not in said
    assert "secret" not in said


# What it costs --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_followed")
@pytest.mark.parametrize("path", ["/", "/history/"])
def test_nothing_new_costs_three_queries(bobs: Client, ask: Ask, path: str) -> None:
    for each in every_state(ask).values():
        each.refresh_from_db()
        settled(each, Status(each.status))
    page = Page(bobs, path)
    with CaptureQueriesContext(connection) as queries:
        assert page.ask().status_code == 204
    assert len(queries) == 3, [each["sql"] for each in queries]


@pytest.mark.usefixtures("_followed")
@pytest.mark.parametrize("name", ["create", "history", "queue"])
def test_news_cost_as_many_queries_however_many_there_are(bobs: Client, ask: Ask, name: str) -> None:
    numbers = []
    for _ in range(3):
        every_state(ask)
        named = [str(pk) for pk in Generation.objects.values_list("pk", flat=True)]
        asked: dict[str, str | list[str]] = {"page": name, "own": "1", "queue": "team", "g": named}
        with CaptureQueriesContext(connection) as queries:
            assert bobs.get(CHANGES, asked, headers=HTMX).status_code == 200
        numbers.append(len(queries))
    assert max(numbers) <= 14


# The follower ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/account/"])
def test_an_open_page_wakes_the_follower_where_nobody_follows(bobs: Client, ask: Ask, path: str) -> None:
    settled(ask())
    page = Page(bobs, path)
    Lease.objects.all().delete()
    page.ask()
    lease = Lease.objects.get(name=queue.FOLLOWER)
    assert lease.nudged_at
    Lease.objects.update(nudged_at=None, expires_at=timezone.now() + timedelta(seconds=settings.FOLLOWER_LEASE))
    page.ask()
    assert not Lease.objects.filter(nudged_at__isnull=False).exists()


@pytest.mark.parametrize("wrong", [-timedelta(seconds=1), timedelta(days=1)])
def test_a_lease_that_has_ended_or_that_no_clock_can_have_written_is_not_believed(wrong: timedelta) -> None:
    now: datetime = timezone.now()
    assert not queue.held(now + wrong, now)
    assert not queue.held(None, now)
    assert queue.held(now + timedelta(seconds=1), now)


def test_the_news_of_a_generation_show_what_one_may_do_in_its_team(client: Client, victor: User, ask: Ask) -> None:
    generation = ask()
    accounts.ensure_membership(accounts.ensure_team("A team of his own"), victor, Role.ADMIN)
    sign_in(client, victor)
    page = client.get(f"/g/{generation.pk}/").content.decode()
    news = client.get("/changes/", {"page": "generation", "g": f"{generation.pk}.1.0"}).content.decode()
    assert "A vase" in news
    assert [text.count("/cancel/") for text in (page, news)] == [0, 0]


@pytest.mark.parametrize(("made", "every"), [(1, "250"), (20, "250"), (21, "500"), (60, "750"), (61, "0")])
def test_the_more_are_being_made_the_less_a_page_hurries(bobs: Client, ask: Ask, made: int, every: str) -> None:
    first = put(ask(), Status.RUNNING)
    alike = {each.attname: getattr(first, each.attname) for each in Generation._meta.concrete_fields}
    others = (Generation(**alike | {"id": uuid4(), "key": str(number)}) for number in range(made - 1))
    Generation.objects.bulk_create(others)
    assert f' data-hurry="{every}"' in bobs.get("/").content.decode()
