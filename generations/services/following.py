"""Asking where a running generation is. It is free, and a failed look-up means "not yet"."""

import uuid
from datetime import datetime, timedelta

import httpx
from django.db import transaction
from django.utils import timezone

from generations import queue
from generations.lifecycle import advance
from generations.models import Generation, Image, Status
from generations.providers import client, errors
from generations.providers.exchange import Output, Progress, Reply
from generations.providers.registry import find
from generations.services.common import deadlines, fail, heed, kept_answer, load, poll_pause, query


def pause(generation: Generation, now: datetime) -> timedelta:
    """How long to wait before this one is asked about again."""
    return poll_pause(now - (generation.submitted_at or now))


def begin(generation: Generation) -> client.Call:
    """The call that asks where a running generation is. It is free and may be made as often as anybody likes."""
    return query(generation, generation.provider_task_id)


def finish(pk: uuid.UUID, reply: Reply) -> None:
    """Note what the provider says. A failed look-up never fails a generation: it means "not yet"."""
    generation = load(pk)
    if not generation or generation.status != Status.RUNNING or not isinstance(reply, httpx.Response):
        return
    provider, _ = find(generation.provider, generation.operation)
    try:
        progress = provider.parse_query(reply)
    except errors.ProviderError as error:
        heed(generation, error)
        _give_up_if_over(generation, unknown=isinstance(error, errors.NotFound))
        return
    _apply(generation, progress, kept_answer(generation, reply))


def _give_up_if_over(generation: Generation, *, unknown: bool) -> None:
    """End what can never be answered any more. A person may still know better, so it counts as a doubt."""
    sent = generation.submitted_at or generation.created
    if sent + deadlines(generation).retention < timezone.now():
        sentence = "The provider keeps requests no longer than this, and never said what became of it."
    elif unknown and generation.credential.changed_since(sent):
        sentence = "The key was replaced, and the provider does not know this request under the new one."
    else:
        return
    fail(generation, sentence, doubts=generation.doubts + 1)


def _apply(generation: Generation, progress: Progress, answer: str) -> None:
    if progress.state == "succeeded":
        _begin_collecting(generation, progress, answer)
    elif progress.state == "failed":
        kind = errors.Moderated if progress.moderated else errors.Refused
        fail(generation, kind.default_sentence, details=progress.reason, answer=answer)
    else:
        _give_up_if_over(generation, unknown=False)


def _begin_collecting(generation: Generation, progress: Progress, answer: str) -> None:
    label = find(generation.provider, generation.operation)[0].label
    cost = {"cost": progress.cost.amount, "cost_unit": progress.cost.unit} if progress.cost else {}
    with transaction.atomic():
        if advance(generation, Status.COLLECTING, reason=f"{label} is done", answer=answer, **cost):
            made = Image.objects.bulk_create(_pending(generation, output) for output in progress.outputs)
            transaction.on_commit(lambda: queue.enqueue_collects(image.pk for image in made))


def _pending(generation: Generation, output: Output) -> Image:
    return Image(generation=generation, index=output.index, source_url=output.url)
