"""The loop itself: its lease, what it does with what others left behind, and when the database is away."""

import time
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import Failure
from django_q.signals import post_execute
from pytest_django import DjangoAssertNumQueries, Settings

from generations import credentials, dispatch, follower, queue, tasks
from generations.follower import OPEN_CALLS, Turn, release_lease, take_lease
from generations.models import Credential, Event, Generation, Heartbeat, Image, Lease, Status
from generations.providers.exchange import FateUnknown, NotSent
from generations.services import asking, following, submission
from generations.services.common import WHOLE
from klingweb.accounts.models import Team, User
from tests.road import Ask, Follow, forget_messages, messages
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)


def sent_by(token: str, ask: Ask, ago: timedelta = timedelta(0)) -> Generation:
    generation = ask()
    assert submission.begin(generation, token)
    Generation.objects.filter(pk=generation.pk).update(submitted_at=timezone.now() - ago)
    return Generation.objects.get(pk=generation.pk)


def test_one_follower_at_a_time_until_its_lease_runs_out(settings: Settings) -> None:
    assert take_lease("one")
    assert take_lease("one")
    assert not take_lease("two")
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert take_lease("two")
    release_lease("one")
    assert not take_lease("one")
    release_lease("two")
    assert take_lease("one")
    assert str(Lease.objects.get()).startswith("follower until ")


def test_a_turn_without_the_lease_does_nothing(ask: Ask) -> None:
    generation = ask()
    assert take_lease("somebody else")
    Turn(5).run()
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED


def test_a_turn_hands_on_to_the_next_unless_all_is_being_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Turn(0).run()
    assert messages() == ["generations.tasks.follow"]
    forget_messages()
    stop = tmp_path_factory.mktemp("stop") / "stop"
    monkeypatch.setenv("KLINGWEB_STOP_FILE", str(stop))
    assert not follower.asked_to_stop()
    stop.touch()
    tasks.follow()
    assert messages() == []


def test_a_nudge_asks_for_a_follower_once_and_only_where_nobody_follows() -> None:
    queue.nudge_follower()
    queue.nudge_follower()
    assert messages() == ["generations.tasks.follow"]
    assert take_lease("one")
    Lease.objects.update(nudged_at=None)
    queue.nudge_follower()
    assert len(messages()) == 1


def test_a_request_whose_sender_died_is_left_alone_until_its_deadline_and_then_unconfirmed(ask: Ask) -> None:
    young = sent_by("dead", ask, ago=timedelta(seconds=70))
    old = sent_by("dead", ask, ago=timedelta(seconds=76))
    mine = sent_by("mine", ask, ago=timedelta(hours=1))
    assert submission.give_up_silent("mine") == 1
    statuses = dict(Generation.objects.values_list("pk", "status"))
    assert statuses == {young.pk: "submitting", old.pk: "unconfirmed", mine.pk: "submitting"}


@pytest.mark.parametrize("gone", ["provider", "operation"])
def test_a_request_whose_provider_or_operation_is_gone_is_unconfirmed_in_the_end(ask: Ask, gone: str) -> None:
    sent_by("dead", ask, ago=timedelta(minutes=5))
    Generation.objects.update(**{gone: "gone"})
    assert submission.give_up_silent("mine") == 0
    assert submission.count_open() == 1
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=11))
    assert submission.count_open() == 0
    assert submission.give_up_silent("mine") == 1
    assert Generation.objects.get().status == Status.UNCONFIRMED


def test_a_late_answer_of_the_sender_still_counts(ask: Ask) -> None:
    generation = sent_by("slow", ask, ago=timedelta(seconds=76))
    submission.give_up_silent("other")
    submission.finish(generation.pk, "slow", NotSent("The line was never there."))
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED


def test_an_answer_for_another_turn_or_for_what_is_gone_changes_nothing(ask: Ask) -> None:
    generation = sent_by("one", ask)
    submission.finish(generation.pk, "two", FateUnknown("?"))
    submission.finish(uuid.uuid4(), "one", FateUnknown("?"))
    following.finish(generation, NotSent("?"))
    generation.refresh_from_db()
    assert generation.status == Status.SUBMITTING


def test_an_answer_that_comes_twice_says_nothing_of_what_the_same_turn_sent_later(ask: Ask) -> None:
    generation = ask()
    assert submission.begin(generation, "one")
    first = generation.submitted_at
    submission.finish(generation.pk, "one", NotSent("The line was never there."), sent=first)
    Generation.objects.update(due_at=timezone.now())
    generation.refresh_from_db()
    assert submission.begin(generation, "one")
    submission.finish(generation.pk, "one", NotSent("The line was never there."), sent=first)
    generation.refresh_from_db()
    assert generation.status == Status.SUBMITTING
    submission.finish(generation.pk, "one", NotSent("The line was never there."), sent=generation.submitted_at)
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED


def test_a_turn_that_lost_the_lease_while_it_counted_slots_sends_nothing(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation, next_for = ask(), dispatch.next_for

    def slowly(*arguments: Any) -> Generation | None:
        chosen = next_for(*arguments)
        Lease.objects.update(token="another's")
        return chosen

    monkeypatch.setattr(dispatch, "next_for", slowly)
    Turn(0.1).run()
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED


def test_finding_that_there_is_nothing_to_do_takes_one_query(
    ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ask()
    Generation.objects.update(due_at=timezone.now() + timedelta(minutes=1))
    with django_assert_num_queries(1):
        Turn(5)._step()


def test_that_it_is_being_made_as_before_takes_no_query(
    ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    generation = put(ask(), Status.RUNNING, submitted_at=timezone.now())
    body = {"code": 0, "data": {"task_id": "1", "task_status": "processing"}}
    (asked,) = WHOLE.filter(pk=generation.pk)
    with django_assert_num_queries(0):
        following.finish(asked, httpx.Response(200, json=body))


@pytest.mark.parametrize("count", [3, OPEN_CALLS, 3 * OPEN_CALLS])
def test_however_many_are_due_as_many_as_there_are_calls_are_asked_about_in_a_step(
    ask: Ask, credential: Credential, count: int
) -> None:
    for number in range(count):
        put(ask(f"vase {number}"), Status.RUNNING, submitted_at=timezone.now(), provider_task_id=f"{number}")
    Generation.objects.update(due_at=timezone.now())
    turn = Turn(5)
    turn._ask(WHOLE.filter(status=Status.RUNNING), following, [credential.pk])
    assert len(turn.asked) == min(count, OPEN_CALLS)
    assert Generation.objects.filter(due_at__gt=timezone.now()).count() == min(count, OPEN_CALLS)


def test_a_credential_that_is_far_behind_holds_up_no_other(ask: Ask, halden: Team, credential: Credential) -> None:
    for number in range(3 * OPEN_CALLS):
        put(ask(f"vase {number}"), Status.RUNNING, provider_task_id=f"{number}")
    Generation.objects.update(credential=credential, due_at=timezone.now() - timedelta(minutes=1))
    secrets = {"api_key": "sandbox-other"}
    other, _ = credentials.ensure(team=halden, provider="kling", name="Other", base_url="sandbox:", secrets=secrets)
    late = put(ask("jug"), Status.RUNNING, provider_task_id="jug", credential=other)
    Generation.objects.filter(pk=late.pk).update(due_at=timezone.now())
    turn = Turn(5)
    turn.open[credential.pk, False] = OPEN_CALLS - 1
    turn._ask(WHOLE.filter(status=Status.RUNNING), following, [credential.pk, other.pk])
    assert len(turn.asked) == 2
    assert late.pk in turn.asked


def test_an_unknown_fate_is_noted_once(ask: Ask) -> None:
    generation = sent_by("one", ask)
    submission.finish(generation.pk, "one", FateUnknown("The line dropped."))
    submission.finish(generation.pk, "one", FateUnknown("The line dropped."))
    assert Event.objects.filter(generation=generation, after=Status.UNCONFIRMED).count() == 1


def test_only_one_of_two_followers_can_claim_a_request(ask: Ask) -> None:
    mine = ask()
    theirs = Generation.objects.select_related("credential").get(pk=mine.pk)
    assert submission.begin(mine, "mine")
    assert submission.begin(theirs, "theirs") is None


def test_a_key_that_does_not_open_pauses_its_credential_and_holds_up_nobody(
    ask: Ask, follow: Follow, credential: Credential, settings: Settings
) -> None:
    generation = ask()
    Credential.objects.filter(pk=credential.pk).update(name="Broken")
    with_other_key = "bm90LXRoZS1zYW1lLWtleS1ub3QtdGhlLXNhbWUta2U="
    settings.ENCRYPTION_KEYS = [with_other_key]
    Turn(30).run(until=lambda: Credential.objects.filter(paused_at__isnull=False).exists())
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    assert "KLINGWEB_ENCRYPTION_KEYS" in Credential.objects.get().paused_reason


def test_a_row_that_cannot_be_handled_is_left_alone_for_a_while(ask: Ask, sandbox: str, follow: Follow) -> None:
    broken, fine = ask("broken"), ask("fine")
    Generation.objects.filter(pk=broken.pk).update(operation="sculpture")
    assert follow(fine).status == Status.SUCCEEDED
    broken.refresh_from_db()
    assert broken.status == Status.QUEUED
    assert broken.due_at > timezone.now()


def test_the_answer_to_a_paid_request_outlives_a_database_that_is_away(
    ask: Ask, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, failures = submission.finish, iter([True, True])

    def finish(*arguments: object, **more: object) -> None:
        if next(failures, False):
            raise OperationalError("database is locked")
        really(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(submission, "finish", finish)
    assert follow(ask()).status == Status.SUCCEEDED


def test_a_database_that_is_away_does_not_end_the_turn(
    ask: Ask, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, failures = following.finish, iter([True])
    steps = iter([True])

    def finish(*arguments: object) -> None:
        if next(failures, False):
            raise OperationalError("database is locked")
        really(*arguments)  # type: ignore[arg-type]

    def give_up_silent(token: str) -> int:
        if next(steps, False):
            raise OperationalError("database is locked")
        return 0

    monkeypatch.setattr(following, "finish", finish)
    monkeypatch.setattr(submission, "give_up_silent", give_up_silent)
    assert follow(ask()).status == Status.SUCCEEDED


def test_a_mistake_in_reading_an_answer_ends_neither_the_turn_nor_the_generation(
    ask: Ask, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, mistakes = following.finish, iter([True])

    def finish(*arguments: object) -> None:
        if next(mistakes, False):
            raise RuntimeError("a mistake of ours")
        really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(following, "finish", finish)
    assert follow(ask()).status == Status.SUCCEEDED


def test_the_sweep_asks_again_for_whatever_is_due(ask: Ask, follow: Follow) -> None:
    generation = follow(ask("A vase", n=2), to=frozenset({Status.COLLECTING}))
    forget_messages()
    Lease.objects.all().delete()
    Failure.objects.create(
        id="old",
        name="old",
        func="x",
        started=timezone.now(),
        stopped=timezone.now() - timedelta(days=8),
        success=False,
    )
    tasks.sweep()
    assert messages() == ["generations.tasks.follow", *["generations.tasks.collect"] * 2]
    assert not Failure.objects.exists()
    for image in [*generation.images.all()] * 2:  # each has two steps to take
        tasks.collect(str(image.pk))
    generation.refresh_from_db()
    assert generation.status == Status.SUCCEEDED


def test_the_sweep_ends_what_was_left_between_the_last_picture_and_the_end(ask: Ask, follow: Follow) -> None:
    generation = follow(ask(), to=frozenset({Status.COLLECTING}))
    Image.objects.update(state=Image.State.KEPT)
    tasks.sweep()
    generation.refresh_from_db()
    assert generation.status == Status.SUCCEEDED


def test_every_task_that_ends_says_that_its_cluster_works() -> None:
    tasks.beat()
    for _ in range(2):
        post_execute.send(sender="django_q", task={"cluster": "fast"})
    assert str(Heartbeat.objects.get()).startswith("fast at ")


def test_a_sign_of_life_that_cannot_be_written_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(Heartbeat.objects, "update_or_create", away)
    post_execute.send(sender="django_q", task={"cluster": "fast"})


def test_what_waits_can_be_canceled_and_what_has_left_cannot(bob: User, ask: Ask) -> None:
    waiting, left = ask(), sent_by("one", ask)
    assert asking.cancel(waiting, bob)
    assert not asking.cancel(left, bob)
    assert not asking.cancel(waiting, bob)


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 2), (2, 5), (30, 30), (120, 300)])
def test_polls_are_quick_at_first_and_slower_for_the_long_ones(ask: Ask, minutes: int, seconds: int) -> None:
    generation = sent_by("one", ask, ago=timedelta(minutes=minutes))
    assert following.pause(generation, timezone.now()).total_seconds() == seconds


def test_a_turn_goes_on_while_it_has_to_wait_for_a_paid_answer_anyway(ask: Ask, sandbox: str) -> None:
    ask("[slow-answer] A letter")
    turn, late = Turn(0.5), []
    turn.run(until=lambda: bool(late.append(time.monotonic() > turn.ends)))  # type: ignore[func-returns-value]
    assert True in late
    assert Generation.objects.get().status == Status.RUNNING


def test_while_somebody_follows_another_turn_does_nothing_at_all(ask: Ask) -> None:
    ask()
    assert take_lease("somebody else")
    forget_messages()
    tasks.follow()
    assert messages() == []
