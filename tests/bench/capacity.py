"""The figures of how much there may be at once. Each function gives rows for one scale."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from tests.bench.bench import WHOLE, Bench, Scale, shares
from tests.bench.browser import Answer, Seen, read_slowly, upload_slowly
from tests.bench.house import House
from tests.bench.measure import Goal, Row
from tests.bench.pictures import picture
from tests.bench.traffic import open_pages
from tests.site.processes import ROOT, clean_environ

PEOPLE = 50
PATHS = {"polled": "/v1/images/generations", "relay": "/kling/v1/images/generations"}
YEAR = 365 * 86_400
SETTLES = 8.0  # seconds until everything that was put there at once is followed evenly
DONE_EACH_SECOND = 10
ROUNDS = 5  # in which each slot is freed
LATE = 40.0
SEEN_DONE = ("collecting", "succeeded", "failed")
LARGE = 2048  # pixels
KILLS = 10


def slot(bench: Bench, scale: Scale) -> Iterator[Row]:
    """A slot is freed → the next POST, while many wait."""
    slots, length = max(2, scale.count(20)), scale.seconds(2.0)
    waiting = [_new() for _ in range(ROUNDS * slots)]
    with bench.house(PEOPLE, side=64, length=length) as house:
        narrow, before = house.credentials["narrow"], house.cpu()
        house.do("slots", credential=narrow, count=slots)
        house.do("add", credential=narrow, generations=waiting, status="queued")
        names = [pk for pk, _ in waiting]
        done = house.wait_for(names, SEEN_DONE, LATE)
        of_a_core = house.cpu().since(before)
        posted = sorted(each["posted"] for each in house.provider.books()["tasks"])
        moments = house.do("moments", generations=names)
    freed = sorted(each["collecting"] for each in moments.values() if "collecting" in each)
    yield Row(
        "slot freed → next POST",
        f"{slots} slots, {len(waiting)} requests waiting, tasks of {length:.2g} s",
        "ms",
        [1000 * max(0.0, after - free) for free, after in zip(freed, posted[slots:], strict=False)],
        f"applying the answer, choosing who is next, and two commits; {shares(of_a_core)}",
        Goal({"p95": 100}, {"p95": 20}),
        0 if done else 1,
    )


def standby(bench: Bench, scale: Scale) -> Iterator[Row]:
    """kill -9 of the follower → somebody follows, with no page open."""
    lags, missing = [], 0
    with bench.house(1, side=64, length=3600) as house:
        house.do("add", credential=house.credentials["polled"], generations=[_new()], status="queued")
        for _ in range(scale.count(KILLS)):
            time.sleep(random.uniform(1, 4))  # noqa: S311 - anywhere between two renewals of the lease
            follower, before = house.follower(), house.do("turn")
            killed = time.monotonic()
            os.kill(follower, signal.SIGKILL)
            while (now := house.do("turn")) in ("", before) and time.monotonic() < killed + LATE:
                time.sleep(0.02)
            lags.append(time.monotonic() - killed)
            missing += now in ("", before)
    yield Row(
        "kill -9 of the follower → somebody follows, no page open",
        "nothing else to do",
        "s",
        lags,
        "the lease of 3 s, of which up to a quarter is over; looked at each second",
        Goal({"max": 5}),
        missing,
    )


# In flight ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Followed:
    """What became of tasks that ended while so many were in flight, and what klingweb took meanwhile."""

    lags: list[float]
    missing: int
    asked: dict[str, float]
    """Requests a second, by kind."""
    of_a_core: dict[str, float]
    idle: list[dict[str, float]]
    loaded: list[dict[str, float]]
    """Megabytes, before there was anything and with all of it."""


def follow(bench: Bench, scale: Scale, credential: str, in_flight: int) -> Followed:
    """Have so many in flight, of which some end each second, with a few pages open."""
    key = (credential, in_flight)
    if key not in bench.kept:
        with bench.house(PEOPLE, side=64) as house:
            bench.kept[key] = _follow(house, scale, credential, in_flight)
    found: Followed = bench.kept[key]
    return found


def _follow(house: House, scale: Scale, credential: str, in_flight: int) -> Followed:
    idle = _memory(house)
    everything = [_new() for _ in range(in_flight)]
    window = scale.seconds(20)
    ending = everything[:: max(1, in_flight // round(window * DONE_EACH_SECOND))]
    _tell_of(house, credential, everything)
    house.do("add", credential=house.credentials[credential], generations=everything, status="running")
    return asyncio.run(_watch(house, scale, credential, ending, idle))


async def _watch(
    house: House, scale: Scale, credential: str, ending: list[tuple[str, str]], idle: list[dict[str, float]]
) -> Followed:
    window = scale.seconds(20)
    async with open_pages(house, scale.count(10), "polled"):
        await asyncio.sleep(scale.seconds(SETTLES))
        done_at = {pk: time.time() + 0.5 + at * window / len(ending) for at, (pk, _) in enumerate(ending)}
        _tell_of(house, credential, ending, list(done_at.values()))
        before, cpu = house.provider.tell("")["counts"], house.cpu()
        await asyncio.sleep(window)
        after, now = house.provider.tell("")["counts"], house.cpu()
        loaded = await asyncio.to_thread(_memory, house)
        await asyncio.to_thread(house.wait_for, list(done_at), SEEN_DONE, LATE)
    moments = house.do("moments", generations=list(done_at))
    lags = [moments[pk]["collecting"] - at for pk, at in done_at.items() if "collecting" in moments.get(pk, {})]
    asked = {name: (after.get(name, 0) - before.get(name, 0)) / window for name in ("queries", "lists")}
    return Followed(lags, len(done_at) - len(lags), asked, now.since(cpu), idle, loaded)


def lists(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Provider done → collecting, where the provider tells of hundreds at once."""
    yield from _in_flight(bench, scale, "polled", 10_000, 20_000)


def singly(bench: Bench, scale: Scale) -> Iterator[Row]:
    """The same where it is asked about each."""
    yield from _in_flight(bench, scale, "relay", 1_000, 2_500)


def _in_flight(bench: Bench, scale: Scale, credential: str, least: int, aim: int) -> Iterator[Row]:
    row = _followed(bench, scale, credential, scale.count(least), Goal({"p95": 6}))
    yield row
    if scale is WHOLE and row.reached == "least":
        yield _followed(bench, scale, credential, aim, Goal({}, {"p95": 6}))


def _followed(bench: Bench, scale: Scale, credential: str, in_flight: int, goal: Goal) -> Row:
    found = follow(bench, scale, credential, in_flight)
    return Row(
        f"provider done → collecting, {'list endpoint' if credential == 'polled' else 'one by one'}",
        f"{in_flight:,} in flight, {DONE_EACH_SECOND} ending each second",
        "s",
        found.lags,
        f"{found.asked['queries']:.0f} requests for one and {found.asked['lists']:.1f} lists a second; "
        f"{shares(found.of_a_core)}",
        goal,
        found.missing,
    )


def memory(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Web and both clusters, before there is anything, and with 1,000 in flight."""
    in_flight = scale.count(1_000)
    found = follow(bench, scale, "relay", in_flight)
    bounds = (("idle", found.idle, 400, 250), (f"{in_flight:,} in flight", found.loaded, 600, 400))
    for load, samples, least, aim in bounds:
        each = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in samples[-1].items())
        sums = [sum(sample.values()) for sample in samples]
        yield Row("PSS of web and both clusters", load, "MB", sums, each, Goal({"max": least}, {"max": aim}))


def _memory(house: House) -> list[dict[str, float]]:
    samples = []
    for _ in range(3):
        samples.append(house.pss())
        time.sleep(0.2)
    return samples


# Pictures -------------------------------------------------------------------------------------------------------------


def home(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Pictures brought home per second of a core, beside Pillow alone."""
    side = LARGE if scale.time >= 0.5 else 256
    everything = [_new() for _ in range(max(4, scale.count(60)))]
    names = [pk for pk, _ in everything]
    with bench.house(PEOPLE, side=side) as house:
        _tell_of(house, "polled", everything)
        house.do("add", credential=house.credentials["polled"], generations=everything, status="running")
        before = house.cpu()
        _tell_of(house, "polled", everything, [time.time()] * len(everything))
        arrived = house.wait_for(names, ("succeeded", "failed"), 3 * LATE)
        now = house.cpu()
    bare = _pillow_alone(side, max(3, scale.count(15)))
    of_a_core = now.since(before)
    each = of_a_core["default"] * (now.at - before.at) / len(everything)
    load = f"{len(everything)} pictures of {side}² done at once, {len(picture(side)) / 2**20:.1f} MB each"
    per_second = len(everything) / (now.at - before.at)
    yield Row(
        "pictures brought home per second and core",
        load,
        "/s",
        [1 / each],
        f"{1000 * each:.0f} ms of a core for each; {per_second:.2g} a second in all; {shares(of_a_core)}",
        missing=0 if arrived else 1,
    )
    yield Row(
        "the same, times bare Pillow",
        load,
        "×",
        [each / bare],
        f"bare Pillow takes {1000 * bare:.0f} ms of a core: {1 / bare:.3g} pictures a second",
        Goal({}, {"max": 1.3}),
    )


def _pillow_alone(side: int, count: int) -> float:
    """Seconds of a core that one picture takes."""
    command = [sys.executable, "-m", "tests.bench.pictures", str(side), str(count)]
    ended = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=True)
    return float(ended.stdout)


# Pages ----------------------------------------------------------------------------------------------------------------


def pages(bench: Bench, scale: Scale) -> Iterator[Row]:
    """Many open pages, alone and beside visitors on thin lines."""
    count, window = scale.count(200), scale.seconds(15)
    slow = max(2, scale.count(20))
    with bench.house(max(count, slow, PEOPLE), side=512) as house:
        everything = [_new() for _ in range(count)]
        _tell_of(house, "polled", everything)
        house.do("add", credential=house.credentials["polled"], generations=everything, status="running")
        size = scale.count(12) * 2**20
        archives = [house.do("archive", person=each.pk, pictures=4, size=size) for each in house.people[:slow]]
        quiet, beside = asyncio.run(_visit(house, count, window, archives))
    for stage, how in ((quiet, "alone"), (beside, f"beside {slow} slow uploads and {slow} slow ZIP readers")):
        lags = [1000 * (each.ended - each.began) for each in stage.asked]
        yield Row(
            "open pages: share of a core that web takes",
            f"{count} pages, {how}",
            "%",
            [100 * stage.of_a_core["web"]],
            f"{len(stage.asked):,} requests, {stage.wrong}; {shares(stage.of_a_core)}",
            Goal({"max": 50}, {"max": 25}),
            stage.failures,
        )
        yield Row("open pages: answer to a page that asks", f"{count} pages, {how}", "ms", lags, "as above")


@dataclass(frozen=True)
class Stage:
    """What pages saw for a while, and who was how busy."""

    asked: Sequence[Answer]
    failures: int
    wrong: str
    of_a_core: dict[str, float]


async def _visit(house: House, count: int, window: float, archives: list[str]) -> tuple[Stage, Stage]:
    async with open_pages(house, count, "polled") as (opened, seen):
        await asyncio.sleep(2)
        quiet = await _stage(house, seen, window)
        visitors = list(zip(house.people, archives, strict=False))
        form = {name: text for name, text in opened[0].form.items() if name != "key"} | {"operation": "image-to-image"}
        upload = [upload_slowly(house.port, each, form, picture(512), 0.7 * window) for each, _ in visitors]
        target = "/g/{}/pictures.zip"
        read = [read_slowly(house.port, each, target.format(pk), 2**17, window) for each, pk in visitors]
        slow = asyncio.gather(*upload, *read)
        beside = await _stage(house, seen, window)
        wrong = [each for each in await slow if each]
    said = f"{beside.wrong}; of the slow ones {wrong or 'none'}"
    return quiet, replace(beside, failures=beside.failures + len(wrong), wrong=said)


async def _stage(house: House, seen: Seen, window: float) -> Stage:
    asked, failures, before = len(seen.asked), len(seen.failures), house.cpu()
    await asyncio.sleep(window)
    of_a_core = house.cpu().since(before)
    return Stage(seen.asked[asked:], len(seen.failures) - failures, seen.wrong(failures), of_a_core)


def _new() -> tuple[str, str]:
    """A generation's id, and its provider's."""
    pk = str(uuid4())
    return pk, f"task-{pk}"


def _tell_of(
    house: House, credential: str, tasks: Sequence[tuple[str, str]], done_at: Sequence[float] | None = None
) -> None:
    """Have the provider know these tasks, which are done at those moments, else not for a year."""
    now = time.time()
    moments = done_at or [now + YEAR] * len(tasks)
    known = [
        {"id": task, "external_id": pk, "path": PATHS[credential], "posted": now, "done_at": at}
        for (pk, task), at in zip(tasks, moments, strict=True)
    ]
    house.provider.tell("adopt", known)
