"""A gate before a server: what passes through can be cut off or held up, as if the server were gone or silent."""

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

TICK = 0.1


class Gate:
    """Passes on whatever comes, both ways; `close` breaks every line off, `hold` lets nothing move on them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.behind = (parts.hostname or "127.0.0.1", parts.port or 0)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        person, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{person}{at}127.0.0.1:{self.port}").geturl()
        self.open, self.shut, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Nobody comes through any more."""
        self.open.clear()
        self.shut.set()

    def hold(self) -> None:
        """Lines stay, and nothing moves on them."""
        self.open.clear()

    def reopen(self) -> None:
        self.shut.clear()
        self.open.set()

    def end(self) -> None:
        self.ended.set()
        self.close()
        self.listener.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            with suppress(OSError):
                line, _ = self.listener.accept()
                threading.Thread(target=self._pass_on, args=(line,), daemon=True).start()

    def _pass_on(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            while not self.open.wait(TICK):
                if self.shut.is_set():
                    return
            with socket.create_connection(self.behind) as behind:
                self._pump(line, behind)

    def _pump(self, line: socket.socket, behind: socket.socket) -> None:
        others = {line: behind, behind: line}
        while not self.shut.is_set():
            ready, _, _ = select.select([line, behind], [], [], TICK)
            for each in ready if self.open.is_set() else ():
                if not (content := each.recv(65536)):
                    return
                others[each].sendall(content)
            if ready and not self.open.is_set():
                self.open.wait(TICK)
