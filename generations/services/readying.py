"""Bringing references to the provider while a generation waits, so that `submitting` holds the paid call alone."""

import logging
import uuid
from datetime import datetime

from django.utils import timezone

from generations import assets, queue
from generations.models import Generation, Status
from generations.pictures import BadPicture
from generations.providers.fields import Picture
from generations.providers.registry import find
from generations.services.common import fail, load, paced

log = logging.getLogger(__name__)

LEASE = 60  # seconds; one attempt; whoever comes meanwhile finds that it is not due


def due_generations(now: datetime) -> list[uuid.UUID]:
    """Generations whose references are still to be brought to their provider."""
    waiting = Generation.objects.filter(status=Status.QUEUED, ready=False, due_at__lte=now)
    return list(waiting.values_list("pk", flat=True)[:200])


def make_ready(pk: uuid.UUID) -> None:
    """Make each reference's copy for the provider, then let the generation be sent. Again and again does no harm."""
    now = timezone.now()
    waiting = Generation.objects.filter(pk=pk, status=Status.QUEUED, ready=False)
    if not waiting.filter(due_at__lte=now).update(due_at=now + paced(LEASE)):
        return
    generation = load(pk)
    if not generation:
        return
    try:
        _copy(generation)
    except (BadPicture, FileNotFoundError) as error:
        log.warning("%s: a reference cannot be used (%s)", pk, type(error).__name__)
        fail(generation, "A reference picture cannot be used any more. Choose it again. Nothing was charged.")
        return
    if waiting.update(ready=True, due_at=timezone.now(), changed=timezone.now()):
        queue.nudge_follower()


def _copy(generation: Generation) -> None:
    _, operation = find(generation.provider, generation.operation)
    limits = {each.name: each.limits for each in operation.fields if isinstance(each, Picture)}
    for reference in generation.references.filter(copy=None).select_related("asset"):
        reference.copy = assets.copy_for(reference.asset, generation.credential, limits[reference.field])
        reference.save(update_fields=["copy"])
