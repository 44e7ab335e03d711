"""Where each request stands in the line for its credential, as `dispatch.next_for` is going to take them."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max

from generations import dispatch
from generations.models import Generation, Status
from klingweb.accounts.models import Team

LONGEST_LINE = 1000  # of a team; nobody counts further


class Waiting(NamedTuple):
    """What a place depends on."""

    pk: UUID
    credential: int
    person: int | None
    created: datetime
    asked: int
    daily: int | None


def places(team: int, now: datetime) -> dict[UUID, int]:
    """The place in the line for its credential, from 1 on, of all of a team that only waits for a slot, by id.

    What is not ready or not due, rests with its key, or is more than the day's limit leaves stands in no line.
    """
    queued = Generation.objects.filter(team=team, status=Status.QUEUED, ready=True, due_at__lte=now)
    able = queued.filter(credential__paused_at=None, credential__removed_at=None).order_by("created", "id")
    fields = ("pk", "credential", "person", "created", "asked", "credential__daily_pictures")
    waiting = [Waiting(*row) for row in able.values_list(*fields)[:LONGEST_LINE]]
    lines: defaultdict[int, defaultdict[int | None, deque[Waiting]]] = defaultdict(lambda: defaultdict(deque))
    for each in _within_limits(waiting, team, now):
        lines[each.credential][each.person].append(each)
    turns = _last_turns([key for key, line in lines.items() if len(line) > 1])
    found: dict[UUID, int] = {}
    for key, line in lines.items():
        last = {person: turns.get((key, person)) or dispatch.NEVER for person in line}
        found |= {pk: place for place, pk in enumerate(_in_turn(line, last, now), 1)}
    return found


def _within_limits(waiting: list[Waiting], team: int, now: datetime) -> Iterable[Waiting]:
    if all(each.daily is None for each in waiting):
        return waiting
    sent = {key: load.today for key, load in dispatch.loads(Team.objects.get(pk=team), now).items()}
    return [each for each in waiting if each.daily is None or each.asked <= each.daily - sent.get(each.credential, 0)]


def _last_turns(credentials: list[int]) -> dict[tuple[int, int | None], datetime | None]:
    """When somebody's last request left, by credential and person: it matters where several people wait."""
    if not credentials:
        return {}
    sent = Generation.objects.filter(credential__in=credentials, submitted_at__isnull=False).order_by()
    return {(key, who): at for key, who, at in sent.values_list("credential", "person").annotate(Max("submitted_at"))}


def _in_turn(
    line: Mapping[int | None, deque[Waiting]], last: Mapping[int | None, datetime], now: datetime
) -> Iterator[UUID]:
    """Whose last request left longest ago goes first, as if each that goes left a moment after the one before it."""
    turns = [(last[person], waits[0].created, number) for number, (person, waits) in enumerate(line.items())]
    queues = list(line.values())
    heapify(turns)
    moment = max(now, *last.values())
    while turns:
        *_, number = heappop(turns)
        yield queues[number].popleft().pk
        moment += timedelta(microseconds=1)
        if queues[number]:
            heappush(turns, (moment, queues[number][0].created, number))
