"""Open pages as browsers keep them, over bare asyncio, so that what is measured is the other side.

A page asks for its changes as its script would: once a second, and more often while a picture is expected. It shows
what comes, fetches the pictures, and can be made to send its form. Slow visitors send and read drop by drop.
"""

import asyncio
import html
import re
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from secrets import token_hex
from urllib.parse import urlencode

import httpx

from tests.site.served import Form

ASKS_EVERY, SOON_EVERY = 1.0, 0.25  # seconds, as the page and its script say in their own words
HURRY = re.compile(rb' data-hurry="(\d+)"')
PATIENCE = 30.0
LIVE = re.compile(rb'<div id="live"([^>]*)>')
ASKS = re.compile(rb' hx-get="([^"]+)"')
CARD = re.compile(rb'<article class="gen[^>]* data-generation="([0-9a-f-]+)"')
SHOWN = re.compile(rb'<img src="(/images/[^"]+)"')
EXPECTED = re.compile(rb'(?:data-elapsed="(\d+)"[^>]*)?data-soon="(\d+) (\d+)"')
MORE_TO_COME = re.compile(rb'name="g" value="(([0-9a-f-]+)[.][0-9.]+)"')
BOUNDARY = "----what-a-form-puts-between-its-fields"


class Failed(Exception):
    """An answer that no page should get, or none at all."""


@dataclass(frozen=True)
class Answer:
    """What came back, and when it was all there."""

    status: int
    body: bytes
    began: float
    ended: float


@dataclass(frozen=True)
class Head:
    """Of an answer: its status, how long its body is, whether that is compressed, and whether the line then ends."""

    status: int
    length: int
    zipped: bool
    last: bool


@dataclass(frozen=True)
class Person:
    """Who is signed in."""

    pk: int
    session: str
    csrf: str = field(default_factory=lambda: token_hex(16))


class Line:
    """One connection of a browser, kept alive. Raises Failed."""

    def __init__(self, port: int, person: Person) -> None:
        self.port, self.cookies = port, f"sessionid={person.session}; csrftoken={person.csrf}"
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """One request and its whole answer."""
        began = time.time()
        try:
            async with asyncio.timeout(PATIENCE):
                _, writer = await self.begin(method, target, len(body), **headers)
                writer.write(body)
                head = await self.read_head()
                content = await self.reader.readexactly(head.length)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Failed(f"{method} {target.split('?', maxsplit=1)[0]}: {type(error).__name__}") from error
        if head.last:
            self.close()
        return Answer(head.status, zlib.decompress(content, 31) if head.zipped else content, began, time.time())

    async def begin(
        self, method: str, target: str, length: int, **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send the head of a request whose body is so long."""
        if not self.streams or self.streams[0].at_eof():
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        fields = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookies, "Accept-Encoding": "gzip", **headers}
        if length:
            fields["Content-Length"] = str(length)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name.replace('_', '-')}: {text}" for name, text in fields.items())]
        self.streams[1].write("\r\n".join([*lines, "", ""]).encode())
        return self.streams

    async def read_head(self) -> Head:
        """What comes before the body of an answer."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        status = int(lines[0].split(" ")[1])
        if "content-length" not in fields and status not in (204, 304):
            raise Failed(f"HTTP {status} that does not say how long it is")
        last, zipped = fields.get("connection") == "close", fields.get("content-encoding") == "gzip"
        return Head(status, int(fields.get("content-length", 0)), zipped, last)

    def close(self) -> None:
        if self.streams:
            self.streams[1].close()
            self.streams = None

    @property
    def reader(self) -> asyncio.StreamReader:
        """Of an open line."""
        assert self.streams
        return self.streams[0]


@dataclass(frozen=True)
class Click:
    """A form that was sent and accepted: the generation that it made, and how long the answer took."""

    generation: str
    began: float
    ended: float


@dataclass
class Seen:
    """What all pages saw: forms, answers to their questions, pictures by generation, and what failed."""

    clicks: list[Click] = field(default_factory=list)
    asked: list[Answer] = field(default_factory=list)
    pictures: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def wrong(self, since: int = 0) -> str:
        """How many failures there were after so many, and what most of them were."""
        failures = Counter(self.failures[since:])
        return f"{failures.total()} failed, mostly {failures.most_common(1)[0][0]!r}" if failures else "none failed"


class Page:
    """Create, open in somebody's browser, which opens another line whenever all that it has are busy."""

    def __init__(self, port: int, person: Person, seen: Seen) -> None:
        self.port, self.person, self.seen = port, person, seen
        self.idle: list[Line] = []
        self.live, self.hurry = b"", 0.0
        self.unfinished: dict[bytes, bytes] = {}  # by generation, as the page names it
        self.expected: dict[bytes, tuple[float, float]] = {}  # by generation, from when until when
        self.form: dict[str, str] = {}
        self.asked_at = 0.0
        self.fetching: set[asyncio.Future[None]] = set()

    async def open(self, **chosen: str) -> None:
        """Load the page and note its form."""
        answer = await self._try("GET", f"/?{urlencode(chosen)}")
        self.form = Form(httpx.Response(200, content=answer.body)).values | chosen
        self._show(answer)

    async def ask_on(self, first: float) -> None:
        """Ask for changes for ever, from the moment `first` on."""
        at, asked = first, 0.0
        while True:
            await asyncio.sleep(max(0.0, min(at - time.time(), SOON_EVERY)))
            now = time.time()
            if now < at and not (self.hurry and now - asked >= self.hurry and self._expects(now)):
                continue
            at, asked = at if now < at else now + ASKS_EVERY, now
            if self.live:
                with suppress(Failed):
                    if (await self._ask_for_changes()).status == 200:  # it has been drawn anew, its clock too
                        at = time.time() + ASKS_EVERY

    def _expects(self, now: float) -> bool:
        return any(first <= now < last for first, last in self.expected.values())

    async def generate(self, **values: str) -> None:
        """Press Generate. The key of each form is another."""
        form = self.form | values | {"key": token_hex(8), "csrfmiddlewaretoken": self.person.csrf}
        with suppress(Failed):
            kind = f"multipart/form-data; boundary={BOUNDARY}"
            answer = await self._try("POST", "/", multipart(form), Content_Type=kind, HX_Request="true")
            found = CARD.search(answer.body)
            if not found:
                self.seen.failures.append(f"A form was answered with HTTP {answer.status} and no card")
                return
            self.seen.clicks.append(Click(found[1].decode(), answer.began, answer.ended))
            self._show(answer)

    def close(self) -> None:
        for line in self.idle:
            line.close()

    async def _ask_for_changes(self) -> Answer:
        target = html.unescape(self.live.decode()) + "".join(f"&g={each.decode()}" for each in self.unfinished.values())
        answer = await self._try("GET", target, HX_Request="true")
        self.seen.asked.append(answer)
        if answer.status == 200:
            self._show(answer)
        return answer

    async def _try(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        line = self.idle.pop() if self.idle else Line(self.port, self.person)
        try:
            answer = await line.ask(method, target, body, **headers)
        except Failed as error:
            self.seen.failures.append(str(error))
            raise
        self.idle.append(line)
        if answer.status not in (200, 204):
            self.seen.failures.append(f"{method} {target.split('?', maxsplit=1)[0]}: HTTP {answer.status}")
            raise Failed(f"HTTP {answer.status}")
        return answer

    def _show(self, answer: Answer) -> None:
        if found := LIVE.search(answer.body):
            asks = ASKS.search(found[1])
            self.live = asks[1] if asks else b""
            hurry = HURRY.search(found[1])
            self.hurry = int(hurry[1]) / 1000 if hurry else 0.0
        starts = [each.start() for each in CARD.finditer(answer.body)]
        for start, end in pairwise([*starts, len(answer.body)]):
            card = answer.body[start:end]
            generation = CARD.findall(card)[0]
            named = {pk: name for name, pk in MORE_TO_COME.findall(card)}
            self.unfinished.pop(generation, None)
            self.expected.pop(generation, None)
            if soon := EXPECTED.search(card):
                sent = answer.ended - int(soon[1] or 0)
                self.expected[generation] = (sent + int(soon[2]), sent + int(soon[3]))
            self.unfinished |= {pk: name for pk, name in named.items() if pk == generation}
            picture = SHOWN.search(card)
            if picture and generation.decode() not in self.seen.pictures:
                self._start(self._fetch(generation.decode(), picture[1].decode()))

    def _start(self, work: Awaitable[None]) -> None:
        running = asyncio.ensure_future(work)
        self.fetching.add(running)
        running.add_done_callback(self.fetching.discard)

    async def _fetch(self, generation: str, target: str) -> None:
        with suppress(Failed):
            self.seen.pictures.setdefault(generation, (await self._try("GET", target)).ended)


def multipart(form: Mapping[str, str], **files: bytes) -> bytes:
    """A form as browsers send one with files."""
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    parts = [f'{start}{name}"\r\n\r\n{text}\r\n'.encode() for name, text in form.items()]
    for name, content in files.items():
        kind = f'{start}{name}"; filename="{name}.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(kind.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def upload_slowly(port: int, person: Person, form: Mapping[str, str], picture: bytes, seconds: float) -> str:
    """Choose a picture over a thin line. Returns what went wrong."""
    line = Line(port, person)
    body = multipart({**form, "csrfmiddlewaretoken": person.csrf, "refresh": "1"}, image=picture)
    steps = max(1, round(seconds / 0.25))
    size = -(-len(body) // steps)
    try:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        _, writer = await line.begin("POST", "/", len(body), Content_Type=kind)
        for at in range(0, len(body), size):
            writer.write(body[at : at + size])
            await asyncio.sleep(seconds / steps)
        async with asyncio.timeout(PATIENCE):
            status = (await line.read_head()).status
    except (OSError, TimeoutError, asyncio.IncompleteReadError, Failed) as error:
        return f"an upload: {type(error).__name__} {error}"
    finally:
        line.close()
    return "" if status == 200 else f"an upload: HTTP {status}"


async def read_slowly(port: int, person: Person, target: str, rate: int, seconds: float) -> str:
    """Download over a thin line, and go away before the end. Returns what went wrong."""
    line = Line(port, person)
    try:
        await line.begin("GET", target, 0)
        async with asyncio.timeout(PATIENCE):
            head = await line.read_head()
        until, got = time.time() + seconds, 0
        while time.time() < until and got < head.length:
            got += len(await line.reader.readexactly(min(rate // 4, head.length - got)))
            await asyncio.sleep(0.25)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, Failed) as error:
        return f"a download: {type(error).__name__} {error}"
    finally:
        line.close()
    return "" if head.status == 200 else f"a download: HTTP {head.status}"
