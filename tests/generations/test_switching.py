"""Whichever has a free slot: a credential that was left open is chosen by klingweb, and again while that waits."""

import io
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image as Pillow

from generations import assets, credentials, dispatch
from generations.catalogue import offers
from generations.lifecycle import switch
from generations.models import AssetCopy, Charge, Credential, Generation, Status
from generations.providers import errors
from generations.providers.exchange import NotSent
from generations.providers.fields import PictureBounds
from generations.services import asking, keys, readying, submission, switching
from klingweb.accounts.models import Membership, Team, User
from klingweb.demo import SANDBOX_SECRETS
from tests.cast import sign_in
from tests.road import Follow, messages

pytestmark = pytest.mark.django_db(transaction=True)

AskOpen = Callable[..., Generation]
FORM = {"provider": "kling", "operation": "text-to-image", "was": "kling/text-to-image", "prompt": "A vase"}


def key(team: Team, name: str, provider: str = "kling", slots: int = 9) -> Credential:
    made, _ = credentials.ensure(
        team=team, provider=provider, name=name, base_url="sandbox:", secrets=SANDBOX_SECRETS[provider], slots=slots
    )
    return made


@pytest.fixture
def studio(halden: Team) -> Credential:
    return key(halden, "Studio", slots=2)


@pytest.fixture
def spare(studio: Credential, halden: Team) -> Credential:
    return key(halden, "Spare", slots=2)


@pytest.fixture
def ask_open(alice: User, bob: User, studio: Credential, spare: Credential) -> AskOpen:
    """Ask with the credential left open: `ask_open("A vase", n=2)`; with `credential`, for that one."""
    count = iter(range(1000))

    def asked(
        prompt: str = "A vase", person: User = bob, credential: Credential | None = None, form: str = "", **raw: object
    ) -> Generation:
        member = Membership.objects.select_related("team", "user").get(user=person)
        provider = credential.provider if credential else str(raw.pop("provider", "kling"))
        offer = next(each for each in offers(member.team) if each.provider.slug == provider)
        texts = {"prompt": prompt} | {name: str(value) for name, value in raw.items()}
        operation = offer.operation(texts.pop("operation", ""))
        made = asking.ask(member, offer, operation, credential, texts, form or f"form {next(count)}")
        assert made.generation, made.errors
        return made.generation

    return asked


@pytest.fixture
def with_picture(ask_open: AskOpen, halden: Team, bob: User) -> Generation:
    """One that uses a reference, with the credential left open."""
    content = io.BytesIO()
    Pillow.new("RGB", (400, 300), "teal").save(content, "PNG")
    asset = assets.keep(halden, bob, io.BytesIO(content.getvalue()), "teal.png", PictureBounds())
    return ask_open(operation="image-to-image", image=asset.pk)


def queries_of_a_step() -> int:
    with CaptureQueriesContext(connection) as captured:
        switching.spread(timezone.now())
    return len(captured)


def fresh(generation: Generation) -> Generation:
    return Generation.objects.select_related("credential").get(pk=generation.pk)


def send(credential: Credential) -> list[str]:
    """What leaves with this credential in one step of the follower."""
    switching.spread(timezone.now())
    now, left = timezone.now(), []
    while chosen := dispatch.next_for(Credential.objects.get(pk=credential.pk), now):
        assert submission.begin(chosen, "turn")
        left.append(chosen.prompt)
    return left


def fill(credential: Credential, ask_open: AskOpen, count: int = 2) -> None:
    """Take so many of its slots."""
    made = [ask_open(f"before {number}", credential=credential) for number in range(count)]
    Generation.objects.filter(pk__in=[each.pk for each in made]).update(
        status=Status.RUNNING, submitted_at=timezone.now()
    )


# Asking ---------------------------------------------------------------------------------------------------------------


def test_with_one_key_there_is_nothing_to_choose(client: Client, bob: User, studio: Credential) -> None:
    page = sign_in(client, bob).get("/").content.decode()
    assert "Whichever has a free slot" not in page
    client.post("/", FORM | {"credential": "", "key": "k"})
    generation = Generation.objects.get()
    assert (generation.credential, generation.open_credential) == (studio, False)


def test_the_key_may_be_left_open_from_the_form_to_the_pictures(
    client: Client, bob: User, studio: Credential, spare: Credential, follow: Follow
) -> None:
    page = sign_in(client, bob).get("/").content.decode()
    assert '<option value="" selected>Whichever has a free slot</option>' in page
    client.post("/", FORM | {"credential": "", "key": "k"})
    generation = follow(Generation.objects.get())
    assert (generation.status, generation.open_credential) == (Status.SUCCEEDED, True)
    shown = f"{generation.credential} · chosen by free slot"
    assert shown in client.get(f"/g/{generation.pk}/").content.decode()
    assert shown in client.get("/").content.decode()


def test_a_form_that_names_no_key_at_all_leaves_it_open(
    client: Client, bob: User, studio: Credential, spare: Credential
) -> None:
    sign_in(client, bob).post("/", FORM | {"key": "k"})
    assert Generation.objects.get().open_credential


def test_a_chosen_key_is_used_and_stays(client: Client, bob: User, studio: Credential, spare: Credential) -> None:
    sign_in(client, bob).post("/", FORM | {"credential": str(spare.pk), "key": "k"})
    credentials.pause(spare, "Out of credit.")
    switching.spread(timezone.now())
    generation = Generation.objects.get()
    assert (generation.credential, generation.open_credential) == (spare, False)
    assert "chosen by free slot" not in client.get("/").content.decode()


def test_the_choice_comes_back_with_the_form_its_settings_and_another_attempt(
    client: Client, bob: User, ask_open: AskOpen
) -> None:
    sign_in(client, bob)
    left_open = '<option value="" selected>Whichever has a free slot</option>'
    refreshed = client.post("/", FORM | {"credential": "", "refresh": "1"}, headers={"hx-request": "true"})
    assert left_open in refreshed.content.decode()
    generation = ask_open()
    assert left_open in client.get(f"/?settings={generation.pk}").content.decode()
    client.post(f"/g/{generation.pk}/cancel/")
    client.post(f"/g/{generation.pk}/retry/")
    assert Generation.objects.get(retry_of=generation).open_credential


def test_the_same_form_sent_twice_asks_once_whichever_key_is_free_by_then(ask_open: AskOpen) -> None:
    first = ask_open(form="one")
    credentials.pause(first.credential, "Out of credit.")
    assert ask_open(form="one") == first
    assert Generation.objects.count() == 1


def test_a_free_slot_counts_first_then_whose_turn_was_longest_ago(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    assert [ask_open().credential for _ in range(4)] == [studio, spare, studio, spare]
    Generation.objects.filter(credential=studio).update(status=Status.COLLECTING)
    assert [ask_open().credential for _ in range(2)] == [studio, studio]


def test_neither_a_paused_key_nor_one_at_its_daily_limit_is_chosen(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    credentials.pause(studio, "Out of credit.")
    assert ask_open().credential == spare
    credentials.resume(studio)
    Credential.objects.filter(pk=studio.pk).update(daily_pictures=3)
    assert ask_open(n=4).credential == spare
    assert ask_open(n=3).credential == studio


def test_where_no_key_can_send_it_waits_for_one(ask_open: AskOpen, studio: Credential, spare: Credential) -> None:
    for each in (studio, spare):
        credentials.pause(each, "Out of credit.")
    generation = ask_open()
    switching.spread(timezone.now())
    assert fresh(generation).credential == studio
    credentials.resume(spare)
    assert send(spare) == ["A vase"]


def test_an_account_belongs_to_a_key(halden: Team, bob: User, studio: Credential) -> None:
    relay = key(halden, "Relay", "useapi")
    key(halden, "Other relay", "useapi")
    relay.accounts.create(name="a@example.com", slots=3)
    member = Membership.objects.select_related("team", "user").get(user=bob)
    offer = next(each for each in offers(halden) if each.provider.slug == "useapi")
    raw = {"prompt": "A vase", "email": "a@example.com"}
    asked = asking.ask(member, offer, offer.operation("kolors"), None, raw, "form")
    assert asked.errors == {"email": "An account belongs to one key. Choose that key too, or the free account."}


# While it waits -------------------------------------------------------------------------------------------------------


def test_what_waits_for_a_paused_key_goes_with_another_and_says_so(
    client: Client, bob: User, ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open()
    credentials.pause(studio, "Out of credit.")
    assert send(spare) == ["A vase"]
    generation = fresh(generation)
    assert (generation.credential, generation.status) == (spare, Status.SUBMITTING)
    assert [each.reason for each in generation.events.all()] == [
        "Asked by Bob",
        f"{studio} is paused, so it goes with {spare}",
        f"Sending to Kling official with {spare}",
    ]
    assert Charge.objects.get().credential == spare
    page = sign_in(client, bob).get(f"/g/{generation.pk}/").content.decode()
    assert f"{studio} is paused, so it goes with {spare}" in page


def test_what_waits_behind_a_full_key_takes_the_slot_of_another(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    fill(studio, ask_open)
    fill(spare, ask_open)
    for number in range(3):
        ask_open(f"open {number}")
    assert send(studio) == send(spare) == []
    Generation.objects.filter(status=Status.RUNNING, credential=spare).update(status=Status.COLLECTING)
    assert send(spare) == ["open 0", "open 1"]
    assert send(studio) == []
    assert dispatch.slots_taken(spare) == 2


def test_a_key_takes_nothing_over_that_its_own_line_has_no_slots_for(
    ask_open: AskOpen, alice: User, studio: Credential, spare: Credential
) -> None:
    fill(studio, ask_open)
    credentials.pause(spare, "Out of credit.")
    ask_open("open", person=alice)
    credentials.resume(spare)
    for prompt in ("own 1", "own 2"):
        ask_open(prompt, credential=spare)
    assert send(spare) == ["own 1", "own 2"]


def test_what_a_key_can_send_by_itself_stays(ask_open: AskOpen, studio: Credential, spare: Credential) -> None:
    generation = ask_open()
    switching.spread(timezone.now())
    assert fresh(generation).credential == studio
    assert generation.events.count() == 1


def test_a_request_that_needs_more_slots_than_there_are_does_not_wander(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open(n=9)
    for _ in range(3):
        switching.spread(timezone.now())
    assert fresh(generation).events.count() == 1
    assert send(studio) == ["A vase"]


def test_of_several_people_the_oldest_of_each_goes_over_first(
    ask_open: AskOpen, alice: User, bob: User, studio: Credential, spare: Credential
) -> None:
    credentials.pause(spare, "Out of credit.")
    fill(studio, ask_open)
    for prompt in ("a1", "a2", "a3"):
        ask_open(prompt, person=alice)
    ask_open("b1", person=bob)
    credentials.resume(spare)
    assert sorted(send(spare)) == ["a1", "b1"]


def test_at_the_days_limit_of_its_key_it_goes_with_another(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open(n=2)
    Credential.objects.filter(pk=studio.pk).update(daily_pictures=1)
    assert send(spare) == ["A vase"]
    assert f"{studio} may send no more today" in fresh(generation).events.all()[1].reason


def test_removing_its_key_fails_what_chose_it_and_not_what_left_it_open(
    ask_open: AskOpen, alice: User, studio: Credential, spare: Credential
) -> None:
    left_open, chosen = ask_open("open"), ask_open("chosen", credential=studio)
    credentials.pause(spare, "Out of credit.")
    keys.remove(studio, alice)
    assert fresh(chosen).status == Status.FAILED
    assert (fresh(left_open).status, fresh(left_open).credential) == (Status.QUEUED, spare)
    keys.remove(spare, alice)
    assert fresh(left_open).status == Status.FAILED
    assert fresh(left_open).problem.startswith(f"The key {spare} was removed before this was sent.")


def test_what_may_have_arrived_stays_with_the_account_it_went_to(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open()
    assert send(studio) == ["A vase"]
    submission.give_up_silent("another turn")
    Generation.objects.update(status=Status.QUEUED, doubts=1, due_at=timezone.now())
    credentials.pause(studio, "Out of credit.")
    assert send(spare) == []
    assert not switch(fresh(generation), spare, reason="by mistake")
    assert fresh(generation).credential == studio


def test_what_certainly_did_not_arrive_may_go_with_another(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open()
    send(studio)
    submission.finish(generation.pk, "turn", NotSent("Nobody answers."))
    credentials.pause(studio, "Out of credit.")
    assert send(spare) == ["A vase"]


def test_another_provider_or_team_is_never_chosen(
    ask_open: AskOpen, halden: Team, charlie: User, studio: Credential, spare: Credential
) -> None:
    key(Membership.objects.get(user=charlie).team, "Foreign")
    key(halden, "Relay", "kkiai")
    generation = ask_open()
    for each in (studio, spare):
        credentials.pause(each, "Out of credit.")
    switching.spread(timezone.now())
    assert fresh(generation).credential == studio


def test_what_a_provider_that_is_gone_should_make_is_left_alone(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open()
    Generation.objects.update(provider="gone")
    credentials.pause(studio, "Out of credit.")
    switching.spread(timezone.now())
    assert fresh(generation).credential == studio


def test_no_trouble_with_what_was_left_open_ends_the_turn(
    ask_open: AskOpen, studio: Credential, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trouble(now: datetime) -> None:
        raise ConnectionError("the queue is gone")

    monkeypatch.setattr(switching, "spread", trouble)
    assert follow(ask_open(credential=studio)).status == Status.SUCCEEDED


# What was prepared for one account is made ready anew -----------------------------------------------------------------


@pytest.fixture
def relays(halden: Team) -> tuple[Credential, Credential]:
    return key(halden, "Relay", "useapi"), key(halden, "Other relay", "useapi")


def test_a_request_through_an_account_finds_one_of_the_other_key(
    ask_open: AskOpen, relays: tuple[Credential, Credential], sandbox: str, follow: Follow
) -> None:
    first, second = relays
    generation = ask_open(provider="useapi", operation="kolors")
    readying.make_ready(generation.pk)
    assert fresh(generation).ready
    credentials.pause(first, "Out of credit.")
    switching.spread(timezone.now())
    moved = fresh(generation)
    assert (moved.credential, moved.ready, moved.account) == (second, False, "")
    assert messages()[-1] == "generations.tasks.make_ready"
    assert follow(generation).status == Status.SUCCEEDED


def test_where_all_accounts_of_a_key_are_taken_another_key_is_free(
    ask_open: AskOpen, relays: tuple[Credential, Credential]
) -> None:
    first, second = relays
    first.accounts.create(name="a@example.com", slots=1)
    generations = [ask_open(provider="useapi", operation="kolors") for _ in range(3)]
    assert [each.credential for each in generations] == [first, second, second]
    Generation.objects.filter(pk=generations[0].pk).update(status=Status.RUNNING, account="a@example.com")
    Generation.objects.filter(pk=generations[2].pk).update(credential=first, account="a@example.com")
    switching.spread(timezone.now())
    assert fresh(generations[2]).credential == second


def test_making_ready_for_the_first_key_does_not_count_once_it_waits_for_another(
    ask_open: AskOpen,
    relays: tuple[Credential, Credential],
    sandbox: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, second = relays
    generation = ask_open(provider="useapi", operation="kolors")
    find_account = readying.free_account

    def meanwhile(credential: Credential, deadline: float) -> str:
        found = find_account(credential, deadline)
        assert switch(fresh(generation), second, reason="by another follower", ready=False)
        return found

    monkeypatch.setattr(readying, "free_account", meanwhile)
    readying.make_ready(generation.pk)
    moved = fresh(generation)
    assert (moved.credential, moved.ready, moved.account) == (second, False, "")
    assert moved.due_at <= timezone.now()


def test_a_copy_that_lies_elsewhere_is_never_sent(with_picture: Generation, spare: Credential) -> None:
    readying.make_ready(with_picture.pk)
    AssetCopy.objects.update(credential=spare)
    assert submission.begin(fresh(with_picture), "turn") is None
    assert not fresh(with_picture).ready


def test_references_are_made_ready_for_the_key_they_go_with(
    with_picture: Generation, studio: Credential, spare: Credential, sandbox: str, follow: Follow
) -> None:
    generation = with_picture
    readying.make_ready(generation.pk)
    credentials.pause(studio, "Out of credit.")
    switching.spread(timezone.now())
    assert (fresh(generation).credential, fresh(generation).ready) == (spare, False)
    assert follow(generation).status == Status.SUCCEEDED
    reference = generation.references.select_related("copy").get()
    assert reference.copy
    assert reference.copy.credential == spare


# At once --------------------------------------------------------------------------------------------------------------


def test_a_claim_and_a_change_of_key_exclude_each_other(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open()
    in_hand = fresh(generation)
    assert switch(fresh(generation), spare, reason="first")
    assert submission.begin(in_hand, "turn") is None
    assert fresh(generation).status == Status.QUEUED
    assert submission.begin(fresh(generation), "turn")
    assert not switch(fresh(generation), studio, reason="too late")


def test_whoever_comes_second_changes_nothing(
    ask_open: AskOpen, studio: Credential, spare: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation, choose = ask_open(), dispatch.best
    credentials.pause(studio, "Out of credit.")

    def meanwhile(*args: Any) -> dispatch.Room | None:
        assert submission.begin(fresh(generation), "another turn")
        return choose(*args)

    monkeypatch.setattr(dispatch, "best", meanwhile)
    switching.spread(timezone.now())
    assert fresh(generation).credential == studio
    assert Charge.objects.get().credential == studio


def test_of_many_who_claim_or_change_at_once_one_wins_and_pays_with_the_key_that_sent(
    ask_open: AskOpen, studio: Credential, spare: Credential
) -> None:
    generation = ask_open()
    in_hand, other, calls = fresh(generation), fresh(generation), []
    start = threading.Barrier(2)

    def change() -> None:
        start.wait()
        if switch(other, spare, reason="moved"):
            calls.append(submission.begin(other, "turn of the other"))
        connections.close_all()

    thread = threading.Thread(target=change)
    thread.start()
    start.wait()
    calls.append(submission.begin(in_hand, "turn"))
    thread.join()
    sent = [each for each in calls if each]
    assert len(sent) == 1
    generation = fresh(generation)
    assert sent[0].lane == str(generation.credential_id)
    assert Charge.objects.get().credential_id == generation.credential_id


def test_a_step_asks_the_database_as_often_for_one_as_for_many(
    ask_open: AskOpen, alice: User, studio: Credential, spare: Credential
) -> None:
    assert queries_of_a_step() == 1
    fill(studio, ask_open)
    fill(spare, ask_open)
    ask_open()
    few = queries_of_a_step()
    for number in range(20):
        ask_open(f"more {number}", person=alice)
    assert queries_of_a_step() == few <= 6


# Races, and keys that come and go -------------------------------------------------------------------------------------


def test_removing_a_key_strands_nothing_however_much_waits_for_it(
    ask_open: AskOpen, studio: Credential, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "BATCH", 3)
    for number in range(7):
        ask_open(f"vase {number}")
    Generation.objects.update(credential=studio)
    keys.remove(studio, alice)
    assert {each.status for each in Generation.objects.all()} == {Status.QUEUED}
    assert not Generation.objects.filter(credential=studio).exists()


def test_the_same_form_makes_one_although_a_key_went_in_between(
    client: Client, bob: User, alice: User, studio: Credential, spare: Credential
) -> None:
    sign_in(client, bob)
    for named in ("", str(studio.pk)):
        client.post("/", FORM | {"credential": named, "key": f"form {named}"})
    keys.remove(spare, alice)
    for named in ("", str(studio.pk)):
        client.post("/", FORM | {"credential": named, "key": f"form {named}"})
    assert Generation.objects.count() == 2


def test_what_goes_wrong_while_it_is_made_ready_for_its_old_key_does_not_end_it(
    with_picture: Generation, studio: Credential, spare: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = with_picture.credential
    other = spare if old == studio else studio

    def prepare(_generation: Generation) -> None:
        credentials.pause(old, "No credit is left.")
        switching.spread(timezone.now())
        raise errors.Refused(details="This account may not use it.")

    with monkeypatch.context() as patched:
        patched.setattr(readying, "_prepare", prepare)
        readying.make_ready(with_picture.pk)
    moved = fresh(with_picture)
    assert (moved.status, moved.credential) == (Status.QUEUED, other)
    assert moved.due_at <= timezone.now()
