"""What goes wrong: how often in this world, and the places where a process dies, waits or is refused."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.db import OperationalError, connection

from tests.simulation.clock import Clock, Died, Process

DAWDLES = 0.6  # of what people do
NAMED = {"dies": "deaths", "die": "deaths", "is": "refused statements", "refused": "refused commits"}
MENDING = ("ROLLBACK", "RELEASE")  # what a database does by itself when its client is gone


@dataclass(frozen=True)
class Weather:
    """How often each thing goes wrong, as a share of its chances. Zeros are a calm day."""

    faults_per_statement: float = 0.0
    faults_per_commit: float = 0.0
    stalls: float = 0.0  # of those faults: the machine stands still for up to a quarter of an hour
    lost_messages: float = 0.0
    doubled_messages: float = 0.0
    late_messages: float = 0.0
    lost_requests: float = 0.0  # of calls: they leave, and nobody ever gets them
    late_requests: float = 0.0  # of paid calls: they arrive after their sender has given up
    lost_answers: float = 0.0
    doubled_answers: float = 0.0  # of answers: they are given twice, at once or later
    astray: float = 0.0  # of paid calls: unsent, lost, slow and doubled, so often each
    unsent: float = 0.0
    refusals: float = 0.0  # of calls that arrive: for a while, for good, or for the key
    broken_answers: float = 0.0
    held_answers: float = 0.0  # of answers to paid calls: the machine stands still with one in its hand
    failing_tasks: float = 0.0
    slow_tasks: float = 0.0
    broken_pictures: float = 0.0
    outages: float = 0.0  # of the database, for each minute
    power_cuts: float = 0.0  # for each minute


CALM = Weather()
ROUGH = Weather(
    faults_per_statement=0.01,
    faults_per_commit=0.01,
    stalls=0.05,
    lost_messages=0.05,
    doubled_messages=0.05,
    late_messages=0.1,
    lost_requests=0.03,
    late_requests=0.01,
    lost_answers=0.03,
    doubled_answers=0.03,
    unsent=0.03,
    refusals=0.05,
    broken_answers=0.03,
    held_answers=0.02,
    failing_tasks=0.05,
    slow_tasks=0.04,
    broken_pictures=0.1,
    outages=0.1,
    power_cuts=0.1,
)
MOST = dict.fromkeys(vars(ROUGH), 0.35) | {"faults_per_statement": 0.03, "outages": 1.0, "power_cuts": 1.0}


def drawn(rng: random.Random) -> Weather:
    """A fifth of all worlds is calm. In each of the others some things never go wrong, and some all the time."""
    if rng.random() < 0.2:
        return CALM
    return Weather(
        **{name: min(rng.choice((0, 0, 1, 1, 3, 10)) * share, MOST[name]) for name, share in vars(ROUGH).items()}
    )


def brief(sql: str) -> str:
    """What kind of statement it is, and about which table."""
    return " ".join(sql.replace('"', "").split()[: 2 if sql.startswith("SELECT") else 3])[:70]


class Chaos:
    """Sits between every process and the database, and at every message and call that it sends."""

    def __init__(
        self,
        rng: random.Random,
        clock: Clock,
        say: Callable[..., None],
        tally: dict[str, int],
        disturbed: Callable[[], None],
    ) -> None:
        self.rng, self.clock, self.say, self.tally, self.disturbed = rng, clock, say, tally, disturbed
        self.weather = drawn(rng)
        self.down_until = 0.0

    def forget_answers(self) -> None:
        self.weather = replace(self.weather, astray=0.3)

    def calm_down(self) -> None:
        self.weather = CALM
        self.down_until = 0.0

    def fuse(self) -> int:
        """Statements until something happens to a process; 0 is never."""
        rate = self.weather.faults_per_statement
        return 1 + int(self.rng.expovariate(rate)) if rate else 0

    def count(self, what: str, times: int = 1) -> None:
        self.tally[what] = self.tally.get(what, 0) + times

    def outage(self) -> None:
        """The database is gone for a while."""
        self.down_until = self.clock.elapsed + self.rng.choice((0.5, 5.0, 15.0, 40.0))
        self.count("outages")
        self.say("database", f"is down until {self.down_until:.1f}")

    # Places ----------------------------------------------------------------------------------------------------------

    def around_statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Django's execute wrapper."""
        process = self.clock.running
        if process is None or sql.startswith(MENDING):
            return execute(sql, params, many, context)
        if not process.alive:
            raise Died
        if self.down_until > self.clock.elapsed:
            self.disturbed()
            raise OperationalError("the simulated database is down")
        if process.fuse and self._burnt(process):
            return self._go_wrong(process, lambda: execute(sql, params, many, context), sql)
        return execute(sql, params, many, context)

    def around_commit(self, commit: Callable[[], None]) -> None:
        process = self.clock.running
        if process is None or not process.fuse or self.rng.random() >= self.weather.faults_per_commit:
            commit()
            return
        kind = self.rng.choice(("die before", "die after", "die after", "refused", "refused after"))
        self._tell(process, f"{kind} COMMIT")
        connection.run_on_commit = []
        if kind.endswith("after"):
            commit()
        else:
            connection.connection.rollback()
        if kind.startswith("refused"):
            if self.rng.random() < 0.5:
                self.outage()
            self.disturbed()
            raise OperationalError("the simulated database lost the line while it committed")
        self._die(process)

    def at_answer(self, process: Process) -> None:
        """With an answer in hand: others go on meanwhile, and may have sent it anew."""
        if process.alive and self.rng.random() < self.weather.held_answers:
            pause = self.rng.choice((30, 90, 300, 900))
            self._tell(process, f"holds an answer for {pause} s")
            process.sleep(self.clock.elapsed + pause)

    def at_deed(self, process: Process) -> None:
        """Between what a person's request has seen and what it does: others go on meanwhile."""
        if self.weather is not CALM and self.rng.random() < DAWDLES:
            pause = self.rng.choice((0.05, 0.3, 1.0, 5.0))
            self._tell(process, f"waits for {pause} s with what it has seen")
            process.sleep(self.clock.elapsed + pause)

    def again(self, *, paid: bool) -> float | None:
        """After how many seconds an answer comes once more, if it does."""
        if self.rng.random() >= max(self.weather.doubled_answers, self.weather.astray if paid else 0):
            return None
        self.count("answers given twice")
        return self.rng.choice((0.0, 0.5, 5.0, 11.0, 12.0, 13.0, 40.0))

    def at_send(self, what: str) -> None:
        """Before something leaves a process that others will see."""
        process = self.clock.running
        if process and process.alive and process.fuse and self._burnt(process):
            process.fuse = self.fuse()
            self._tell(process, f"dies before {what}")
            self._die(process)

    def _burnt(self, process: Process) -> bool:
        process.fuse -= 1
        return process.fuse <= 0

    def _go_wrong(self, process: Process, execute: Callable[[], Any], sql: str) -> Any:
        process.fuse = self.fuse()
        draw = self.rng.random()
        free = not connection.in_atomic_block
        if draw < 0.25:
            self._tell(process, f"dies before {brief(sql)}")
            self._die(process)
        if draw < 0.4:
            if free and not sql.startswith("BEGIN"):
                execute()
            self._tell(process, f"dies after {brief(sql)}")
            self._die(process)
        if draw < 0.5:
            self._tell(process, f"is refused {brief(sql)}")
            self.disturbed()
            raise OperationalError("the simulated database refuses")
        if not free:
            process.fuse = 1  # it cannot be stopped here: as soon as the transaction is over
            return execute()
        self._stop(process, sql)
        return execute()

    def _stop(self, process: Process, sql: str) -> None:
        """Others go on meanwhile."""
        stalls = self.rng.random() < self.weather.stalls
        pause = self.rng.choice((30, 90, 300, 900)) if stalls else self.rng.choice((0.001, 0.01, 0.3, 1.0, 5.0))
        self._tell(process, f"{'stands still' if stalls else 'waits'} for {pause} s before {brief(sql)}")
        process.sleep(self.clock.elapsed + pause)
        while self.down_until > self.clock.elapsed:
            process.sleep(self.down_until)

    def _die(self, process: Process) -> None:
        process.alive = False
        raise Died

    def _tell(self, process: Process, what: str) -> None:
        self.count(NAMED.get(what.partition(" ")[0], "stops"))
        self.say(process.name, what)
