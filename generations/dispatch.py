"""Who goes next: slots and the daily limit of each credential, and fairness between the people who wait for one."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
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
    if credential.removed_at or (taken := slots_taken(credential)) >= credential.slots:
        return None
    due = Generation.objects.filter(credential=credential, status=Status.QUEUED, ready=True, due_at__lte=now)
    if credential.daily_pictures is not None:
        due = due.filter(asked__lte=credential.daily_pictures - sent_today(credential, now))
    if PROVIDERS[credential.provider].accounts:
        due = due.exclude(account__in=_full_accounts(credential))
    waiting = dict(due.values_list("person_id").annotate(Min("created")).order_by())
    if not waiting:
        return None
    person = _whose_turn(credential, waiting) if len(waiting) > 1 else next(iter(waiting))
    chosen = due.filter(person_id=person).select_related("credential").order_by("created", "id").first()
    return chosen if chosen and fits(credential, chosen, taken) else None


def _whose_turn(credential: Credential, waiting: Mapping[int | None, datetime]) -> int | None:
    sent = Generation.objects.filter(credential=credential, person_id__in=waiting)
    turns = dict(sent.values_list("person_id").annotate(Max("submitted_at")).order_by())
    return min(waiting, key=lambda each: (turns.get(each) or NEVER, waiting[each]))


def _full_accounts(credential: Credential) -> list[str]:
    """The accounts behind the credential that take nothing more just now, or are to rest."""
    in_flight = Generation.objects.filter(credential=credential, status__in=IN_FLIGHT).order_by()
    taken = dict(in_flight.values_list("account").annotate(Count("pk")))
    known = credential.accounts.all()
    return [each.name for each in known if each.paused_at or taken.get(each.name, 0) >= each.slots]


def fits(credential: Credential, generation: Generation, taken: int) -> bool:
    """Whether the credential has slots for it where so many are taken: enough free ones, or none taken at all."""
    return taken == 0 or taken + slots_of(generation) <= credential.slots


def slots_of(generation: Generation) -> int:
    """How many slots it takes, in what its provider counts."""
    return generation.asked if PROVIDERS[generation.provider].slot_unit == "pictures" else 1


def slots_taken(credential: Credential) -> int:
    """How many slots are taken at the provider."""
    in_flight = Generation.objects.filter(credential=credential, status__in=IN_FLIGHT)
    pictures = PROVIDERS[credential.provider].slot_unit == "pictures"
    return in_flight.aggregate(slots=Sum("asked") if pictures else Count("id"))["slots"] or 0


# Whichever has a free slot --------------------------------------------------------------------------------------------


@dataclass
class Room:
    """What a credential can take. `taken` counts slots at the provider and those that its own line is waiting for.

    `left` is how many pictures may still be asked for today, None for any number; `turn` is when it was last chosen.
    """

    credential: Credential
    slots: int
    taken: int = 0
    left: int | None = None
    turn: datetime = NEVER
    full_accounts: frozenset[str] = frozenset()

    @property
    def has_spare(self) -> bool:
        """Whether it has slots that nothing in its own line needs."""
        return self.taken < self.slots

    @property
    def may_refuse(self) -> bool:
        """Whether something in its line may have to wait for more than a slot."""
        return bool(self._rests or self.left is not None)

    def is_able(self, generation: Generation) -> bool:
        """Whether it may be sent with this credential today, once it is its turn."""
        return not self._rests and (self.left is None or generation.asked <= self.left)

    def has_slots(self, generation: Generation) -> bool:
        """Whether it may be sent with this credential at once."""
        return self.is_able(generation) and self._holds(self.taken + slots_of(generation), generation)

    def keeps_waiting(self, generation: Generation) -> bool:
        """Whether this credential, in whose line it is, has no slots for all that is in it."""
        return generation.account in self.full_accounts or not self._holds(self.taken, generation)

    def take(self, generation: Generation, now: datetime) -> None:
        """It is in this credential's line from now on."""
        self.taken, self.turn = self.taken + slots_of(generation), now

    def lose(self, generation: Generation) -> None:
        """It is in its line no longer."""
        self.taken -= slots_of(generation)

    @property
    def _rests(self) -> bool:
        return bool(self.credential.paused_at or self.credential.removed_at)

    def _holds(self, taken: int, generation: Generation) -> bool:
        return taken <= max(self.slots, slots_of(generation))


def rooms(credentials: Collection[Credential], now: datetime) -> list[Room]:
    """What each of these credentials can take. Three queries at most, and two more for each with several accounts."""
    theirs = Generation.objects.filter(credential__in=credentials).order_by().values("credential")
    latest = Max(Coalesce("submitted_at", "created"))
    moving = theirs.filter(status__in=[Status.QUEUED, *IN_FLIGHT])
    today = theirs.filter(_sent_since(day_of(now))).annotate(today=Sum("asked"), sent=latest)
    known: dict[int, dict[str, Any]] = defaultdict(dict)
    for each in (*moving.annotate(pictures=Sum("asked"), requests=Count("pk"), waits=latest), *today):
        known[each["credential"]] |= each
    deleted = Deletion.objects.filter(submitted_at__gte=day_of(now))
    gone = deleted.filter(credential__in=credentials).order_by().values_list("credential").annotate(Sum("asked"))
    lost = dict(gone) if any(each.daily_pictures is not None for each in credentials) else {}
    return [_room(each, known.get(each.pk, {}), lost.get(each.pk, 0)) for each in credentials]


def _room(credential: Credential, counted: Mapping[str, Any], deleted: int) -> Room:
    room, most, provider = Room(credential, credential.slots), credential.daily_pictures, PROVIDERS[credential.provider]
    room.taken = counted.get(provider.slot_unit, 0)
    room.turn = max(counted.get("sent", NEVER), counted.get("waits", NEVER))
    room.left = None if most is None else most - counted.get("today", 0) - deleted
    accounts = credential.accounts.all() if provider.accounts else ()
    if accounts:
        room.slots = min(room.slots, sum(each.slots for each in accounts if not each.paused_at))
        room.full_accounts = frozenset(_full_accounts(credential))
    return room


def best(found: Iterable[Room], generation: Generation) -> Room | None:
    """The credential to choose: one that has slots, else one that may send; of several the one chosen longest ago.

    They charge the same, since prices belong to a provider. None where there is none to choose from.
    """
    return min(
        found,
        key=lambda each: (
            not each.has_slots(generation),
            not each.is_able(generation),
            each.turn,
            each.credential.pk,
        ),
        default=None,
    )


def chosen(credentials: Collection[Credential], generation: Generation, now: datetime) -> Credential:
    """The best of these for a generation that is asked for. There has to be one."""
    found = best(rooms(credentials, now), generation) if len(credentials) > 1 else None
    return found.credential if found else next(iter(credentials))


def open_ones(now: datetime) -> QuerySet[Generation]:
    """What waits although another credential could be chosen for it, and is not being made ready at the moment."""
    waiting = Generation.objects.filter(status=Status.QUEUED, open_credential=True, doubts=0)
    resting = Q(credential__paused_at__isnull=False) | Q(credential__removed_at__isnull=False)
    return waiting.filter(resting | Q(due_at__lte=now))


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
