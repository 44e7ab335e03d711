"""Starts programs, watches over them and ends them. Knows nothing of Django, so that it can be tried with stand-ins.

Every child has a session of its own, so that Ctrl+C reaches only the supervisor. It is asked to end by SIGTERM to its
leader alone: django-q2 hangs when the whole group gets the signal. SIGKILL goes to the group, because a cluster whose
leader died leaves workers that would work on unwatched.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Protocol

GRACE = 30.0  # longer than one turn of the follower; what is cut after it is done again at the next start
PAID_GRACE = 200.0  # the longest deadline of a paid request, whose answer would otherwise be lost
TICK = 0.1
STAND_BY = 1.0
SAME_KEY_PRESS = 0.5  # make, a shell and the terminal may all pass on the same Ctrl+C
STOPPED_AT_ONCE = 130
TETHER = Path(__file__).with_name("tether.py")

logger = logging.getLogger(__name__)


class Queues(Protocol):
    """What the supervisor asks of the queue clusters. Each call may raise and may take its time."""

    def nudge(self) -> None:
        """Ask for whatever is due: what somebody had in hand when it died is asked for by nobody else."""

    def stand_by(self) -> None:
        """See that somebody follows, whether anybody looks at a page or not."""

    def beat(self, cluster: str) -> None:
        """Ask the cluster for a sign of life."""

    def last_beat(self, cluster: str) -> datetime | None:
        """When the cluster last gave one."""

    def open_submissions(self) -> int:
        """How many paid requests wait for their answer."""


@dataclass(frozen=True)
class Program:
    """What is to run. `cluster` names the queue cluster that it is, if it is one."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""


class Child:
    """A running program: the leader of a session of its own."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process = subprocess.Popen(  # noqa: S603
            program.command,
            env={**os.environ, **program.environ},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._killed = False

    def ended(self) -> bool:
        """Whether its leader has ended. What it left behind is then ended too: nobody watches over that any more."""
        if self.process.poll() is None:
            return False
        self._kill_group()
        return True

    @property
    def ending(self) -> str:
        """How its leader ended, in words."""
        code = self.process.returncode
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with code {code}"

    def ask_to_end(self) -> None:
        """Ask its leader to finish what it does and end."""
        self.process.terminate()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        self._kill_group()
        self.process.wait()

    def _kill_group(self) -> None:
        if not self._killed:  # once only: later the number may be another program's
            self._killed = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Tether:
    """Ends the children should this process be killed: see tether.py."""

    def __init__(self, patience: float) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "-I", str(TETHER), str(patience)]
        self.process = subprocess.Popen(command, stdin=reading, start_new_session=True)  # noqa: S603
        os.close(reading)
        self.held = os.fdopen(writing, "w")

    def hold(self, children: Sequence[Child]) -> None:
        """These are all that there are."""
        with suppress(OSError):  # it was killed; the children are watched over all the same
            self.held.write(" ".join(str(child.process.pid) for child in children) + "\n")
            self.held.flush()

    def let_go(self) -> None:
        """Nothing is left to be ended."""
        self.hold([])
        with suppress(OSError):
            self.held.close()
        self.process.wait()


class Watch(threading.Thread):
    """Asks each cluster for signs of life and notes those that stay silent.

    A thread, because a locked or absent database may hold it up for long and Ctrl+C must not wait for that. Silence is
    measured by this process's own clock, from the last change it saw or the last time it could not look: neither a
    laptop that slept nor a database that was away makes a cluster silent. The cluster that is `paying` may be silent
    for longer while paid requests are open, because ending it would lose their answers.
    """

    def __init__(
        self,
        queues: Queues,
        clusters: Sequence[str],
        *,
        every: float,
        silence: float,
        paying: str = "",
        paid_grace: float = PAID_GRACE,
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self.queues, self.every, self.silence = queues, every, silence
        self.paying, self.paid_grace = paying, paid_grace
        self.silent: SimpleQueue[str] = SimpleQueue()
        self.open_submissions = 0
        self.stopping, self.finished = threading.Event(), threading.Event()
        self._heard: dict[str, datetime | None] = dict.fromkeys(clusters)
        self._since = dict.fromkeys(clusters, time.monotonic())

    def run(self) -> None:
        """Look every few seconds; once `stopping` is set, only count the paid requests that are open."""
        while not self.stopping.is_set():
            self._attempt(self.queues.nudge)
            for cluster in self._heard:
                if not self._attempt(self._look, cluster):
                    self._since[cluster] = time.monotonic()
            self._stand_by(time.monotonic() + self.every)
        while not self.finished.is_set():
            self._attempt(self._count)
            self.finished.wait(1)

    def _stand_by(self, until: float) -> None:
        while not self.stopping.is_set() and (left := until - time.monotonic()) > 0:
            if not self.stopping.wait(min(left, STAND_BY)):
                with suppress(Exception):  # a database that is away is told of by the next look
                    self.queues.stand_by()

    def _look(self, cluster: str) -> None:
        self.queues.beat(cluster)
        heard, now = self.queues.last_beat(cluster), time.monotonic()
        if heard != self._heard[cluster]:
            self._heard[cluster], self._since[cluster] = heard, now
        elif now - self._since[cluster] > self._patience(cluster):
            self._since[cluster] = now
            self.silent.put(cluster)

    def _patience(self, cluster: str) -> float:
        paying = cluster == self.paying and self.queues.open_submissions()
        return self.silence + self.paid_grace if paying else self.silence

    def _count(self) -> None:
        self.open_submissions = self.queues.open_submissions()

    def _attempt(self, errand: Callable[..., None], *args: str) -> bool:
        try:
            errand(*args)
        except Exception as error:  # noqa: BLE001 - whatever the database does, the watch goes on
            logger.warning("The queue cannot be watched just now: %s", " ".join(str(error).split()))
            return False
        return True


class Supervisor:
    """Runs programs together: all of them, or none."""

    def __init__(
        self,
        programs: Sequence[Program],
        watch: Watch,
        *,
        stop_file: Path,
        ready: Callable[[], bool],
        announce: str,
        say: Callable[[str], None],
        grace: float = GRACE,
        paid_grace: float = PAID_GRACE,
    ) -> None:
        self.programs, self.watch, self.stop_file = programs, watch, stop_file
        self.ready, self.announce, self.say = ready, announce, say
        self.grace, self.paid_grace = grace, paid_grace
        self.children: list[Child] = []
        self.asked = self.hurried = False

    def run(self) -> int:
        """Start everything and return once nothing is left: 0 if asked to stop, 1 if a program ended by itself."""
        self._listen()
        self.tether = Tether(self.grace + self.paid_grace)
        try:
            for program in self.programs:
                self.children.append(Child(program))
                self.tether.hold(self.children)
            self.watch.start()
            fallen = self._keep_running()
            self._stop()
        finally:
            self.watch.stopping.set()
            self.watch.finished.set()
            for child in self.children:
                child.kill()
            self.tether.let_go()
        if self.hurried:
            return STOPPED_AT_ONCE
        return 1 if fallen else 0

    def _listen(self) -> None:
        """From here on signals are wishes. It stays so: this process has nothing else to do."""
        asked_at = 0.0

        def note(number: int, _frame: FrameType | None) -> None:
            nonlocal asked_at
            if not self.asked:
                self.asked, asked_at = True, time.monotonic()
            elif number == signal.SIGINT and time.monotonic() - asked_at > SAME_KEY_PRESS:
                self.hurried = True

        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, note)

    def _keep_running(self) -> bool:
        """Until asked to stop, or until a program ended by itself: then True."""
        announced = False
        while not self.asked:
            if fallen := [child for child in self.children if child.ended()]:
                for child in fallen:
                    self.say(f"The {child.program.name} {child.ending}: stopping the rest.")
                return True
            self._mend()
            if not announced and self.ready():
                announced = True
                self.say(self.announce)
            time.sleep(TICK)
        return False

    def _mend(self) -> None:
        with suppress(Empty):
            cluster = self.watch.silent.get_nowait()
            for place, child in enumerate(self.children):
                if child.program.cluster == cluster:
                    logger.error("The %s has been silent for too long: it is started again.", child.program.name)
                    child.kill()
                    self.children[place] = Child(child.program)
                    self.tether.hold(self.children)

    def _stop(self) -> None:
        """Clusters first: with the sandbox, what they wait for comes from the web server."""
        self.stop_file.touch()
        self.watch.stopping.set()
        self.say(f"Stopping: running work may take {self.grace:g} s to finish. Ctrl+C again stops at once.")
        patience = self._patience()
        clusters = [child for child in self.children if child.program.cluster]
        for stage in (clusters, [child for child in self.children if child not in clusters]):
            for child in stage:
                child.ask_to_end()
            while not all(child.ended() for child in stage) and next(patience):
                time.sleep(TICK)

    def _patience(self) -> Iterator[bool]:
        """Whether to wait on, asked again and again."""
        begun, told = time.monotonic(), False
        while not self.hurried and (waited := time.monotonic() - begun) < self.paid_grace:
            if waited >= self.grace:
                if not self.watch.open_submissions:
                    break
                if not told:
                    told = True
                    self.say(
                        f"Waiting for the answer to {self.watch.open_submissions} paid request(s), "
                        f"at most {self.paid_grace:g} s in all."
                    )
            yield True
        self.say("Ending what still runs; it is taken up again at the next start.")
        while True:
            yield False
