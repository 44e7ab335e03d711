"""The one paid call of a generation. `submitting` holds exactly it, and nothing sends it a second time by itself."""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

import httpx
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from generations import assets, credentials, deliveries, interpretation, pace, queue
from generations.lifecycle import advance, note
from generations.models import AssetCopy, Generation, Reference, Status
from generations.providers import client, errors
from generations.providers.exchange import FateUnknown, NotSent, Order, Reply, Submission
from generations.providers.registry import PROVIDERS, find
from generations.services.collecting import begin_collecting
from generations.services.common import (
    LONGEST_REST,
    NO_PROBLEM,
    account_of,
    deadlines,
    deadlines_of,
    fail,
    kept_answer,
    lane,
    leave_alone,
    load,
    paced,
    poll_pause,
)
from generations.services.readying import rest
from generations.services.unconfirmed import MODERATED, findable

log = logging.getLogger(__name__)

SOONEST = 1.0  # seconds; whatever a provider says
RETRY_AFTER = 10.0  # seconds; for what could not be sent
LATEST_LOOK = 120.0  # seconds after the POST, however long requests have taken so far
LONGEST = 600.0  # seconds; no provider's paid call takes longer


def begin(generation: Generation, token: str, *, where: Q | None = None) -> client.Call | None:
    """Claim a queued generation and give its paid call. None where somebody else was first, or `where` does not hold.

    `submitting` is committed before the call exists for anybody who could send it.
    """
    now = timezone.now()
    provider, operation = find(generation.provider, generation.operation)
    ready = list(generation.references.select_related("copy")) if operation.references else []
    if not _still_there(generation, ready, now):
        _make_ready_again(generation)
        return None
    try:
        pictures = {each.field: assets.delivered(each.copy) for each in ready if each.copy}
    except FileNotFoundError:
        fail(generation, "A reference picture is not there any more. Choose it again. Nothing was charged.")
        return None
    webhook = deliveries.address(generation, operation)
    order = Order(generation.values, str(generation.pk), pictures, webhook)
    call = client.Call(
        provider.build_create(operation, order, account_of(generation), now),
        deadlines(generation).create,
        credentials.api_policy(generation.credential),
        lane=lane(generation),
        paid=True,
    )
    reason = f"Sending to {provider.label} with {generation.credential}"
    fields: dict[str, Any] = {"token": token, "submitted_at": now, "delivered": 0 if webhook else None}
    as_built = Q(credential=generation.credential_id, ready=True) & (where or Q())
    return call if advance(generation, Status.SUBMITTING, reason=reason, where=as_built, **fields) else None


def _still_there(generation: Generation, references: list[Reference], now: datetime) -> bool:
    """Whether every copy is where the provider finds it.

    It may have waited longer than the provider keeps it, or have been made for the credential that it waited for first.
    """
    copies = [each.copy for each in references]
    return all(
        copy and copy.credential_id == generation.credential_id and (not copy.expires_at or copy.expires_at > now)
        for copy in copies
    )


def _make_ready_again(generation: Generation) -> None:
    if Generation.objects.filter(pk=generation.pk, status=Status.QUEUED).update(ready=False, due_at=timezone.now()):
        queue.enqueue_ready([generation.pk])


def finish(pk: uuid.UUID, token: str, reply: Reply, *, sent: datetime | None = None) -> None:
    """Note what became of the paid call that the turn of this token sent. A late answer still counts.

    One turn may send twice: the answer to what it `sent` then says nothing of what it sent later.
    """
    generation = load(pk)
    if not generation or generation.token != token or generation.status not in (Status.SUBMITTING, Status.UNCONFIRMED):
        return
    if sent and generation.submitted_at != sent:
        return
    if isinstance(reply, NotSent):
        reason = f"It could not be sent: {reply.reason} It is tried again by itself."
        _requeue(generation, reason, paced(RETRY_AFTER), problem=reason[:300])
    elif isinstance(reply, FateUnknown):
        _unconfirm(generation, reply.reason)
    else:
        _read_submission(generation, reply)


def silent(token: str, now: datetime) -> Q:
    """What another turn than that of this token sends, and perhaps has been sending for too long."""
    shortest = min(deadlines_of(slug).create for slug in PROVIDERS) + settings.SUBMISSION_GRACE
    long = Q(submitted_at__lt=now - timedelta(seconds=shortest)) | Q(submitted_at__gt=now)  # the clock was set back
    return Q(long, status=Status.SUBMITTING) & ~Q(token=token)


def give_up_silent(token: str) -> int:
    """Generations whose sender is gone: after the POST's deadline nobody knows their fate. Returns how many."""
    now, found = timezone.now(), 0
    for generation in Generation.objects.filter(silent(token, now)):
        if is_over(generation, now):
            found += _unconfirm(generation, "The program was stopped while the request was on its way.")
    return found


def count_open() -> int:
    """How many paid calls may still be answered, whoever sent them."""
    now = timezone.now()
    return sum(not is_over(each, now) for each in Generation.objects.filter(status=Status.SUBMITTING))


def is_over(generation: Generation, now: datetime) -> bool:
    """Whether its paid call can no longer be answered, so that anybody may judge it."""
    try:
        deadline = deadlines(generation).create
    except LookupError:  # neither its provider nor its operation need be there any more
        deadline = LONGEST
    grace = timedelta(seconds=deadline + settings.SUBMISSION_GRACE)
    sent = generation.submitted_at
    return bool(sent and (sent + grace < now or sent > timezone.now() + grace))  # the clock may have been set back


def _read_submission(generation: Generation, response: httpx.Response) -> None:
    answer = kept_answer(generation, response)
    try:
        submission = interpretation.read_create(generation, response)
    except errors.ProviderError as error:
        _refuse(generation, error, answer)
    else:
        accept(generation, submission, answer)


def accept(generation: Generation, submission: Submission, answer: str) -> bool:
    """The provider has it: follow it from here, or bring home what it made at once."""
    if submission.progress:
        return begin_collecting(generation, submission.progress, answer)
    provider, _ = find(generation.provider, generation.operation)
    return advance(
        generation,
        Status.RUNNING,
        reason=f"{provider.label} is making the pictures",
        answer=answer,
        provider_task_id=submission.task_id,
        due_at=_first_look(generation, timezone.now()),
        **NO_PROBLEM,
    )


def _first_look(generation: Generation, now: datetime) -> datetime:
    """When it may be done for the first time. One that was adopted late is looked at soon."""
    expected = min(pace.first_look(generation, told=deliveries.arrive(generation, now)), paced(LATEST_LOOK))
    return max((generation.submitted_at or now) + expected, now + poll_pause(timedelta(0)))


def _refuse(generation: Generation, error: errors.ProviderError, answer: str) -> None:
    anew: dict[str, Any] = {}
    if error.pauses_credential and not generation.credential.changed_since(generation.submitted_at or timezone.now()):
        anew = rest(generation, error)
    if not error.fate_known:
        _unconfirm(generation, f"{error.sentence} {error.code}".strip(), answer)
    elif isinstance(error, errors.ReferenceUnknown) and not generation.renewed:
        _renew(generation, answer)
    elif error.waits:
        pause = paced(RETRY_AFTER) if error.retry_after is None else _told(error.retry_after)
        problem = "" if error.pauses_credential else error.sentence
        _requeue(generation, error.sentence, pause, answer, problem=problem, **anew)
        if not error.pauses_credential:
            leave_alone(generation, (Status.QUEUED,), pause)
    elif generation.doubts and (generation.provider in findable() or not isinstance(error, errors.Moderated)):
        said = client.redact(error.details, deliveries.secrets_of(generation)) or error.sentence
        code = MODERATED if isinstance(error, errors.Moderated) else ""
        _unconfirm(generation, f"The second request of this name was refused: {said}", answer, code=code)
    else:
        fail(generation, error.sentence, code=error.code, details=error.details, answer=answer)
    log.warning("%s: %s %s %s", generation.pk, generation.credential.last_four, type(error).__name__, error.code)


def _told(seconds: float) -> timedelta:
    """As long as a provider asks for, within reason."""
    return min(max(timedelta(seconds=seconds), paced(SOONEST)), paced(LONGEST_REST))


def _renew(generation: Generation, answer: str) -> None:
    """The provider has lost a reference: it is uploaded anew, once. Nothing was made, so nothing is paid twice."""
    AssetCopy.objects.filter(references__generation=generation).delete()
    if advance(
        generation,
        Status.QUEUED,
        reason="The provider could not find a reference picture: it is uploaded anew",
        answer=answer,
        ready=False,
        renewed=True,
        due_at=timezone.now(),
        token="",
    ):
        queue.enqueue_ready([generation.pk])


def _requeue(generation: Generation, reason: str, pause: timedelta, answer: str = "", **fields: Any) -> None:
    due = timezone.now() + pause
    advance(generation, Status.QUEUED, reason=reason, answer=answer, due_at=due, token="", **fields)


def _unconfirm(generation: Generation, reason: str, answer: str = "", code: str = "") -> bool:
    if generation.status == Status.UNCONFIRMED:
        if answer:
            note(generation, reason, answer, riddle=True)
        return False
    return advance(
        generation,
        Status.UNCONFIRMED,
        reason=reason,
        answer=answer,
        riddle=bool(answer),
        problem="Nobody knows whether this request arrived, so it is not simply sent again.",
        problem_code=code,
        problem_details=reason[:400],
        doubts=generation.doubts + 1,
        due_at=timezone.now(),
    )
