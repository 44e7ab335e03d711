"""The web server: what it lets in, whom it believes, and how it ends."""

import http.client
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from klingweb import server
from tests.site.conftest import Installation
from tests.site.processes import Start, Started, free_port, wait_until
from tests.site.web_stand_in import LARGE

pytestmark = pytest.mark.processes


class Web:
    """The stand-in application, served."""

    def __init__(self, start: Start, folder: Path, proxies: int, *before: str) -> None:
        self.port, self.folder = free_port(), folder
        command = [*before, sys.executable, "-m", "tests.site.web_stand_in", str(self.port), str(proxies), str(folder)]
        self.started: Started = start(command)
        wait_until(lambda: server.answers("127.0.0.1", self.port), "the server answers")

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=60, trust_env=False)


@pytest.fixture
def web(start: Start, tmp_path: Path) -> Callable[..., Web]:
    return lambda proxies=0, *before: Web(start, tmp_path, proxies, *before)


def test_a_running_request_is_finished_before_the_end(web: Callable[..., Web]) -> None:
    served = web()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(served.get("/slow")))
    asking.start()
    wait_until((served.folder / "begun").exists, "the request runs")
    served.started.send(signal.SIGTERM)
    wait_until(lambda: not server.answers("127.0.0.1", served.port), "nobody else is let in")
    (served.folder / "go on").touch()
    assert served.started.wait() == 0
    asking.join()
    assert answers[0].text == "finished"


def test_a_slow_reader_gets_all_of_a_large_answer(web: Callable[..., Web]) -> None:
    served = web()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", "/large")
    wait_until((served.folder / "begun").exists, "the request runs")
    served.started.send(signal.SIGTERM)
    wait_until(lambda: not server.answers("127.0.0.1", served.port), "nobody else is let in")
    assert len(connection.getresponse().read()) == LARGE
    connection.close()
    assert served.started.wait() == 0


def test_nobodys_word_is_taken_for_where_a_request_comes_from(web: Callable[..., Web]) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    seen = json.loads(web().get("/seen", **headers).text)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_X_FORWARDED_FOR"]) == ("127.0.0.1", "http", None)
    assert seen["HTTP_X_FORWARDED_HOST"] is None


def test_a_trusted_proxy_says_who_asks_and_how_but_not_whom(web: Callable[..., Web]) -> None:
    headers = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.9",  # the proxy adds the last; what stands before is hearsay
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
    }
    served = web(1)
    seen = json.loads(served.get("/seen", **headers).text)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("203.0.113.9", "https")
    assert seen["HTTP_HOST"] == f"127.0.0.1:{served.port}"


@pytest.mark.parametrize(("path", "status"), [("/nothing-new", 204), ("/not-modified", 304)])
def test_an_answer_without_a_body_leaves_its_connection_open(web: Callable[..., Web], path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web().port, timeout=60)
    connection.connect()
    opened = connection.sock
    for _ in range(3):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.getheader("Connection")) == (status, b"", None)
        assert connection.sock is opened, "http.client drops what the server is going to close"
    connection.request("GET", "/seen")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("head", ["HTTP/1.1\r\nHost: here\r\nConnection: close", "HTTP/1.0"])
def test_whoever_wants_the_connection_closed_gets_that(web: Callable[..., Web], head: str) -> None:
    with socket.create_connection(("127.0.0.1", web().port), timeout=30) as connection:
        connection.sendall(f"GET /nothing-new {head}\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            assert b" 204 " in answer.read().partition(b"\r\n")[0]


def test_it_does_not_say_what_it_is_made_of(web: Callable[..., Web]) -> None:
    assert web().get("/seen").headers["server"] == "klingweb"


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(web: Callable[..., Web]) -> None:
    served = web()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        head = f"POST /seen HTTP/1.1\r\nHost: here\r\nContent-Length: {server.MAX_BODY + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_there_may_be_as_many_open_files_as_connections_need(web: Callable[..., Web]) -> None:
    limited = web(0, "sh", "-c", 'ulimit -Sn 256 && exec "$@"', "sh")
    assert int(limited.get("/files").text) > 256
    limited.started.send(signal.SIGTERM)
    assert limited.started.wait() == 0


def test_an_address_that_cannot_be_listened_on_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(server.CannotListen, match=rf"Port {port} is taken .* make run PORT={port + 1}\."):
            server.check_free("127.0.0.1", port)
    server.check_free("127.0.0.1", port)
    with pytest.raises(server.CannotListen, match=r"Cannot listen on 203\.0\.113\.9, port .*KLINGWEB_BIND"):
        server.check_free("203.0.113.9", port)


def test_the_site_is_served_on_the_port_of_the_command_line(installation: Installation) -> None:
    port = free_port()
    started = installation.start("web", "--port", str(port))
    wait_until(lambda: server.answers("127.0.0.1", port), "the site answers")
    assert httpx.get(f"http://127.0.0.1:{port}/accounts/login/", trust_env=False).status_code == 200
    started.send(signal.SIGTERM)
    assert started.wait() == 0
    assert not started.left


def test_the_web_server_alone_says_that_its_port_is_taken(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        ended = installation.manage("web")
    assert ended.returncode == 1
    assert f"Port {installation.port} is taken by another program." in ended.stderr
    assert "Traceback" not in ended.stderr
