"""The figures of the road from a click to a picture. Each function gives rows for one scale."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.bench import Bench, Scale, median, shares
from tests.bench.browser import Seen
from tests.bench.house import House
from tests.bench.measure import Goal, Row
from tests.bench.provider import SLOW_FILES
from tests.bench.traffic import PROMPT, click, open_pages

PEOPLE = 50
SIDE = 1024  # of the pictures, in pixels
USUAL_LENGTH, QUICK_LENGTH = 20.0, 6.0  # seconds at the provider
WARM = 3  # times as long as a task takes, until it is known how long they take
LATE = 15.0  # seconds after which nobody waits for a picture any more
WORKERS = 4  # of the default cluster, where nothing else is set


@dataclass(frozen=True)
class Road:
    """What was seen of the tasks that were done within the window, and of everything else meanwhile."""

    tasks: list[dict[str, Any]]
    seen: Seen
    ended: Mapping[str, Mapping[str, float]]
    asked: Mapping[str, int]
    """What the provider was asked within the window, by kind."""
    of_a_core: Mapping[str, float]
    load: str

    def lags(self, after: str, before: str) -> list[float]:
        """Seconds between two of a task's moments; `seen` is when a page had its picture, `stored` when it was here."""
        found = [self._moment(each, after) - self._moment(each, before) for each in self.there]
        return [max(0.0, each) for each in found]

    @property
    def there(self) -> list[dict[str, Any]]:
        """The tasks whose picture was seen."""
        return [each for each in self.tasks if each["external_id"] in self.seen.pictures]

    @property
    def missing(self) -> int:
        return len(self.tasks) - len(self.there) + len(self.seen.failures)

    def _moment(self, task: Mapping[str, Any], name: str) -> float:
        pk = task["external_id"]
        if name == "seen":
            return self.seen.pictures[pk]
        return self.ended[pk].get("succeeded", 0.0) if name == "stored" else float(task[name])


def road(bench: Bench, scale: Scale, credential: str, length: float, window: float) -> Road:
    """People generate, and look at what comes of it."""
    key = (credential, scale)
    if key not in bench.kept:
        length, window = scale.seconds(length), scale.seconds(window)
        rate = scale.rate(2, window)
        with bench.house(PEOPLE, side=SIDE, length=length) as house:
            run = _travel(house, credential, scale.count(PEOPLE), rate, length * WARM, window)
            bench.kept[key] = asyncio.run(run)
    found: Road = bench.kept[key]
    return found


async def _travel(house: House, credential: str, people: int, rate: float, warm: float, window: float) -> Road:
    async with open_pages(house, people, credential) as (pages, seen):
        clicking = asyncio.create_task(click(pages, rate, warm + window))
        await asyncio.sleep(warm)
        before, cpu = house.provider.books(), house.cpu()
        await asyncio.sleep(window)
        after, now = house.provider.books(), house.cpu()
        await clicking
        tasks = [each for each in after["tasks"] if cpu.at <= each["done_at"] < now.at]
        late = time.time() + LATE
        while time.time() < late and not all(each["external_id"] in seen.pictures for each in tasks):
            await asyncio.sleep(0.1)
        names = {each["external_id"] for each in tasks}
        books = await asyncio.to_thread(house.provider.books)
        await asyncio.to_thread(house.wait_for, sorted(names), ["succeeded", "failed"], LATE)
    return Road(
        tasks=[each for each in books["tasks"] if each["external_id"] in names],
        seen=seen,
        ended=house.do("moments", generations=sorted(names)),
        asked={name: after["counts"].get(name, 0) - before["counts"].get(name, 0) for name in ("queries", "lists")},
        of_a_core=now.since(cpu),
        load=f"{rate:.2g} pictures of {SIDE}² a second, {people} pages, tasks of {warm / WARM:.2g} s ± 25 %",
    )


def polling(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Provider done → picture on the open page."""
    found = road(bench, scale, "polled", USUAL_LENGTH, 30)
    yield Row(
        "provider done → picture on the open page, polling",
        found.load,
        "s",
        found.lags("seen", "done_at"),
        f"median {median(found.lags('told', 'done_at'))} until klingweb asks, "
        f"{median(found.lags('stored', 'told'))} to bring it home, "
        f"{median(found.lags('seen', 'stored'))} until the page asks; {shares(found.of_a_core)}",
        Goal({"p50": 3, "p95": 6}, {"p50": 1.5, "p95": 3}),
        found.missing,
    )


def polls(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Requests of the follower for each picture that was finished meanwhile."""
    found = road(bench, scale, "polled", USUAL_LENGTH, 30)
    asked = sum(found.asked.values())
    yield Row(
        "poll requests per finished picture",
        found.load,
        "",
        [asked / len(found.tasks)] if found.tasks else [],
        f"{len(found.tasks)} pictures; {found.asked['queries']} requests for one task, {found.asked['lists']} lists",
        Goal({"max": 8}, {"max": 3}),
    )


def webhook(bench: Bench, scale: Scale) -> Iterator[Row]:
    """The same where the provider calls, without the time that the picture itself travels."""
    found = road(bench, scale, "called", QUICK_LENGTH, 25)
    travelled = found.lags("file_sent", "file_asked")
    for what, goal in (("seen", Goal({"p95": 500}, {"p95": 250})), ("stored", Goal())):
        beyond = [1000 * (lag - file) for lag, file in zip(found.lags(what, "done_at"), travelled, strict=True)]
        yield Row(
            f"provider done → picture {'on the open page' if what == 'seen' else 'stored'}, webhook, beyond download",
            found.load,
            "ms",
            beyond,
            f"median {median(found.lags('told', 'called'))} from the call to the answer that it is done, "
            f"{median(found.lags('file_asked', 'told'))} until the picture is asked for, {median(travelled)} for it, "
            f"{median(found.lags('stored', 'file_sent'))} until it is stored, "
            f"{median(found.lags('seen', 'stored'))} until the page asks; {shares(found.of_a_core)}",
            goal,
            found.missing,
        )


def accepted(bench: Bench, scale: Scale, server: str = "") -> Iterator[Row]:
    """A click → the answer that it is accepted, with everything else going on."""
    warm, window = scale.seconds(10), scale.seconds(25)
    rate, people = scale.rate(5, window), scale.count(PEOPLE)

    async def run(house: House) -> tuple[Seen, float, dict[str, float]]:
        async with open_pages(house, people, "polled") as (pages, seen):
            clicking = asyncio.create_task(click(pages, rate, warm + window))
            await asyncio.sleep(warm)
            before = house.cpu()
            await clicking
            return seen, before.at, house.cpu().since(before)

    length = scale.seconds(QUICK_LENGTH)
    with bench.house(PEOPLE, server, side=SIDE, length=length) as house:
        seen, since, of_a_core = asyncio.run(run(house))
    asked = sorted(1000 * (each.ended - each.began) for each in seen.asked if each.began >= since)
    yield Row(
        f"click → accepted, {'PostgreSQL' if server else 'SQLite'}",
        f"{rate:.2g} requests a second for pictures of {SIDE}², {people} polling pages, tasks of {length:.2g} s",
        "ms",
        [1000 * (each.ended - each.began) for each in seen.clicks if each.began >= since],
        f"pages meanwhile: median {asked[len(asked) // 2] if asked else 0:.0f} ms; {shares(of_a_core)}",
        Goal({"p95": 100}, {"p95": 40}),
        len(seen.failures),
    )


def leaves(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Accepted → the POST leaves, while nothing else goes on and while each worker waits for a slow file."""
    window, people = scale.seconds(15), scale.count(PEOPLE)
    rate = scale.rate(2, window)
    with bench.house(PEOPLE, side=64, length=0.5, slow_files=4 * window + 30) as house:
        idle = asyncio.run(_send(house, people, rate, window))
        arriving = _keep_workers_busy(house)
        busy = asyncio.run(_send(house, people, rate, window))
    for how, beside, (seen, of_a_core, posted) in (
        ("idle", "nothing else", idle),
        ("every worker busy", f"{arriving} slow pictures for {WORKERS} workers", busy),
    ):
        there = [each for each in seen.clicks if each.generation in posted]
        yield Row(
            f"accepted → POST leaves, {how}",
            f"{rate:.2g} requests a second, {beside}",
            "ms",
            [1000 * max(0.0, posted[each.generation] - each.ended) for each in there],
            f"the follower looks for new requests every 100 ms; {shares(of_a_core)}",
            Goal({"p95": 500}, {"p95": 250}),
            len(seen.failures) + len(seen.clicks) - len(there),
        )


async def _send(
    house: House, people: int, rate: float, seconds: float, prompt: str = PROMPT
) -> tuple[Seen, dict[str, float], dict[str, float]]:
    """What was seen, who was how busy, and when each request reached the provider."""
    async with open_pages(house, people, "polled") as (pages, seen):
        before = house.cpu()
        await click(pages, rate, seconds, prompt)
        of_a_core = house.cpu().since(before)
        await asyncio.sleep(1)
    return seen, of_a_core, {each["external_id"]: each["posted"] for each in house.provider.books()["tasks"]}


def _keep_workers_busy(house: House) -> int:
    """Have more slow pictures than there are workers. Returns how many arrive at once."""
    asyncio.run(_send(house, 1, 10, 0.8, f"{SLOW_FILES} A glacier"))
    late = time.time() + LATE
    while (arriving := int(house.provider.tell("")["open_files"])) < WORKERS and time.time() < late:
        time.sleep(0.2)
    return arriving
