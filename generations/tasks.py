"""What the queue calls. Each is a hint, may run twice or never, and claims its row before it does anything."""

import uuid
from datetime import timedelta

from django.utils import timezone
from django_q.models import Failure

from generations import follower, queue
from generations.models import Generation, Heartbeat, Status
from generations.services import collecting

FAILURES_KEPT = timedelta(days=7)


def follow() -> None:
    """One turn of the follower, and the next one behind it."""
    queue.enqueue_collects(collecting.due_images(timezone.now()))
    follower.Turn().run()


def collect(image: str) -> None:
    """Bring one picture home."""
    collecting.collect(uuid.UUID(image))


def sweep() -> None:
    """Ask again for whatever is due: messages may be lost, rows are not."""
    queue.nudge_follower()
    queue.enqueue_collects(collecting.due_images(timezone.now()))
    for generation in Generation.objects.filter(status=Status.COLLECTING):
        collecting.settle(generation)
    Failure.objects.filter(stopped__lt=timezone.now() - FAILURES_KEPT).delete()


def beat(cluster: str) -> None:
    """Show that this cluster runs tasks."""
    Heartbeat.objects.update_or_create(cluster=cluster, defaults={"at": timezone.now()})
