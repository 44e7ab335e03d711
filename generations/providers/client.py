"""The one place that sends: deadlines, lanes, size caps, redaction, and which addresses may be reached at all.

Sending is asynchronous on a thread of its own, one per process; callers get futures and need no event loop. An answer
never raises: it is a Response, NotSent (it did not leave) or FateUnknown (it may have arrived).
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import os
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpcore
import httpx

from generations.providers.exchange import FateUnknown, NotSent, Reply

log = logging.getLogger(__name__)

ANSWER_CAP = 4 * 2**20  # bytes; the largest documented answer, a list of 500 tasks, is under 1 MB
PICTURE_CAP = 80 * 2**20  # bytes; a 4k PNG is under 40 MB
REDIRECTS = 3
LANES = 40  # kept open; a lane has ten connections at most
CONNECTIONS = 10  # one httpx client slows down with the square of its open connections
USER_AGENT = "Mozilla/5.0 (compatible; klingweb)"  # one result host refuses anything that does not look like a browser
SHARED_TLS = ssl.create_default_context()  # building one costs 0.1 s of CPU

TROUBLE = "The line failed."
TROUBLES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "The certificate at this address is not valid."),
    (httpx.ReadError, "The line broke off."),
    (ssl.SSLError, "No secure line could be opened to this address."),
    (httpx.ConnectError, "Nobody answers at this address."),
    (httpx.DecodingError, "The answer arrived damaged."),
    (httpx.TransportError, "The line broke off."),
    (httpx.InvalidURL, "This is not an address."),
    (OSError, "What arrived could not be written to the disk."),
)

T = TypeVar("T")


class Unreachable(httpcore.ConnectError):
    """There is no such address, or it may not be reached under the policy of this call. The text is a sentence."""


@dataclass(frozen=True)
class HostPolicy:
    """Where a call may go.

    `hosts` are the host:port pairs it may name, or None for any public https host. `trusted` are the pairs that may
    also be private or plain http, because whoever runs this installation said so.
    """

    hosts: frozenset[str] | None = None
    trusted: frozenset[str] = frozenset()

    def refuses(self, url: httpx.URL) -> str:
        """Why this address may not be called; empty where it may."""
        pair = host_port(url)
        if pair in self.trusted:
            return "" if url.scheme in ("http", "https") else "The address is neither http nor https."
        if url.scheme != "https":
            return "The address does not begin with https."
        return "" if self.hosts is None or pair in self.hosts else "The address is not one of the provider's own."

    def allows(self, host: str, port: int, address: str) -> bool:
        """Whether a resolved address may be connected to."""
        return _pair(host, port) in self.trusted or is_public(address)


@dataclass(frozen=True)
class Call:
    """A request with everything that sending it needs. `deadline` in seconds covers all of it.

    `lane` keeps one slow provider from holding another's connections. A `paid` call gets a fresh connection, so that a
    line which the other side has closed meanwhile does not leave its fate unknown.
    """

    request: httpx.Request
    deadline: float
    policy: HostPolicy
    lane: str
    paid: bool = False


@dataclass(frozen=True)
class Fetched:
    """A file that was brought home: where it is, its size in bytes and its hash."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class NotFetched:
    """A file that could not be brought home. `gone` tells that the other side says it no longer exists."""

    reason: str
    gone: bool = False


def host_port(url: httpx.URL) -> str:
    """`host:port` in lower case, with the scheme's own port where none is named; `[::1]:8000` for IPv6."""
    return _pair(url.host, url.port or {"https": 443, "http": 80}.get(url.scheme, 0))


def _pair(host: str, port: int) -> str:
    return f"[{host}]:{port}".lower() if ":" in host else f"{host}:{port}".lower()


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet. `is_global` alone lets tunnels and multicast through."""
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in TUNNELS if ip.version == 6)


TUNNELS = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


def redact(text: str, secrets: Iterable[str], cap: int = 4000) -> str:
    """The text without any of the secrets and without null characters, cut to `cap` characters."""
    text = text.replace("\x00", "")
    for secret in sorted((each for each in secrets if each), key=len, reverse=True):
        text = text.replace(secret, "•••")
    return text[:cap]


class Backend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, refuses what the policy forbids, and connects to the very address that was checked."""

    def __init__(self, policy: HostPolicy) -> None:
        self.policy = policy
        self.inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = Unreachable(f"{host} has no address.")
        for address in await self._resolve(host, port):
            if not self.policy.allows(host, port, address):
                raise Unreachable(f"{host} leads to a private address.")
            try:
                return await self.inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=2)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
            raise Unreachable(f"{host} has no address.") from error
        return list(dict.fromkeys(str(each[4][0]) for each in found))


def transport(policy: HostPolicy, *, keepalive: bool) -> httpx.AsyncHTTPTransport:
    """An httpx transport whose connections pass through Backend. The attribute is private: a test pins it."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS if keepalive else 0)
    made = httpx.AsyncHTTPTransport(verify=SHARED_TLS, trust_env=False, limits=limits)
    made._pool._network_backend = Backend(policy)  # noqa: SLF001
    return made


Lane = tuple[str, HostPolicy, bool]


@dataclass
class Client:
    """Sends calls. `lanes` are httpx clients by lane, policy and whether the call is paid."""

    lanes: dict[Lane, httpx.AsyncClient] = field(default_factory=dict)
    busy: Counter[Lane] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.closing: set[asyncio.Task[None]] = set()  # held, because the loop itself does not
        self.thread = threading.Thread(target=self.loop.run_forever, name="klingweb-client", daemon=True)
        self.thread.start()

    def close(self) -> None:
        """End this client with all that it keeps open. The one that a process shares ends with its process."""
        self._start(self._close()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _close(self) -> None:
        for line in self.lanes.values():
            await line.aclose()
        await asyncio.gather(*self.closing)
        await self.loop.shutdown_default_executor()

    def send(self, call: Call) -> "Future[Reply]":
        """Send the call; the future holds a Reply and never an exception."""
        return self._start(self._send(call))

    def fetch(self, call: Call, path: Path, cap: int = PICTURE_CAP) -> "Future[Fetched | NotFetched]":
        """Stream the answer's body into `path`, following a few redirects that the policy allows."""
        return self._start(self._fetch(call, path, cap))

    def _start(self, work: Awaitable[T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)  # type: ignore[arg-type]

    async def _send(self, call: Call) -> Reply:
        sent = _Sent()
        call.request.extensions["trace"] = sent.trace
        call.request.headers.setdefault("User-Agent", USER_AGENT)
        try:
            if refusal := call.policy.refuses(call.request.url):
                return NotSent(refusal)
            async with asyncio.timeout(call.deadline), self._line(call) as line:
                response = await line.send(call.request, stream=True)
                return await _whole(response)
        except TimeoutError:
            return sent.verdict(f"No answer within {call.deadline:g} seconds.")
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller has to know whether it left
            return sent.verdict(_in_words(error, call))

    async def _fetch(self, call: Call, path: Path, cap: int) -> Fetched | NotFetched:
        try:
            async with asyncio.timeout(call.deadline):
                return await self._follow(call, path, cap)
        except TimeoutError:
            return NotFetched(f"The picture was not here within {call.deadline:g} seconds.")
        except Exception as error:  # noqa: BLE001 - addresses come from people and providers, and fail in every way
            return NotFetched(_in_words(error, call))

    async def _follow(self, call: Call, path: Path, cap: int) -> Fetched | NotFetched:
        request = call.request
        for _ in range(REDIRECTS + 1):
            if refusal := call.policy.refuses(request.url):
                return NotFetched(refusal)
            request.headers.setdefault("User-Agent", USER_AGENT)
            async with self._line(call) as line:
                response = await line.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await _save(response, path, cap)
                    request = httpx.Request("GET", request.url.join(response.headers["location"]))
                finally:
                    await response.aclose()
        return NotFetched("The picture's address redirects too often.")

    @contextlib.asynccontextmanager
    async def _line(self, call: Call) -> AsyncIterator[httpx.AsyncClient]:
        """The httpx client of the call's lane, which stays open while it is in use."""
        key = (call.lane, call.policy, call.paid)
        self.busy[key] += 1
        try:
            yield self._client(key)
        finally:
            self.busy[key] -= 1

    def _client(self, key: Lane) -> httpx.AsyncClient:
        _, policy, paid = key
        if key not in self.lanes:
            self._make_room()
            self.lanes[key] = httpx.AsyncClient(
                transport=transport(policy, keepalive=not paid),
                timeout=None,  # noqa: S113 - each call has a deadline of its own
                follow_redirects=False,
                trust_env=False,
            )
        self.lanes[key] = self.lanes.pop(key)  # the one used last stands last
        return self.lanes[key]

    def _make_room(self) -> None:
        """Close lanes that nobody has used for longest, with the connections that they keep open."""
        for key in list(self.lanes)[: max(0, len(self.lanes) - LANES)]:
            if not self.busy[key]:
                del self.busy[key]
                closing = self.loop.create_task(self.lanes.pop(key).aclose())
                self.closing.add(closing)
                closing.add_done_callback(self.closing.discard)


def _in_words(error: Exception, call: Call) -> str:
    """What went wrong, for people. How the program calls it is for the log."""
    log.info("%s: %s", call.request.url.host, type(error).__name__)
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    known = next((each for each in causes if isinstance(each, Unreachable)), None)
    if known:
        return str(known)
    return next((words for kind, words in TROUBLES if any(isinstance(each, kind) for each in causes)), TROUBLE)


class _Sent:
    """Notes whether a request began to leave."""

    def __init__(self) -> None:
        self.begun = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        self.begun = self.begun or event.endswith("send_request_headers.started")

    def verdict(self, reason: str) -> NotSent | FateUnknown:
        return FateUnknown(reason) if self.begun else NotSent(reason)


async def _whole(response: httpx.Response) -> Reply:
    """The response with its body read, unless that is larger than any answer can be."""
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_CAP:
                return FateUnknown(f"The answer is larger than {ANSWER_CAP // 2**20} MB.")
        return httpx.Response(
            response.status_code,
            headers=[
                (k, v) for k, v in response.headers.multi_items() if k not in ("content-encoding", "content-length")
            ],
            content=bytes(body),
            request=response.request,
        )
    finally:
        await response.aclose()


async def _save(response: httpx.Response, path: Path, cap: int) -> Fetched | NotFetched:
    if response.status_code != httpx.codes.OK:
        gone = response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE)
        return NotFetched(f"HTTP {response.status_code} instead of a picture.", gone=gone)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        async for chunk in response.aiter_bytes(65536):
            size += len(chunk)
            if size > cap:
                return NotFetched(f"The picture is larger than {cap // 2**20} MB.")
            digest.update(chunk)
            file.write(chunk)
    return Fetched(path, size, digest.hexdigest())


_shared: dict[int, Client] = {}
_lock = threading.Lock()


def shared() -> Client:
    """The client of this process. A forked process gets one of its own, since threads do not survive a fork."""
    with _lock:
        if os.getpid() not in _shared:
            _shared[os.getpid()] = Client()
        return _shared[os.getpid()]
