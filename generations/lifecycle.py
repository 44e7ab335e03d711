"""The state machine, and the only place that writes a status.

    queued ──► submitting ──► running ──► collecting ──► succeeded
       │           │  └───────────┼──────────►┘ │
       │           ├► queued      ├► failed     └► failed
       │           ├► failed      └► canceled
       ├► canceled └► unconfirmed ──► running | collecting | failed | queued
       ├► failed
       └► unconfirmed  (restored from a backup, it may have been sent since)

A failed one runs again only where a person found at the provider what had been given up.
"""

from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from generations import ledger
from generations.models import Credential, Event, Generation, Status

ALLOWED: dict[str, frozenset[str]] = {
    Status.QUEUED: frozenset({Status.SUBMITTING, Status.CANCELED, Status.FAILED, Status.UNCONFIRMED}),
    Status.SUBMITTING: frozenset(
        {Status.RUNNING, Status.COLLECTING, Status.QUEUED, Status.FAILED, Status.UNCONFIRMED},
    ),
    Status.UNCONFIRMED: frozenset({Status.RUNNING, Status.COLLECTING, Status.FAILED, Status.QUEUED}),
    Status.RUNNING: frozenset({Status.COLLECTING, Status.FAILED, Status.CANCELED}),
    Status.COLLECTING: frozenset({Status.SUCCEEDED, Status.FAILED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset({Status.RUNNING}),
    Status.CANCELED: frozenset(),
}
TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})
UNFINISHED = frozenset({Status.QUEUED, Status.SUBMITTING, Status.RUNNING, Status.COLLECTING})

EVER = Q()


class NotAllowed(Exception):
    """The state machine has no such move. It is a mistake in the program, never in the data."""


def advance(
    generation: Generation,
    to: Status,
    *,
    reason: str = "",
    answer: str = "",
    riddle: bool = False,
    where: Q = EVER,
    **fields: Any,
) -> bool:
    """Move a generation from the status that the object in hand has, and leave an event.

    `riddle` says that the answer was not understood; `where` is what else has to be true of the row still. `fields` are
    written in the same statement. Returns False where somebody else was first: then nothing was written and the object
    is as it was. Raises NotAllowed for a move that the machine does not have.
    """
    before = Status(generation.status)
    if to not in ALLOWED[before]:
        raise NotAllowed(f"{before} → {to}")
    now = timezone.now()
    fields |= {"status": to, "changed": now}
    fields["finished_at"] = now if to in TERMINAL else None
    with transaction.atomic(savepoint=False):
        unmoved = Generation.objects.filter(pk=generation.pk, status=before)
        if not (unmoved.filter(where) if where else unmoved).update(**fields):
            return False
        event = Event(generation=generation, at=now, before=before, after=to, reason=reason[:300])
        event.answer, event.riddle = answer, riddle
        if not _counted(event):
            event.save(force_insert=True)
        ledger.follow(generation.pk, before, to)
    for name, value in fields.items():
        setattr(generation, name, value)
    return True


def _counted(event: Event) -> bool:
    """Whether it is the end of an attempt just like the one before, which then counts once more.

    What waits for a provider that is busy or gone is sent every few seconds, perhaps for days: the record stays short.
    """
    if (event.before, event.after) != (Status.SUBMITTING, Status.QUEUED):
        return False
    last = list(event.generation.events.order_by("-id")[:3])
    if len(last) < 3 or _said(last[2], last[1]) != _said(last[0], event):
        return False
    sent, ended, _ = last
    Event.objects.filter(pk=ended.pk).update(times=F("times") + 1, until=event.at)
    sent.delete()
    return True


def _said(*events: Event) -> list[tuple[str, str, str]]:
    return [(each.before, each.after, each.reason) for each in events]


def switch(generation: Generation, credential: Credential, *, reason: str, **fields: Any) -> bool:
    """Have a generation that waits wait for another credential, which pays for it then, and leave an event.

    Only where a person left the credential open, and never once an earlier request may have arrived: that one is known
    to the account it went to, and to no other. Returns False where that is not so, or somebody else was first.
    """
    now = timezone.now()
    fields |= {"credential": credential, "account": "", "renewed": False, "due_at": now, "changed": now}
    fields |= {"problem": "", "problem_code": "", "problem_details": ""}
    free = Generation.objects.filter(pk=generation.pk, status=Status.QUEUED, open_credential=True, doubts=0)
    with transaction.atomic():
        if not free.filter(credential=generation.credential_id).update(**fields):
            return False
        note(generation, reason, "")
        ledger.change_payer(generation.pk, credential)
    for name, value in fields.items():
        setattr(generation, name, value)
    return True


def note(generation: Generation, reason: str, answer: str, *, riddle: bool = False) -> None:
    """Leave an event that moves nothing: something worth keeping was learned of it."""
    kept = {"reason": reason[:300], "answer": answer, "riddle": riddle}
    Event.objects.create(generation=generation, before=generation.status, after=generation.status, **kept)


def begin(generation: Generation, reason: str) -> None:
    """Write a new generation with its first event and its money. Raises IntegrityError where it was sent before."""
    with transaction.atomic(savepoint=False):
        generation.save(force_insert=True)
        ledger.reserve(generation)
        Event.objects.create(generation=generation, at=generation.created, after=generation.status, reason=reason)
