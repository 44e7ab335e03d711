"""Money and deeds: what is reserved, settled and released for each generation, and the log of who did what.

Only the state machine moves money, in the transaction of the move itself; each charge is closed once.
"""

import uuid
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from generations.models import AuditEntry, Charge, Credential, Event, Generation, Status
from klingweb.accounts.models import Team, User

State = Charge.State
USD = "USD"


def reserve(generation: Generation) -> None:
    """Set the estimate aside, with the request itself."""
    Charge.objects.create(
        generation_id=generation.pk,
        team_id=generation.team_id,
        person_id=generation.person_id,
        credential_id=generation.credential_id,
        operation=generation.operation,
        model_name=generation.model_name,
        at=generation.created,
        unit=generation.estimate_unit,
        reserved=generation.estimate,
        reserved_usd=generation.estimate_usd,
    )


def follow(pk: uuid.UUID, before: str, after: str) -> None:
    """Move the money as the generation moves: what was made is settled, what was not is released."""
    if after == Status.SUCCEEDED or (before == Status.COLLECTING and after == Status.FAILED):
        ended = Generation.objects.annotate(made=Count("images")).get(pk=pk)
        _close(pk, State.SETTLED, **_settlement(ended, ended.made))
    elif after in (Status.FAILED, Status.CANCELED):
        _close(pk, State.RELEASED)
    elif before == Status.FAILED:
        released = Charge.objects.filter(generation_id=pk, state=State.RELEASED)
        released.update(state=State.RESERVED, closed_at=None)


def change_payer(pk: uuid.UUID, credential: Credential) -> None:
    """What is reserved is going to be paid with another credential."""
    Charge.objects.filter(generation_id=pk, state=State.RESERVED).update(credential=credential)


def make_up(generation: Generation, last: Event | None) -> None:
    """Write the money of a generation that is older than the ledger; `last` is how it ended, if it has."""
    with transaction.atomic():
        reserve(generation)
        if last:
            follow(generation.pk, last.before, last.after)
            Charge.objects.filter(generation_id=generation.pk).update(closed_at=last.at)


def _close(pk: uuid.UUID, state: str, **amounts: Any) -> None:
    reserved = Charge.objects.filter(generation_id=pk, state=State.RESERVED)
    reserved.update(state=state, closed_at=timezone.now(), **amounts)


def _settlement(generation: Generation, made: int) -> dict[str, Any]:
    """What was charged: as the provider told, else the price of as many pictures as it made."""
    if generation.cost is not None:
        usd = _usd(generation, generation.cost, generation.cost_unit)
        told = {"settled": generation.cost, "settled_usd": usd, "unit": generation.cost_unit, "told": True}
        return told | {"pictures": made}
    share = Decimal(made) / max(generation.asked, 1)
    return {
        "settled": None if generation.estimate is None else generation.estimate * share,
        "settled_usd": None if generation.estimate_usd is None else generation.estimate_usd * share,
        "pictures": made,
    }


def _usd(generation: Generation, amount: Decimal, unit: str) -> Decimal | None:
    """An amount in US dollars, by the rate of the estimate."""
    if unit == USD:
        return amount
    if unit != generation.estimate_unit or not generation.estimate or generation.estimate_usd is None:
        return None
    return amount * generation.estimate_usd / generation.estimate


# Deeds ----------------------------------------------------------------------------------------------------------------


def write(team: Team, person: User | None, verb: str, subject: Generation | Credential | str, said: str = "") -> None:
    """Add to the log that somebody did something. Never a secret, never a prompt."""
    named = f"generation {subject.pk}" if isinstance(subject, Generation) else str(subject)
    AuditEntry.objects.create(team=team, person=person, verb=verb, subject=named[:200], said=said[:300])
