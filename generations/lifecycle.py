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
from django.utils import timezone

from generations import ledger
from generations.models import Event, Generation, Status

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


class NotAllowed(Exception):
    """The state machine has no such move. It is a mistake in the program, never in the data."""


def advance(
    generation: Generation, to: Status, *, reason: str = "", answer: str = "", riddle: bool = False, **fields: Any
) -> bool:
    """Move a generation from the status that the object in hand has, and leave an event.

    `riddle` says that the answer was not understood. `fields` are written in the same statement. Returns False where
    somebody else was first: then nothing was written and the object is as it was. Raises NotAllowed for a move that
    the machine does not have.
    """
    before = Status(generation.status)
    if to not in ALLOWED[before]:
        raise NotAllowed(f"{before} → {to}")
    now = timezone.now()
    fields |= {"status": to, "changed": now}
    fields["finished_at"] = now if to in TERMINAL else None
    with transaction.atomic():
        if not Generation.objects.filter(pk=generation.pk, status=before).update(**fields):
            return False
        kept = {"reason": reason[:300], "answer": answer, "riddle": riddle}
        Event.objects.create(generation=generation, at=now, before=before, after=to, **kept)
        ledger.follow(generation.pk, before, to)
    for name, value in fields.items():
        setattr(generation, name, value)
    return True


def note(generation: Generation, reason: str, answer: str, *, riddle: bool = False) -> None:
    """Leave an event that moves nothing: something worth keeping was learned of it."""
    kept = {"reason": reason[:300], "answer": answer, "riddle": riddle}
    Event.objects.create(generation=generation, before=generation.status, after=generation.status, **kept)


def begin(generation: Generation, reason: str) -> None:
    """Write a new generation with its first event and its money. Raises IntegrityError where it was sent before."""
    with transaction.atomic():
        generation.save(force_insert=True)
        ledger.reserve(generation)
        Event.objects.create(generation=generation, at=generation.created, after=generation.status, reason=reason)
