"""Kept answers read again: what goes on by it, and what must stay as it is."""

import uuid
from io import StringIO

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from generations.lifecycle import note
from generations.models import AuditEntry, Charge, Event, Generation, Reading, Status
from generations.providers.exchange import FateUnknown
from generations.providers.registry import PROVIDERS
from generations.services import following, rereading, submission
from klingweb.accounts.models import Membership, User
from tests.road import Ask

pytestmark = pytest.mark.django_db

URL = "https://p.example.com/a.png"
DONE = {"code": 0, "data": {"task_id": "77", "task_status": "baked", "task_result": {"images": [{"url": URL}]}}}
MOVED = {"code": 0, "job": {"number": "77"}}
TOKEN = "turn"


def reread(*arguments: str) -> str:
    out = StringIO()
    call_command("reinterpret", *arguments, stdout=out)
    return out.getvalue()


def rule(generation: Generation, kind: str, found: str, means: str) -> None:
    Reading.objects.create(team=generation.team, provider=generation.provider, kind=kind, found=found, means=means)


def fresh(generation: Generation) -> Generation:
    return Generation.objects.select_related("credential", "team").get(pk=generation.pk)


def sent(ask: Ask, body: object, status: int = 200, prompt: str = "A vase") -> Generation:
    """One whose paid request was answered like this."""
    generation = ask(prompt)
    assert submission.begin(generation, TOKEN)
    submission.finish(generation.pk, TOKEN, httpx.Response(status, json=body))
    return fresh(generation)


def asked(generation: Generation, body: object, status: int = 200) -> Generation:
    """The provider says this when it is asked about it."""
    request = httpx.Request("GET", "https://provider.example.com")
    following.finish(generation, httpx.Response(status, json=body, request=request))
    return fresh(generation)


def running(ask: Ask) -> Generation:
    return sent(ask, {"code": 0, "data": {"task_id": "77", "task_status": "submitted"}})


def test_a_request_whose_id_has_moved_runs_once_a_rule_says_where(ask: Ask) -> None:
    generation = sent(ask, MOVED)
    assert generation.status == Status.UNCONFIRMED
    rule(generation, "path", "job.number", "data.task_id")
    assert "The provider has it: 77.\n1 of 1 would go on." in reread("--dry-run")
    assert fresh(generation).status == Status.UNCONFIRMED
    assert "1 of 1 went on." in reread("--provider", "kling")
    generation = fresh(generation)
    assert (generation.status, generation.provider_task_id, generation.problem) == (Status.RUNNING, "77", "")
    assert AuditEntry.objects.get(verb="read again").person is None
    assert "0 of 0 went on." in reread("--provider", "useapi")


def test_an_id_that_another_generation_has_is_not_believed(ask: Ask) -> None:
    running(ask)
    generation = sent(ask, MOVED, prompt="Another")
    rule(generation, "path", "job.number", "data.task_id")
    assert "0 of 1 went on." in reread()
    assert fresh(generation).status == Status.UNCONFIRMED


def test_a_refusal_that_is_understood_now_ends_it_and_releases_its_money(ask: Ask) -> None:
    generation = sent(ask, {"reason": "the shelf is closed"})
    rule(generation, "error", "shelf is closed", "moderated")
    assert "The provider refused it." in reread()
    generation = fresh(generation)
    assert generation.status == Status.FAILED
    assert "content rules" in generation.problem
    assert Charge.objects.get(generation_id=generation.pk).state == Charge.State.RELEASED


@pytest.mark.parametrize("means", ["busy", "key", "unavailable"])
def test_what_would_be_sent_again_is_left_to_a_person(ask: Ask, means: str) -> None:
    generation = sent(ask, {"reason": "the shelf is closed"})
    rule(generation, "error", "shelf is closed", means)
    assert rereading.NOTHING_NEW in reread()
    assert fresh(generation).status == Status.UNCONFIRMED


def test_a_refusal_is_no_end_while_another_attempt_may_have_been_accepted(ask: Ask) -> None:
    generation = sent(ask, {"reason": "the shelf is closed"})
    Generation.objects.update(doubts=2)
    rule(generation, "error", "shelf is closed", "refused")
    assert "0 of 1 went on." in reread()


def test_an_answer_that_comes_late_is_kept_too(ask: Ask) -> None:
    generation = ask()
    assert submission.begin(generation, TOKEN)
    submission.finish(generation.pk, TOKEN, FateUnknown("The line dropped."))
    assert "0 of 0 went on." in reread()
    submission.finish(generation.pk, TOKEN, httpx.Response(200, json=MOVED))
    rule(generation, "path", "job.number", "data.task_id")
    assert "1 of 1 went on." in reread()


def test_a_running_one_is_done_once_its_word_is_known(ask: Ask) -> None:
    generation = asked(running(ask), DONE)
    assert "does not know the provider's status “baked”" in generation.problem
    rule(generation, "word", "BAKED", "succeeded")
    assert "The provider is done, with 1 of 1 pictures." in reread()
    generation = fresh(generation)
    assert (generation.status, generation.problem) == (Status.COLLECTING, "")
    assert generation.images.get().source_url == URL


def test_a_running_one_fails_once_its_word_is_known(ask: Ask) -> None:
    generation = asked(running(ask), DONE)
    rule(generation, "word", "baked", "failed")
    assert "The provider says that it failed." in reread()
    assert fresh(generation).status == Status.FAILED


def test_a_running_one_goes_on_where_its_word_means_that(ask: Ask) -> None:
    generation = asked(running(ask), DONE)
    rule(generation, "word", "baked", "running")
    assert "0 of 1 went on." in reread()
    generation = asked(fresh(generation), DONE)
    assert (generation.status, generation.problem) == (Status.RUNNING, "")


def test_each_kind_of_riddle_is_kept_once_and_no_more_than_twenty(ask: Ask) -> None:
    generation = running(ask)
    for number in range(30):
        task = {"task_id": "77", "task_status": f"word {number % 25}"}
        generation = asked(generation, {"code": 0, "data": task})
        generation = asked(generation, {"code": 0, "data": task})
    assert generation.events.filter(riddle=True).count() == 20
    assert "word 4" in generation.problem


def test_what_a_person_was_told_about_a_cancellation_is_no_answer_about_the_request(ask: Ask) -> None:
    generation = running(ask)
    note(generation, "Bob asked Kling to cancel it", "HTTP 200\n{}")
    assert "0 of 0 went on." in reread()


# What has failed ------------------------------------------------------------------------------------------------------


def misread(ask: Ask) -> Generation:
    """One that failed because a rule had a word wrong."""
    generation = running(ask)
    rule(generation, "word", "baked", "failed")
    generation = asked(generation, DONE)
    assert generation.status == Status.FAILED
    return generation


def test_a_failed_one_goes_on_only_where_it_is_named(ask: Ask) -> None:
    generation = misread(ask)
    Reading.objects.update(means="succeeded")
    assert "0 of 0 went on." in reread()
    assert "1 of 1 went on." in reread("--generation", str(generation.pk))
    generation = fresh(generation)
    assert (generation.status, generation.images.count()) == (Status.COLLECTING, 1)
    assert Charge.objects.get(generation_id=generation.pk).state == Charge.State.RESERVED


def test_a_failed_one_that_was_running_is_asked_about_again(ask: Ask) -> None:
    generation = misread(ask)
    Reading.objects.update(means="running")
    assert "The provider had not ended it." in reread("--generation", str(generation.pk))
    generation = fresh(generation)
    assert (generation.status, generation.finished_at) == (Status.RUNNING, None)


def test_one_without_its_key_is_not_asked_about_again(ask: Ask) -> None:
    generation = misread(ask)
    Reading.objects.update(means="running")
    generation.credential.erased_at = timezone.now()
    generation.credential.save()
    assert "0 of 1 went on." in reread("--generation", str(generation.pk))


def test_one_that_was_refused_by_mistake_runs_under_its_id(ask: Ask) -> None:
    generation = sent(ask, {"code": 1201, "message": "odd", "job": {"number": "77"}}, 400)
    assert generation.status == Status.FAILED
    assert rereading.NOTHING_NEW in reread("--generation", str(generation.pk))
    rule(generation, "path", "job", "$")
    rule(generation, "path", "number", "data.task_id")
    assert rereading.NOTHING_NEW in reread("--generation", str(generation.pk))
    Event.objects.filter(after=Status.FAILED).update(answer='HTTP 200\n{"job": {"number": "77"}}')
    assert "1 of 1 went on." in reread("--generation", str(generation.pk))
    generation = fresh(generation)
    assert (generation.status, generation.provider_task_id) == (Status.RUNNING, "77")


def test_what_succeeded_or_does_not_exist_is_not_read_again(ask: Ask) -> None:
    generation = ask()
    assert "It is queued: nothing waits to be read again." in reread("--generation", str(generation.pk))
    with pytest.raises(CommandError, match="There is no generation"):
        reread("--generation", str(uuid.uuid4()))


def test_somebody_else_may_be_first(ask: Ask) -> None:
    generation = sent(ask, MOVED)
    rule(generation, "path", "job.number", "data.task_id")
    verdict = rereading.judge(generation)
    Generation.objects.update(status=Status.QUEUED)
    assert not rereading.act(generation, verdict)
    failed = misread(ask)
    Reading.objects.update(means="succeeded")
    verdict = rereading.judge(failed)
    Generation.objects.filter(pk=failed.pk).update(status=Status.RUNNING)
    assert not rereading.act(failed, verdict)
    assert not AuditEntry.objects.filter(verb="read again").exists()


def test_an_admin_who_adds_a_rule_sets_free_what_waits_for_it(ask: Ask, alice: User) -> None:
    generation = sent(ask, MOVED)
    member = Membership.objects.select_related("team", "user").get(user=alice)
    provider = PROVIDERS["kling"]
    new = Reading(kind="path", found="job.number", means="data.task_id")
    assert rereading.add_rule(member, provider, new) == 1
    assert fresh(generation).status == Status.RUNNING
    assert rereading.add_rule(member, provider, new) == 0
    kept = Reading.objects.get()
    assert rereading.remove_rule(member, provider, kept.pk)
    assert not rereading.remove_rule(member, provider, kept.pk)
    assert set(AuditEntry.objects.values_list("verb", flat=True)) >= {
        "read differently",
        "read as before",
        "read again",
    }
