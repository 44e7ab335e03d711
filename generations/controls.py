"""One control of the form on Create: what a template needs to draw it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generations.models import Asset
from generations.providers.fields import AccountName, Face, Field, Number, Percent, Picture, Value
from generations.providers.rules import Cited
from generations.providers.spec import Asked, Operation


@dataclass(frozen=True)
class Slot:
    """A picture's place in a row of at most `most`.

    Where the text can cite it, `citation` goes into the control `into`, and the picture may change places with those
    of the fields `earlier` and `later`.
    """

    series: str
    most: int
    citation: str = ""
    into: str = ""
    earlier: str = ""
    later: str = ""


@dataclass(frozen=True)
class Canvas:
    """What a picture grows to: `area` times itself, at most `factor`."""

    factor: float
    area: float


@dataclass(frozen=True)
class Control:
    """One control on the page. `kind` names the template that draws it; `options` are value and label."""

    name: str
    kind: str
    label: str
    value: Value
    help: str = ""
    error: str = ""
    required: bool = False
    advanced: bool = False
    options: tuple[tuple[str, str], ...] = ()
    declared: Any = None
    asset: Asset | None = None
    slot: Slot | None = None

    @property
    def id(self) -> str:
        return id_of(self.name)

    @property
    def group(self) -> str:
        """What is drawn together has the same: the slots of a row, the sides of a canvas."""
        return self.slot.series if self.slot else self.kind if self.kind == "expansion" else self.name


KINDS: tuple[tuple[type[Field], str], ...] = (
    (Picture, "picture"),
    (AccountName, "account"),
    (Face, "face"),
    (Percent, "strength"),
)
DRAWN = ("model", "prompt", "negative", "reference", "count", "shape", "resolution")


def kind_of(declared: Field) -> str:
    """The name of the template's part that draws it."""
    for kind, drawn in KINDS:
        if isinstance(declared, kind):
            return drawn
    if declared.meaning in DRAWN:
        return declared.meaning
    if isinstance(declared, Number):
        return "expansion" if declared.meaning.startswith("expand") else "strength"
    return type(declared).__name__.lower()


def id_of(name: str) -> str:
    """The id of the element that holds a field's value."""
    return f"id-{name}"


def options_of(asked: Asked) -> tuple[tuple[str, str], ...]:
    """Values and labels, led by none of them where that has a word and may be chosen."""
    words: Mapping[str, str] = getattr(asked.field, "words", {})
    options = ("", *asked.options) if "" in words and not asked.required else asked.options
    return tuple((option, words.get(option, option)) for option in options)


def row_of(operation: Operation, declared: Picture) -> list[str]:
    """The names of the pictures that stand in one row with it, in order."""
    return [each.name for each in operation.references if each.series == declared.series]


def slot_of(operation: Operation, declared: Field, raw: Mapping[str, str]) -> Slot | None:
    """The place of a picture in its row; None where there is no row."""
    if not isinstance(declared, Picture) or not declared.series:
        return None
    row = row_of(operation, declared)
    cited = next((each for each in operation.rules if isinstance(each, Cited) and declared.name in each.names), None)
    if not cited:
        return Slot(declared.series, len(row))
    place = row.index(declared.name)
    return Slot(
        series=declared.series,
        most=len(row),
        citation=cited.citation.format(cited.names.index(declared.name) + 1),
        into=id_of(cited.text),
        earlier=row[place - 1] if place else "",
        later=next((name for name in row[place + 1 :] if raw.get(name)), ""),
    )
