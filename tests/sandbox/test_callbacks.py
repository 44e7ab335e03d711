"""Callbacks, over real HTTP: each dialect tells of its tasks as its document says, on this machine alone."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from standardwebhooks import Webhook

from klingweb.sandbox import callbacks, keys, store
from klingweb.sandbox.callbacks import END_ALONE, Caller
from tests.sandbox.conftest import GENERATIONS, KEY
from tests.sandbox.useapi_client import Useapi

KKIAI = "/sandbox/kkiai/kling/v1/images/generations"
APIMODELS = "/sandbox/apimodels/api/v1/images/generations"
SOON = 10  # seconds


class Listener(HTTPServer):
    """A client's webhook that remembers what it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ear)
        self.calls: Queue[tuple[str, dict[str, str], bytes]] = Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/secret/?of=mine"

    def told(self, count: int) -> list[dict[str, Any]]:
        """The bodies of so many calls and no more."""
        bodies = [json.loads(self.calls.get(timeout=SOON)[2]) for _ in range(count)]
        with pytest.raises(Empty):
            self.calls.get(timeout=0.2)
        return bodies


class Ear(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.put((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener(settings: Settings) -> Iterator[Listener]:
    settings.SANDBOX_PACE = 0.02
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(path: str, body: dict[str, Any], key: dict[str, str] = KEY) -> dict[str, Any]:
    answer = Client().post(path, body, content_type="application/json", headers=key)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_kling_tells_of_every_change_in_a_flat_body(listener: Listener) -> None:
    made = post(GENERATIONS, {"prompt": "A fox", "external_task_id": "mine", "callback_url": listener.url, "n": 2})
    first, second, last = sorted(listener.told(3), key=lambda each: each["updated_at"])
    words = [each["task_status"] for each in (first, second, last)]
    assert words == ["submitted", "processing", "succeed"]
    assert {each["task_id"] for each in (first, second, last)} == {made["data"]["task_id"]}
    assert last["task_info"] == {"external_task_id": "mine"}
    assert last["final_unit_deduction"] == "8"
    assert [each["index"] for each in last["task_result"]["images"]] == [0, 1]
    assert "code" not in last


def test_kling_signs_what_it_tells_and_the_specifications_library_agrees(listener: Listener) -> None:
    post(GENERATIONS, {"prompt": "A fox", "callback_url": listener.url})
    path, headers, body = listener.calls.get(timeout=SOON)
    assert path == "/hooks/secret/?of=mine"
    assert Webhook(keys.WEBHOOK_SECRET).verify(body, headers) == json.loads(body)
    listener.told(2)


def test_a_failure_is_told_too(listener: Listener) -> None:
    post(GENERATIONS, {"prompt": "[failed]", "callback_url": listener.url})
    last = max(listener.told(3), key=lambda each: each["updated_at"])
    assert (last["task_status"], last["task_result"]) == ("failed", {})
    assert last["task_status_msg"]


def test_kkiai_tells_the_same_without_names_and_deduction_and_signs_nothing(listener: Listener) -> None:
    post(KKIAI, {"model_name": "kling-v2-1", "n": 1, "prompt": "A fox", "callback_url": listener.url})
    _, headers, _ = listener.calls.get(timeout=SOON)
    assert "webhook-signature" not in headers
    last = max(listener.told(2), key=lambda each: each["updated_at"])
    assert last["task_status"] == "succeed"
    assert not {"task_info", "final_unit_deduction", "code"} & last.keys()


def test_useapi_tells_progress_and_result_like_a_query_with_the_clients_reference(listener: Listener) -> None:
    status, made = Useapi().create(replyUrl=listener.url, replyRef="mine")
    assert status == 200
    first, last = sorted(listener.told(2), key=lambda each: each["status"])
    assert [each["status_name"] for each in (first, last)] == ["processing", "succeed"]
    assert {each["replyRef"] for each in (first, last)} == {"mine"}
    assert last["task"]["id"] == made["task"]["id"]
    assert len(last["works"]) == 2


def test_apimodels_tells_of_the_end_alone_without_an_envelope(listener: Listener) -> None:
    body = {"model": "kling-v2", "prompt": "A fox", "callback_url": listener.url}
    made = post(APIMODELS, body, {"Authorization": f"Bearer {keys.APIMODELS_KEY}"})
    [last] = listener.told(1)
    assert (last["taskId"], last["state"], len(last["resultUrls"])) == (made["data"]["taskId"], "completed", 1)
    assert "code" not in last


def test_callbacks_can_be_repeated_or_never_come(listener: Listener) -> None:
    post(GENERATIONS, {"prompt": "[no-callback]", "callback_url": listener.url})
    post(GENERATIONS, {"prompt": "[repeated-callback]", "callback_url": listener.url})
    told = listener.told(9)
    assert sorted(each["task_status"] for each in told) == ["processing"] * 3 + ["submitted"] * 3 + ["succeed"] * 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://127.0.0.1/hooks/",
        "http://192.0.2.1/hooks/",
        "http://127.0.0.1.example.com/hooks/",
        "http://127.0.0.1@example.com/hooks/",
        "http://[::ffff:192.0.2.1]/hooks/",
    ],
)
def test_nobody_else_is_ever_called(url: str, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.0

    def start(_: threading.Timer) -> None:
        pytest.fail("a call was promised")

    monkeypatch.setattr(threading.Timer, "start", start)
    made = post(GENERATIONS, {"prompt": "A fox", "callback_url": url})
    assert made["code"] == 0


def test_a_client_that_does_not_listen_does_no_harm(settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.0
    made = post(GENERATIONS, {"prompt": "A fox"})
    task = store.find("kling", "/v1/images/generations", made["data"]["task_id"])
    assert task
    before = set(threading.enumerate())
    callbacks.promise("http://127.0.0.1:1/", task, Caller(lambda _task, _now: {}, END_ALONE))
    for each in set(threading.enumerate()) - before:
        each.join()
