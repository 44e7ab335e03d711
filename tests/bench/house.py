"""An installation of its own, served by real processes, and the provider that it talks to."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from klingweb.supervisor import Child, Tether
from tests.bench.browser import Person
from tests.site.processes import ROOT, Started, clean_environ, free_port, naps_of, wait_until

START = 60.0  # seconds
GRACE = 40.0  # for whatever is left behind where the bench itself is killed
CLOCK = os.sysconf("SC_CLK_TCK")
STAT_CPU = slice(11, 13)  # user and system time, after the name in /proc/*/stat
OURS = ("web", "fast", "default")


class Program:
    """One of the bench's own programs. It ends when its standard input does, and so with the bench."""

    def __init__(self, module: str, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=dict(environ or clean_environ()),
            start_new_session=True,
        )

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, seconds: float = START) -> str:
        """The next line."""
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError(f"{self.process.args!r} says nothing")
        return line.strip()

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Provider(Program):
    """The stand-in, seen from the bench."""

    def __init__(self) -> None:
        super().__init__("provider")
        self.address = self.hear()

    def tell(self, what: str, given: object = None) -> dict[str, Any]:
        """See `Provider.told` in provider.py."""
        request = urllib.request.Request(f"{self.address}/bench/{what}", json.dumps(given).encode(), method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=START) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found

    def books(self) -> dict[str, Any]:
        return self.tell("books")


class Database:
    """A new database on a PostgreSQL server."""

    def __init__(self, server: str) -> None:
        self.server, self.name = server, f"klingweb_bench_{uuid4().hex}"
        self.url = urlsplit(server)._replace(path=f"/{self.name}").geturl()
        self._tell(f"CREATE DATABASE {self.name}")

    def drop(self) -> None:
        self._tell(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def _tell(self, command: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as line:
            line.execute(command.encode())


def server_version(server: str) -> str:
    """Of PostgreSQL."""
    with psycopg.connect(server) as line:
        found = line.execute("SHOW server_version").fetchone()
    return str(found[0]).split()[0] if found else ""


@dataclass(frozen=True)
class Cpu:
    """Seconds of a core that each program has used, at a moment."""

    at: float
    used: Mapping[str, float]

    def since(self, before: "Cpu") -> dict[str, float]:
        """The share of a core that each took between the two."""
        return {name: (used - before.used.get(name, 0)) / (self.at - before.at) for name, used in self.used.items()}


class House:
    """`manage.py serve` on a data directory of its own, at the pace of a real installation."""

    def __init__(self, folder: Path, provider: Provider, people: int, server: str = "") -> None:
        with ExitStack() as stack:
            self._open(stack, folder, provider, server)
            made = self.do("furnish", people=people, provider=provider.address)
            self.people = [Person(*each) for each in made["people"]]
            self.credentials: dict[str, int] = made["credentials"]
            if not self.do("alive", seconds=START):
                raise RuntimeError(f"The clusters run nothing:\n{self.started.text}")
            self.close = stack.pop_all().close

    def _open(self, stack: ExitStack, folder: Path, provider: Provider, server: str) -> None:
        self.folder, self.provider, self.port = folder, provider, free_port()
        self.environ = clean_environ(
            KLINGWEB_DATA_DIR=str(folder / "data"),
            KLINGWEB_PORT=str(self.port),
            KLINGWEB_SANDBOX="off",
            KLINGWEB_LOG_LEVEL="warning",
            KLINGWEB_TRUSTED_PROVIDER_HOSTS=f"{urlsplit(provider.address).netloc},127.0.0.1:{self.port}",
            TMPDIR=str(folder),
        )
        folder.mkdir(parents=True)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if server:
            database = Database(server)
            stack.callback(database.drop)
            self.environ["KLINGWEB_DATABASE_URL"] = database.url
        self._prepare(folder.parent / (f"{folder.name}-once" if server else "template"))
        tether = Tether(GRACE)
        stack.callback(tether.let_go)
        self.started = Started([sys.executable, "manage.py", "serve"], self.environ, folder / "output.txt")
        stack.callback(wait_until, self._killed, "everything is ended", START)
        tether.hold(cast("list[Child]", [self.started]))
        self.inside = Program("inside", environ=self.environ)
        stack.callback(self.inside.close)
        self.started.wait_for_text("klingweb is ready at")

    def _prepare(self, template: Path) -> None:
        """Make the template unless it is there, and begin as its copy."""
        if not template.exists():
            environ = self.environ | {"KLINGWEB_DATA_DIR": str(template)}
            command = [sys.executable, "manage.py", "prepare"]
            subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
        shutil.copytree(template, self.folder / "data")

    def do(self, verb: str, **values: Any) -> Any:
        """See the verbs of inside.py."""
        self.inside.say(json.dumps([verb, values]))
        return json.loads(self.inside.hear())

    def wait_for(self, generations: Sequence[str], statuses: Sequence[str], seconds: float) -> bool:
        """Until all of these are in one of the statuses; False where they are not in time."""
        until = time.monotonic() + seconds
        while self.do("count", generations=generations, statuses=statuses) < len(generations):
            if time.monotonic() > until:
                return False
            time.sleep(0.25)
        return True

    def _killed(self) -> bool:
        """End everything at once: nobody will look at it again."""
        self.started.kill_all()
        return not self.started.left

    # Looking at its processes -----------------------------------------------------------------------------------------

    def programs(self) -> dict[str, list[int]]:
        """The processes of `web` and of the clusters `fast` and `default`, by what they are."""
        found: dict[str, list[int]] = defaultdict(list)
        for pid in self.started.left:
            with suppress(OSError):
                found[name_of(os.getsid(pid))].append(pid)
        return {name: found[name] for name in OURS}

    def follower(self) -> int:
        """The process that follows: of those that have spoken to a provider, the one that does not sleep."""
        before = {pid: naps_of(pid) for pid in self.programs()["fast"] if has_loop(pid)}
        time.sleep(1)
        return max(before, key=lambda pid: naps_of(pid) - before[pid])

    def cpu(self) -> Cpu:
        """What each program has used so far, the bench and the provider too."""
        groups = self.programs() | {"provider": [self.provider.process.pid], "bench": [os.getpid()]}
        return Cpu(time.time(), {name: sum(map(cpu_of, pids)) for name, pids in groups.items()})

    def pss(self) -> dict[str, float]:
        """Megabytes of web and both clusters; pages that several share are counted once."""
        return {name: sum(map(pss_of, pids)) for name, pids in self.programs().items()}


def name_of(leader: int) -> str:
    """Which program the leader of a session runs."""
    words = Path(f"/proc/{leader}/cmdline").read_bytes().split(b"\0")
    if b"qcluster" not in words:
        return "web" if b"web" in words else ""
    return "fast" if b"Q_CLUSTER_NAME=fast" in Path(f"/proc/{leader}/environ").read_bytes().split(b"\0") else "default"


def cpu_of(pid: int) -> float:
    """Seconds of a core that a process has used; 0 where it is gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[STAT_CPU])) / CLOCK
    return 0.0


def has_loop(pid: int) -> bool:
    """Whether a process has an event loop, as the client has."""
    with suppress(OSError):
        return any("eventpoll" in str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir())
    return False


def pss_of(pid: int) -> float:
    """Megabytes."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000 * 1.024
    return 0.0
