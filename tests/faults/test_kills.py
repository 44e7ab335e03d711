"""Whatever is killed, and whenever: nothing is lost, and nothing is paid for twice."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.house import ROAD, House, Moment, send

pytestmark = pytest.mark.processes

Victims = Callable[[House, Moment], list[int]]
WORKERS: dict[str, Victims] = {
    "the worker that sends and follows": lambda _, moment: [moment.sender],
    "the idle worker beside it": lambda _, moment: [moment.beside_sender],
    "the worker that brings a picture home": lambda _, moment: [moment.collector],
    "the idle worker beside that": lambda _, moment: [moment.beside_collector],
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


def kill(house: House, victims: Victims) -> Moment:
    """Kill them while there is a generation in each status."""
    moment = house.fill_the_road()
    chosen = victims(house, moment)
    assert {house.status(each) for each in moment.asked.values()} == ROAD
    send(signal.SIGKILL, chosen)
    send(signal.SIGCONT, [moment.beside_collector])
    return moment


def check(house: House, moment: Moment) -> None:
    house.wait_for_the_end(moment.asked.values())
    house.check(moment.asked.values())


@pytest.mark.parametrize("victims", WORKERS.values(), ids=WORKERS)
def test_a_worker_that_dies_is_mended_without_anybody_doing_anything(house: House, victims: Victims) -> None:
    moment = kill(house, victims)
    check(house, moment)


@pytest.mark.parametrize("victims", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_that_dies_ends_the_others_and_the_next_start_takes_all_up_again(
    house: House, victims: Victims
) -> None:
    moment = kill(house, victims)
    house.serve_again(code=1)
    check(house, moment)


@pytest.mark.parametrize("victims", ALL.values(), ids=ALL)
def test_when_nobody_is_left_to_watch_the_next_start_takes_all_up_again(house: House, victims: Victims) -> None:
    moment = kill(house, victims)
    house.serve_again(code=-signal.SIGKILL)
    check(house, moment)
