"""An installation that is served in a hurry, killed, and served again; what it does is seen from outside alone."""

import hashlib
import io
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import psycopg
from PIL import Image as Pillow

from tests.environment import database_server, redis_url
from tests.site.conftest import Installation
from tests.site.processes import ROOT, Start, Started, naps_of, wait_until
from tests.site.served import Form, cluster_leaders, serve, sign_in

PACE = 0.05  # a provider's minute takes three seconds
WORKERS = 2  # of each cluster, so that beside a busy one there is one that waits
SILENCE = 8.0  # seconds
HURRY = {
    "KLINGWEB_PACE": str(PACE),
    "KLINGWEB_WORKERS": str(WORKERS),
    "KLINGWEB_FOLLOWER_TURN": "6",
    "KLINGWEB_FOLLOWER_LEASE": "2",
    "KLINGWEB_SUBMISSION_GRACE": "1",
    "KLINGWEB_HEARTBEAT_SILENCE": str(SILENCE),
    "KLINGWEB_HEARTBEAT_EVERY": "1",
    "KLINGWEB_REDIS_URL": re.sub(r"\d+$", lambda worker: str(8 + int(worker[0])), redis_url()),  # apart from all others
}
PHOTO = ROOT / "tests" / "fixtures" / "photos" / "rocket.jpg"
ENDED = {"succeeded", "failed", "canceled"}
ROAD = {"queued", "submitting", "running", "collecting"}
THUMBNAILS = (320, 1280)
ESTABLISHED = "01"


@dataclass(frozen=True)
class Moment:
    """Generations of every kind on the road at once, and who is busy with them."""

    asked: dict[str, str]
    """Their ids by status."""
    sender: int
    """The worker of the fast cluster that holds the line of an open paid request."""
    beside_sender: int
    collector: int
    """The worker of the default cluster that is in the middle of a picture."""
    beside_collector: int
    """Frozen, so that references wait to be made ready."""


class Database:
    """A house's own: a file in its folder, or a database on the server that the tests were given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file, self.server = folder / "klingweb.sqlite3", database_server()
        self.name = f"klingweb_house_{uuid4().hex}"
        self.url = f"sqlite:///{self.file}"
        if self.server:
            self.url = urlsplit(self.server)._replace(path=f"/{self.name}").geturl()
            self._tell_server(f"CREATE DATABASE {self.name}")

    def rows(self, query: str, *generations: str) -> list[tuple[Any, ...]]:
        """Read it. Each `?` stands for the id of a generation."""
        ids = [UUID(each).hex for each in generations]
        if self.server:
            with psycopg.connect(self.url) as connection:
                return connection.execute(query.replace("?", "%s").encode(), ids).fetchall()
        with closing(sqlite3.connect(self.file, timeout=20)) as database:
            return database.execute(query, ids).fetchall()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another program keeps everybody else from writing."""
        if self.server:
            with psycopg.connect(self.url) as connection:
                connection.execute("LOCK TABLE generations_generation, generations_lease IN ACCESS EXCLUSIVE MODE")
                yield
            return
        with closing(sqlite3.connect(self.file, timeout=20, isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")
            yield
            database.execute("ROLLBACK")

    def drop(self) -> None:
        """Remove it from the server, whoever is still connected."""
        if self.server:
            self._tell_server(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def _tell_server(self, command: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(command.encode())


class House:
    """See above. Every check is one that a person with a browser, or the provider's books, could make."""

    def __init__(self, database: Database, start: Start, **environ: str) -> None:
        self.database = database
        self.installation = Installation(database.folder, start)
        self.installation.environ["KLINGWEB_DATABASE_URL"] = database.url
        self.environ = HURRY | environ
        ended = self.installation.manage("prepare", "--demo")
        assert ended.returncode == 0, ended.stderr
        self.started = self.serve()
        self.client = sign_in(self.installation)
        self.in_order = True

    # Serving ----------------------------------------------------------------------------------------------------------

    def serve(self) -> Started:
        """Start it and wait until both clusters run tasks."""
        before = self.heartbeats()
        self.started = serve(self.installation, **self.environ)
        wait_until(
            lambda: not set(before.items()) & set((now := self.heartbeats()).items()) and len(now) == 2,
            "both clusters run tasks",
        )
        self._helpers: dict[int, list[int]] = {}  # monitor and pusher, by the cluster's leader
        return self.started

    def stop(self) -> None:
        """Ctrl+C: everything ends, in order."""
        self.started.send(signal.SIGINT)
        assert self.started.wait() == 0, self.started.text
        assert not self.started.left

    def serve_again(self, code: int) -> None:
        """Once everything has ended by itself, and nothing is left, start it again."""
        assert self.started.wait() == code, self.started.text
        wait_until(lambda: not self.started.left, "nothing is left")
        self.serve()

    # Processes --------------------------------------------------------------------------------------------------------

    def cluster(self, name: str) -> list[int]:
        """All processes of a cluster, its leader first."""
        leader = cluster_leaders(self.started)[name]
        return [leader, *(pid for pid in self.started.left if pid != leader and session_of(pid) == leader)]

    def guarded(self, name: str) -> list[int]:
        """What a cluster's guard has started, oldest first: as long as none has died, workers, monitor and pusher."""
        pids = self.cluster(name)
        guard = next(pid for pid in pids if parent_of(pid) == pids[0])
        wait_until(lambda: len(children_of(guard)) == WORKERS + 2, f"the {name} cluster is complete")
        found = children_of(guard)
        self._helpers.setdefault(pids[0], found[WORKERS:])
        return found

    def workers(self, name: str) -> list[int]:
        found = self.guarded(name)
        return [pid for pid in found if pid not in self._helpers[parent_of(parent_of(pid))]]

    def follower(self) -> int:
        """The worker of the fast cluster that is in its turn: the other one sleeps."""
        found: list[int] = []

        def found_one() -> bool:
            before = {pid: naps_of(pid) for pid in self.workers("fast")}
            time.sleep(1)
            found[:] = [pid for pid, naps in before.items() if naps_of(pid) - naps > 2]
            return len(found) == 1

        wait_until(found_one, "one of the workers follows")
        return found[0]

    def lease(self) -> tuple[str, object]:
        """Whose turn it is to follow, and until when."""
        ((token, until),) = self.database.rows("SELECT token, expires_at FROM generations_lease")
        return str(token), until

    def monitor(self, name: str) -> int:
        """What notes a cluster's results."""
        return self._helpers[parent_of(parent_of(self.guarded(name)[0]))][0]

    def web_server(self) -> int:
        return next(
            pid
            for pid in self.started.left
            if session_of(pid) == pid and b"web" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        )

    # Asking -----------------------------------------------------------------------------------------------------------

    def form(self, operation: str) -> dict[str, str]:
        """What a browser would send of the form for this operation."""
        return Form(self.client.get("/", params={"operation": operation})).values

    def ask(self, prompt: str, form: dict[str, str], n: int = 1, photo: Path | None = None) -> str:
        """Send the form as a browser would. Returns the generation's id."""
        files = {"image": (photo.name, photo.read_bytes(), "image/jpeg")} if photo else None
        answer = self.client.post("/", data={**form, "prompt": prompt, "n": str(n)}, files=files)
        assert answer.url.path.startswith("/g/"), answer.text
        return answer.url.path.split("/")[2]

    def fill_the_road(self) -> Moment:
        """One generation in each status at the same moment. The window is seconds; a busy machine may miss it."""
        for _ in range(8):
            if moment := self._try_to_fill_the_road():
                return moment
        raise AssertionError("the statuses never came together")

    def _try_to_fill_the_road(self) -> Moment | None:
        plain = [self.form("text-to-image") for _ in range(3)]
        with_picture = self.form("image-to-image")
        asked = {"collecting": self.ask("[slow-files] A boat", plain[0])}
        wait_until(lambda: any(map(receives_a_picture, self.workers("default"))), "a picture begins to arrive")
        collecting = {pid for pid in self.workers("default") if receives_a_picture(pid)}
        frozen = set(self.workers("default")) - collecting
        send(signal.SIGSTOP, frozen)
        before = {pid: self._lines(pid) for pid in self.workers("fast")}
        asked["queued"] = self.ask("A rocket on its way", with_picture, photo=PHOTO)
        asked["running"] = self.ask("[slow] A snail", plain[1], n=2)
        asked["submitting"] = self.ask("[slow-answer] A letter", plain[2], n=3)
        missed = time.monotonic() + 60 * PACE
        while time.monotonic() < missed:
            sending = {pid for pid, lines in before.items() if self._lines(pid) - lines}
            there = all(self.status(pk) == status for status, pk in asked.items())
            if there and len(collecting) == len(frozen) == len(sending) == 1:
                beside = set(before) - sending
                return Moment(asked, *sending, *beside, *collecting, *frozen)
            time.sleep(0.02)
        send(signal.SIGCONT, frozen)
        self.wait_for_the_end(asked.values())
        return None

    def _lines(self, pid: int) -> set[str]:
        """The open lines of a process to the web server, which is also the provider."""
        return sockets_of(pid) & sockets_to(self.installation.port)

    def says_again(self, text: str, times: int, seconds: float) -> bool:
        """Whether it says this more often than so many times before the seconds are over."""
        deadline = time.monotonic() + seconds
        while self.started.text.count(text) <= times:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    # Looking ----------------------------------------------------------------------------------------------------------

    def heartbeats(self) -> dict[str, object]:
        """When each cluster last ran a task."""
        return dict(self.database.rows("SELECT cluster, at FROM generations_heartbeat"))

    def status(self, generation: str) -> str:
        return str(self.database.rows("SELECT status FROM generations_generation WHERE id = ?", generation)[0][0])

    def wait_for_status(self, generation: str, status: str) -> None:
        wait_until(lambda: self.status(generation) == status, f"{generation} is {status}")

    def wait_for_the_end(self, generations: Iterable[str]) -> None:
        """Until each has ended; meanwhile no picture is ever served in part."""
        names = list(generations)

        def over() -> bool:
            for each in names:
                self.look_at_pictures(each)
            return all(self.status(each) in ENDED for each in names)

        wait_until(over, f"the end of {names}", 120)

    def look_at_pictures(self, generation: str) -> int:
        """Each picture of a generation is there as a whole or not at all. Returns how many are."""
        rows = self.database.rows("SELECT id, sha256 FROM generations_image WHERE generation_id = ?", generation)
        return sum(self._is_whole(str(UUID(str(pk))), sha256) for pk, sha256 in rows)

    def _is_whole(self, picture: str, sha256: str) -> bool:
        answers = [self.client.get(f"/images/{picture}/{name}") for name in ("original", *THUMBNAILS)]
        assert {each.status_code for each in answers} <= {200, 404}
        if answers[0].status_code == 404:
            return False
        answers = [each for each in answers if each.status_code == 200]  # small copies follow
        for each in answers:
            with Pillow.open(io.BytesIO(each.content)) as shown:
                shown.load()
        tag = answers[0].headers["ETag"].strip('"')
        assert hashlib.sha256(answers[0].content).hexdigest() == tag
        assert sha256 in ("", tag)  # the row may have been read before the picture came
        return True

    def asked_of_the_provider(self, generation: str) -> list[dict[str, Any]]:
        """What the provider was asked about a generation, oldest first."""
        told = httpx.get(f"{self.installation.address}/sandbox/requests", trust_env=False).json()["requests"]
        return [each for each in told if generation in (each["external_task_id"], each["path"].rpartition("/")[2])]

    def posts(self, generation: str) -> int:
        """How often the provider was asked to make it."""
        return [each["method"] for each in self.asked_of_the_provider(generation)].count("POST")

    def check(self, generations: Iterable[str]) -> None:
        """Each succeeded, was paid once, and all that was asked for is there."""
        for each in generations:
            self._check(each)
        self.in_order = True

    def _check(self, generation: str) -> None:
        ((status, count),) = self.database.rows(
            "SELECT status, asked FROM generations_generation WHERE id = ?", generation
        )
        assert status == "succeeded"
        assert self.look_at_pictures(generation) == count
        told = self.asked_of_the_provider(generation)
        posts = [each for each in told if each["method"] == "POST"]
        assert [each["accepted"] for each in posts].count(True) == 1, told
        if len(posts) > 1:
            self._check_documented(posts, told)

    def _check_documented(self, posts: list[dict[str, Any]], told: list[dict[str, Any]]) -> None:
        """The only second request there may be: after the provider clearly did not know the first."""
        first, second = posts
        answers = [(each["status"], each["code"]) for each in told if first["id"] < each["id"] < second["id"]]
        assert not first["accepted"], told
        assert (404, 1203) in answers, told
        assert set(answers) <= {(404, 1203), (None, None)}, told  # None: it was killed while it answered


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Signal each of these processes that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def session_of(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def stat_of(pid: int) -> list[str]:
    """The fields of a process that follow its name: state, parent, … ; empty where it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def parent_of(pid: int) -> int:
    fields = stat_of(pid)
    return int(fields[1]) if fields else 0


def children_of(parent: int) -> list[int]:
    """Its living children, oldest first."""
    found = [(int(fields[19]), pid) for pid in living() if (fields := stat_of(pid)) and int(fields[1]) == parent]
    return [pid for _, pid in sorted(found)]


def living() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def open_files(pid: int) -> list[str]:
    found = []
    with suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.append(str(each.readlink()))
    return found


def receives_a_picture(pid: int) -> bool:
    return any(name.endswith(".part") for name in open_files(pid))


def sockets_of(pid: int) -> set[str]:
    return {name[len("socket:[") : -1] for name in open_files(pid) if name.startswith("socket:[")}


def sockets_to(port: int) -> set[str]:
    """The sockets of clients that are connected to this port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == ESTABLISHED and int(row[2].partition(":")[2], 16) == port}
