"""Asking where a running generation is. It is free, and a failed look-up means "not yet"."""

import logging
import uuid
from datetime import datetime, timedelta

import httpx
from django.db import transaction
from django.utils import timezone

from generations import credentials, queue
from generations.lifecycle import advance
from generations.models import Generation, Image, Status
from generations.providers import client, errors
from generations.providers.exchange import Output, Progress, Reply, Task
from generations.providers.registry import find
from generations.services.common import deadlines, fail, kept_answer, lane, load, poll_pause

log = logging.getLogger(__name__)


def pause(generation: Generation, now: datetime) -> timedelta:
    """How long to wait before this one is asked about again."""
    return poll_pause(now - (generation.submitted_at or now))


def begin(generation: Generation) -> client.Call:
    """The call that asks where a running generation is. It is free and may be made as often as anybody likes."""
    provider, operation = find(generation.provider, generation.operation)
    task = Task(generation.provider_task_id, str(generation.pk))
    return client.Call(
        provider.build_query(operation, task, credentials.account(generation.credential), timezone.now()),
        deadlines(generation).query,
        credentials.api_policy(generation.credential),
        lane=lane(generation),
    )


def finish(pk: uuid.UUID, reply: Reply) -> None:
    """Note what the provider says. A failed look-up never fails a generation: it means "not yet"."""
    generation = load(pk)
    if not generation or generation.status != Status.RUNNING or not isinstance(reply, httpx.Response):
        return
    provider, _ = find(generation.provider, generation.operation)
    try:
        progress = provider.parse_query(reply)
    except errors.ProviderError as error:
        if error.pauses_credential:
            credentials.pause(generation.credential, error.sentence)
        log.info("%s: %s %s %s", pk, generation.credential.last_four, type(error).__name__, error.code)
        return
    _apply(generation, progress, kept_answer(generation, reply))


def _apply(generation: Generation, progress: Progress, answer: str) -> None:
    if progress.state == "succeeded":
        _begin_collecting(generation, progress, answer)
    elif progress.state == "failed":
        kind = errors.Moderated if progress.moderated else errors.Refused
        fail(generation, kind.default_sentence, details=progress.reason, answer=answer)


def _begin_collecting(generation: Generation, progress: Progress, answer: str) -> None:
    label = find(generation.provider, generation.operation)[0].label
    cost = {"cost": progress.cost.amount, "cost_unit": progress.cost.unit} if progress.cost else {}
    with transaction.atomic():
        if advance(generation, Status.COLLECTING, reason=f"{label} is done", answer=answer, **cost):
            made = Image.objects.bulk_create(_pending(generation, output) for output in progress.outputs)
            transaction.on_commit(lambda: queue.enqueue_collects(image.pk for image in made))


def _pending(generation: Generation, output: Output) -> Image:
    return Image(generation=generation, index=output.index, source_url=output.url)
