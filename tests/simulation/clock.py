"""Time that only the simulation moves, and processes that take turns: one runs until it waits, or until it dies."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty
from typing import Any

from django.db import DatabaseError, connection
from greenlet import greenlet

MOMENT = 2e-6  # seconds
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Died(BaseException):
    """The process is killed where it stands. Nothing catches it, as nothing catches SIGKILL."""


class Clock:
    """What happens when: a heap of moments. Between two of them no time passes for anybody."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.count = itertools.count()
        self.hub = greenlet.getcurrent()
        self.running: Process | None = None

    @property
    def now(self) -> datetime:
        """Whoever looks at the clock sees that a moment has passed."""
        self.elapsed += MOMENT
        return START + timedelta(seconds=self.elapsed)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (max(moment, self.elapsed), next(self.count), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.elapsed + seconds, action)

    def step(self) -> bool:
        """The next thing happens. False where nothing ever happens any more."""
        if not self.agenda:
            return False
        moment, _, action = heapq.heappop(self.agenda)
        self.elapsed = max(self.elapsed, moment)
        action()
        return True


class Process:
    """A program that runs, waits and may be killed. What it did to the database and to the network stays done."""

    def __init__(self, clock: Clock, name: str, work: Callable[[], object], ended: "Callable[[Process], None]") -> None:
        self.clock, self.name, self.work, self.ended = clock, name, work, ended
        self.greenlet = greenlet(self._run, clock.hub)
        self.alive = True
        self.fuse = 0  # statements until something happens to it; 0 is never
        self.spent = 0.0  # seconds by which its turn is over sooner
        self.seen = -1  # how much had changed when it last looked
        self.done = False
        self.calls = 0  # whose answers it waits for
        self.nap = 0
        self.asleep = False
        self.crash: Exception | None = None

    def start(self) -> None:
        self._switch()

    def sleep(self, until: float | None = None) -> None:
        """Wait until that moment, or until somebody wakes it."""
        assert not connection.in_atomic_block, f"{self.name} waits inside a transaction"
        self.nap += 1
        self.asleep = True
        if until is not None:
            self.clock.at(until, partial(self._wake, self.nap))
        self.clock.hub.switch()
        self.asleep = False
        if not self.alive:
            raise Died

    def wake(self, moment: float = 0.0) -> None:
        if self.alive and self.asleep:
            self.clock.at(moment, partial(self._wake, self.nap))

    def kill(self) -> None:
        """From outside, while it waits."""
        if self.alive:
            self.alive = False
            self._switch()

    def _wake(self, nap: int) -> None:
        if self.alive and nap == self.nap and self.asleep:
            self._switch()

    def _switch(self) -> None:
        before, self.clock.running = self.clock.running, self
        try:
            self.greenlet.switch()
        finally:
            self.clock.running = before

    def _run(self) -> None:
        try:
            if self.alive:
                self.work()
                self.done = True
        except (Died, DatabaseError):
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown as what the simulation found
            self.crash = error
        finally:
            self.alive = False
            self.ended(self)


class Inbox:
    """What the follower's queue is: the process that made it waits for it, for as long as there is nothing to do.

    A slow machine looks once in a `tick`: what comes in between is looked at together.
    """

    def __init__(
        self,
        owner: Process,
        tick: float,
        patience: Callable[[Process, float, float], float],
        disturbed: Callable[[], None],
        held: Callable[[Process], None],
        doubled: Callable[[Any], bool],
    ) -> None:
        self.owner, self.tick, self.patience, self.disturbed, self.held = owner, tick, patience, disturbed, held
        self.doubled = doubled
        self.asked = self.given = 0.0
        self.items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        if self.owner.alive:
            self.items.append(item)
            if item.open.generation and self.doubled(item):  # the turn counts each of its calls once
                self.items.append(replace(item, open=replace(item.open, generation=None)))
            self.disturbed()
            self.owner.wake(self.asked + self.tick)

    def get(self, timeout: float = 0.0) -> Any:
        self.asked = self.owner.clock.elapsed
        if not self.items:
            self.owner.sleep(self.patience(self.owner, max(timeout, self.tick), self.given))
        self.given = self.owner.clock.elapsed
        return self.get_nowait()

    def get_nowait(self) -> Any:
        if not self.items:
            raise Empty
        item = self.items.popleft()
        if item.open.call.paid:
            self.held(self.owner)
        return item


class Future:
    """The answer to a call: it comes to the process that sent it, if that is still there."""

    def __init__(self, owner: Process) -> None:
        self.owner = owner
        owner.calls += 1
        self.answers: list[Any] = []
        self.callbacks: list[Callable[[Future], object]] = []

    def resolve(self, answer: object) -> None:
        if self.answers or not self.owner.alive:
            return
        self.owner.calls -= 1
        self.answers.append(answer)
        for callback in self.callbacks:
            callback(self)
        if not self.callbacks:
            self.owner.wake()

    def add_done_callback(self, callback: "Callable[[Future], object]") -> None:
        self.callbacks.append(callback)

    def result(self) -> Any:
        while not self.answers:
            self.owner.sleep()
        return self.answers[0]


class Timer:
    """What `threading.Timer` is: it goes off unless its process has died."""

    def __init__(self, clock: Clock, seconds: float, function: Callable[..., object], args: list[Any]) -> None:
        self.clock, self.seconds, self.function, self.args = clock, seconds, function, args
        self.owner = clock.running

    def start(self) -> None:
        self.clock.after(self.seconds, self._go_off)

    def _go_off(self) -> None:
        if self.owner and self.owner.alive:
            self.function(*self.args)
