"""A provider in one process that is never what one waits for: `python -m tests.bench.provider`.

It speaks Kling's wire format, also below the path of a relay, over bare asyncio: tasks that take as long as it is told,
lists of up to 500, calls of `callback_url`, and one prepared picture. Its books are read, and it is told what to do,
below /bench/. Moments are Unix seconds. It ends when its standard input does.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.bench.pictures import picture

PICTURES = "/v1/images/"  # in the path of every way to make some
MOST_LISTED = 500
SLOW_FILES = "[slow-files]"  # in a prompt: its pictures arrive drop by drop
DRIP = 0.5  # seconds
JITTER = 0.25  # tasks take up to so much less or more
END = b"\r\n\r\n"
BALANCE = {"code": True, "data": {"total_available": 1_000_000, "unlimited_quota": False, "model_limits": {}}}


@dataclass(slots=True)
class Task:
    """A task, and the moments at which something happened to it; 0 where nothing has."""

    id: str
    external_id: str
    path: str
    done_at: float
    posted: float = 0.0
    pictures: int = 1
    slow: bool = False
    told: float = 0.0
    called: float = 0.0
    file_asked: float = 0.0
    file_sent: float = 0.0
    views: dict[bool, bytes] = field(default_factory=dict)

    def tell(self, address: str, now: float) -> bytes:
        """As a query or a list tells it. Telling that it is done is noted, once."""
        if self.done_at <= now and not self.told:
            self.told = now
        return self.view(address, done=self.done_at <= now)

    def view(self, address: str, *, done: bool) -> bytes:
        """What there is to say of it."""
        if done not in self.views:
            self.views[done] = json.dumps(self._view(address, done=done)).encode()
        return self.views[done]

    def moments(self) -> dict[str, float | str]:
        """What the books say of it."""
        names = ("external_id", "done_at", "posted", "told", "called", "file_asked", "file_sent")
        return {name: getattr(self, name) for name in names}

    def _view(self, address: str, *, done: bool) -> dict[str, Any]:
        made_at = int(self.posted * 1000)
        files = [{"index": at, "url": f"{address}/files/{self.id}/{at}.png"} for at in range(self.pictures)]
        return {
            "task_id": self.id,
            "task_status": "succeed" if done else "processing",
            "task_status_msg": "",
            "task_info": {"external_task_id": self.external_id},
            "created_at": made_at,
            "updated_at": made_at,
            "task_result": {"images": files} if done else {},
            **({"final_unit_deduction": str(8 * self.pictures)} if done else {}),
        }


@dataclass
class Provider:
    """Tasks and books. `side` is that of its pictures, `length` how long a task takes, `slow_files` a slow picture."""

    address: str = ""
    side: int = 64
    length: float = 5.0
    slow_files: float = 60.0

    def __post_init__(self) -> None:
        self.random = random.Random(1)  # noqa: S311
        self.forget()

    def forget(self) -> None:
        """Begin new books."""
        self.tasks: dict[str, Task] = {}
        self.by_external_id: dict[str, Task] = {}
        self.by_path: dict[str, list[Task]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.open_files = 0
        self.calls: set[asyncio.Task[None]] = set()

    def keep(self, task: Task) -> None:
        """Have the task, or have it as it is now."""
        if known := self.tasks.get(task.id):
            known.done_at = task.done_at
            return
        self.by_path[task.path].append(task)
        self.tasks[task.id] = self.by_external_id[task.external_id] = task

    # What providers are asked -----------------------------------------------------------------------------------------

    def create(self, path: str, body: bytes) -> bytes:
        """POST a task."""
        now, order = time.time(), json.loads(body)
        length = self.length * self.random.uniform(1 - JITTER, 1 + JITTER)
        task = Task(uuid4().hex, str(order.get("external_task_id") or ""), path, now + length, now)
        task.pictures, task.slow = int(order.get("n") or 1), SLOW_FILES in str(order.get("prompt"))
        self.counts["posts"] += 1
        self.keep(task)
        if order.get("callback_url"):
            running = asyncio.get_running_loop().create_task(self._call(task, str(order["callback_url"])))
            self.calls.add(running)
            running.add_done_callback(self.calls.discard)
        return _whole(b'{"task_id":"%s","task_status":"submitted"}' % task.id.encode())

    def query(self, path: str, name: str) -> bytes:
        """GET one task by either of its names."""
        self.counts["queries"] += 1
        task = self.tasks.get(name) or self.by_external_id.get(name)
        if not task or task.path != path:
            return answer(404, b'{"code":1203,"message":"task does not exist"}')
        return _whole(task.tell(self.address, time.time()))

    def list(self, path: str, query: str) -> bytes:
        """GET tasks, newest first, in pages."""
        self.counts["lists"] += 1
        asked, now = parse_qs(query), time.time()
        page, size = (int(asked.get(name, [usual])[0]) for name, usual in (("pageNum", 1), ("pageSize", 30)))
        if not 1 <= size <= MOST_LISTED:
            return answer(400, b'{"code":1201,"message":"pageSize must be an integer in [1, 500]"}')
        tasks = self.by_path[path]
        last = len(tasks) - (page - 1) * size
        found = tasks[max(0, last - size) : max(0, last)]
        return _whole(b"[%s]" % b",".join(each.tell(self.address, now) for each in reversed(found)))

    async def _call(self, task: Task, url: str) -> None:
        """Tell that the task is done, as Kling does."""
        await asyncio.sleep(task.done_at - time.time())
        to, body, task.called = urlsplit(url), task.view(self.address, done=True), time.time()
        start = f"POST {to.path} HTTP/1.1\r\nHost: {to.netloc}\r\nContent-Type: application/json\r\n"
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(to.hostname, to.port)
            writer.write(f"{start}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            status = (await reader.readline()).split()
            self.counts["calls" if b"200" in status else "calls refused"] += 1
            writer.close()

    # What the bench asks ----------------------------------------------------------------------------------------------

    def told(self, what: str, body: bytes) -> bytes:
        """POST /bench/<what>: `settings`, `forget`, `adopt` tasks that nobody posted; GET /bench/books."""
        given = json.loads(body or b"{}")
        if what == "settings":
            vars(self).update(given)
            picture(self.side)  # now, not when it is asked for
        elif what == "forget":
            self.forget()
        elif what == "adopt":
            for each in given:
                self.keep(Task(**each))
        tasks = [each.moments() for each in self.tasks.values()] if what == "books" else []
        books = {"tasks": tasks, "counts": self.counts, "open_files": self.open_files}
        return answer(200, json.dumps(books).encode())


class Line(asyncio.Protocol):
    """One connection, kept alive; requests come one after the other."""

    transport: asyncio.Transport

    def __init__(self, provider: Provider) -> None:
        self.provider, self.received = provider, bytearray()
        self.sending: Task | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(END)) >= 0:
            lines = self.received[:end].decode("latin-1").split("\r\n")
            lengths = [int(line[15:]) for line in lines if line.lower().startswith("content-length:")]
            whole = end + len(END) + sum(lengths)
            if len(self.received) < whole:
                return
            body = bytes(self.received[end + len(END) : whole])
            del self.received[:whole]
            method, target, _ = lines[0].split(" ")
            self._answer(method, target, body)

    def resume_writing(self) -> None:
        self._note_sent()

    def connection_lost(self, _error: Exception | None) -> None:
        self.sending = None

    def _answer(self, method: str, target: str, body: bytes) -> None:
        path, _, query = target.partition("?")
        before, _, last = path.rpartition("/")
        if before == "/bench":
            self.transport.write(self.provider.told(last, body))
        elif path.startswith("/files/"):
            self._send_file(self.provider.tasks.get(path.split("/")[2]))
        elif PICTURES not in path:
            self.transport.write(answer(200, json.dumps(BALANCE).encode()))
        elif method == "POST":
            self.transport.write(self.provider.create(path, body))
        elif path in self.provider.by_path or query:
            self.transport.write(self.provider.list(path, query))
        else:
            self.transport.write(self.provider.query(before, last))

    def _send_file(self, task: Task | None) -> None:
        if not task:
            self.transport.write(answer(404, b"{}"))
            return
        content = picture(self.provider.side)
        self.provider.counts["files"] += 1
        self.sending, task.file_asked = task, time.time()
        self.transport.write(head(200, len(content), "image/png"))
        if task.slow:
            self.provider.open_files += 1
            self._drip(task, memoryview(content), round(len(content) * DRIP / self.provider.slow_files) + 1)
            return
        self.transport.write(content)
        if not self.transport.get_write_buffer_size():
            self._note_sent()

    def _drip(self, task: Task, left: memoryview, size: int) -> None:
        if task.id not in self.provider.tasks:
            self.transport.abort()
        elif not left or self.transport.is_closing():
            self.provider.open_files -= 1
            self._note_sent()
        else:
            self.transport.write(left[:size])
            asyncio.get_running_loop().call_later(DRIP, self._drip, task, left[size:], size)

    def _note_sent(self) -> None:
        if self.sending:
            self.sending.file_sent, self.sending = time.time(), None


def head(status: int, length: int, kind: str = "application/json") -> bytes:
    """Of an answer."""
    return f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def answer(status: int, body: bytes) -> bytes:
    """A whole answer of JSON."""
    return head(status, len(body)) + body


def _whole(data: bytes) -> bytes:
    return answer(200, b'{"code":0,"message":"SUCCEED","request_id":"%s","data":%s}' % (uuid4().hex.encode(), data))


async def main() -> None:
    """Listen on a free port, say which, and end with standard input."""
    loop, provider = asyncio.get_running_loop(), Provider()
    server = await loop.create_server(lambda: Line(provider), "127.0.0.1", 0, backlog=1000)
    provider.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sys.stdout.write(f"{provider.address}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)  # nothing is ever written there, so this is its end
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
