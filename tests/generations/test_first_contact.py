"""The first meeting with a provider, which is the sandbox here: free questions, one picture, and what differs."""

import json
import stat
from decimal import Decimal
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from generations import credentials, first_contact, follower
from generations.first_contact import NotNow
from generations.models import Credential, Generation, SendingPause, Status
from generations.pricing import Estimate
from generations.providers.exchange import FateUnknown
from generations.providers.kling import PROVIDER as KLING
from klingweb.accounts import services
from klingweb.accounts.models import Membership, Team, User
from klingweb.demo import SANDBOX_SECRETS
from tests.road import Ask
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)

MOST = {"kling": "0.5", "useapi": "unknown", "kkiai": "unknown", "apimodels": "unknown"}


@pytest.fixture(autouse=True)
def _hurry(settings: Settings, sandbox: str, alice: User) -> None:
    settings.PACE = 0.02


def key_of(team: Team, provider: str) -> Credential:
    made, _ = credentials.ensure(
        team=team, provider=provider, name="Sandbox", base_url="sandbox:", secrets=SANDBOX_SECRETS[provider], slots=9
    )
    return made


def meet(provider: str, most: str, *more: str) -> str:
    out = StringIO()
    call_command("first_contact", provider, "--credential", "Sandbox", "--max-cost", most, *more, stdout=out)
    return out.getvalue()


def recording(told: str) -> Path:
    return Path(told.rpartition("Written to ")[2].strip())


@pytest.mark.parametrize("provider", MOST)
def test_one_picture_is_made_and_all_of_it_written_down_without_secrets(halden: Team, provider: str) -> None:
    credential = key_of(halden, provider)
    told = meet(provider, MOST[provider], "--yes")
    generation = Generation.objects.get()
    assert generation.status == Status.SUCCEEDED, told
    assert (generation.asked, generation.person and generation.person.name) == (1, "Alice")
    assert "picture 1: image/" in told
    file = recording(told)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert all(secret not in text for secret in credential.secrets.values())
    assert "@example" not in text.replace("•••@•••", "")
    calls = {each["what"]: each for each in json.loads(text)["calls"]}
    assert {"the account", "one picture", "where it is"} <= set(calls)
    assert first_contact.PROMPT in json.dumps(calls["one picture"]["sent"])
    assert calls["where it is"]["unread"]
    assert not calls["where it is"]["words"]
    assert "unknown status words" not in told


def test_without_yes_nothing_is_paid(halden: Team) -> None:
    key_of(halden, "kling")
    told = meet("kling", "0.5")
    assert "The cheapest picture costs $0.014: text to image, " in told
    assert "Add --yes to make it." in told
    assert "the newest requests: HTTP 200" in told
    assert not Generation.objects.exists()


@pytest.mark.parametrize(
    ("provider", "most", "sentence"),
    [
        ("kling", "0.001", "That is more than 0.001."),
        ("kling", "unknown", "Say --max-cost 0.0"),
        ("kkiai", "5", "Nobody knows what the picture costs. Say --max-cost unknown."),
        ("apimodels", "5", "The picture costs 0.076 credits. Say --max-cost unknown."),
        ("kling", "much", "--max-cost is an amount"),
        ("kling", "NaN", "--max-cost is an amount"),
    ],
)
def test_what_may_cost_more_than_wanted_is_not_made(halden: Team, provider: str, most: str, sentence: str) -> None:
    key_of(halden, provider)
    with pytest.raises(CommandError, match=sentence):
        meet(provider, most, "--yes")
    assert not Generation.objects.exists()


def test_a_credential_has_to_be_named_without_doubt(halden: Team, charlie: User) -> None:
    with pytest.raises(CommandError, match="Add it with add_credential"):
        meet("kling", "1")
    key_of(halden, "kling")
    key_of(services.ensure_team("Charlie's Own"), "kling")
    with pytest.raises(CommandError, match="say which with --team"):
        meet("kling", "1")
    assert "Add --yes" in meet("kling", "1", "--team", "Halden Studio")


def test_nothing_is_sent_while_something_stands_in_its_way(halden: Team, ask: Ask, credential: Credential) -> None:
    def refused(sentence: str) -> None:
        with pytest.raises(CommandError, match=sentence):
            meet("kling", "1", "--yes")

    other = put(ask(), Status.RUNNING)
    refused("Something is under way with this key")
    put(other, Status.FAILED)
    Credential.objects.update(daily_pictures=0)
    refused("limit of 0 pictures a day")
    pause = SendingPause.objects.create(team=halden)
    refused("All sending of Halden Studio is paused")
    pause.delete()
    credentials.pause(credential, "The account has run out of credit.")
    refused("The key is paused: The account has run out of credit.")
    credentials.resume(credential)
    Credential.objects.update(daily_pictures=None)
    assert follower.take_lease("somebody else")
    refused("klingweb is running. Stop")


def test_a_lost_answer_is_left_to_the_follower_and_to_people(halden: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    key_of(halden, "kling")
    monkeypatch.setattr(first_contact, "PROMPT", "[lost-answer] a cup")
    told = meet("kling", "1", "--yes")
    assert Generation.objects.get().status == Status.UNCONFIRMED
    assert "one picture: no answer, read as FateUnknown" in told
    assert "somebody decides about it on its page" in told


def test_it_ends_when_somebody_else_follows_or_the_time_is_over(halden: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = first_contact.Meeting(key_of(halden, "kling"))
    turns = iter([True, True, False])
    monkeypatch.setattr(follower, "take_lease", lambda _token: next(turns))
    made = first_contact.make_one(meeting, first_contact.plan(meeting.credential))
    assert made.status == Status.RUNNING


def test_a_team_needs_an_admin_and_an_operation(halden: Team, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = key_of(halden, "kling")
    chosen = first_contact.plan(credential)
    chosen.values["prompt"] = ""
    with pytest.raises(NotNow, match="not accepted as planned"):
        first_contact.make_one(first_contact.Meeting(credential), chosen)
    monkeypatch.setattr(first_contact, "_asked", lambda _operation: iter(()))
    with pytest.raises(NotNow, match="with a prompt alone"):
        first_contact.plan(credential)
    Membership.objects.all().delete()
    with pytest.raises(NotNow, match="has no admin"):
        first_contact.plan(credential)


# What differs ---------------------------------------------------------------------------------------------------------


def test_what_is_not_read_and_what_is_not_declared_are_found() -> None:
    task = {"task_id": "77", "task_status": "Baked", "steps": [{"at": 1}, {"at": 2}], "extra": {}, "note": ["x"]}
    body = {"code": 0, "message": "ok", "data": task, "strange": {"steps": 7}}
    response = httpx.Response(200, json=body)
    unread = first_contact.unread_of(KLING, KLING.parse_query, response)
    assert set(unread) == {"strange.steps", "data.steps[].at", "data.extra", "data.note[]"}
    assert first_contact.unknown_words(KLING, [body]) == ("Baked",)
    assert first_contact.unread_of(KLING, KLING.parse_query, httpx.Response(200, text="<html>")) == ()
    assert first_contact.outcome(KLING.parse_query, FateUnknown("?")) == FateUnknown("?")


def test_the_cheapest_comes_first_and_what_nobody_knows_last() -> None:
    dear, cheap = Estimate(Decimal(1), "unit", Decimal(3)), Estimate(Decimal(9), "unit", Decimal(2))
    other = Estimate(Decimal("0.1"), "credit", None)
    assert sorted([None, other, dear, cheap], key=first_contact._price) == [cheap, dear, other, None]
