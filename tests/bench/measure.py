"""Samples against what is wanted of them, and the machine that they were taken on."""

import os
import platform
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("Django", "django-q2", "httpx", "waitress", "pillow")
HEAD = ("figure", "load", "p50", "p95", "max", "samples", "at least", "aim", "reached", "what limits it")

Statistic = Callable[[Sequence[float]], float]


def quantile(share: float) -> Statistic:
    """The smallest sample that so large a share of all does not exceed."""

    def of(samples: Sequence[float]) -> float:
        ordered = sorted(samples)
        return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]

    return of


STATISTICS: Mapping[str, Statistic] = {"p50": quantile(0.5), "p95": quantile(0.95), "max": max}


@dataclass(frozen=True)
class Goal:
    """Upper bounds by statistic, in the row's unit: what has to be reached, and what is wished for."""

    least: Mapping[str, float] = field(default_factory=dict)
    aim: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One figure under one load. `missing` counts what was waited for in vain: then nothing has been reached."""

    figure: str
    load: str
    unit: str
    samples: Sequence[float]
    limit: str
    goal: Goal = field(default_factory=Goal)
    missing: int = 0

    @property
    def reached(self) -> str:
        """Which of the two bounds the samples keep; nothing where there is none to keep."""
        if not self.samples or self.missing:
            return "no"
        if not (self.goal.least or self.goal.aim):
            return ""
        if self._keeps(self.goal.aim):
            return "aim"
        return "least" if self._keeps(self.goal.least) else "no"

    def cells(self) -> tuple[str, ...]:
        """In the order of HEAD."""
        told = [number(of(self.samples), self.unit) if self.samples else "–" for of in STATISTICS.values()]
        count = f"{len(self.samples):,}" + (f" + {self.missing:,} in vain" if self.missing else "")
        bounds = [self._words(self.goal.least), self._words(self.goal.aim)]
        return (self.figure, self.load, *told, count, *bounds, self.reached, self.limit)

    def _keeps(self, bounds: Mapping[str, float]) -> bool:
        return bool(bounds) and all(STATISTICS[name](self.samples) <= most for name, most in bounds.items())

    def _words(self, bounds: Mapping[str, float]) -> str:
        return ", ".join(f"{name} ≤ {number(most, self.unit)}" for name, most in bounds.items()) or "–"


def number(value: float, unit: str) -> str:
    """Three digits that say something, and the unit."""
    return f"{value:,.0f} {unit}".strip() if value >= 100 else f"{value:.3g} {unit}".strip()


def as_markdown(rows: Sequence[Row]) -> str:
    """A table for the README."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def as_text(row: Row) -> str:
    """For a terminal: the figure, its numbers, and what limits it."""
    figure, load, p50, p95, most, count, least, aim, reached, limit = row.cells()
    numbers = f"p50 {p50}, p95 {p95}, max {most}, {count} samples"
    wanted = f"at least {least}; aim {aim}" + (f": {reached}" if reached else "")
    return f"{figure} · {load}\n    {numbers}\n    {wanted}\n    {limit}"


def machine(postgresql: str) -> str:
    """What the figures were taken on, in two lines."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    database = f"SQLite {sqlite3.sqlite_version}" + (f", PostgreSQL {postgresql}" if postgresql else "")
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{names[0] if names else platform.machine()}, {cores} cores, {platform.system()} {platform.release()}, "
        f"load of the last minute when it began {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, {versions}, {database}"
    )
