"""What may happen to the machine: two of everything, a database that is locked or away, a disk that is full."""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from klingweb import server
from tests.faults import table
from tests.faults.gate import Gate
from tests.faults.house import WORKERS
from tests.faults.site import Site, said
from tests.faults.stand_in import PNG, Script, Visit, noise, says, well
from tests.faults.table import Row
from tests.site.processes import free_port, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.faults]

TEN_SECONDS = 10.0
LARGE = noise(2000)  # 12 MB
ROOM = 8 * 2**20


def slow(visit: Visit) -> None:
    """The answer takes a second."""
    time.sleep(1)
    well(visit)


def pass_through(site: Site, slug: str, row: Row, trouble: Callable[[], AbstractContextManager[None]]) -> None:
    """Ten seconds of trouble, with one request followed, one on its way and one that somebody asks for just then."""
    credential = site.customer(slug, Script(create=(well, slow, well), query=(says(b"", 503),)))
    form = site.form("kling", credential) | {"prompt": "Asked for in the middle of it"}
    asked = [site.ask("Followed", credential)]
    site.wait_for(asked[0], "running")
    asked.append(site.ask("On its way", credential))
    wait_until(lambda: site.stand_in.cases[slug].sent == 2, "it is on its way")
    with ThreadPoolExecutor(1) as pool, trouble():
        pressed = pool.submit(press, site, form)
        time.sleep(TEN_SECONDS)
    text, seconds = pressed.result()
    if row.sees == table.LATER:
        assert "Asked for in the middle of it" in text
        assert seconds > TEN_SECONDS / 2
    else:
        assert row.sees in text
    site.stand_in.mend(slug)
    asked.append(site.send(form))  # as whoever saw an error page does
    site.holds(row, slug, *asked)
    assert site.stand_in.cases[slug].sent == len(asked)


def press(site: Site, form: dict[str, str]) -> tuple[str, float]:
    """What the person sees who presses Generate, and after how many seconds."""
    began = time.monotonic()
    return said(site.member.post("/", data=form)), time.monotonic() - began


def test_two_of_everything_do_the_work_of_one(site: Site) -> None:
    installation, port = site.house.installation, free_port()
    names = ("fast", "klingweb")
    environs = [site.house.environ | {"Q_CLUSTER_NAME": name} for name in names]
    clusters = [installation.start("qcluster", environ=each) for each in environs]
    web = installation.start("web", environ=site.house.environ | {"KLINGWEB_PORT": str(port)})
    wait_until(lambda: all(len(each.left) >= WORKERS + 4 for each in clusters), "the other clusters run")
    wait_until(lambda: server.answers("127.0.0.1", port), "the other web server answers")
    form = site.form("kling", site.customer("doubled"))
    places = ("", f"http://127.0.0.1:{port}")
    asked = [site.send(form | {"prompt": f"Boat {number}"}, at) for number in range(6) for at in places]
    assert len(set(asked)) == 6  # each form was sent to both
    site.holds(table.DOUBLED, "doubled", *set(asked))
    assert site.stand_in.cases["doubled"].sent == 6
    for each in (*clusters, web):
        each.send(signal.SIGTERM)
    assert [each.wait() for each in (*clusters, web)] == [0, 0, 0]


def test_a_locked_database_is_waited_for(site: Site) -> None:
    pass_through(site, "locked", table.LOCKED, site.house.database.locked)


@pytest.mark.servers
@pytest.mark.parametrize("row", [table.CUT_OFF, table.FROZEN], ids=lambda row: row.fault)
def test_servers_that_are_away_are_waited_for(site: Site, gates: list[Gate], row: Row) -> None:
    @contextmanager
    def away() -> Iterator[None]:
        for each in gates:
            (each.close if row is table.CUT_OFF else each.hold)()
        yield
        for each in gates:
            each.reopen()

    pass_through(site, "cut-off" if row is table.CUT_OFF else "frozen", row, away)


@contextmanager
def no_room(site: Site, room: int) -> Iterator[None]:
    """No process of the house may write a file beyond so many bytes, as if the disk ended there."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in site.house.started.left}
    for pid, (_, most) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, most))
    yield
    for pid in site.house.started.left:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits.get(pid, next(iter(limits.values()))))


def test_a_picture_without_room_is_fetched_again_once_there_is_some(site: Site) -> None:
    row, credential = table.FULL, site.customer("full", Script(picture=(says(LARGE, media=PNG),)))
    with no_room(site, ROOM):
        asked = site.ask("A large one", credential)
        site.wait_for(asked, row.waits)
        wait_until(lambda: row.sees in site.sees(asked), "the page says why it is not here")
        assert site.pictures(asked) == 0
    site.holds(row, "full", asked)
    assert not site.half_written()


def test_a_disk_without_any_room_is_waited_for(site: Site) -> None:
    on_sqlite = not site.house.database.server
    row = table.BRIMFUL if on_sqlite else replace(table.BRIMFUL, sees="Asked for in the middle of it")
    pass_through(site, "brimful", row, lambda: no_room(site, 1))
