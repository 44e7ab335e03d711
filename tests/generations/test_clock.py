"""A clock that jumps: forward or back, nothing is sent twice, and nothing waits for a moment that is far away."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from django_q.models import Schedule

from generations import follower, queue, tasks
from generations.models import Generation, Image, Lease, Status
from generations.services import keys, submission
from tests.road import Ask, forget_messages, messages
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
YESTERDAY, TOMORROW = NOON - timedelta(days=1), NOON + timedelta(days=1)


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower.Turn, "run", lambda _turn: None)


def test_what_was_put_off_before_the_clock_was_set_back_is_due_at_once(ask: Ask) -> None:
    with time_machine.travel(NOON, tick=False):
        generation = put(ask(), Status.RUNNING)
        image = Image.objects.create(generation=generation, index=0, source_url="", due_at=NOON)
        queue.ensure_schedules()
    with time_machine.travel(YESTERDAY, tick=False):
        tasks.follow()
        assert Generation.objects.filter(pk=generation.pk, due_at=YESTERDAY).exists()
        assert Image.objects.filter(pk=image.pk, due_at=YESTERDAY).exists()
        assert not Schedule.objects.filter(next_run__gt=timezone.now()).exists()


def test_what_is_put_off_for_its_usual_time_stays_so(ask: Ask) -> None:
    generation = put(ask(), Status.RUNNING)
    later = timezone.now() + timedelta(hours=1)
    Generation.objects.filter(pk=generation.pk).update(due_at=later)
    tasks.follow()
    generation.refresh_from_db()
    assert generation.due_at == later


def test_a_lease_that_ends_impossibly_late_is_free() -> None:
    with time_machine.travel(NOON, tick=False):
        assert follower.take_lease("one")
        assert not follower.take_lease("two")
    with time_machine.travel(YESTERDAY, tick=False):
        forget_messages()
        queue.nudge_follower()
        assert messages() == ["generations.tasks.follow"]
        assert follower.take_lease("two")
        assert not follower.take_lease("one")
    assert Lease.objects.get(name=queue.FOLLOWER).token == "two"


def test_a_request_on_its_way_when_the_clock_jumps_is_cleared_up_and_never_simply_sent_again(ask: Ask) -> None:
    with time_machine.travel(NOON, tick=False):
        forward, back, fresh = (put(ask(), Status.SUBMITTING, token="gone", sent=0) for _ in range(3))
    Generation.objects.filter(pk=back.pk).update(submitted_at=TOMORROW + timedelta(days=1))
    with time_machine.travel(TOMORROW, tick=False):
        Generation.objects.filter(pk=fresh.pk).update(submitted_at=timezone.now())
        assert submission.give_up_silent("mine") == 2
    assert {each.status for each in Generation.objects.filter(pk__in=[forward.pk, back.pk])} == {Status.UNCONFIRMED}
    fresh.refresh_from_db()
    assert fresh.status == Status.SUBMITTING


def test_a_key_can_be_tested_although_its_last_test_is_in_the_future(ask: Ask, sandbox: str) -> None:
    credential = ask().credential
    credential.tested_at = timezone.now() + timedelta(days=1)
    credential.save()
    assert keys.test(credential)
    assert credential.tested_ok
