"""The queue: as a page, as the panel of every other page, and how much of it the bar tells."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from generations import queries
from generations.models import Credential, Generation, SendingPause, Status
from klingweb.accounts.models import User
from tests.accounts.conftest import words
from tests.cast import sign_in
from tests.road import Ask, finish
from tests.states import REFUSED, pause_key, put

pytestmark = pytest.mark.django_db

QUEUE = "/queue/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def bobs(client: Client, bob: User, credential: Credential) -> Client:
    return sign_in(client, bob)


def sections(client: Client, whose: str = "mine") -> dict[str, str]:
    """What each section says, by its heading."""
    page = client.get(QUEUE, {"queue": whose}).content.decode()
    found = re.findall(r"<section[^>]*><h3[^>]*>(.*?)</h3>(.*?)</section>", page, re.DOTALL)
    return {text(heading): text(rows) for heading, rows in found}


def text(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_each_stands_in_its_section_with_what_is_known_of_it(bobs: Client, ask: Ask) -> None:
    put(ask("A lost jug"), Status.UNCONFIRMED)
    put(ask("A vase"), Status.RUNNING, sent=14)
    coming = ask("A cup", n=2)
    finish(coming)
    put(coming, Status.COLLECTING, finished_at=None)
    ask("A bowl")
    ask("A plate")
    finish(ask("A jar", n=2), 2)
    now = timezone.now()
    put(ask("A face"), Status.FAILED, problem=REFUSED, finished_at=now)
    put(ask("A mistake"), Status.CANCELED, sent=None, finished_at=now)
    finish(ask("Of long ago"))
    Generation.objects.filter(prompt="Of long ago").update(finished_at=now - timedelta(minutes=11))
    found = sections(bobs)
    assert list(found) == ["Needs a decision 1", "Running 2", "Waiting 2", "Just finished 3"]
    decide, running, waiting, ended = found.values()
    assert "A lost jug Kling official, sent" in decide
    assert "Nobody knows whether it arrived. Decide" in decide
    assert "A vase 14 s , usually about 30 s" in running
    assert "A cup 1 of 2 here, bringing the rest home" in running
    assert "A bowl Next in line for Sandbox ••-key. Usually about 30 s Cancel" in waiting
    assert "A plate 2nd in line for Sandbox ••-key." in waiting
    assert f"A face Failed: {REFUSED}" in ended
    assert "A jar 2 pictures," in ended
    assert "A mistake Canceled," in ended
    assert "Of long ago" not in ended


def test_what_waits_for_a_paused_key_stands_apart(bobs: Client, ask: Ask, credential: Credential) -> None:
    pause_key(ask("A vase"))
    why = f"For Kling official, {credential}, which is paused."
    assert sections(bobs) == {"Waiting, a key is paused 1": f"A vase {why} Usually about 30 s Cancel"}


def test_while_sending_is_paused_nobody_stands_in_line(bobs: Client, ask: Ask) -> None:
    SendingPause.objects.create(team=ask("A vase").team)
    assert "Until an admin resumes sending." in sections(bobs)["Waiting 1"]


def test_the_teams_queue_names_everybody_and_mine_is_mine_alone(bobs: Client, ask: Ask, alice: User) -> None:
    ask("Hers", person=alice)
    ask("His")
    assert sections(bobs)["Waiting 1"].startswith("His 2nd in line")
    assert "Hers Alice: next in line" in sections(bobs, "team")["Waiting 2"]


def test_a_viewer_sees_the_teams_queue_and_can_cancel_nothing(client: Client, victor: User, ask: Ask) -> None:
    put(ask("Lost"), Status.UNCONFIRMED)
    ask("A vase")
    sign_in(client, victor)
    page = words(client.get(QUEUE))
    assert "A vase Bob: next in line" in page
    for word in ("Cancel", "Decide", "Mine"):
        assert word not in page


def test_a_stranger_sees_nothing_of_it(client: Client, charlie: User, ask: Ask) -> None:
    ask("A vase")
    assert "Nothing runs and nothing waits." in words(sign_in(client, charlie).get(QUEUE, {"queue": "team"}))


def test_a_queue_that_is_too_long_says_so(bobs: Client, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LONGEST_QUEUE", 2)
    for _ in range(3):
        ask()
    assert "Waiting 2" in sections(bobs)
    assert "There are more. History shows them all." in words(bobs.get(QUEUE))


def test_one_that_waits_is_canceled_from_its_row(bobs: Client, ask: Ask) -> None:
    waiting = ask("A vase")
    page = bobs.get(QUEUE).content.decode()
    assert f'<form method="post" action="/g/{waiting.pk}/cancel/"' in page
    bobs.post(f"/g/{waiting.pk}/cancel/")
    assert "Just finished 1" in sections(bobs)


def test_the_panel_is_the_same_list_and_makes_its_page_ask_for_it_too(bobs: Client, ask: Ask) -> None:
    ask("A vase")
    part = bobs.get(QUEUE, {"page": "history"}, headers=HTMX).content.decode()
    assert "<html" not in part
    assert "next in line for Sandbox" in text(part).replace("Next", "next")
    assert '<input type="hidden" name="queue" value="mine" data-live>' in part
    assert re.search(r'id="live" hx-swap-oob="true" hx-get="/changes/\?page=history', part)


def test_an_open_panel_hears_of_everything_in_it(bobs: Client, ask: Ask, alice: User) -> None:
    put(ask("Hers", person=alice), Status.RUNNING)
    since = {"since": str((timezone.now() - timedelta(seconds=9)).timestamp())}
    said = bobs.get("/changes/", since | {"page": "account", "queue": "team"}, headers=HTMX).content.decode()
    assert '<div id="queue-in" hx-swap-oob="innerHTML">' in said
    assert "Hers" in said
    assert 'id="live" hx-swap-oob="true" hx-get' in said  # although nothing of the person's own is under way
    Generation.objects.all().delete()
    said = bobs.get("/changes/", since | {"page": "account", "queue": "team"}, headers=HTMX).content.decode()
    assert "Nothing runs and nothing waits." in said
    assert 'hx-get="/changes/' not in said


@pytest.mark.parametrize("path", ["/", "/history/", "/account/", QUEUE])
def test_the_bar_of_every_page_says_how_much_runs_and_needs_one(bobs: Client, ask: Ask, alice: User, path: str) -> None:
    bar = re.compile(r'<span id="busy"[^>]*>(.*?)</button>', re.DOTALL)
    assert text(bar.findall(bobs.get(path).content.decode())[0]) == ""
    put(ask("Hers", person=alice), Status.RUNNING)
    ask()
    assert text(bar.findall(bobs.get(path).content.decode())[0]) == "1 waiting"
    for _ in range(2):
        put(ask(), Status.RUNNING)
        put(ask(), Status.UNCONFIRMED)
    page = bobs.get(path).content.decode()
    assert text(bar.findall(page)[0]) == "2 running 2 need you"
    assert "<title>(3) " in page
    assert text(re.findall(r'id="busy-tab">(.*?)</button>', page, re.DOTALL)[0]) == "2 running 2 need you"


def test_who_is_in_no_team_has_no_queue(client: Client, charlie: User) -> None:
    charlie.memberships.all().delete()
    page = sign_in(client, charlie).get("/account/")
    assert 'id="queue' not in page.content.decode()
    assert client.get(QUEUE).status_code == 403
