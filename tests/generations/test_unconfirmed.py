"""Requests of unknown fate: found again under our name, sent once more under the same one, or decided by a person."""

from datetime import timedelta

import httpx
import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from generations import credentials, follower
from generations.models import Credential, Generation, Status
from generations.providers.exchange import FateUnknown, NotSent
from generations.services import asking, submission, unconfirmed
from generations.services.unconfirmed import CannotTell
from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask, Follow

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = frozenset({Status.UNCONFIRMED})


def posts(sandbox: str, generation: Generation) -> tuple[int, int]:
    """How many POSTs the provider saw under our name, and how many it accepted."""
    told = httpx.get(f"{sandbox}/requests", params={"external_task_id": str(generation.pk)}).json()["requests"]
    sent = [each for each in told if each["method"] == "POST"]
    return len(sent), sum(each["accepted"] for each in sent)


def lost(ask: Ask, prompt: str = "A vase") -> Generation:
    """One whose POST left and never came back, without any provider having seen it."""
    generation = ask(prompt)
    assert submission.begin(generation, "gone")
    submission.finish(generation.pk, "gone", FateUnknown("The line dropped."))
    generation.refresh_from_db()
    return generation


def made_elsewhere(ask: Ask, follow: Follow) -> str:
    """The id of a task that the provider knows and no generation owns."""
    other = follow(ask("made elsewhere"))
    task_id = other.provider_task_id
    Generation.objects.filter(pk=other.pk).delete()
    return task_id


def test_a_lost_answer_is_found_again_under_our_name_and_paid_once(ask: Ask, follow: Follow, sandbox: str) -> None:
    generation = follow(ask("[lost-answer] a vase"), to=WAITING)
    assert generation.doubts == 1
    generation = follow(generation, to=frozenset({Status.SUCCEEDED, Status.FAILED}))
    assert generation.status == Status.SUCCEEDED
    assert generation.problem == ""
    assert posts(sandbox, generation) == (1, 1)


def test_what_never_arrived_is_sent_once_more_under_the_same_name_well_after_its_deadline(
    ask: Ask, follow: Follow, sandbox: str
) -> None:
    generation = follow(ask("[lost-request] a vase"), to=WAITING)
    unconfirmed.look_again(generation)
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED
    assert "did not know it" in generation.problem_details
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=8))
    unconfirmed.look_again(generation)
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    assert follow(generation).status == Status.SUCCEEDED
    assert posts(sandbox, generation) == (2, 1)


def test_it_is_sent_again_by_itself_only_once(ask: Ask, sandbox: str) -> None:
    generation = lost(ask)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=8), doubts=2)
    unconfirmed.look_again(generation)
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED


def test_a_second_request_that_is_refused_shows_that_the_first_arrived(
    bob: User, ask: Ask, follow: Follow, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = follow(ask("[lost-answer] a vase"), to=WAITING)
    assert unconfirmed.send_again(generation, bob)
    generation = follow(generation, to=frozenset({Status.SUCCEEDED, Status.FAILED}))
    assert generation.status == Status.SUCCEEDED
    assert posts(sandbox, generation) == (2, 1)
    assert any("was refused" in each.reason for each in generation.events.all())


def test_moderation_of_a_second_request_is_its_end_once_the_first_cannot_arrive_any_more(
    bob: User, ask: Ask, follow: Follow
) -> None:
    generation = lost(ask, "[moderated] a vase")
    unconfirmed.send_again(generation, bob)
    generation = follow(generation, to=WAITING)
    assert "The second request of this name was refused: " in generation.problem_details
    unconfirmed.look_again(generation)
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED
    with time_machine.travel(timezone.now() + timedelta(minutes=8), tick=False):
        unconfirmed.look_again(generation)
    generation.refresh_from_db()
    assert generation.status == Status.FAILED
    assert generation.problem.endswith("try again. Whether its first request was charged is not known.")


def test_that_another_key_does_not_know_it_says_nothing_of_a_second_request_that_was_moderated(
    bob: User, ask: Ask, follow: Follow, credential: Credential
) -> None:
    generation = lost(ask, "[moderated] a vase")
    unconfirmed.send_again(generation, bob)
    generation = follow(generation, to=WAITING)
    Credential.objects.filter(pk=credential.pk).update(changed_at=timezone.now())
    with time_machine.travel(timezone.now() + timedelta(minutes=8), tick=False):
        unconfirmed.look_again(Generation.objects.select_related("credential").get(pk=generation.pk))
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED


def test_a_first_request_that_arrives_after_the_second_was_moderated_is_found(
    bob: User, ask: Ask, follow: Follow
) -> None:
    task_id = made_elsewhere(ask, follow)
    generation = lost(ask, "[moderated] a vase")
    unconfirmed.send_again(generation, bob)
    generation = follow(generation, to=WAITING)
    unconfirmed.it_was_made(generation, task_id, bob)
    assert follow(generation).status == Status.SUCCEEDED


def test_a_look_up_without_a_clear_answer_changes_nothing(ask: Ask, credential: Credential, sandbox: str) -> None:
    generation = lost(ask)
    unconfirmed.finish(generation, NotSent("?"))
    request = httpx.Request("GET", "https://provider.example.com/")
    unconfirmed.finish(generation, httpx.Response(502, text="<html>", request=request))
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED
    Credential.objects.filter(pk=credential.pk).update(secrets={"api_key": "another-key-entirely"})
    unconfirmed.look_again(Generation.objects.select_related("credential").get(pk=generation.pk))
    assert Credential.objects.get(pk=credential.pk).paused_at
    credentials.resume(credential)


def test_looks_become_rarer(ask: Ask) -> None:
    generation = lost(ask)
    now = timezone.now()
    for minutes, seconds in ((0, 5), (5, 30), (60, 600), (3000, 3600)):
        generation.submitted_at = now - timedelta(minutes=minutes)
        assert unconfirmed.pause(generation, now).total_seconds() == seconds


def test_a_person_may_give_up_and_be_corrected_later(bob: User, ask: Ask, follow: Follow) -> None:
    task_id = made_elsewhere(ask, follow)
    generation = lost(ask)
    assert unconfirmed.give_up(generation, bob)
    assert not unconfirmed.give_up(generation, bob)
    assert not unconfirmed.send_again(generation, bob)
    unconfirmed.it_was_made(generation, task_id, bob)
    generation.refresh_from_db()
    assert generation.finished_at is None
    assert follow(generation).status == Status.SUCCEEDED
    assert [each.reason for each in generation.events.all() if "Bob" in each.reason] == [
        "Asked by Bob",
        "Given up by Bob: nobody knows whether the provider made and charged it.",
        "Bob found it at the provider",
    ]


@pytest.mark.parametrize(
    ("task_id", "sentence"),
    [("12345", "knows no task of that id"), ("  ", "Paste the id"), ("../../account", "Paste the id")],
)
def test_an_id_that_the_provider_does_not_know_is_refused(
    bob: User, ask: Ask, sandbox: str, task_id: str, sentence: str
) -> None:
    with pytest.raises(CannotTell, match=sentence):
        unconfirmed.it_was_made(lost(ask), task_id, bob)


def test_an_id_of_another_generation_is_refused(bob: User, ask: Ask, follow: Follow) -> None:
    other = follow(ask("made elsewhere"))
    with pytest.raises(CannotTell, match="another generation"):
        unconfirmed.it_was_made(lost(ask), other.provider_task_id, bob)


def test_a_generation_that_was_never_in_doubt_cannot_be_claimed(bob: User, ask: Ask) -> None:
    with pytest.raises(CannotTell, match="not waiting for a decision"):
        unconfirmed.it_was_made(ask(), "12345", bob)


def test_a_provider_that_does_not_answer_leaves_the_decision_open(bob: User, ask: Ask, sandbox: str) -> None:
    generation = lost(ask)
    generation.credential.base_url = "http://127.0.0.1:1"
    with pytest.raises(CannotTell, match="does not answer"):
        unconfirmed.it_was_made(generation, "12345", bob)
    generation.credential.base_url = "sandbox:"
    generation.credential.secrets = {"api_key": "another-key-entirely"}
    with pytest.raises(CannotTell, match="does not know this key"):
        unconfirmed.it_was_made(generation, "12345", bob)


def test_the_follower_looks_by_itself(ask: Ask, sandbox: str) -> None:
    generation = lost(ask)
    with time_machine.travel(timezone.now() + timedelta(minutes=8), tick=True):
        follower.Turn(30).run(until=lambda: generation.events.filter(after=Status.QUEUED).count() == 2)


def test_after_its_key_was_replaced_nothing_is_sent_again_by_itself(
    ask: Ask, credential: Credential, sandbox: str
) -> None:
    generation = lost(ask)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=8))
    Credential.objects.filter(pk=credential.pk).update(changed_at=timezone.now())
    unconfirmed.look_again(Generation.objects.select_related("credential").get(pk=generation.pk))
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED


def test_a_request_in_doubt_that_is_canceled_can_still_be_claimed(bob: User, ask: Ask, follow: Follow) -> None:
    task_id = made_elsewhere(ask, follow)
    generation = lost(ask)
    unconfirmed.send_again(generation, bob)
    assert asking.cancel(generation, bob)
    assert generation.status == Status.FAILED
    assert "not known" in generation.problem
    unconfirmed.it_was_made(generation, task_id, bob)
    assert follow(generation).status == Status.SUCCEEDED


def test_what_is_declared_no_more_is_left_to_a_person_in_silence(
    client: Client, bob: User, ask: Ask, sandbox: str, caplog: pytest.LogCaptureFixture
) -> None:
    generation = lost(ask)
    Generation.objects.update(operation="hologram", due_at=timezone.now())
    steps = iter(range(5))
    follower.Turn(30).run(until=lambda: next(steps, None) is None)
    assert not [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
    generation.refresh_from_db()
    unconfirmed.look_again(generation)
    with pytest.raises(CannotTell, match="Bring the pictures instead"):
        unconfirmed.it_was_made(generation, "12345", bob)
    page = sign_in(client, bob).get(f"/g/{generation.pk}/")
    assert "No clear answer came" in page.content.decode()
    assert unconfirmed.give_up(generation, bob)


def test_looking_at_what_is_not_in_doubt_does_nothing(ask: Ask) -> None:
    generation = ask()
    unconfirmed.look_again(generation)
    assert generation.events.count() == 1
