"""Who goes next: slots per credential, and fairness between the people who wait for one."""

from datetime import UTC, datetime

from django.db.models import Count, Max, Min, Q, Sum

from generations.models import Credential, Generation, Status
from generations.providers.registry import PROVIDERS

IN_FLIGHT = (Status.SUBMITTING, Status.RUNNING)
NEVER = datetime.min.replace(tzinfo=UTC)


def next_for(credential: Credential, now: datetime) -> Generation | None:
    """The queued generation that may be sent now, or None where nothing is due or fits.

    People take turns: whose last request left longest ago goes first, and of one person's requests the oldest. What
    needs more slots than are free waits; what needs more than there are goes alone.
    """
    due = Generation.objects.filter(credential=credential, status=Status.QUEUED, due_at__lte=now)
    waiting = dict(due.values_list("person_id").annotate(Min("created")).order_by())
    if not waiting:
        return None
    sent = Generation.objects.filter(credential=credential, person_id__in=waiting)
    turns = dict(sent.values_list("person_id").annotate(Max("submitted_at")).order_by())
    person = min(waiting, key=lambda each: (turns.get(each) or NEVER, waiting[each]))
    chosen = due.filter(person_id=person).select_related("credential").order_by("created", "id").first()
    return chosen if chosen and fits(credential, chosen) else None


def fits(credential: Credential, generation: Generation) -> bool:
    """Whether the credential has slots for it: enough free ones, or none taken at all."""
    taken = slots_taken(credential)
    return taken == 0 or taken + slots_of(generation) <= credential.slots


def slots_of(generation: Generation) -> int:
    """How many slots it takes, in what its provider counts."""
    return generation.asked if PROVIDERS[generation.provider].slot_unit == "pictures" else 1


def slots_taken(credential: Credential) -> int:
    """How many slots are taken at the provider."""
    in_flight = Generation.objects.filter(Q(credential=credential, status__in=IN_FLIGHT))
    pictures = PROVIDERS[credential.provider].slot_unit == "pictures"
    return in_flight.aggregate(slots=Sum("asked") if pictures else Count("id"))["slots"] or 0
