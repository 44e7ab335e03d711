"""Asking a provider's list about many running generations at once.

The list only says which of them have ended: those are asked about by themselves in the next moment, so that there is
one way to read an answer. One that two lists in a row did not show is asked about by itself as well, and so are a few
others each time: a list may be behind, out of order, or say it in words that nobody knows.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from generations import credentials, interpretation
from generations.models import Credential, Generation, Status
from generations.providers import client, errors
from generations.providers.exchange import Account, Listed, Reply
from generations.providers.registry import PROVIDERS, find
from generations.providers.spec import Listing, Operation
from generations.services.common import LONGEST_REST, deadlines_of, free_call, paced
from klingweb.secrets import Undecryptable

CROWD = 10  # due at once with one credential; fewer are asked about one by one
EVERY = 2  # seconds between two lists
PATIENCE = 10  # seconds; so long, at most, a follower that dies meanwhile leaves unasked what it wanted to know
SAMPLES = 3  # asked about by themselves although the list shows them running
MISSES = 2  # lists in a row that did not show a task, until it is asked about by itself
CHUNK = 500  # rows in one statement

Place = tuple[int, str, str, str]
"""Where one list answers for many: credential, provider, operation and account."""


@dataclass
class Round:
    """One question about everything that is due at a place: a call for each page that may show some of it.

    What was asked about is put off `until` then, and is due again soon after the last page. Where that is not there by
    then, or nobody waits for it any more, it is asked about one by one.
    """

    sample: Generation
    listing: Listing
    calls: list[client.Call]
    until: datetime
    waiting: dict[str, uuid.UUID]
    """What no page has shown yet: generations by the provider's task id."""
    open: int = 0
    rest: timedelta = field(default_factory=lambda: paced(EVERY))
    """Until the next question may be asked."""
    ended: list[uuid.UUID] = field(default_factory=list)
    running: list[uuid.UUID] = field(default_factory=list)

    def take(self, reply: Reply) -> None:
        """Note what one page shows; one that did not come shows nothing."""
        self.open -= 1
        try:
            listed = self._read(reply) if isinstance(reply, httpx.Response) else None
        except errors.ProviderError as error:
            listed = None
            if error.waits and error.retry_after:
                self.rest = max(self.rest, min(timedelta(seconds=error.retry_after), paced(LONGEST_REST)))
        for each in listed or ():
            pk = self.waiting.pop(each.task_id, None)
            if pk and each.progress.state == "running":
                self.running.append(pk)
            elif pk:
                self.ended.append(pk)

    def _read(self, response: httpx.Response) -> tuple[Listed, ...]:
        return interpretation.read_list(self.sample, self.listing.parse, response)


def places(now: datetime) -> dict[Place, int]:
    """Where so many are due, or almost, that a list is worth it, and how many."""
    slugs = [slug for slug, provider in PROVIDERS.items() if provider.listing]
    soon = Generation.objects.filter(status=Status.RUNNING, due_at__lte=now + paced(EVERY), provider__in=slugs)
    counted = soon.order_by().values_list("credential", "provider", "operation", "account")
    crowds = counted.annotate(count=Count("pk"), first=Min("due_at")).filter(count__gte=CROWD, first__lte=now)
    return {(pk, slug, operation, account): count for pk, slug, operation, account, count, _ in crowds}


def begin(place: Place, now: datetime, alone: set[uuid.UUID]) -> Round | None:
    """The calls that ask about everything due at a place but for what is `alone`. None where that cannot be."""
    pk, slug, operation_slug, account = place
    due = _running(place).filter(due_at__lte=now + paced(EVERY))
    waiting = {task_id: each for each, task_id in due.values_list("pk", "provider_task_id") if each not in alone}
    try:
        provider, operation = find(slug, operation_slug)
        credential = Credential.objects.select_related("team").get(pk=pk)
        who = credentials.account(credential, account)
    except (LookupError, Undecryptable):
        return None
    if not provider.listing or len(waiting) < CROWD:
        return None
    until = now + paced(PATIENCE)
    _put_off(due, waiting, until)
    calls = _pages(provider.listing, operation, credential, who, len(waiting), now)
    chosen = {"provider": slug, "operation": operation_slug, "values": {}}
    sample = Generation(team=credential.team, credential=credential, **chosen)
    return Round(sample, provider.listing, calls, until, waiting)


def finish(place: Place, asked: Round, misses: Counter[uuid.UUID]) -> set[uuid.UUID]:
    """Have those that have ended be asked about at once; returns what is to be asked about by itself from now on."""
    alone, told_to_wait = set(asked.ended), asked.rest > paced(EVERY)
    for pk in () if told_to_wait else asked.waiting.values():
        misses[pk] += 1
        if misses[pk] >= MISSES:
            alone.add(pk)
    now = timezone.now()
    for chunk in _chunks([*alone, *random.sample(asked.running, min(SAMPLES, len(asked.running)))]):
        Generation.objects.filter(status=Status.RUNNING, pk__in=chunk).update(due_at=now)
    let_go(place, asked, now + asked.rest)
    return alone


def let_go(place: Place, asked: Round, due_at: datetime) -> None:
    """Have what was put off be asked about from then on."""
    _running(place).filter(due_at=asked.until).update(due_at=due_at)


def _running(place: Place) -> QuerySet[Generation]:
    pk, slug, operation, account = place
    mine = Generation.objects.filter(credential=pk, provider=slug, operation=operation, account=account)
    return mine.filter(status=Status.RUNNING).exclude(provider_task_id="")


def _put_off(due: QuerySet[Generation], waiting: dict[str, uuid.UUID], until: datetime) -> None:
    for chunk in _chunks(list(waiting.values())):
        due.filter(pk__in=chunk).update(due_at=until)


def _chunks(pks: list[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    return (pks[start : start + CHUNK] for start in range(0, len(pks), CHUNK))


def _pages(
    listing: Listing, operation: Operation, credential: Credential, who: Account, count: int, now: datetime
) -> list[client.Call]:
    """As many pages as hold them, and one more for what else the account makes."""
    deadline = deadlines_of(credential.provider).query
    pages = min(listing.most_pages, -(-count // listing.per_page) + 1) if count > listing.per_page else 1
    requests = (listing.build(operation, who, page, now) for page in range(1, pages + 1))
    return [free_call(credential, request, deadline, "/lists") for request in requests]
