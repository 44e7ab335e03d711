"""One house for all of these tests. Each leaves it as it was found: served, with nothing on the road."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.environment import database_server
from tests.faults.gate import Gate
from tests.faults.house import HURRY, Database, House
from tests.faults.site import Site
from tests.faults.stand_in import StandIn
from tests.site.processes import Start, starter


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What cuts servers off is for those who have some; it is deselected elsewhere, and so never counts as skipped."""
    if not database_server():
        needy = [each for each in items if each.get_closest_marker("servers")]
        config.hook.pytest_deselected(items=needy)
        items[:] = [each for each in items if each not in needy]


NewDatabase = Callable[[Path], Database]


@pytest.fixture(scope="module")
def new_database() -> Iterator[NewDatabase]:
    """Makes databases, and drops them once nothing runs any more."""
    with ExitStack() as stack:

        def make(folder: Path) -> Database:
            made = Database(folder)
            stack.callback(made.drop)
            return made

        yield make


@pytest.fixture(scope="module")
def start_for_long(new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with contextmanager(starter)(tmp_path_factory.mktemp("output")) as start:
        yield start


@pytest.fixture(scope="module")
def houses(start_for_long: Start) -> Iterator[list[House]]:
    """The house in use comes last. In the end it is stopped as a person stops it."""
    houses: list[House] = []
    yield houses
    for each in houses[-1:]:
        if each.in_order:
            each.stop()


@pytest.fixture
def house(
    houses: list[House], start_for_long: Start, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> House:
    """The house that the last test left in order, else a new one."""
    if not houses or not houses[-1].in_order:
        for each in houses:
            each.started.kill_all()
        houses.append(House(new_database(tmp_path_factory.mktemp("house") / "data"), start_for_long))
    houses[-1].in_order = False
    return houses[-1]


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    made = StandIn()
    yield made
    made.end()


@pytest.fixture(scope="module")
def gates() -> Iterator[list[Gate]]:
    """Those before PostgreSQL and Redis, where there are such."""
    made: list[Gate] = []
    yield made
    for each in made:
        each.end()


@pytest.fixture(scope="module")
def site(
    stand_in: StandIn,
    gates: list[Gate],
    start_for_long: Start,
    new_database: NewDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """One house for all, which in the end is stopped as a person stops it."""
    database = new_database(tmp_path_factory.mktemp("house") / "data")
    environ = {"KLINGWEB_TRUSTED_PROVIDER_HOSTS": stand_in.trusted}
    servers = {
        "KLINGWEB_DATABASE_URL": database.server and database.url,
        "KLINGWEB_REDIS_URL": HURRY["KLINGWEB_REDIS_URL"],
    }
    for name, url in servers.items():
        if url:
            gates.append(Gate(url))
            environ[name] = gates[-1].url
    house = House(database, start_for_long, **environ)
    yield Site(house, stand_in)
    house.stop()
