"""`python -m tests.simulation`: live many lives, or one world again and tell what happened in it."""

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.simulation import house, mutations
from tests.simulation.invariants import Violation
from tests.simulation.world import World

LIVES = 100  # of a world
PORTION = 5  # worlds that a worker lives before it tells


@dataclass
class Outcome:
    """What became of some worlds."""

    lives: int = 0
    worlds: int = 0
    posts: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)  # the world's seed, and what was broken

    def add(self, other: "Outcome") -> None:
        self.lives += other.lives
        self.worlds += other.worlds
        self.posts += other.posts
        self.tally.update(other.tally)
        self.broken += other.broken


def live(seed: int, *, traced: bool = False) -> tuple[Outcome, World]:
    """One world."""
    world = World(seed, LIVES, traced=traced)
    broken = world.run()
    outcome = Outcome(LIVES, 1, world.witness.posts, Counter(world.tally))
    outcome.broken = [(seed, words(each)) for each in broken[:3]]
    return outcome, world


def words(violation: Violation) -> str:
    life = "" if violation.life is None else f"life {violation.life}: "
    return f"{violation.rule}: {life}{violation.what}"


def work(order: tuple[range, str]) -> Outcome:
    """Some worlds, in a process that has been built."""
    worlds, mutation = order
    total = Outcome()
    with mutations.applied(mutation):
        for seed in worlds:
            total.add(live(seed)[0])
            if total.broken:
                break
    return total


def simulate(lives: int, seed: int, workers: int, mutation: str = "", *, enough: bool = True) -> Outcome:
    """All of it, in processes of their own, until something is broken if that is enough."""
    first, last = seed * 1_000_000, seed * 1_000_000 - (-lives // LIVES)
    orders = [(range(each, min(each + PORTION, last)), mutation) for each in range(first, last, PORTION)]
    total, began = Outcome(), time.perf_counter()
    with ProcessPoolExecutor(workers, get_context("fork"), house.build) as pool:
        for outcome in pool.map(work, orders):
            total.add(outcome)
            if total.broken and enough:
                pool.shutdown(wait=False, cancel_futures=True)
                break
            if total.worlds % 100 == 0:
                tell(f"  {total.lives} lives after {time.perf_counter() - began:.0f} s")
    return total


def replay(seed: int, mutation: str, *, whole: bool) -> int:
    """One world again, told: all of it, or what concerns the life in which a rule was broken."""
    house.build(silent=False)
    with mutations.applied(mutation):
        outcome, world = live(seed, traced=True)
    concerned = {each.life for each in world.violations}
    for moment, who, what, life in world.trace or ():
        if whole or life is None or life in concerned:
            tell(f"{moment:10.3f}  {who:<10} {what}{'' if life is None else f'  [life {life}]'}")
    for each in world.violations:
        tell(f"BROKEN  {words(each)}")
        if each.error:
            traceback.print_exception(each.error)
    tell(f"world {seed}: {len(world.violations)} rules broken, {dict(outcome.tally)}")
    return bool(world.violations)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(total: Outcome, seconds: float, mutation: str) -> int:
    rate = total.lives / seconds
    tell(f"{total.lives} lives in {total.worlds} worlds, {seconds:.0f} s, {rate:.0f} lives/s; {total.posts} POSTs")
    for what, count in sorted(total.tally.items()):
        tell(f"  {count:>8}  {what}")
    for seed, what in sorted(total.broken)[:20]:
        breaks = f" --break {mutation}" if mutation else ""
        tell(f"BROKEN in world {seed}: {what}")
        tell(f"    again: .venv/bin/python -m tests.simulation --world {seed}{breaks}")
    return 1 if total.broken else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--lives", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--world", type=int, help="live this world alone, and tell what happens")
    parser.add_argument("--whole", action="store_true", help="tell all of it")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first broken rule")
    parser.add_argument("--break", dest="mutation", default="", choices=["", *mutations.MUTATIONS])
    chosen = parser.parse_args(arguments)
    if chosen.world is not None:
        return replay(chosen.world, chosen.mutation, whole=chosen.whole)
    tell(f"seed {chosen.seed}: worlds {chosen.seed * 1_000_000} and on")
    began = time.perf_counter()
    total = simulate(chosen.lives, chosen.seed, chosen.workers, chosen.mutation, enough=not chosen.keep_going)
    return report(total, time.perf_counter() - began, chosen.mutation)
