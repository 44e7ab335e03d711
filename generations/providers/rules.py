"""What must hold between the fields of one operation, beyond the condition of each."""

import re
from dataclasses import dataclass
from typing import Protocol

from generations.providers.fields import Values


@dataclass(frozen=True)
class Broken:
    """A rule does not hold: a sentence for the field that it is shown at."""

    field: str
    sentence: str


class Rule(Protocol):
    """A rule looks at the values of all fields that could be read."""

    @property
    def words(self) -> str:
        """The rule in one clause, for the table of fields."""

    def check(self, values: Values) -> Broken | None:
        """What is wrong, or None."""


@dataclass(frozen=True)
class AtLeast:
    """So many of these pictures."""

    count: int
    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"at least {self.count} pictures"

    def check(self, values: Values) -> Broken | None:
        given = [name for name in self.names if values.get(name)]
        if len(given) >= self.count:
            return None
        empty = next(name for name in self.names if name not in given)
        return Broken(empty, f"Add at least {self.count} pictures; there {_are(len(given))}.")


@dataclass(frozen=True)
class AtMostTogether:
    """Pictures and the entries of a list of elements together."""

    count: int
    names: tuple[str, ...]
    elements: str

    @property
    def words(self) -> str:
        return f"pictures and {self.elements} ≤ {self.count} together"

    def check(self, values: Values) -> Broken | None:
        pictures = sum(bool(values.get(name)) for name in self.names)
        elements = len(str(values.get(self.elements) or "").split(",")) if values.get(self.elements) else 0
        if pictures + elements <= self.count:
            return None
        return Broken(self.elements, f"Take at most {self.count} pictures and elements together.")


@dataclass(frozen=True)
class NoGaps:
    """A row of pictures that are cited by their number is filled from the first on."""

    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return "filled from the first slot on"

    def check(self, values: Values) -> Broken | None:
        given = [bool(values.get(name)) for name in self.names]
        if all(given[: sum(given)]):
            return None
        gap = self.names[given.index(False)]
        return Broken(gap, "This slot is empty, and a later one is not. Fill it, or move the later pictures up.")


@dataclass(frozen=True)
class Cited:
    """What the text cites is there: `citation` with the number of each picture in place of `{}`."""

    text: str
    citation: str
    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.citation.format('1')} names a picture that is there"

    def check(self, values: Values) -> Broken | None:
        before, after = (re.escape(part) for part in self.citation.split("{}"))
        for match in re.finditer(rf"{before}([0-9]{{1,3}}){after}", str(values.get(self.text) or "")):
            number = int(match[1])
            if not 1 <= number <= len(self.names) or not values.get(self.names[number - 1]):
                return Broken(
                    self.text, f"The text cites {match[0]}, but there is no such picture. Add it or remove it."
                )
        return None


@dataclass(frozen=True)
class AreaWithin:
    """A canvas that grows by parts of its height (`up`, `down`) and width (`left`, `right`) stays within a factor.

    One that does not grow at all is no larger canvas: no document forbids it, but nobody means to pay for it.
    """

    factor: float
    up: str
    down: str
    left: str
    right: str

    @property
    def words(self) -> str:
        return f"1 < (1 + up + down) · (1 + left + right) ≤ {self.factor:g}"

    def area(self, values: Values) -> float:
        """The new area in the old one."""
        up, down, left, right = (each or 0.0 for each in self._growth(values))
        return (1 + up + down) * (1 + left + right)

    def check(self, values: Values) -> Broken | None:
        area = self.area(values)
        if self._growth(values) == [0, 0, 0, 0]:
            return Broken(self.up, "Nothing would be added. Enter on at least one side how much the picture grows.")
        if area <= self.factor + 1e-9:
            return None
        return Broken(
            self.up, f"The new picture would be {area:.2f} times the old one. Make it at most {self.factor:g} times."
        )

    def _growth(self, values: Values) -> list[float | None]:
        """How far it grows on each side; None where that could not be read."""
        found = (values.get(name) for name in (self.up, self.down, self.left, self.right))
        return [float(each) if isinstance(each, int | float) else None for each in found]


def _are(count: int) -> str:
    return {0: "is none", 1: "is one"}.get(count, f"are {count}")
