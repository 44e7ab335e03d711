"""What the figures share: how much of it, and houses that end when they are done."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.house import House, Provider

SEVERAL = 4  # samples, at least


@dataclass(frozen=True)
class Scale:
    """The share of the whole load, for a share of the time."""

    share: float
    time: float

    def count(self, whole: int) -> int:
        """So many of that many."""
        return max(1, round(whole * self.share))

    def seconds(self, whole: float) -> float:
        """So long."""
        return whole * self.time

    def rate(self, whole: float, seconds: float) -> float:
        """So many a second, and several in all."""
        return max(whole * self.share, SEVERAL / seconds)


WHOLE, TENTH, TINY = Scale(1, 1), Scale(0.1, 0.6), Scale(0.01, 0.1)


@dataclass
class Bench:
    """One run. Short ones share a house, so that most of it is not spent on starting others."""

    folder: Path
    provider: Provider
    short: bool
    shared: dict[str, House] = field(default_factory=dict)
    kept: dict[object, Any] = field(default_factory=dict)
    """What two figures are read from."""
    made: int = 0

    @property
    def scales(self) -> tuple[Scale, ...]:
        return (TINY,) if self.short else (TENTH, WHOLE)

    @contextmanager
    def house(self, people: int, server: str = "", **settings: float) -> Iterator[House]:
        """A house in which nothing is on its way, and a provider with these settings and new books."""
        self.provider.tell("forget")
        self.provider.tell("settings", settings)
        if self.short:
            if server not in self.shared:
                self.shared[server] = self._new(people, server)
            yield self.shared[server]
            self.shared[server].do("clear")
            return
        house = self._new(people, server)
        try:
            yield house
        finally:
            house.close()

    def close(self) -> None:
        for house in self.shared.values():
            house.close()

    def _new(self, people: int, server: str) -> House:
        self.made += 1
        return House(self.folder / f"house-{self.made}", self.provider, people, server)


def shares(of_a_core: Mapping[str, float]) -> str:
    """Who was how busy."""
    return ", ".join(f"{name} {share:.0%}" for name, share in of_a_core.items()) + " of a core"


def median(samples: Sequence[float]) -> str:
    """In words."""
    return f"{statistics.median(samples):.2g} s" if samples else "?"
