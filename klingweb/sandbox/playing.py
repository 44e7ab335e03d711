"""Playing the scenarios, in no provider's words: what every dialect does with a request that it has understood.

A dialect reads a request into a Wish and calls `accept`, which refuses it, loses it, or makes a task of it. It puts
each Refusal into its own words. The answers to its queries go through `spoiled`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from klingweb.sandbox import callbacks, scenarios, store, tasks
from klingweb.sandbox.callbacks import Caller
from klingweb.sandbox.serving import cut, html_page, lost_line
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import Stage, Task

BUSY_TIMES = 2


class Refusal(Enum):
    """Why a request that is allowed makes no task all the same."""

    MODERATED = 0
    NO_CREDIT = 1
    BUSY = 2
    NAME_TAKEN = 3


class RefusalError(Exception):
    """A request makes no task."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


@dataclass(frozen=True)
class Place:
    """Where tasks are made and found again: a dialect, and the path of one of its endpoints."""

    dialect: str
    endpoint: str
    new_id: Callable[[], str] = tasks.new_task_id
    named_once: bool = True
    """Whether a client's own name for a task belongs to the first that uses it."""
    moderates_at_once: bool = True
    """Whether moderation refuses a request; else it accepts it, and the task fails."""


@dataclass(frozen=True)
class Wish:
    """A request that is allowed, with defaults filled in. Size in pixels, price in units for all pictures."""

    prompt: str
    pictures: int
    size: tuple[int, int]
    units: int
    slots: int = 1
    """How many places of the account's concurrency it takes."""
    marked: bool = False
    external_id: str = ""
    """The client's own name for it, empty when it gave none."""
    details: Mapping[str, object] = field(default_factory=dict)
    """What later answers tell about its task besides, JSON values by the dialect's own names."""
    account: str = ""
    """Whose it is, where one key opens several accounts."""
    callback: str = ""
    """The address at which the client wants to be told of its task; empty when it gave none."""
    room: int | None = None
    """How many places that account has, if not as many as the settings say."""


def accept(
    place: Place, wish: Wish, visit: Visit, tell: Callable[[Task], HttpResponseBase], caller: Caller
) -> HttpResponseBase:
    """Make a task of a wish and answer what `tell` says of it, as far as the scenarios allow. Raises RefusalError."""
    _play_refusals(place, wish)
    if scenarios.LOST_REQUEST in wish.prompt and _attempts(scenarios.LOST_REQUEST, place, wish) == 1:
        return lost_line()
    task = _new_task(place, wish, visit)
    _keep(task, place, wish)
    visit.task_id = task.id
    callbacks.promise(wish.callback, task, caller)
    if task.plays(scenarios.LOST_ANSWER):
        return lost_line()
    if task.plays(scenarios.SLOW_ANSWER):
        tasks.dawdle(tasks.SLOW_ANSWER_MS)
    return tell(task)


def spoiled(answer: HttpResponse, visit: Visit, shown: Sequence[Task], now: int) -> HttpResponseBase:
    """The answer to a query, or what a scenario of one of the tasks in it makes of it, once for each task."""
    for task in shown:
        if task.plays(scenarios.HTML_502) and _first_time(scenarios.HTML_502, task):
            visit.code = None
            return html_page()
        succeeded = task.stage(now) is Stage.SUCCEEDED
        if succeeded and task.plays(scenarios.BROKEN_JSON) and _first_time(scenarios.BROKEN_JSON, task):
            visit.code = None
            return cut(answer)
    return answer


def _play_refusals(place: Place, wish: Wish) -> None:
    if place.moderates_at_once and scenarios.MODERATED in wish.prompt:
        raise RefusalError(Refusal.MODERATED)
    if scenarios.NO_CREDIT in wish.prompt:
        raise RefusalError(Refusal.NO_CREDIT)
    if scenarios.BUSY in wish.prompt and _attempts(scenarios.BUSY, place, wish) <= BUSY_TIMES:
        raise RefusalError(Refusal.BUSY)


def _attempts(scenario: str, place: Place, wish: Wish) -> int:
    """How often the same thing was tried in this dialect, this time included: by its name, else by its prompt."""
    name = wish.external_id or hashlib.sha256(wish.prompt.encode()).hexdigest()
    return store.times(f"{scenario} {place.dialect} {name}")


def _first_time(scenario: str, task: Task) -> bool:
    return store.times(f"{scenario} {task.id}") == 1


def _new_task(place: Place, wish: Wish, visit: Visit) -> Task:
    width, height = wish.size
    now = tasks.now_ms()
    return Task(
        id=place.new_id(),
        dialect=place.dialect,
        endpoint=place.endpoint,
        external_id=wish.external_id,
        visit=visit.id,
        created_at=now,
        done_at=now + tasks.duration_ms(wish.prompt),
        prompt=wish.prompt,
        pictures=wish.pictures,
        width=width,
        height=height,
        marked=wish.marked,
        slots=wish.slots,
        units=0 if scenarios.fails(wish.prompt) else wish.units,
        token=tasks.new_token(),
        account=wish.account,
        details=json.dumps(dict(wish.details)),
    )


def _keep(task: Task, place: Place, wish: Wish) -> None:
    room = settings.SANDBOX_SLOTS if wish.room is None else wish.room
    try:
        store.add(task, room=room, named_once=place.named_once)
    except store.NameTakenError as error:
        raise RefusalError(Refusal.NAME_TAKEN) from error
    except store.NoSlotError as error:
        raise RefusalError(Refusal.BUSY) from error
