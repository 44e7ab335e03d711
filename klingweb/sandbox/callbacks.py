"""Telling a client of its task at the address that it gave: over plain HTTP, on this machine and nowhere else.

What will be told is written down when the task is made. A thread sends each call at its moment; what is left at the
end of the process is never sent. Nobody looks at the answers.
"""

import base64
import hmac
import http.client
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from klingweb.sandbox import scenarios
from klingweb.sandbox.tasks import Task, now_ms

NEAR = ("127.0.0.1", "localhost", "::1")
PATIENCE = 5  # seconds

EVERY_CHANGE = ("created_at", "begun_at", "done_at")
PROGRESS_AND_END = ("begun_at", "done_at")
END_ALONE = ("done_at",)


@dataclass(frozen=True)
class Caller:
    """How a dialect calls: what it tells of a task at a moment, at which of its moments, and what signs that."""

    tell: Callable[[Task, int], Mapping[str, Any]]
    moments: tuple[str, ...]
    secret: str = ""


def promise(url: str, task: Task, caller: Caller) -> None:
    """Call the client at each moment, if it gave an address on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in NEAR or task.plays(scenarios.NO_CALLBACK):
        return
    for moment in (getattr(task, name) for name in caller.moments):
        body = json.dumps(caller.tell(task, moment)).encode()
        times = 3 if task.plays(scenarios.REPEATED_CALLBACK) else 1
        timer = threading.Timer(max(0, moment - now_ms()) / 1000, _call, (url, body, caller.secret, times))
        timer.daemon = True
        timer.start()


def _call(url: str, body: bytes, secret: str, times: int) -> None:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json"} | (_signed(body, secret) if secret else {})
    for _ in range(times):
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        with closing(line), suppress(OSError, http.client.HTTPException):
            line.request("POST", parts._replace(scheme="", netloc="").geturl() or "/", body, headers)
            line.getresponse().read()


def _signed(body: bytes, secret: str) -> dict[str, str]:
    """The headers of Standard Webhooks, as Kling's document on callbacks has them."""
    name, moment = f"msg_{uuid.uuid4().hex}", str(now_ms() // 1000)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{name}.{moment}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": signature}
