"""Over real HTTP: what a test client cannot show."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from django.core.handlers.wsgi import WSGIHandler
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from tests.sandbox.conftest import KEY

PATH = "/sandbox/kling/v1/images/generations"
PROMPT = {"prompt": "A fox [lost-answer]", "external_task_id": "mine"}


@pytest.fixture
def waitress() -> Iterator[str]:
    """The address of the sandbox under waitress."""
    sockets: dict[int, socket.socket] = {}
    server = create_server(WSGIHandler(), map=sockets, host="127.0.0.1", port=0, threads=4)
    assert isinstance(server, BaseWSGIServer)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            wasyncore.loop(timeout=0.02, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    stopping.set()
    thread.join()
    server.task_dispatcher.shutdown()
    wasyncore.close_all(sockets)


def assert_the_answer_is_lost(base_url: str) -> None:
    with httpx.Client(base_url=base_url, headers=KEY, timeout=5) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            client.post(PATH, json=PROMPT)
        assert client.get(f"{PATH}/mine").json()["data"]["task_info"] == {"external_task_id": "mine"}
        assert client.get("/sandbox/requests?external_task_id=mine").json()["accepted"] == 1
        assert client.post(PATH, json=PROMPT).json()["code"] == 1201


def test_a_lost_answer_under_waitress_ends_the_line_and_leaves_the_task(waitress: str) -> None:
    assert_the_answer_is_lost(waitress)


def test_a_lost_answer_under_djangos_server_ends_the_line_and_leaves_the_task(live_server: LiveServer) -> None:
    assert_the_answer_is_lost(live_server.url)


def test_a_large_reference_passes_the_limit_on_forms(waitress: str, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = {"prompt": "x" * 2000, "image": "A" * 100_000, "model_name": "kling-v2-1"}
    answer = httpx.post(waitress + PATH, json=body, headers=KEY)
    assert answer.json()["message"].startswith("image is not a readable")


def test_pictures_are_served_by_the_host_that_was_asked(waitress: str, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.0
    with httpx.Client(base_url=waitress) as client:
        client.post(PATH, json={"prompt": "A fox", "external_task_id": "mine"}, headers=KEY)
        url = client.get(f"{PATH}/mine", headers=KEY).json()["data"]["task_result"]["images"][0]["url"]
        answer = client.get(url)
    assert url.startswith(f"{waitress}/sandbox/files/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
