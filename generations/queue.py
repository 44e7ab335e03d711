"""The only door to the queue. A message is a hint: the row that it names is the truth."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count
from django.dispatch import receiver
from django.utils import timezone
from django_q.models import Failure, Schedule
from django_q.signals import post_execute
from django_q.tasks import async_task

from generations.models import Heartbeat, Lease

log = logging.getLogger(__name__)

DEFAULT = "klingweb"
FAST = "fast"
FOLLOWER = "follower"
NUDGE_EVERY = timedelta(seconds=2)
FAILURES_KEPT = timedelta(days=7)


def enqueue(task: str, *args: object, cluster: str = DEFAULT) -> None:
    """Ask a cluster to run the task of this dotted name."""
    async_task(task, *args, cluster=cluster)


def enqueue_collects(images: Iterable[object]) -> None:
    """Ask for each of these images to be brought home."""
    for pk in images:
        enqueue("generations.tasks.collect", str(pk))


def enqueue_ready(generations: Iterable[object]) -> None:
    """Ask for the references of each of these generations to be brought to its provider."""
    for pk in generations:
        enqueue("generations.tasks.make_ready", str(pk))


def enqueue_reading(credential: int) -> None:
    """Ask for the balance of this credential."""
    enqueue("generations.tasks.read_balance", credential)


def nudge_follower() -> None:
    """Ask for the follower's next turn if nobody follows. Cheap enough for every page: one read while somebody does."""
    now = timezone.now()
    lease = Lease.objects.filter(name=FOLLOWER).first()
    if lease is None:
        lease, _ = Lease.objects.get_or_create(name=FOLLOWER, defaults={"expires_at": now})
    if held(lease.expires_at, now) or (lease.nudged_at and now - NUDGE_EVERY < lease.nudged_at < now + NUDGE_EVERY):
        return
    if Lease.objects.filter(name=FOLLOWER, nudged_at=lease.nudged_at).update(nudged_at=now):
        enqueue("generations.tasks.follow", cluster=FAST)


def is_followed(now: datetime) -> bool:
    """Whether somebody follows, and need not be helped."""
    return held(Lease.objects.filter(name=FOLLOWER).values_list("expires_at", flat=True).first(), now)


def held(until: datetime | None, now: datetime) -> bool:
    """Whether a lease until then is believed: one that ends far in the future was written by a clock gone wrong."""
    return until is not None and now < until < now + timedelta(seconds=3 * settings.FOLLOWER_LEASE)


@receiver(post_execute)
def note_sign_of_life(task: Mapping[str, str], **_: object) -> None:
    """A cluster has run a task to its end, and has taken note of that: every part of it works."""
    try:
        Heartbeat.objects.update_or_create(cluster=task["cluster"], defaults={"at": timezone.now()})
    except DatabaseError as error:
        log.warning("A sign of life could not be written (%s)", type(error).__name__)


def forget_failures() -> None:
    """Drop what the queue keeps of tasks that failed long ago: it never does so itself."""
    Failure.objects.filter(stopped__lt=timezone.now() - FAILURES_KEPT).delete()


def failures(since: datetime) -> list[tuple[str, int]]:
    """The dotted names of tasks that have failed since then, and how often each did."""
    failed = Failure.objects.filter(stopped__gt=since).order_by().values_list("func")
    return sorted(failed.annotate(Count("pk")))


def ensure_schedules() -> None:
    """Each minute: a sweep, and a sign of life from each cluster. Calling it again changes nothing."""
    _every_minute("sweep", DEFAULT)
    for cluster in (DEFAULT, FAST):
        _every_minute("beat", cluster)
    heal_schedules()


def heal_schedules() -> None:
    """Have what runs each minute run now where it would wait for longer: the clock was set back."""
    now = timezone.now()
    Schedule.objects.filter(next_run__gt=now + timedelta(minutes=5)).update(next_run=now)


def _every_minute(task: str, cluster: str) -> None:
    values = {"func": f"generations.tasks.{task}", "args": "", "schedule_type": Schedule.MINUTES, "minutes": 1}
    Schedule.objects.update_or_create(name=f"{task} {cluster}", cluster=cluster, defaults=values)
