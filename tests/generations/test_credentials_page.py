"""Credentials as their pages say them and as what is done there works, through the public door."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoAssertNumQueries, Settings

from generations import credentials, dispatch, follower, tasks
from generations.models import Credential, Generation, Lease, SendingPause, Standing, Status
from generations.providers import client as line
from generations.providers.exchange import Reply
from generations.providers.registry import PROVIDERS
from generations.queue import FOLLOWER
from generations.services import following, keys, submission, unconfirmed
from klingweb.accounts import services
from klingweb.accounts.models import Role, Team, User
from tests.accounts.conftest import Answer, words
from tests.cast import sign_in
from tests.road import Ask, Follow, finish
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)

PAGE, ADD = "/credentials/", "/credentials/add/"
CANARY = "canary-4f1b-do-not-show-Zq7W"
SINGAPORE = "https://api-singapore.klingai.com"
NO_KEY = "Kling does not know this key. An admin has to check the key and its region."

Send = Callable[..., Answer]
Half = tuple[line.Call, Callable[[Reply], None]]


def form(**changed: str) -> dict[str, str]:
    typed = {
        "team": str(Team.objects.get(name="Halden Studio").pk),
        "provider": "kling",
        "name": "Studio",
        "way": "api_key",
        "api_key": "sandbox-key",
        "base_url": "sandbox:",
    }
    return typed | {"slots": "5", "daily_pictures": ""} | changed


def of(credential: Credential, verb: str = "") -> str:
    return f"{PAGE}{credential.pk}/{verb}{'/' if verb else ''}"


def html(response: Answer) -> str:
    return response.content.decode()


@pytest.fixture
def alices(client: Client, alice: User) -> Client:
    return sign_in(client, alice)


@pytest.fixture
def send(alices: Client) -> Send:
    """Alice posts to an address; what she reads on the page that follows."""
    return lambda path, **data: alices.post(path, data, follow=True)


@pytest.fixture(autouse=True)
def _tested_without_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "TEST_EVERY", timedelta(0))


@pytest.fixture
def atelier(alice: User) -> Team:
    """Another team of Alice's. The session begins in it, because it comes first by name."""
    made = services.ensure_team("Atelier")
    services.ensure_membership(made, alice, Role.ADMIN)
    return made


def switch(client: Client, team: Team) -> None:
    """In another tab."""
    client.post("/team/switch/", {"team": team.pk})


def team_of(page: str) -> str:
    """The team that the page's form is for."""
    return str(re.findall(r'type="hidden" name="team" value="(\d+)"', page)[0])


def fresh(credential: Credential) -> Credential:
    return Credential.objects.get(pk=credential.pk)


# Adding ---------------------------------------------------------------------------------------------------------------


def test_a_key_is_added_and_tested_at_once(send: Send, alice: User, halden: Team, sandbox: str) -> None:
    page = words(send(ADD, **form(daily_pictures="20")))
    assert "Added. Studio ••-key works. 100,000 units left in one pack, as of 12 hours ago." in page
    made = Credential.objects.get()
    assert (made.team, made.provider, made.name, made.base_url) == (halden, "kling", "Studio", "sandbox:")
    assert (made.slots, made.daily_pictures, made.created_by, made.changed_by) == (5, 20, alice, None)
    assert (made.standing, dict(made.secrets)) == (Standing.WORKING, {"api_key": "sandbox-key"})
    assert "1 key." in page
    assert "Alice" in page
    assert "0 of 20 pictures today" in page


def test_a_pair_signs_in_where_both_halves_are_there(send: Send, sandbox: str) -> None:
    pair = {"way": "access_key", "access_key": "sandbox-access", "secret_key": "sandbox-secret"}
    assert "Studio ••cess works." in words(send(ADD, **form(**pair)))
    assert set(Credential.objects.get().secrets) == {"access_key", "secret_key"}  # what the other way holds is not kept


def test_what_goes_with_both_ways_to_sign_in_is_asked_once_and_may_be_left_empty(
    send: Send, alices: Client, sandbox: str
) -> None:
    assert html(alices.get(ADD)).count('name="webhook_secret"') == 1
    send(ADD, **form(webhook_secret="whsec_MfKQ"))
    assert dict(Credential.objects.get().secrets) == {"api_key": "sandbox-key", "webhook_secret": "whsec_MfKQ"}
    pair = {"way": "access_key", "access_key": "sandbox-access", "secret_key": "sandbox-secret"}
    send(of(Credential.objects.get(), "replace"), base_url="sandbox:", webhook_secret="whsec_9r8G", **pair)
    assert dict(Credential.objects.get().secrets)["webhook_secret"] == "whsec_9r8G"


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"name": " "}, "name", "Enter a name."),
        ({"name": "x" * 81}, "name", "at most 80 characters"),
        ({"api_key": " "}, "api_key", "Enter it."),
        ({"api_key": "sk-… copied badly"}, "api_key", "No key has such characters or spaces inside."),
        ({"api_key": "x" * 2001}, "api_key", "at most 2000 characters"),
        (
            {"webhook_secret": "whsec-1"},
            "webhook_secret",
            "A webhook secret is whsec_ and letters and digits behind it.",
        ),
        ({"slots": "40000"}, "slots", "less than or equal to 1000"),
        (
            {"way": "access_key", "access_key": "half"},
            "secret_key",
            "Secret key is missing. The pair works only together.",
        ),
        (
            {"way": "access_key", "secret_key": "half"},
            "access_key",
            "Access key is missing. The pair works only together.",
        ),
        ({"way": "password"}, "way", "Choose one of these."),
        ({"base_url": "https://example.com"}, "base_url", "Choose one of these."),
        ({"base_url": "other"}, "address", "Kling official is not at that address."),
        ({"base_url": "other", "address": "https://example.com"}, "address", "Kling official is not at that address."),
        ({"base_url": "other", "address": "http://host:port"}, "address", "The base URL is not an address."),
        ({"base_url": "other", "address": "sandbox:"}, "address", "The sandbox stands in the list above"),
        ({"base_url": "other", "address": "https://" + "x" * 300}, "address", "at most 300 characters"),
        ({"slots": "0"}, "slots", "greater than or equal to 1"),
        ({"slots": ""}, "slots", "Enter a number."),
        ({"daily_pictures": "0"}, "daily_pictures", "greater than or equal to 1"),
        ({"daily_pictures": "many"}, "daily_pictures", "Enter a whole number."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_only_secrets_are_typed_again(
    alices: Client, halden: Team, typed: dict[str, str], field: str, sentence: str
) -> None:
    response = alices.post(ADD, form(**{"api_key": CANARY, "slots": "7"} | typed))
    assert response.status_code == 422
    page = html(response)
    said = re.search(rf'name="{field}".*?<p class="error"[^>]*>([^<]*)', page, re.DOTALL)
    assert said
    assert sentence in said[1]
    assert CANARY not in page
    assert typed.get("api_key", CANARY).strip() not in page or not typed.get("api_key", "x").strip()
    assert "What is secret is never sent back to this page" in page
    if field != "slots":
        assert 'value="7"' in page
    assert page.count("autofocus") == (field not in ("way", "base_url"))
    assert not Credential.objects.exists()


def test_a_trusted_address_may_be_given_by_hand(send: Send, halden: Team, settings: Settings) -> None:
    settings.TRUSTED_PROVIDER_HOSTS = frozenset({"127.0.0.1:9"})
    send(ADD, **form(base_url="other", address="http://127.0.0.1:9/kling/"))
    made = Credential.objects.get()
    assert (made.base_url, made.standing) == ("http://127.0.0.1:9/kling", Standing.SILENT)


def test_the_sandbox_is_offered_only_while_it_is_on(alices: Client, settings: Settings) -> None:
    assert "Sandbox: draws test pictures" in html(alices.get(ADD))
    settings.SANDBOX = "off"
    assert "Sandbox" not in html(alices.get(ADD))
    assert alices.post(ADD, form()).status_code == 422


def test_a_name_is_taken_once_and_free_again_after_removal(
    send: Send, alices: Client, alice: User, sandbox: str
) -> None:
    send(ADD, **form())
    assert "Another credential of this provider has that name." in words(alices.post(ADD, form()))
    send(of(Credential.objects.get(), "remove"))
    send(ADD, **form())
    assert Credential.objects.filter(name="Studio").count() == 2
    assert "1 key." in words(alices.get(PAGE))


def test_the_provider_is_chosen_first_where_there_are_several(alices: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        PROVIDERS, "relay", replace(PROVIDERS["kling"], slug="relay", label="Relay", slot_unit="requests")
    )
    assert 'href="?provider=relay"' in html(alices.get(ADD))
    page = words(alices.get(f"{ADD}?provider=relay"))
    assert "Requests at once Relay counts requests, not pictures." in page
    alices.post(ADD, form(provider="relay", base_url=SINGAPORE, api_key="x"))
    assert alices.get(f"{ADD}?provider=nobody").status_code == 404


def test_a_key_never_lands_in_a_team_that_another_tab_has_chosen(
    send: Send, alices: Client, atelier: Team, halden: Team, sandbox: str
) -> None:
    switch(alices, halden)
    typed = form(name="Client", api_key=CANARY, slots="7", team=team_of(html(alices.get(ADD))))
    switch(alices, atelier)
    refused = alices.post(ADD, typed)
    assert refused.status_code == 422
    assert not Credential.objects.exists()
    assert "opened in another team, so nothing was done. You work in Atelier now: send it again" in words(refused)
    page = html(refused)
    assert 'value="Client"' in page
    assert 'value="7"' in page
    assert CANARY not in page
    send(ADD, **form(team=team_of(page)))
    assert Credential.objects.get().team == atelier
    del typed["team"]
    assert alices.post(ADD, typed).status_code == 422


# Testing --------------------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_in_the_providers_words_and_paused_once(
    send: Send, alices: Client, credential: Credential, sandbox: str
) -> None:
    send(of(credential, "replace"), way="api_key", api_key=CANARY, base_url="sandbox:")
    page = words(alices.get(PAGE))
    assert NO_KEY in page
    assert "What Kling official said 1002 api key not found" in page
    assert "Paused by itself" in page
    row = fresh(credential)
    assert (row.standing, row.tested_ok, row.paused_reason, row.paused_by) == (Standing.PAUSED, False, NO_KEY, None)
    credentials.resume(credential)
    credentials.pause(fresh(credential), "an earlier reason")
    send(of(credential, "test"))
    assert fresh(credential).paused_reason == "an earlier reason"


def test_a_success_says_what_is_left_and_resumes_nothing(send: Send, credential: Credential, sandbox: str) -> None:
    credentials.pause(credential, "out of credit")
    said = words(send(of(credential, "test")))
    assert "Sandbox ••-key works. 100,000 units left" in said
    assert "It is still paused: resume it below." in said
    assert fresh(credential).standing == Standing.PAUSED


def test_nobody_asks_twice_within_a_moment(
    send: Send, credential: Credential, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "TEST_EVERY", timedelta(minutes=1))
    send(of(credential, "test"))
    tested = fresh(credential).tested_at
    assert "was tested a moment ago" in words(send(of(credential, "test")))
    assert "was tested a moment ago" not in words(send(of(credential, "resume"), test="1"))
    assert fresh(credential).tested_at == tested


def test_where_nobody_answers_nothing_is_known_and_nothing_is_paused(send: Send, credential: Credential) -> None:
    page = words(send(of(credential, "test")))
    assert "Kling official does not answer. Nobody answers at this address." in page
    assert "Whether the key works is not known. It is still used." in page
    assert fresh(credential).standing == Standing.SILENT


def test_a_key_that_cannot_be_opened_is_paused(send: Send, credential: Credential, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert "An admin has to enter the secrets again." in words(send(of(credential, "test")))
    assert fresh(credential).standing == Standing.PAUSED


@pytest.mark.parametrize(
    ("status", "code", "ok", "problem"),
    [
        (429, 1302, None, "Kling official could not say. Test again in a minute."),
        (500, 5000, None, "Kling official could not say. Test again in a minute."),
        (400, 1200, False, "Kling official refused the test."),
    ],
)
def test_what_says_nothing_about_the_account_pauses_nothing(
    credential: Credential, status: int, code: int, ok: bool | None, problem: str
) -> None:
    answer = httpx.Response(status, json={"code": code, "message": "no, sandbox-key"})
    assert keys._judge(PROVIDERS["kling"], credential, answer) == keys.Verdict(
        ok, problem=problem, details=f"{code} no, •••"
    )


def test_a_refused_key_that_is_not_paused_stands_open(alices: Client, credential: Credential) -> None:
    Credential.objects.update(
        tested_at=timezone.now(), tested_ok=False, test_problem="Kling official refused the test."
    )
    page = words(alices.get(PAGE))
    assert "Kling official refused the test. That was the answer to the last test. It is still used" in page


def test_a_result_for_a_key_that_was_replaced_meanwhile_is_dropped(
    credential: Credential, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced(*_: object) -> keys.Verdict:
        keys.replace(credential, alice, credentials.Key({"api_key": "another-one"}, SINGAPORE))
        return keys.Verdict(False, problem=NO_KEY, pauses=True)

    monkeypatch.setattr(keys, "_ask", replaced)
    assert keys.test(credential)
    assert fresh(credential).standing == Standing.UNTESTED


def poll(generation: Generation) -> Half:
    return following.begin(put(generation, Status.RUNNING)), partial(following.finish, generation)


def look_up(generation: Generation) -> Half:
    return unconfirmed.begin(put(generation, Status.UNCONFIRMED)), partial(unconfirmed.finish, generation)


def submit(generation: Generation) -> Half:
    call = submission.begin(put(generation, Status.QUEUED, sent=None), "turn")
    assert call
    return call, partial(submission.finish, generation.pk, "turn")


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("begin", [poll, look_up, submit])
def test_an_answer_to_an_old_key_pauses_nothing_once_that_is_replaced(
    alice: User, ask: Ask, credential: Credential, sandbox: str, begin: Callable[[Generation], Half], replaced: bool
) -> None:
    Credential.objects.update(secrets={"api_key": "wrong"}, changed_at=timezone.now() - timedelta(hours=1))
    call, finish_with = begin(ask())
    reply = line.shared().send(call).result()
    if replaced:
        keys.replace(fresh(credential), alice, credentials.Key({"api_key": "sandbox-key"}, credentials.SANDBOX))
    finish_with(reply)
    assert fresh(credential).paused_reason == ("" if replaced else NO_KEY)


# Changing -------------------------------------------------------------------------------------------------------------


def test_name_and_limits_change_without_the_secret(
    send: Send, alices: Client, alice: User, credential: Credential
) -> None:
    page = html(alices.get(of(credential)))
    assert 'value="Sandbox"' in page
    assert "api_key" not in page
    send(of(credential), name="Client", slots="3", daily_pictures="12")
    row = fresh(credential)
    assert (row.name, row.slots, row.daily_pictures, row.changed_by) == ("Client", 3, 12, alice)
    assert row.secrets == {"api_key": "sandbox-key"}
    send(ADD, **form())
    taken = alices.post(of(credential), {"name": "Studio", "slots": "3"})
    assert taken.status_code == 422
    assert "has that name" in words(taken)


def test_replacing_warns_of_what_is_under_way_and_forgets_the_old_key(
    send: Send, alices: Client, alice: User, credential: Credential, ask: Ask, sandbox: str
) -> None:
    assert "Nothing sent with the old key is under way." in words(alices.get(of(credential, "replace")))
    put(ask(), Status.RUNNING)
    put(ask(), Status.UNCONFIRMED)
    page = words(alices.get(of(credential, "replace")))
    assert "2 generations sent with the old key are still under way." in page
    assert "With a key of another account their pictures cannot be brought home" in page
    pair = {"way": "access_key", "access_key": "sandbox-access", "secret_key": "sandbox-secret"}
    assert "Replaced. Sandbox ••cess works." in words(send(of(credential, "replace"), base_url="sandbox:", **pair))
    row = fresh(credential)
    assert (set(row.secrets), row.last_four, row.changed_by) == ({"access_key", "secret_key"}, "cess", alice)
    assert row.changed_at


def test_the_replacing_form_opens_with_the_address_in_use(
    alices: Client, credential: Credential, settings: Settings
) -> None:
    assert '<option value="sandbox:" selected>' in html(alices.get(of(credential, "replace")))
    Credential.objects.update(base_url="http://127.0.0.1:9/kling")
    page = html(alices.get(of(credential, "replace")))
    assert '<option value="other" selected>' in page
    assert 'value="http://127.0.0.1:9/kling"' in page


def test_a_person_pauses_with_a_reason_and_resumes(
    send: Send, alices: Client, alice: User, credential: Credential, ask: Ask
) -> None:
    waiting = ask()
    assert "Say why" in words(alices.post(of(credential, "pause"), {"reason": " "}))
    send(of(credential, "pause"), reason="The client is on holiday.")
    row = fresh(credential)
    assert (row.paused_reason, row.paused_by) == ("The client is on holiday.", alice)
    page = words(alices.get(PAGE))
    assert "The client is on holiday. Paused by Alice," in page
    assert "1 generation waits and goes on when you resume." in page
    shown = Generation.objects.get(pk=waiting.pk).changed
    assert shown > waiting.changed  # so that open pages show it
    send(of(credential, "resume"))
    assert fresh(credential).paused_at is None
    assert Generation.objects.get(pk=waiting.pk).changed > shown


def test_test_and_resume_resumes_only_what_works(send: Send, credential: Credential, sandbox: str) -> None:
    Credential.objects.update(secrets={"api_key": "wrong"}, paused_at=timezone.now(), paused_reason="Refused.")
    send(of(credential, "resume"), test="1")
    assert fresh(credential).paused_at
    Credential.objects.update(secrets={"api_key": "sandbox-key"})
    assert "is resumed. What waited for it goes on." in words(send(of(credential, "resume"), test="1"))
    assert not fresh(credential).paused_at


# Removing -------------------------------------------------------------------------------------------------------------


def test_removing_ends_what_waits_and_keeps_the_secret_until_the_last_has_ended(
    send: Send, alices: Client, alice: User, credential: Credential, ask: Ask, follow: Follow
) -> None:
    sent = follow(ask("sent"), frozenset({Status.RUNNING}))
    waiting, resent = ask("waiting"), put(ask("resent"), Status.QUEUED, doubts=1)
    page = words(alices.get(of(credential, "remove")))
    assert "2 generations that wait for it fail; nothing is charged for them." in page
    assert "1 generation under way is followed to the end." in page
    assert "Sandbox ••-key is removed." in words(send(of(credential, "remove")))

    waiting.refresh_from_db()
    resent.refresh_from_db()
    assert waiting.status == resent.status == Status.FAILED
    assert waiting.problem == "The key Sandbox ••-key was removed before this was sent. Nothing was charged."
    assert "Whether its first request was charged is not known." in resent.problem
    row = fresh(credential)
    assert (row.removed_at is not None, row.changed_by, row.erased_at) == (True, alice, None)
    assert "There is none yet." in words(alices.get(PAGE))
    assert alices.get(of(credential)).status_code == 404
    assert "key" in words(alices.get("/"))
    tasks.sweep()
    assert fresh(credential).secrets == {"api_key": "sandbox-key"}

    assert follow(sent).status == Status.SUCCEEDED
    tasks.sweep()
    assert fresh(credential).secrets == {}
    assert fresh(credential).erased_at
    assert "Sandbox ••-key" in words(alices.get(f"/g/{sent.pk}/"))


def test_the_secret_stays_while_the_fate_of_a_request_is_unknown(
    alice: User, send: Send, credential: Credential, ask: Ask
) -> None:
    lost = put(ask(), Status.UNCONFIRMED, doubts=1)
    send(of(credential, "remove"))
    assert fresh(credential).secrets
    unconfirmed.give_up(lost, alice)
    keys.settle_removed()
    lost.refresh_from_db()
    assert not fresh(credential).secrets
    with pytest.raises(unconfirmed.CannotTell, match="Its key has been removed"):
        unconfirmed.it_was_made(lost, "task-1", alice)


def test_what_slipped_in_behind_a_removal_is_not_sent(credential: Credential, ask: Ask) -> None:
    late = ask()
    Credential.objects.update(removed_at=timezone.now())
    assert dispatch.next_for(fresh(credential), timezone.now()) is None
    tasks.sweep()
    late.refresh_from_db()
    assert late.status == Status.FAILED


# The daily limit ------------------------------------------------------------------------------------------------------


def test_no_more_pictures_are_sent_a_day_than_allowed(ask: Ask, credential: Credential) -> None:
    Credential.objects.update(daily_pictures=6)
    limited = fresh(credential)
    put(ask("of yesterday", n=9), Status.SUCCEEDED, sent=25 * 3600)
    put(ask("of today", n=3), Status.FAILED, sent=0)
    put(ask("came back", n=2), Status.QUEUED, sent=0)  # and is not due
    ask("too many", n=4)
    assert dispatch.sent_today(limited, timezone.now()) == 3
    assert dispatch.next_for(limited, timezone.now()) is None
    small = ask("few enough", n=3)
    assert dispatch.next_for(limited, timezone.now()) == small
    put(small, Status.RUNNING, sent=0)
    now = timezone.now()
    assert dispatch.next_for(limited, now) is None
    assert dispatch.loads(credential.team, now) == {
        credential.pk: dispatch.Load(slots=3, queued=2, followed=1, today=6)
    }
    put(small, Status.SUCCEEDED, sent=0)
    assert dispatch.next_for(limited, dispatch.next_day(now)) is not None


def test_a_card_says_what_it_waits_for(
    client: Client, ask: Ask, credential: Credential, bob: User, alice: User
) -> None:
    sign_in(client, bob)
    put(ask("sent", n=2), Status.SUCCEEDED, sent=0)
    waiting, _ = ask("waiting", n=2), ask("waiting too", n=2)
    assert "Waiting next in line for Sandbox ••-key" in words(client.get("/"))
    Credential.objects.update(daily_pictures=3)
    assert re.search(r"Waiting until \d+ \w+ 00:00 : Sandbox ••-key may send only 1 more today", words(client.get("/")))
    Credential.objects.update(daily_pictures=2)
    assert "Sandbox ••-key may send no more today" in words(client.get("/"))
    Credential.objects.update(daily_pictures=1)
    assert "Waiting in vain: Sandbox ••-key may send 1 a day at most." in words(client.get("/"))
    credentials.pause_team(credential.team, alice)
    assert "Waiting until an admin resumes sending" in words(client.get("/"))
    credentials.pause(credential, "out of credit")
    assert "Waiting for Kling official, Sandbox ••-key, which is paused" in words(client.get(f"/g/{waiting.pk}/"))


def test_the_page_says_that_the_day_is_used_up(alices: Client, ask: Ask, credential: Credential) -> None:
    Credential.objects.update(daily_pictures=2, slots=40)
    put(ask("sent", n=2), Status.RUNNING, sent=0)
    ask("waiting")
    page = words(alices.get(PAGE))
    assert "2 of 2 pictures today" in page
    assert "2 of 40" in page
    assert "Its 2 pictures of today are sent. 1 generation waits until" in page


# All sending, and what every page says --------------------------------------------------------------------------------


def test_an_admin_pauses_all_sending_and_resumes_it(
    send: Send, client: Client, alice: User, bob: User, credential: Credential, ask: Ask
) -> None:
    ask()
    page = words(send(f"{PAGE}sending/", pause="1", team=credential.team_id))
    assert "All sending is paused. By Alice," in page
    assert "1 generation waits and goes on when you resume." in page
    assert SendingPause.objects.get().by == alice
    assert "Sending is paused by Alice since" in words(sign_in(client, bob).get("/history/"))
    sign_in(client, alice)
    assert "Sending is paused" not in words(send(f"{PAGE}sending/", resume="1", team=credential.team_id))
    assert not SendingPause.objects.exists()


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_sending_is_paused_and_resumed_only_for_the_team_that_was_looked_at(
    send: Send, alices: Client, alice: User, atelier: Team, credential: Credential, verb: str
) -> None:
    credentials.ensure(team=atelier, provider="kling", name="Theirs", secrets={"api_key": "x"})
    if verb == "resume":
        for team in (atelier, credential.team):
            credentials.pause_team(team, alice)
    before = SendingPause.objects.count()
    switch(alices, credential.team)
    looked_at = team_of(html(alices.get(PAGE)))
    switch(alices, atelier)
    page = send(f"{PAGE}sending/", **{verb: "1", "team": looked_at})
    assert "opened in another team, so nothing was done." in words(page)
    assert SendingPause.objects.count() == before
    send(f"{PAGE}sending/", **{verb: "1", "team": team_of(html(page))})
    assert SendingPause.objects.filter(team=atelier).exists() == (verb == "pause")
    assert SendingPause.objects.filter(team=credential.team).exists() == (verb == "resume")


def test_admins_read_the_reason_of_a_pause_and_others_that_it_is_known(
    client: Client, alice: User, bob: User, victor: User, credential: Credential
) -> None:
    credentials.pause(credential, "The bill of 4,000 is open.")
    known = "Kling official, Sandbox ••-key is paused."
    assert f"{known} The bill of 4,000 is open. Credentials" in words(sign_in(client, alice).get("/history/"))
    for person in (bob, victor):
        page = words(sign_in(client, person).get("/history/"))
        assert f"{known} An admin has been told." in page
        assert "4,000" not in page


def test_a_page_says_that_nothing_is_sending_while_something_waits(
    client: Client, alice: User, bob: User, ask: Ask, credential: Credential
) -> None:
    now = timezone.now()
    Lease.objects.update_or_create(name=FOLLOWER, defaults={"expires_at": now - timedelta(seconds=30)})
    assert "Nothing is sending" not in words(sign_in(client, bob).get("/history/"))
    waiting = ask()
    Lease.objects.update(expires_at=now - timedelta(seconds=30))
    assert "Nothing is sending: the background work has stood still since" in words(client.get("/history/"))
    assert "manage.py serve" in words(sign_in(client, alice).get("/history/"))
    Lease.objects.update(expires_at=now - timedelta(seconds=5))
    assert "Nothing is sending" not in words(client.get("/history/"))
    finish(waiting)
    Lease.objects.update(expires_at=now - timedelta(seconds=30))
    assert "Nothing is sending" not in words(client.get("/history/"))


def test_everybody_reads_that_there_is_no_room_and_admins_where(
    client: Client, alice: User, bob: User, credential: Credential, settings: Settings
) -> None:
    settings.FREE_SPACE = 2**60
    assert "Nothing is sent. There is no room for new pictures." in words(sign_in(client, bob).get("/history/"))
    assert str(settings.DATA_DIR) not in html(client.get("/history/"))
    assert "GB are free in the data directory" in words(sign_in(client, alice).get("/history/"))


def test_notices_cost_no_more_with_more_credentials_and_nothing_for_anonymous_people(
    client: Client, alice: User, halden: Team, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        client.get("/accounts/login/")
    sign_in(client, alice)
    numbers = []
    for number in range(3):
        made, _ = credentials.ensure(team=halden, provider="kling", name=f"Key {number}", secrets={"api_key": "x"})
        credentials.pause(made, "because")
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        numbers.append(len(queries))
    assert len(set(numbers)) == 1
    assert numbers[0] <= 10


def test_only_admins_find_the_way_to_credentials(
    client: Client, alice: User, bob: User, credential: Credential
) -> None:
    assert html(sign_in(client, alice).get("/")).count('href="/credentials/"') == 2
    assert 'href="/credentials/"' not in html(sign_in(client, bob).get("/"))
    assert "Only admins of Halden Studio can see and change its credentials." in words(client.get(PAGE))


def test_what_is_not_there_is_not_found(alices: Client, credential: Credential) -> None:
    assert alices.get(f"{PAGE}{10**30}/").status_code == 404
    Credential.objects.update(provider="gone")
    assert alices.get(of(credential)).status_code == 404
    assert "There is none yet." in words(alices.get(PAGE))


# Secrets --------------------------------------------------------------------------------------------------------------


def test_a_secret_shows_nowhere(
    client: Client,
    alice: User,
    bob: User,
    victor: User,
    charlie: User,
    sandbox: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    ask: Ask,
) -> None:
    caplog.set_level(logging.DEBUG)
    halves = [f"{CANARY}-{half}" for half in ("access", "secret")]
    pair = {"way": "access_key", "access_key": halves[0], "secret_key": halves[1]}
    seen: list[str] = []

    def keep(response: Any) -> None:
        seen.append(f"{response.headers}{response.cookies}{html(response)}")

    sign_in(client, alice)
    keep(client.post(ADD, form(api_key=CANARY), follow=True))
    made = Credential.objects.get(name="Studio")
    keep(client.post(ADD, form(api_key=CANARY), follow=True))  # the name is taken
    keep(client.post(of(made, "replace"), {"base_url": "sandbox:", "way": "access_key", "access_key": halves[0]}))
    keep(client.post(of(made, "replace"), {"base_url": "sandbox:", **pair}, follow=True))
    keep(client.post(of(made, "test"), follow=True))
    keep(client.post(of(made, "resume"), follow=True))
    generation = ask("A vase", credential=made.pk)
    follower.Turn(30).run(until=lambda: fresh(made).paused_at is not None)
    pages = ["/", "/history/", "/changes/", "/account/", f"/g/{generation.pk}/", PAGE, ADD]
    pages += [of(made, verb) for verb in ("", "replace", "pause", "remove")]
    for person in (None, alice, bob, victor, charlie):
        client.logout()
        if person:
            sign_in(client, person)
        for path in pages:
            keep(client.get(path))
    call_command("dumpdata")
    told = [*seen, caplog.text, *(str(vars(record)) for record in caplog.records), *capsys.readouterr()]
    told += [str(each.task) for each in OrmQ.objects.all()]
    assert fresh(made).secrets["access_key"] == halves[0]
    assert [text for text in told if CANARY in text] == []
    if connection.vendor == "sqlite":
        file = Path(connection.settings_dict["NAME"])
        stored = [each.read_bytes() for each in file.parent.glob(f"{file.name}*")]
        assert stored
        assert not any(CANARY.encode() in each for each in stored)
