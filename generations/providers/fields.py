"""The kinds of value that an operation can ask for, and the conditions under which it asks.

Every field carries its source: the page where its bounds were read, and the day.
"""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Value = str | int | float | bool | None
Values = Mapping[str, Value]
Mark = Literal["", "unverified", "precaution"]


class Invalid(Exception):
    """A value is refused; the text is a sentence that says what to do."""


@dataclass(frozen=True)
class Source:
    """Where a fact was read, and on which day (ISO date)."""

    page: str
    checked: str


# Conditions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clause:
    """One thing that must hold of the field `name`: it is one of `options`, or it is filled or empty."""

    name: str
    options: tuple[Value, ...] = ()
    filled: bool = True

    def holds(self, values: Values) -> bool:
        """Whether the values satisfy it."""
        value = values.get(self.name)
        return value in self.options if self.options else (value not in (None, "")) == self.filled


@dataclass(frozen=True)
class When:
    """A condition on other fields: any of `ways` holds, and in a way every clause."""

    ways: tuple[tuple[Clause, ...], ...]

    def holds(self, values: Values) -> bool:
        """Whether the values satisfy it."""
        return any(all(clause.holds(values) for clause in way) for way in self.ways)

    def __and__(self, other: "When") -> "When":
        return When(tuple(mine + theirs for mine in self.ways for theirs in other.ways))

    def __or__(self, other: "When") -> "When":
        return When(self.ways + other.ways)


ALWAYS = When(((),))
NEVER = When(())


def equals(name: str, *options: Value) -> When:
    """The field has one of the values."""
    return When(((Clause(name, options),),))


def filled(name: str) -> When:
    """The field has a value."""
    return When(((Clause(name),),))


def empty(name: str) -> When:
    """The field has no value."""
    return When(((Clause(name, filled=False),),))


# Fields ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PictureBounds:
    """What a provider takes as a reference image: bytes of the file, pixels of the short side, long by short side."""

    # Kling's image generation page, parameter `image`, read on 20 November 2026
    max_bytes: int = 10 * 2**20
    min_side: int = 300
    ratio: float = 2.5

    @property
    def words(self) -> str:
        """For the table of fields."""
        return f"≤ {self.max_bytes // 2**20} MB, ≥ {self.min_side} px, 1:{self.ratio:g} to {self.ratio:g}:1"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One value that an operation takes, under the provider's own parameter name.

    It is asked while `when` holds and must be filled while `required` holds. `meaning` is what the value is across
    providers, by which it is carried from one operation to another; `means` says where it is something else.
    `advanced` ones are folded away on the page. `mark` tells what is not quite sure: *unverified*, so that it is off
    until an admin switches it on, or a *precaution*, a bound that only a relative of the provider states.
    """

    name: str
    label: str
    source: Source
    help: str = ""
    default: Value = None
    required: When = NEVER
    when: When = ALWAYS
    meaning: str = ""
    means: tuple[tuple[When, str], ...] = ()
    advanced: bool = False
    mark: Mark = ""

    def meaning_in(self, values: Values) -> str:
        """What the value is across providers, beside these other values; its own name where it is nothing elsewhere."""
        return next((each for when, each in self.means if when.holds(values)), self.meaning) or self.name

    def neutral(self, text: str) -> str:
        """A value of the form as it is carried from one operation to another."""
        return text

    def carried(self, text: str) -> str:
        """What was carried, as a value of this field's form."""
        return text

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        """The value that `raw` (form text or a Python value) stands for; raises Invalid. `options` as narrowed."""
        raise NotImplementedError

    def deliberate(self, raw: object) -> bool:
        """Whether a person must have meant this value. Choices and numbers carry one by themselves."""
        return False

    @property
    def bounds(self) -> str:
        """The limits in words, for the table of fields."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """Text of at most `max_length` characters. `citation` is how it names a reference: `@image_{}`."""

    max_length: int
    citation: str = ""

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        text = str(raw).replace("\r\n", "\n").strip()
        if "\x00" in text:
            raise Invalid("Remove the invisible null character from this text.")
        if len(text) > self.max_length:
            raise Invalid(f"Shorten this to {self.max_length:,} characters; it has {len(text):,}.")
        return text

    def deliberate(self, raw: object) -> bool:
        return bool(str(raw).strip())

    @property
    def bounds(self) -> str:
        return f"≤ {self.max_length} characters"


@dataclass(frozen=True, kw_only=True)
class Choice(Field):
    """One of `options`. `words` says them for people; "" stands for none, or `blank` where the provider has a word.

    A model's capability may narrow the options, and so may other values: of `only`, the first whose condition holds.
    """

    options: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    only: tuple[tuple[When, tuple[str, ...]], ...] = ()
    blank: str = ""

    def neutral(self, text: str) -> str:
        return "" if text == self.blank else text

    def carried(self, text: str) -> str:
        return text or self.blank

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        if str(raw) not in options:
            raise Invalid(f"Choose {_one_of(options)}.")
        return str(raw)

    @property
    def bounds(self) -> str:
        return " ".join(self.options)


@dataclass(frozen=True, kw_only=True)
class Integer(Field):
    """A whole number from `at_least` to `at_most`."""

    at_least: int
    at_most: int

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        text = str(raw).strip()
        if not (text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 10):
            raise Invalid(self._sentence)
        if not self.at_least <= int(text) <= self.at_most:
            raise Invalid(self._sentence)
        return int(text)

    @property
    def _sentence(self) -> str:
        return f"Enter a whole number from {self.at_least} to {self.at_most}."

    @property
    def bounds(self) -> str:
        return f"{self.at_least}–{self.at_most}"


@dataclass(frozen=True, kw_only=True)
class Percent(Integer):
    """A whole number that other providers write as a part of one: 65 for 0.65."""

    def neutral(self, text: str) -> str:
        return f"{int(text) / 100:g}" if text.isdecimal() else text

    def carried(self, text: str) -> str:
        try:
            return str(max(self.at_least, round(float(text) * 100)))
        except (ValueError, OverflowError):
            return text


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A number from `at_least` to `at_most`, in steps of `step` on the page. Empty where a person does not set it."""

    at_least: float
    at_most: float
    step: float

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        try:
            number = float(str(raw).strip().replace(",", "."))
        except ValueError:
            number = math.nan
        if not self.at_least <= number <= self.at_most:
            raise Invalid(f"Enter a number from {self.at_least:g} to {self.at_most:g}.")
        return number

    def deliberate(self, raw: object) -> bool:
        return bool(str(raw).strip())

    @property
    def bounds(self) -> str:
        return f"{self.at_least:g}–{self.at_most:g}"


@dataclass(frozen=True, kw_only=True)
class Picture(Field):
    """A reference image. Its value is the id of an asset; whether that exists is for those who keep assets.

    Pictures of the same `series` are one ordered row of slots. Where the provider takes a list, `parameter` is the
    list's name and `key` the name of the picture in each of its entries; an entry without a key is the picture itself.
    """

    limits: PictureBounds = PictureBounds()
    series: str = ""
    parameter: str = ""
    key: str = ""

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        try:
            return str(uuid.UUID(str(raw)))
        except ValueError:
            raise Invalid("Choose the picture again.") from None

    def deliberate(self, raw: object) -> bool:
        return bool(str(raw).strip())

    @property
    def bounds(self) -> str:
        return f"a picture, {self.limits.words}"


@dataclass(frozen=True, kw_only=True)
class Elements(Field):
    """Ids of elements in the provider's library, separated by commas, at most `at_most` of them."""

    at_most: int

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        parts = [part.strip() for part in (raw if isinstance(raw, list) else str(raw).split(","))]
        ids = list(dict.fromkeys(part for part in parts if part))
        if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in ids):
            raise Invalid("Enter the numbers of elements, separated by commas.")
        if len(ids) > self.at_most:
            raise Invalid(f"Take at most {self.at_most} elements.")
        return ",".join(ids) or None

    def deliberate(self, raw: object) -> bool:
        return bool(str(raw).strip(" ,"))

    @property
    def bounds(self) -> str:
        return f"≤ {self.at_most} ids"


@dataclass(frozen=True, kw_only=True)
class Switch(Field):
    """Yes or no."""

    default: Value = False

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        return str(raw).strip().lower() in ("true", "on", "1", "yes")

    @property
    def bounds(self) -> str:
        return "yes or no"


@dataclass(frozen=True, kw_only=True)
class AccountName(Field):
    """One of the accounts behind a credential; empty for whichever is free. Which there are, the credential knows."""

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        if len(str(raw)) > 200:
            raise Invalid("Choose one of the accounts.")
        return str(raw).strip()

    @property
    def bounds(self) -> str:
        return "an account of the credential"


@dataclass(frozen=True, kw_only=True)
class Face(Integer):
    """Which of the faces in the picture `of` is meant, counted from 1."""

    of: str


@dataclass(frozen=True, kw_only=True)
class Fixed(Field):
    """A value that is always the same within an operation: sent, and never asked."""

    value: str

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        return self.value

    @property
    def bounds(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Ours(Field):
    """A value that klingweb sets by itself: declared and in the table, never asked."""

    def read(self, raw: object, options: tuple[str, ...]) -> Value:
        raise Invalid("This value is set by klingweb.")

    @property
    def bounds(self) -> str:
        return "set by klingweb"


def _one_of(options: tuple[str, ...]) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
