"""What a restored installation must not believe: that nothing has left since the backup was made."""

from datetime import datetime
from typing import Any

from django.db import transaction

from generations.lifecycle import advance, note
from generations.models import Generation, Status

REASON = "Restored from a backup: it may have been sent since."
MAY_BE_SENT = (Status.QUEUED, Status.SUBMITTING, Status.UNCONFIRMED)


def doubt_what_may_have_been_sent(now: datetime) -> int:
    """Simply send nothing that the installation of the backup may have sent meanwhile. Returns how many those are.

    It may have done so until now: whatever waits to be certain waits from this moment on. Those that run are followed.
    """
    with transaction.atomic():
        doubtful = list(Generation.objects.filter(status__in=MAY_BE_SENT))
        for generation in doubtful:
            _doubt(generation, now)
    return len(doubtful)


def sent_since(generation: Generation) -> datetime:
    """The earliest moment at which it may have been sent: where it was restored, any since it was asked for."""
    if is_restored(generation) or not generation.submitted_at:
        return generation.created
    return generation.submitted_at


def is_restored(generation: Generation) -> bool:
    """Whether another installation may have sent it, of which only a backup is known here."""
    return generation.events.filter(reason=REASON).exists()


def _doubt(generation: Generation, now: datetime) -> None:
    fields: dict[str, Any] = {
        "submitted_at": now,
        "due_at": now,
        "token": "",
        "doubts": generation.doubts + 1,
        "problem": "Nobody knows whether this request arrived, so it is not simply sent again.",
        "problem_details": REASON,
    }
    if generation.status == Status.UNCONFIRMED:
        note(generation, REASON, "")
        Generation.objects.filter(pk=generation.pk).update(**fields, changed=now)
    else:
        advance(generation, Status.UNCONFIRMED, reason=REASON, **fields)
