"""One house for all of these tests. Each leaves it as it was found: served, with nothing on the road."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.house import Database, House
from tests.site.processes import Start, starter

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
