"""Reads: what pages and the supervisor show. Each takes what a person may see and adds no right of its own."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils.dateformat import format as in_format

from generations.lifecycle import TERMINAL, UNFINISHED
from generations.models import (
    AuditEntry,
    Charge,
    Credential,
    Element,
    Event,
    Generation,
    Image,
    Lease,
    Pace,
    Reading,
    Status,
)
from generations.queue import FOLLOWER
from klingweb.accounts.models import Team, User

PAGE = 30
SOONEST, USUALLY = 250, 1000  # milliseconds between two questions of a page
FEW = 20  # being made at once, for which pages may ask so soon
LONGEST_QUEUE = 100
JUST_NOW = timedelta(minutes=10)
RIDDLES = 5
OVERLAP = timedelta(seconds=2)  # commits may become visible in another order than their moments
CLEARING = timedelta(minutes=15)  # after which a request of unknown fate is left to a person
NEEDS_PERSON = (Status.UNCONFIRMED,)
ON_THEIR_WAY = Q(finished_at=None, status__in=[*UNFINISHED, *NEEDS_PERSON])  # the first is what its index is of
SILENCE = timedelta(seconds=20)  # after the follower's lease has ended; a restart takes less


@dataclass(frozen=True)
class Counts:
    """How many are being made, how many wait to be sent, and how many need a decision of a person."""

    running: int
    queued: int
    doubtful: int

    @property
    def under_way(self) -> int:
        """How many are going to become something by themselves."""
        return self.running + self.queued


class News(NamedTuple):
    """Where a generation is, as a page that shows it asks each second; and until when somebody follows them all."""

    pk: UUID
    person: int | None
    status: str
    changed: datetime
    submitted_at: datetime | None
    followed_until: datetime | None

    @property
    def version(self) -> str:
        """What a page has kept of the moment at which this was last changed."""
        return in_format(self.changed, "U.u")


def with_images(generations: QuerySet[Generation]) -> QuerySet[Generation]:
    """With all that a card shows, in one further query. `pace` is how many seconds the last of its model took."""
    same = {name: OuterRef(name) for name in ("provider", "operation", "model_name")}
    found = generations.select_related("person", "credential", "team__sending_pause").prefetch_related("images")
    return found.annotate(pace=Subquery(Pace.objects.filter(**same).values("seconds")[:1]))


def page_of(generations: QuerySet[Generation], after: Generation | None = None) -> list[Generation]:
    """One page, newest first, beginning behind `after`. One more than PAGE tells that there is another."""
    if after:
        older = generations.filter(created__lte=after.created)
        generations = older.exclude(created=after.created, id__gte=after.id)
    return list(with_images(generations.order_by("-created", "-id"))[: PAGE + 1])


def news(shown: QuerySet[Generation], named: Collection[UUID], person: User, since: datetime) -> list[News]:
    """Each that is named, and whatever of the person's has changed since then and a little before, in one query."""
    own = Q(person=person, changed__gt=since - OVERLAP)
    lease = Lease.objects.filter(name=FOLLOWER).values("expires_at")
    found = shown.filter(Q(pk__in=named) | own).order_by()
    fields = ("pk", "person", "status", "changed", "submitted_at")
    return [News(*row) for row in found.values_list(*fields, Subquery(lease))]


def may_change(each: Generation | News, now: datetime) -> bool:
    """Whether something may become of it without anybody doing anything."""
    clearing = each.status in NEEDS_PERSON and each.submitted_at and each.submitted_at > now - CLEARING
    return each.status in UNFINISHED or bool(clearing)


def counts(generations: QuerySet[Generation]) -> Counts:
    """How many of these are on their way, and how many need a person."""
    found = generations.filter(ON_THEIR_WAY).aggregate(
        running=Count("pk", filter=Q(status__in=UNFINISHED - {Status.QUEUED})),
        queued=Count("pk", filter=Q(status=Status.QUEUED)),
        doubtful=Count("pk", filter=Q(status__in=NEEDS_PERSON)),
    )
    return Counts(**found)


def hurry() -> int:
    """How many milliseconds a page waits until it asks again for a picture that it expects.

    The more are being made, the longer, so that all pages together ask no more than eighty times a second; 0 where that
    is no more often than they ask anyway.
    """
    made = Generation.objects.filter(status__in=(Status.SUBMITTING, Status.RUNNING, Status.COLLECTING)).count()
    every = SOONEST * max(1, -(-made // FEW))
    return every if every < USUALLY else 0


def on_their_way(generations: QuerySet[Generation]) -> list[Generation]:
    """Those that have not ended or need a person, the oldest first. One more than LONGEST_QUEUE tells of others."""
    return list(with_images(generations.filter(ON_THEIR_WAY).order_by("created", "id"))[: LONGEST_QUEUE + 1])


def just_ended(generations: QuerySet[Generation], now: datetime) -> list[Generation]:
    """The last few that have ended just now, the latest first."""
    since = now - JUST_NOW
    found = generations.filter(status__in=TERMINAL, changed__gt=since, finished_at__gt=since)
    return list(with_images(found.order_by("-finished_at", "id"))[:5])


def silent_since(team: Team, now: datetime) -> datetime | None:
    """Since when nobody sends or follows, although the team waits for something; None where all is well."""
    lease = Lease.objects.filter(name=FOLLOWER, expires_at__lt=now - SILENCE).first()
    waits = lease and Generation.objects.filter(team=team, status__in=UNFINISHED).exists()
    return lease.expires_at if lease and waits else None


def credentials_of(team: Team) -> list[Credential]:
    """The team's credentials that have not been removed, with who did what, and with a pause of all its sending."""
    found = Credential.objects.filter(team=team, removed_at=None)
    return list(found.select_related("created_by", "changed_by", "paused_by", "team__sending_pause__by"))


def elements_of(team: Team) -> QuerySet[Element]:
    """The team's elements by name, with what a page shows of each."""
    return Element.objects.filter(team=team).select_related("asset", "by")


def audit_of(team: Team) -> QuerySet[AuditEntry]:
    """Who did what in the team, newest first."""
    return AuditEntry.objects.filter(team=team).select_related("person")


def readings_of(team: Team, provider: str) -> list[Reading]:
    """The team's rules for reading this provider's answers, in the order in which they work."""
    return list(Reading.objects.filter(team=team, provider=provider).select_related("by"))


def riddles_of(team: Team, provider: str) -> list[Event]:
    """The last answers of this provider to the team that were not understood."""
    found = Event.objects.filter(riddle=True, generation__team=team, generation__provider=provider)
    return list(found.order_by("-at", "-id")[:RIDDLES])


def charge_of(generation: Generation) -> Charge | None:
    """The money of a generation; None for one that is older than the ledger."""
    return Charge.objects.filter(generation_id=generation.pk).first()


def kept(generation: Generation) -> list[Image]:
    """The pictures that are here, in order."""
    return [each for each in generation.images.all() if each.state in Image.HERE]
