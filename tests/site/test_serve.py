"""`manage.py serve` as people start it: what it brings up, how it ends, and what it refuses."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.site.conftest import Installation
from tests.site.processes import free_port, wait_until
from tests.site.served import Form, cluster_leaders, heartbeats, serve, sign_in

pytestmark = pytest.mark.processes


def test_a_picture_is_made_and_the_end_is_clean(installation: Installation) -> None:
    started = serve(installation)
    client = sign_in(installation)
    values = Form(client.get("/")).values
    made = client.post("/", data={**values, "prompt": "A red kite above a grey sea", "n": "1"})
    assert re.fullmatch(r"/g/[0-9a-f-]{36}/", made.url.path)
    wait_until(lambda: 'data-status="succeeded"' in client.get(made.url.path).text, "the picture is there")
    address = re.findall(r"<a[^>]*data-image[^>]*>", client.get(made.url.path).text)[0]
    picture = client.get(re.findall(r'href="([^"]+)"', address)[0])
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    client.close()
    started.send(signal.SIGINT)
    assert started.wait() == 0, started.text
    assert not started.left
    assert "Traceback" not in started.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end_and_leaves_nothing(
    installation: Installation, number: signal.Signals
) -> None:
    began = time.monotonic()
    started = serve(installation)
    assert time.monotonic() - began < 20
    assert f"klingweb is ready at {installation.address}/ " in started.text
    assert httpx.get(f"{installation.address}/accounts/login/", trust_env=False).status_code == 200
    wait_until(lambda: heartbeats(installation).keys() == {"klingweb", "fast"}, "both clusters run tasks")
    started.send(number)
    assert started.wait() == 0, started.text
    assert not started.left
    assert "Traceback" not in started.text


def test_one_port_on_the_command_line_is_all_that_it_takes_to_move(installation: Installation) -> None:
    port = free_port()
    started = serve(installation, "--port", str(port))
    assert f"klingweb is ready at http://127.0.0.1:{port}/ " in started.text
    environ = [Path(f"/proc/{pid}/environ").read_bytes() for pid in cluster_leaders(started).values()]
    assert all(f"KLINGWEB_PORT={port}".encode() in each.split(b"\0") for each in environ)


@pytest.mark.parametrize("name", ["default", "fast"])
def test_a_cluster_that_dies_ends_everything(installation: Installation, name: str) -> None:
    started = serve(installation)
    os.kill(cluster_leaders(started)[name], signal.SIGKILL)
    assert started.wait() == 1
    assert f"The {name} cluster was ended by SIGKILL: stopping the rest." in started.text
    assert not started.left


def test_a_cluster_that_lives_but_is_silent_is_started_again(installation: Installation) -> None:
    started = serve(installation, KLINGWEB_HEARTBEAT_SILENCE="4")
    wait_until(lambda: heartbeats(installation).keys() == {"klingweb", "fast"}, "both clusters run tasks")
    before = cluster_leaders(started)
    os.killpg(before["fast"], signal.SIGSTOP)
    stopped_at = heartbeats(installation)["fast"]
    started.wait_for_text("The fast cluster has been silent for too long: it is started again.")
    wait_until(lambda: heartbeats(installation)["fast"] != stopped_at, "the new cluster runs tasks")
    after = cluster_leaders(started)
    assert after["default"] == before["default"]
    assert after["fast"] != before["fast"]
    started.send(signal.SIGINT)
    assert started.wait() == 0
    assert not started.left


def test_a_taken_port_is_a_sentence_before_anything_is_started(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        ended = installation.manage("serve")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.strip() == (
        f"CommandError: Port {installation.port} is taken by another program. "
        f"Choose another: make run PORT={installation.port + 1}."
    )


def test_one_data_directory_is_served_once(installation: Installation) -> None:
    started = serve(installation)
    ended = installation.manage("serve", "--port", str(free_port()))
    assert ended.returncode == 1
    assert f"klingweb already runs on this data directory (process {started.process.pid}, port" in ended.stderr
    started.kill_all()
    again = serve(installation)
    again.send(signal.SIGINT)
    assert again.wait() == 0


def test_an_installation_without_keys_is_sent_to_prepare(empty: Installation) -> None:
    ended = empty.manage("serve")
    assert (ended.returncode, ended.stderr.strip()) == (
        1,
        "CommandError: There are no keys yet. Run `manage.py prepare` first.",
    )


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("klingweb.sqlite3", "The database is not up to date."),
        ("static/staticfiles.json", "The static files are not collected."),
    ],
)
def test_an_installation_that_lacks_something_is_sent_to_prepare(
    installation: Installation, lost: str, sentence: str
) -> None:
    (installation.folder / lost).unlink()
    ended = installation.manage("serve")
    assert ended.returncode == 1
    assert ended.stderr.strip() == f"CommandError: {sentence} Run `manage.py prepare` first."


def test_a_database_that_cannot_be_opened_is_a_sentence(installation: Installation) -> None:
    ended = installation.manage("serve", KLINGWEB_DATABASE_URL="sqlite:////nowhere/at/all.sqlite3")
    assert ended.returncode == 1
    assert "The database cannot be used: unable to open database file. See KLINGWEB_DATABASE_URL." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_wrong_settings_are_refused_before_anything_is_started(installation: Installation) -> None:
    ended = installation.manage("serve", KLINGWEB_PUBLIC_URL="https://pictures.example.com")
    assert ended.returncode == 1
    assert "klingweb.E005" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_closed_terminal_ends_everything_although_nobody_can_be_told(installation: Installation) -> None:
    reading, writing = os.pipe()
    started = installation.start("serve", stdout=writing)
    os.close(writing)
    with os.fdopen(reading) as terminal:
        assert "klingweb is ready at" in terminal.readline()
    started.send(signal.SIGHUP)
    assert started.wait() == 0
    assert not started.left
