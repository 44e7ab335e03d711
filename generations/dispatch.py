"""Who goes next: slots and the daily limit of each credential, and fairness between the people who wait for one."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Coalesce

from generations.models import Credential, Deletion, Generation, Status
from generations.providers.registry import PROVIDERS
from klingweb.accounts.models import Team

IN_FLIGHT = (Status.SUBMITTING, Status.RUNNING)
NEEDS_KEY = (*IN_FLIGHT, Status.UNCONFIRMED)  # what the provider is asked about
NEVER = datetime.min.replace(tzinfo=UTC)


def next_for(credential: Credential, now: datetime) -> Generation | None:
    """The queued generation that may be sent now, or None where nothing is due or fits.

    People take turns: whose last request left longest ago goes first, and of one person's requests the oldest. What
    needs more slots than are free waits; what needs more than there are goes alone. What is more than the day's limit
    leaves waits for another day and lets smaller ones pass.
    """
    if credential.removed_at:
        return None
    due = Generation.objects.filter(credential=credential, status=Status.QUEUED, ready=True, due_at__lte=now)
    if credential.daily_pictures is not None:
        due = due.filter(asked__lte=credential.daily_pictures - sent_today(credential, now))
    if PROVIDERS[credential.provider].accounts:
        due = due.exclude(account__in=_full_accounts(credential))
    waiting = dict(due.values_list("person_id").annotate(Min("created")).order_by())
    if not waiting:
        return None
    sent = Generation.objects.filter(credential=credential, person_id__in=waiting)
    turns = dict(sent.values_list("person_id").annotate(Max("submitted_at")).order_by())
    person = min(waiting, key=lambda each: (turns.get(each) or NEVER, waiting[each]))
    chosen = due.filter(person_id=person).select_related("credential").order_by("created", "id").first()
    return chosen if chosen and fits(credential, chosen) else None


def _full_accounts(credential: Credential) -> list[str]:
    """The accounts behind the credential that take nothing more just now, or are to rest."""
    in_flight = Generation.objects.filter(credential=credential, status__in=IN_FLIGHT).order_by()
    taken = dict(in_flight.values_list("account").annotate(Count("pk")))
    known = credential.accounts.all()
    return [each.name for each in known if each.paused_at or taken.get(each.name, 0) >= each.slots]


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


# The day --------------------------------------------------------------------------------------------------------------


def day_of(now: datetime) -> datetime:
    """When the day began that daily limits count in."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def next_day(now: datetime) -> datetime:
    """When daily limits begin anew."""
    return day_of(now) + timedelta(days=1)


def sent_today(credential: Credential, now: datetime) -> int:
    """How many pictures were asked for today with this credential; what came back into the queue was not."""
    day = day_of(now)
    sent = Generation.objects.filter(_sent_since(day), credential=credential)
    deleted = Deletion.objects.filter(submitted_at__gte=day, credential=credential)
    return sum(each.aggregate(pictures=Sum("asked"))["pictures"] or 0 for each in (sent, deleted))


# For the page ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """What goes on with a credential: slots taken, requests that wait or are followed, pictures sent today."""

    slots: int = 0
    queued: int = 0
    followed: int = 0
    today: int = 0


def loads(team: Team, now: datetime) -> dict[int, Load]:
    """The load of each of the team's credentials that has any. Two queries."""
    found = _loads_of_kept(team, now)
    deleted = Deletion.objects.filter(team=team, submitted_at__gte=day_of(now))
    for pk, pictures in deleted.order_by().values_list("credential").annotate(Sum("asked")):
        load = found.get(pk, Load())
        found[pk] = replace(load, today=load.today + pictures)
    return found


def _loads_of_kept(team: Team, now: datetime) -> dict[int, Load]:
    in_flight, today = Q(status__in=IN_FLIGHT), _sent_since(day_of(now))
    found = Generation.objects.filter(Q(status__in=[Status.QUEUED, *NEEDS_KEY]) | today, team=team)
    counted = (
        found.order_by()
        .values("credential", "provider")
        .annotate(
            pictures=Coalesce(Sum("asked", filter=in_flight), 0),
            requests=Count("pk", filter=in_flight),
            queued=Count("pk", filter=Q(status=Status.QUEUED)),
            followed=Count("pk", filter=Q(status__in=NEEDS_KEY)),
            today=Coalesce(Sum("asked", filter=today), 0),
        )
    )
    return {
        each["credential"]: Load(
            each[PROVIDERS[each["provider"]].slot_unit], each["queued"], each["followed"], each["today"]
        )
        for each in counted
        if each["provider"] in PROVIDERS
    }


def _sent_since(moment: datetime) -> Q:
    return Q(submitted_at__gte=moment) & ~Q(status=Status.QUEUED)
