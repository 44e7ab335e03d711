"""A provider that misbehaves exactly as told: on 127.0.0.1, over plain sockets, so that an answer can be anything.

Each case has a path of its own below the address and books of its own, so that one stand-in plays many at once. What
a case does is told by three rows of acts: for the paid request, for a query, and for the first of its pictures. The
last act of a row goes on; `mend` makes everything sound.
"""

import gzip
import io
import itertools
import json
import os
import socket
import socketserver
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image as Pillow

from tests.faults import dialects

JSON, HTML, PNG = "application/json", "text/html; charset=utf-8", "image/png"
PAGE = b"<html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
DRIP = 0.2  # seconds between two bytes
ENDING = 60  # seconds after which even a silent line is let go
RESET = struct.pack("ii", 1, 0)


def noise(side: int) -> bytes:
    """A picture that cannot be made smaller: three bytes for each of its pixels."""
    content = io.BytesIO()
    Pillow.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(content, "PNG")
    return content.getvalue()


@cache
def bomb() -> bytes:
    """A picture of a few kilobytes that would fill a gigabyte."""
    side = 20_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + side // 8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@cache
def swollen() -> bytes:
    """More than any picture may have, in a few kilobytes."""
    return gzip.compress(bytes(96 * 2**20))


PICTURE = noise(120)


@dataclass
class Task:
    """What was accepted: the provider's own name for it, ours, and what was asked for."""

    id: str
    external_id: str
    prompt: str
    pictures: int
    made_at: int


@dataclass(frozen=True, kw_only=True)
class Script:
    """What a case does. Each act takes the visit and answers it in its own way."""

    create: tuple["Act", ...] = ()
    query: tuple["Act", ...] = ()
    picture: tuple["Act", ...] = ()


@dataclass
class Case:
    """One customer of the stand-in, with its books."""

    slug: str
    provider: str
    script: Script
    mended: bool = False
    sent: int = 0
    """How many paid requests arrived."""
    tasks: dict[str, Task] = field(default_factory=dict)
    """Those that were accepted, by the provider's name for them."""
    turns: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_act(self, kind: str) -> "Act":
        """What is done this time."""
        row = {"create": self.script.create, "query": self.script.query, "picture": self.script.picture}.get(kind, ())
        with self.lock:
            turn, self.turns[kind] = self.turns[kind], self.turns[kind] + 1
            self.sent += kind == "create"
        return well if self.mended or not row else row[min(turn, len(row) - 1)]

    def accept(self, body: dict[str, Any]) -> Task | None:
        """Make a task of a request; None where the name that the customer gave it is taken."""
        name = str(body.get("external_task_id") or body.get("replyRef") or "")
        with self.lock:
            if name and "external_task_id" in body and self.find(name):
                return None
            count = int(body.get("n") or body.get("imageCount") or 1)
            made = Task(str(next(NUMBERS)), name, str(body.get("prompt")), count, int(time.time() * 1000))
            self.tasks[made.id] = made
        return made

    def find(self, name: str) -> Task | None:
        """A task by either name."""
        return self.tasks.get(name) or next((each for each in self.tasks.values() if each.external_id == name), None)


NUMBERS = itertools.count(814_000_000_001)


class Visit(socketserver.StreamRequestHandler):
    """One request, read wholly, and the line to answer on."""

    server: "Listener"

    def handle(self) -> None:
        with suppress(OSError):  # whoever hung up does not mind
            if not self._read():
                return
            if case := self.server.cases.get(self.slug):
                self.case = case
                case.next_act(self.kind)(self)
            else:
                self.server.strangers += 1
                self.answer(b"", 404)

    def _read(self) -> bool:
        words = self.rfile.readline().decode().split()
        if len(words) != 3:
            return False
        self.method, target = words[0], urlsplit(words[1])
        self.slug, _, self.path = target.path.lstrip("/").partition("/")
        self.query = parse_qs(target.query)
        length = 0
        while line := self.rfile.readline().strip().lower():
            name, _, value = line.partition(b":")
            length = int(value) if name == b"content-length" else length
        content = self.rfile.read(length)
        self.body: dict[str, Any] = json.loads(content) if content.startswith(b"{") else {}
        return True

    @property
    def kind(self) -> str:
        """What is wanted: the paid request, a query, the first picture, or anything else."""
        if self.kind_is_picture:
            return "picture" if self.path.endswith("/0.png") else "sibling"
        if self.method == "POST":
            return "create"
        return "query" if dialects.asks_for_a_task(self.path, self.query) else "other"

    def usual(self) -> tuple[int, bytes, str]:
        """What a sound provider does and says."""
        if self.kind_is_picture:
            return 200, PICTURE, PNG
        base = f"{self.server.address}/{self.slug}"
        status, body = dialects.SPOKEN[self.case.provider](
            self.case, self.method, self.path, self.query, self.body, base
        )
        return status, json.dumps(body).encode(), JSON

    @property
    def kind_is_picture(self) -> bool:
        return self.path.startswith("pictures/")

    def answer(self, content: bytes, status: int = 200, media: str = JSON, **more: str) -> None:
        """A whole answer."""
        self.begin(status, media, len(content), **more)
        self.connection.sendall(content)

    def begin(self, status: int, media: str, length: int | None, **more: str) -> None:
        """The head of an answer, which may promise anything."""
        told = {"Content-Type": media, "Connection": "close"} | {
            name.replace("_", "-"): each for name, each in more.items()
        }
        if length is not None:
            told["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {status} As told", *(f"{name}: {value}" for name, value in told.items())]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())

    def wait_for_the_end(self) -> None:
        """Until the other side has had enough."""
        self.connection.settimeout(ENDING)
        while self.connection.recv(1024):
            pass


class Listener(socketserver.ThreadingTCPServer):
    """An address. It can be taken long before anybody listens there: till then connections are refused."""

    daemon_threads, block_on_close, request_queue_size = True, False, 128

    def __init__(self, cases: dict[str, Case]) -> None:
        super().__init__(("127.0.0.1", 0), Visit, bind_and_activate=False)
        self.server_bind()
        self.cases, self.strangers = cases, 0
        self.thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)

    @property
    def pair(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def address(self) -> str:
        return f"http://{self.pair}"

    def listen(self) -> None:
        self.server_activate()
        self.thread.start()

    def end(self) -> None:
        if self.thread.is_alive():
            self.shutdown()
            self.thread.join()
        self.server_close()


class StandIn:
    """The provider: an address that listens, one that does not yet, and a private neighbour that nobody may reach."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.open, self.closed, self.neighbour = (Listener(self.cases) for _ in range(3))
        self.open.listen()
        self.neighbour.listen()

    @property
    def trusted(self) -> str:
        """What an installation has to trust for this."""
        return f"{self.open.pair},{self.closed.pair}"

    def play(self, slug: str, provider: str, script: Script, *, refused: bool = False) -> str:
        """Take a customer. Returns the base URL of its own."""
        self.cases[slug] = Case(slug, provider, script)
        return f"{(self.closed if refused else self.open).address}/{slug}"

    def mend(self, slug: str, *, refused: bool = False) -> None:
        """From here on all is well."""
        self.cases[slug].mended = True
        if refused:
            self.closed.listen()

    def end(self) -> None:
        for each in (self.open, self.closed, self.neighbour):
            each.end()


# Acts -----------------------------------------------------------------------------------------------------------------

Act = Callable[[Visit], None]


def well(visit: Visit) -> None:
    """As documented."""
    status, content, media = visit.usual()
    visit.answer(content, status, media)


def made(act: Act) -> Act:
    """The request is accepted; then the answer goes wrong."""

    def play(visit: Visit) -> None:
        visit.usual()
        act(visit)

    return play


def says(content: bytes | dict[str, Any], status: int = 200, media: str = JSON, **headers: str) -> Act:
    """Answer this, whatever was asked."""
    said = json.dumps(content).encode() if isinstance(content, dict) else content

    def play(visit: Visit) -> None:
        visit.answer(said, status, media, **headers)

    return play


def silent(visit: Visit) -> None:
    """Say nothing at all."""
    visit.wait_for_the_end()


def reset(visit: Visit) -> None:
    """Break the line off."""
    visit.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    visit.connection.close()


def half(visit: Visit) -> None:
    """Promise the whole answer, send half of it, hang up."""
    status, content, media = visit.usual()
    visit.begin(status, media, len(content))
    visit.connection.sendall(content[: len(content) // 2])


def cut(visit: Visit) -> None:
    """Half the answer, as if that were all."""
    status, content, media = visit.usual()
    visit.answer(content[: len(content) // 2], status, media)


def mislabelled(visit: Visit) -> None:
    """The right answer under a wrong name."""
    status, content, _ = visit.usual()
    visit.answer(content, status, HTML)


def drips(visit: Visit) -> None:
    """A byte now and then."""
    status, content, media = visit.usual()
    visit.begin(status, media, len(content))
    for byte in content:
        visit.connection.sendall(bytes([byte]))
        time.sleep(DRIP)


def endless(visit: Visit) -> None:
    """Bytes without end."""
    visit.begin(200, PNG, None)
    visit.connection.sendall(PICTURE)
    while True:
        visit.connection.sendall(bytes(2**20))


def swells(visit: Visit) -> None:
    """A small answer that is very large once it is unpacked."""
    visit.answer(swollen(), 200, PNG if visit.kind_is_picture else JSON, Content_Encoding="gzip")


def explodes(visit: Visit) -> None:
    """A small picture that is very large once it is decoded."""
    visit.answer(bomb(), 200, PNG)


def leads_to(address: str) -> Act:
    """A redirect."""
    return says(b"", 302, Location=address)


def refuses(code: int, message: str, status: int = 429, **headers: str) -> Act:
    """Kling's words for no."""
    return says({"code": code, "message": message, "request_id": "r-1"}, status, **headers)
