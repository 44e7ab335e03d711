"""How long requests for a model take here, learned from those that were made: when to look first, and what is usual."""

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

from generations.models import Generation, Pace

KEPT = 20  # of the last ones
ENOUGH = 5  # before that, nothing is known
LATE = 4  # times as long as usual
SOONER = 0.9  # of the quickest: looked for earlier each time it is there already, so that we notice a quicker provider
EXPECTED = 1.25  # of the slowest: by then a webhook has told


def note(generation: Generation, now: datetime) -> None:
    """Remember how long this one took, whose provider has just said that it is done."""
    took = round((now - generation.submitted_at).total_seconds(), 1) if generation.submitted_at else 0
    if took <= 0:
        return  # the clock was set back
    known, _ = Pace.objects.get_or_create(
        provider=generation.provider, operation=generation.operation, model_name=generation.model_name
    )
    if len(known.seconds) >= ENOUGH and took > LATE * statistics.median(known.seconds):
        return  # nobody looked for so long
    known.seconds = [*known.seconds, took][-KEPT:]
    known.save(update_fields=["seconds"])


def first_look(generation: Generation, *, told: bool) -> timedelta:
    """How long after its POST it may be done; none where nobody knows. Longer where we expect to be `told`."""
    known = Pace.objects.filter(
        provider=generation.provider, operation=generation.operation, model_name=generation.model_name
    ).first()
    if not known or len(known.seconds) < ENOUGH:
        return timedelta(0)
    return timedelta(seconds=EXPECTED * max(known.seconds) if told else SOONER * min(known.seconds))


def usual(seconds: Sequence[float] | None) -> int | None:
    """How many seconds it usually takes, of the last ones; None where too few are known."""
    return round(statistics.median(seconds)) if seconds and len(seconds) >= ENOUGH else None


def usual_of(provider: str, operation: str) -> dict[str, int]:
    """How many seconds each model of an operation usually takes, by its name, where that has been learned."""
    known = Pace.objects.filter(provider=provider, operation=operation).values_list("model_name", "seconds")
    return {name: found for name, seconds in known if (found := usual(seconds))}
