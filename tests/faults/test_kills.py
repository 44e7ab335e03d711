"""Whatever is killed while there is a generation in each status: nothing is lost, and nothing is paid for twice."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import NewDatabase
from tests.faults.house import ROAD, SILENCE, House, Moment, send
from tests.site.processes import Start, wait_until

pytestmark = pytest.mark.processes

Victims = Callable[[House, Moment], list[int]]
BUSY: dict[str, Victims] = {
    "the worker that sends and follows": lambda _, moment: [moment.sender],
    "the worker that brings a picture home": lambda _, moment: [moment.collector],
}
IDLE: dict[str, tuple[str, Victims]] = {
    "the worker beside the one that sends": ("fast", lambda _, moment: [moment.beside_sender]),
    "the worker beside the one that brings a picture home": ("default", lambda _, moment: [moment.beside_collector]),
    "what notes the fast cluster's results": ("fast", lambda house, _: [house.monitor("fast")]),
    "what notes the default cluster's results": ("default", lambda house, _: [house.monitor("default")]),
}
PROGRAMS: dict[str, Victims] = {
    "the fast cluster": lambda house, _: house.cluster("fast"),
    "the default cluster": lambda house, _: house.cluster("default"),
    "the web server": lambda house, _: [house.web_server()],
}
ALL: dict[str, Victims] = {
    "serve alone": lambda house, _: [house.started.process.pid],
    "everything": lambda house, _: house.started.left,
}


def strike(house: House, victims: Victims, number: signal.Signals = signal.SIGKILL) -> Moment:
    """Send the signal while there is a generation in each status."""
    moment = house.fill_the_road()
    chosen = victims(house, moment)
    assert {house.status(each) for each in moment.asked.values()} == ROAD
    send(number, chosen)
    send(signal.SIGCONT, [moment.beside_collector])
    return moment


def check(house: House, moment: Moment) -> None:
    house.wait_for_the_end(moment.asked.values())
    house.check(moment.asked.values())


@pytest.mark.parametrize("victims", BUSY.values(), ids=BUSY)
def test_what_a_worker_had_in_hand_when_it_died_is_taken_up_again(house: House, victims: Victims) -> None:
    check(house, strike(house, victims))


@pytest.mark.parametrize(("cluster", "victims"), IDLE.values(), ids=IDLE)
def test_one_that_dies_waiting_takes_a_lock_along_and_its_cluster_is_started_again(
    house: House, cluster: str, victims: Victims
) -> None:
    told = f"The {cluster} cluster has been silent for too long"
    before = house.started.text.count(told)
    moment = strike(house, victims)
    while not house.says_again(told, before, SILENCE + 8):  # it just had something to do
        send(signal.SIGKILL, house.guarded(cluster))
    check(house, moment)


@pytest.mark.parametrize("victims", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_that_dies_ends_the_others_and_the_next_start_takes_all_up_again(
    house: House, victims: Victims
) -> None:
    moment = strike(house, victims)
    house.serve_again(code=1)
    check(house, moment)


@pytest.mark.parametrize("victims", ALL.values(), ids=ALL)
def test_when_nobody_is_left_to_watch_the_next_start_takes_all_up_again(house: House, victims: Victims) -> None:
    moment = strike(house, victims)
    house.serve_again(code=-signal.SIGKILL)
    check(house, moment)


def test_ctrl_c_ends_everything_in_order_and_the_next_start_takes_all_up_again(house: House) -> None:
    moment = strike(house, ALL["serve alone"], signal.SIGINT)
    house.serve_again(code=0)
    check(house, moment)


def test_a_request_that_never_arrived_is_sent_once_more_under_its_name_also_after_a_crash(house: House) -> None:
    form, other = house.form("text-to-image"), house.form("text-to-image")
    asked = [house.ask("[lost-request] A kite", form), house.ask("[lost-answer] A kite", other)]
    house.wait_for_status(asked[0], "unconfirmed")
    send(signal.SIGKILL, house.started.left)
    house.serve_again(code=-signal.SIGKILL)
    assert house.status(asked[0]) == "unconfirmed"
    house.wait_for_the_end(asked)
    house.check(asked)
    assert [house.posts(each) for each in asked] == [2, 1]


SECONDS = {"KLINGWEB_FOLLOWER_TURN": "20", "KLINGWEB_FOLLOWER_LEASE": "3"}  # as they are where nobody sets them
AWAY = {"KLINGWEB_HEARTBEAT_EVERY": "60", "KLINGWEB_HEARTBEAT_SILENCE": "150"}  # nothing else would notice in time


def test_somebody_follows_again_in_a_moment_although_nobody_looks_at_a_page(
    start_for_long: Start, new_database: NewDatabase, tmp_path: Path
) -> None:
    house = House(new_database(tmp_path / "data"), start_for_long, **SECONDS, **AWAY)
    asked = house.ask("[slow] A snail", house.form("text-to-image"))
    house.wait_for_status(asked, "running")
    token, _ = house.lease()
    send(signal.SIGKILL, [house.follower()])
    wait_until(lambda: house.lease()[0] not in ("", token), "somebody else follows", 15)
    house.wait_for_the_end([asked])
    house.check([asked])
    house.stop()
