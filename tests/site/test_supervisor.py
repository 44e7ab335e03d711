"""The supervisor with real, tiny programs: what ends, in what order, and what is left."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from klingweb.supervisor import STOPPED_AT_ONCE, TETHER, Watch
from tests.site.processes import Start, Started, wait_until

pytestmark = pytest.mark.processes
NAMES = ("web", "one", "two")
Run = Callable[..., Started]


@pytest.fixture
def run(start: Start, tmp_path: Path) -> Run:
    """Starts the supervisor with its programs and returns when all of them run."""

    def run(**spec: object) -> Started:
        started = start([sys.executable, "-m", "tests.site.stand_in", str(tmp_path), json.dumps(spec)])
        for name in NAMES:
            wait_until((tmp_path / f"{name}.pid").exists, f"{name} runs")
        started.wait_for_text("up")
        return started

    return run


def pid(folder: Path, name: str) -> int:
    return int((folder / f"{name}.pid").read_text())


def endings(folder: Path) -> list[str]:
    return (folder / "ended").read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_cleanly(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    started = run()
    started.send(number)
    assert started.wait() == 0
    assert not started.left
    assert len(endings(tmp_path)) == len(NAMES)


def test_clusters_end_before_the_web_server_and_all_know_that_the_end_is_near(run: Run, tmp_path: Path) -> None:
    started = run()
    started.send(signal.SIGINT)
    started.wait()
    assert endings(tmp_path)[-1] == "web after"
    assert set(endings(tmp_path)) == {"one after", "two after", "web after"}


def test_the_address_is_announced_once(run: Run) -> None:
    started = run()
    started.send(signal.SIGINT)
    started.wait()
    assert started.text.splitlines().count("up") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_program_that_ends_by_itself_ends_the_others(run: Run, tmp_path: Path, name: str) -> None:
    started = run()
    os.kill(pid(tmp_path, name), signal.SIGKILL)
    assert started.wait() == 1
    assert f"The {name} was ended by SIGKILL" in started.text
    assert not started.left
    assert {line.split()[0] for line in endings(tmp_path)} == set(NAMES) - {name}


def test_what_a_dead_leader_leaves_behind_is_ended(run: Run, tmp_path: Path) -> None:
    started = run(one="parent")
    wait_until((tmp_path / "one.child").exists, "the child runs")
    os.kill(pid(tmp_path, "one"), signal.SIGTERM)
    assert started.wait() == 1
    assert "The one ended by itself with code 0" in started.text
    assert not started.left


def test_nobody_outlives_a_supervisor_that_was_killed(run: Run, tmp_path: Path) -> None:
    started = run()
    started.send(signal.SIGKILL)
    started.wait()
    wait_until(lambda: not started.left, "all programs end")
    assert set(endings(tmp_path)) == {"one before", "two before", "web before"}


@pytest.mark.parametrize("manner", ["stubborn", "parent"])
def test_nor_does_what_does_not_end_when_it_is_asked_to(run: Run, manner: str) -> None:
    started = run(one=manner, grace=0.2, paid_grace=0.2)
    started.send(signal.SIGKILL)
    started.wait()
    wait_until(lambda: not started.left, "all programs end")


def test_without_its_tether_it_works_and_ends_all_the_same(run: Run, tmp_path: Path) -> None:
    started = run(silence=0.5)
    first = pid(tmp_path, "one")
    tether = next(each for each in started.left if TETHER.name in Path(f"/proc/{each}/cmdline").read_text())
    os.kill(tether, signal.SIGKILL)
    wait_until(lambda: pid(tmp_path, "one") != first, "the silent cluster is started again")
    started.send(signal.SIGINT)
    assert started.wait() == 0
    assert not started.left


def test_a_program_that_does_not_end_in_time_is_ended(run: Run, tmp_path: Path) -> None:
    started = run(one="stubborn", grace=0.3)
    started.send(signal.SIGINT)
    assert started.wait() == 0
    assert "Ending what still runs" in started.text
    assert not started.left


def test_an_open_paid_request_is_waited_for(run: Run, tmp_path: Path) -> None:
    (tmp_path / "open").write_text("1")
    started = run(one="stubborn", grace=0.3)
    started.send(signal.SIGINT)
    started.wait_for_text("1 paid request(s)")
    assert pid(tmp_path, "one") in started.left
    (tmp_path / "open").write_text("0")
    assert started.wait() == 0
    assert started.text.count("paid request(s)") == 1


def test_an_open_paid_request_is_not_waited_for_without_end(run: Run, tmp_path: Path) -> None:
    (tmp_path / "open").write_text("1")
    started = run(one="stubborn", grace=0.1, paid_grace=1.5)
    started.send(signal.SIGINT)
    assert started.wait() == 0
    assert not started.left


def test_ctrl_c_again_stops_at_once(run: Run, tmp_path: Path) -> None:
    started = run(one="stubborn")
    started.send(signal.SIGINT)
    wait_until((tmp_path / "ended").exists, "the first Ctrl+C arrives")

    def pressed_again() -> bool:
        started.send(signal.SIGINT)
        time.sleep(0.1)
        return "Ending what still runs" in started.text

    wait_until(pressed_again, "it gives in")
    assert started.wait() == STOPPED_AT_ONCE
    assert not started.left


def test_one_ctrl_c_that_arrives_twice_is_one(run: Run, tmp_path: Path) -> None:
    started = run()
    started.send(signal.SIGINT)
    started.send(signal.SIGINT)
    started.send(signal.SIGTERM)
    assert started.wait() == 0
    assert len(endings(tmp_path)) == len(NAMES)


def test_a_silent_cluster_is_killed_and_started_again(run: Run, tmp_path: Path) -> None:
    started = run(silence=1, one="parent")
    wait_until((tmp_path / "one.child").exists, "the child runs")
    first, child, other = pid(tmp_path, "one"), int((tmp_path / "one.child").read_text()), pid(tmp_path, "two")
    wait_until(lambda: pid(tmp_path, "one") != first, "the silent cluster is started again")
    assert "The one has been silent for too long" in started.text
    assert not {first, child} & set(started.left)
    assert pid(tmp_path, "two") == other
    started.send(signal.SIGINT)
    assert started.wait() == 0
    assert not started.left


def test_the_queue_is_nudged_at_the_start_and_each_cluster_asked_to_beat(run: Run, tmp_path: Path) -> None:
    run()
    asked = tmp_path / "asked"
    wait_until(lambda: asked.exists() and asked.read_text().count("beat two") > 2, "clusters are asked")
    assert asked.read_text().splitlines()[:3] == ["nudge", "beat one", "beat two"]


def test_between_two_looks_it_is_seen_each_second_that_somebody_follows(run: Run, tmp_path: Path) -> None:
    run(every=60)
    asked = tmp_path / "asked"
    wait_until(lambda: asked.exists() and asked.read_text().count("stand by") > 1, "somebody stands by")
    assert asked.read_text().splitlines()[:5] == ["nudge", "beat one", "beat two", "stand by", "stand by"]


def test_a_missing_database_stops_nothing_and_is_no_silence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "away").touch()
    started = run(silence=0.3)
    wait_until(lambda: started.text.count("cannot be watched just now: the database is away") > 20, "the watch goes on")
    (tmp_path / "away").unlink()
    assert "silent" not in started.text
    started.send(signal.SIGINT)
    assert started.wait() == 0


class Clusters:
    """Two clusters, one of which gives a new sign of life whenever it is asked."""

    def __init__(self) -> None:
        self.counted = 0
        self.open = 3

    def nudge(self) -> None:
        pass

    def stand_by(self) -> None:
        pass

    def beat(self, cluster: str) -> None:
        self.counted += cluster == "lively"

    def last_beat(self, cluster: str) -> datetime | None:
        return datetime.fromtimestamp(self.counted, UTC) if cluster == "lively" else datetime(2020, 1, 1, tzinfo=UTC)

    def open_submissions(self) -> int:
        return self.open


def test_only_the_cluster_that_gives_no_new_sign_is_called_silent() -> None:
    watch = Watch(Clusters(), ("lively", "mute"), every=0.01, silence=0.2)
    watch.start()
    assert [watch.silent.get(timeout=10), watch.silent.get(timeout=10)] == ["mute", "mute"]
    watch.stopping.set()
    wait_until(lambda: watch.open_submissions == 3, "the paid requests are counted")
    watch.finished.set()
    watch.join(timeout=10)
    assert not watch.is_alive()


def test_a_cluster_that_waits_for_paid_answers_may_be_silent_for_longer() -> None:
    clusters = Clusters()
    watch = Watch(clusters, ("paying", "mute"), every=0.01, silence=0.05, paying="paying", paid_grace=3600)
    watch.start()
    assert [watch.silent.get(timeout=10) for _ in range(5)] == ["mute"] * 5
    clusters.open = 0
    wait_until(lambda: watch.silent.get(timeout=10) == "paying", "without paid requests it is silent like any other")
    watch.stopping.set()
    watch.finished.set()
    watch.join(timeout=10)
