"""Reads: what pages and the supervisor show. Each takes what a person may see and adds no right of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from generations.lifecycle import UNFINISHED
from generations.models import AuditEntry, Charge, Credential, Element, Event, Generation, Image, Lease, Reading, Status
from generations.queue import FOLLOWER
from klingweb.accounts.models import Team

PAGE = 30
RIDDLES = 5
OVERLAP = timedelta(seconds=2)  # commits may become visible in another order than their moments
CLEARING = timedelta(minutes=15)  # after which a request of unknown fate is left to a person
NEEDS_PERSON = (Status.UNCONFIRMED,)
SILENCE = timedelta(seconds=20)  # after the follower's lease has ended; a restart takes less


@dataclass(frozen=True)
class Counts:
    """How many are running, how many wait for a decision, and of those how many may still clear up by themselves."""

    running: int
    waiting: int
    clearing: int = 0

    @property
    def moving(self) -> bool:
        """Whether something may change without anybody doing anything."""
        return bool(self.running or self.clearing)


def with_images(generations: QuerySet[Generation]) -> QuerySet[Generation]:
    """With all that a card shows, in one further query."""
    return generations.select_related("person", "credential").prefetch_related("images")


def page_of(generations: QuerySet[Generation], after: Generation | None = None) -> list[Generation]:
    """One page, newest first, beginning behind `after`. One more than PAGE tells that there is another."""
    if after:
        older = generations.filter(created__lte=after.created)
        generations = older.exclude(created=after.created, id__gte=after.id)
    return list(with_images(generations.order_by("-created", "-id"))[: PAGE + 1])


def changed_since(generations: QuerySet[Generation], since: datetime) -> list[Generation]:
    """What has changed since then, and a little before: showing one twice does no harm."""
    return list(with_images(generations.filter(changed__gt=since - OVERLAP).order_by("created"))[:100])


def counts(generations: QuerySet[Generation]) -> Counts:
    """How many of these are on their way, and how many wait for a person."""
    doubtful = Q(status__in=NEEDS_PERSON)
    found = generations.filter(status__in=[*UNFINISHED, *NEEDS_PERSON]).aggregate(
        running=Count("pk", filter=Q(status__in=UNFINISHED)),
        waiting=Count("pk", filter=doubtful),
        clearing=Count("pk", filter=doubtful & Q(submitted_at__gt=timezone.now() - CLEARING)),
    )
    return Counts(**found)


def followed(now: datetime) -> bool:
    """Whether somebody follows the generations."""
    return Lease.objects.filter(name=FOLLOWER, expires_at__gt=now).exists()


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
    return [each for each in generation.images.all() if each.state == Image.State.KEPT]
