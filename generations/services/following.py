"""Asking where a running generation is. It is free, and a failed look-up means "not yet"."""

from datetime import datetime, timedelta

import httpx
from django.db import transaction
from django.utils import timezone

from generations import deliveries, interpretation, ledger, pace, queue
from generations.lifecycle import TERMINAL, advance, note
from generations.models import Generation, Status
from generations.providers import client, errors
from generations.providers.exchange import Progress, Reply, Task
from generations.providers.registry import find
from generations.services.collecting import begin_collecting
from generations.services.common import (
    NO_PROBLEM,
    account_of,
    deadlines,
    fail,
    free_call,
    heed,
    kept_answer,
    load,
    paced,
    poll_pause,
    query,
)
from klingweb.accounts.models import User

PATIENCE = 10.0  # seconds that a person waits at most
TRUST = 4  # times as long between two looks, where webhooks prove to arrive
LONGEST = 300  # seconds between two looks on that account: no provider forgets so soon
MOST_RIDDLES = 20  # of one generation: a provider may put a new word into each answer
BROKE_OFF = "The provider began and could not finish. Try again, or with other settings. Nothing was charged."
LEFT = "It has left already and cannot be stopped. The pictures will arrive here."
TOO_LATE: dict[str, str] = {
    Status.UNCONFIRMED: "It was sent already, and nobody knows whether it arrived. Decide below what is to be done.",
    **dict.fromkeys(TERMINAL, "It has ended already."),
}
LOOK_THERE = "It may have been charged: look in the provider's console, and if it was made, paste its task id below."
NO_WORD = "The provider refuses to say where this request is. klingweb goes on asking, and the answer is kept."


def pause(generation: Generation, now: datetime) -> timedelta:
    """How long to wait before this one is asked about again: longer where a webhook is going to tell."""
    usual = poll_pause(now - (generation.submitted_at or now))
    return max(usual, min(usual * TRUST, paced(LONGEST))) if deliveries.arrive(generation, now) else usual


def begin(generation: Generation) -> client.Call:
    """The call that asks where a running generation is. It is free and may be made as often as anybody likes."""
    return query(generation, generation.provider_task_id)


def finish(asked: Generation, reply: Reply) -> None:
    """Note what the provider says of one that was asked about. A failed look-up never fails it: it means "not yet".

    Most answers are no news. Those need no database, so that a thousand can be asked about in turn.
    """
    if not isinstance(reply, httpx.Response):
        return
    try:
        found: Progress | errors.ProviderError = interpretation.read_query(asked, reply)
    except errors.ProviderError as error:
        found = error
    if _is_no_news(asked, found):
        return
    generation = load(asked.pk)
    if not generation or generation.status != Status.RUNNING:
        return
    answer = kept_answer(generation, reply)
    if isinstance(found, errors.ProviderError):
        _look_failed(generation, found, reply, answer)
    else:
        apply(generation, found, answer)


def _is_no_news(asked: Generation, found: Progress | errors.ProviderError) -> bool:
    """Whether it is being made as before."""
    runs = isinstance(found, Progress) and found.state == "running" and not found.strange
    return runs and not asked.problem and not _is_over(asked)


def _look_failed(generation: Generation, error: errors.ProviderError, reply: httpx.Response, answer: str) -> None:
    heed(generation, error, reply)
    if isinstance(error, errors.Unreadable | errors.Refused):
        sentence = NO_WORD if isinstance(error, errors.Refused) else error.sentence
        _keep_riddle(generation, sentence, error.code, error.details, answer)
    unknown = isinstance(error, errors.NotFound)
    if unknown and generation.cancel_asked_at:
        advance(generation, Status.CANCELED, reason="The provider has let go of it")
    else:
        _give_up_if_over(generation, unknown=unknown)


def check_now(generation: Generation) -> None:
    """Ask about it in the next moment, whatever its turn is."""
    Generation.objects.filter(pk=generation.pk, status=Status.RUNNING).update(due_at=timezone.now())
    queue.nudge_follower()


def may_be_let_go(generation: Generation) -> bool:
    """Whether its provider can be asked to let go of it, and has not been."""
    provider = find(generation.provider, generation.operation)[0]
    return bool(provider.build_cancel and generation.status == Status.RUNNING and not generation.cancel_asked_at)


def ask_to_let_go(generation: Generation, person: User) -> str:
    """Ask the provider to let go of a running one; a sentence where it would not. It is followed all the same.

    Only what the provider says of the task later is believed: one that is made in spite of it is brought home.
    """
    provider = find(generation.provider, generation.operation)[0]
    if not provider.build_cancel or not may_be_let_go(generation):
        return TOO_LATE.get(generation.status, LEFT)
    task = Task(generation.provider_task_id, str(generation.pk))
    request = provider.build_cancel(task, account_of(generation), timezone.now())
    reply = (
        client.shared()
        .send(free_call(generation.credential, request, min(PATIENCE, deadlines(generation).query)))
        .result()
    )
    if not isinstance(reply, httpx.Response) or not reply.is_success:
        return f"{provider.label} did not take it back: it has begun, or nobody answers. The pictures will arrive."
    asked = Generation.objects.filter(pk=generation.pk, status=Status.RUNNING)
    with transaction.atomic():
        asked.update(cancel_asked_at=timezone.now(), changed=timezone.now(), due_at=timezone.now())
        note(generation, f"{person.display_name} asked {provider.label} to cancel it", kept_answer(generation, reply))
        ledger.write(generation.team, person, "cancel", generation, f"Asked {provider.label}")
    return ""


def _give_up_if_over(generation: Generation, *, unknown: bool) -> None:
    """End what can never be answered any more. A person may still know better, so it counts as a doubt."""
    sent = generation.submitted_at or generation.created
    if _is_over(generation):
        sentence = f"The provider never said what became of it, and keeps requests no longer than this. {LOOK_THERE}"
    elif unknown and generation.credential.changed_since(sent):
        sentence = f"The key was replaced, and the new one does not open this request. {LOOK_THERE}"
    else:
        return
    fail(generation, sentence, doubts=generation.doubts + 1)


def _is_over(generation: Generation) -> bool:
    """Whether the provider has forgotten it by now."""
    return (generation.submitted_at or generation.created) + deadlines(generation).retention < timezone.now()


def apply(generation: Generation, progress: Progress, answer: str) -> None:
    """Move a running generation to where the provider says that it is."""
    if progress.state != "running":
        deliveries.note_end(generation, timezone.now())
    if progress.state == "succeeded":
        if begin_collecting(generation, progress, answer):
            pace.note(generation, timezone.now())
    elif progress.state == "failed":
        sentence = errors.Moderated.default_sentence if progress.moderated else BROKE_OFF
        fail(generation, sentence, details=progress.reason, answer=answer)
    else:
        if progress.strange:
            _keep_riddle(generation, progress.strange, "", "", answer)
        elif generation.problem:
            _show(generation, **NO_PROBLEM)
        _give_up_if_over(generation, unknown=False)


def _keep_riddle(generation: Generation, sentence: str, code: str, details: str, answer: str) -> None:
    """Keep one answer of each kind that nobody understands, and say so: it can be read again when that is mended."""
    if generation.problem == sentence and generation.problem_code == code:
        return
    reason, riddles = f"{sentence} {code}".strip(), generation.events.filter(riddle=True)
    if len(riddles) < MOST_RIDDLES and reason not in {each.reason for each in riddles}:
        note(generation, reason, answer, riddle=True)
    _show(
        generation,
        problem=sentence,
        problem_code=code,
        problem_details=client.redact(details, deliveries.secrets_of(generation), 400),
    )


def _show(generation: Generation, **fields: str) -> None:
    Generation.objects.filter(pk=generation.pk, status=Status.RUNNING).update(changed=timezone.now(), **fields)
