"""The web server: waitress, which reads slow uploads and keeps slow downloads without giving each a thread."""

import errno
import resource
import signal
import socket
import time
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import WSGITask

THREADS = 32
CONNECTIONS = 1000
OPEN_FILES = 4096  # a connection may hold a socket and a temporary file for each direction
IDLE_SECONDS = 120
MAX_BODY = 64 * 1024 * 1024  # six reference pictures of 10 MB and their form
DRAIN_SECONDS = 20.0
STOP_POLL = 0.25


class CannotListen(Exception):
    """The address cannot be listened on. The text is a sentence that says what to do."""


def check_free(host: str, port: int) -> None:
    """Raises CannotListen if `serve` would not get this address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise cannot_listen(host, port, error) from None


def cannot_listen(host: str, port: int, error: OSError) -> CannotListen:
    """The sentence for a refusal of the operating system."""
    if error.errno == errno.EADDRINUSE:
        return CannotListen(f"Port {port} is taken by another program. Choose another: make run PORT={port + 1}.")
    return CannotListen(f"Cannot listen on {host}, port {port}: {error.strerror}. See KLINGWEB_BIND and KLINGWEB_PORT.")


def answers(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


class Task(WSGITask):
    """One request. An answer that has no body, as most that open pages get, leaves its connection open.

    waitress closes it (3.0.2, November 2026), because nothing tells the length of what is not there.
    """

    def set_close_on_finish(self) -> None:
        headers: dict[str, str] = getattr(self.request, "headers", {})
        may_stay = self.version == "1.1" and headers.get("CONNECTION", "").lower() != "close"
        if not (may_stay and self.complete and not self.has_body):
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """A connection, and the requests that come over it."""

    task_class = Task


class Server:
    """Serves an application until SIGTERM or SIGINT, then lets running requests finish."""

    def __init__(self, application: WSGIApplication, host: str, port: int, proxies: int) -> None:
        trust: dict[str, Any] = {
            "trusted_proxy": "*",
            "trusted_proxy_count": proxies,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        }
        self.sockets: dict[int, Any] = {}
        try:
            self.server = create_server(
                application,
                map=self.sockets,
                host=host,
                port=port,
                threads=THREADS,
                connection_limit=CONNECTIONS,
                channel_timeout=IDLE_SECONDS,
                max_request_body_size=MAX_BODY,
                asyncore_use_poll=True,  # select() ends at 1024 open files
                clear_untrusted_proxy_headers=True,
                ident="klingweb",
                **(trust if proxies else {}),
            )
        except OSError as error:
            raise cannot_listen(host, port, error) from None
        for each in self._listeners():
            each.channel_class = Channel
        self.stopping = False

    def run(self) -> None:
        """Serve until told to stop."""
        allow_open_files()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._note)
        while not self.stopping:
            wasyncore.loop(timeout=STOP_POLL, map=self.sockets, count=1, use_poll=True)
        self._drain()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _drain(self) -> None:
        for listener in self._listeners():
            wasyncore.dispatcher.close(listener)  # its own close() would also take away what wakes the loop
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._busy() and time.monotonic() < deadline:
            wasyncore.loop(timeout=STOP_POLL, map=self.sockets, count=1, use_poll=True)

    def _listeners(self) -> list[BaseWSGIServer]:
        return [each for each in self.sockets.values() if isinstance(each, BaseWSGIServer)]

    def _busy(self) -> bool:
        channels = [each for each in self.sockets.values() if isinstance(each, HTTPChannel)]
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def allow_open_files() -> None:
    """Raise the soft limit of open files to what the connections may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
