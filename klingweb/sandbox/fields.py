"""Checks of single values in a request's body. Each maker returns a check, and a check raises WrongValueError.

The error's text follows the name of the field: "prompt" + "must not be longer than 2500 characters".
"""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

Check = Callable[[object], None]
T = TypeVar("T")


class WrongValueError(ValueError):
    """A value is not what the document allows. The text is a predicate without its subject."""


def require(holds: object, otherwise: str) -> None:
    """Raise WrongValueError with this text unless the condition holds."""
    if not holds:
        raise WrongValueError(otherwise)


def text(*, most: int | None = None, least: int = 0) -> Check:
    """A string of least … most characters."""

    def check(value: object) -> None:
        letters = as_text(value)
        require(len(letters.strip()) >= least, "must not be empty")
        require(most is None or len(letters) <= most, f"must not be longer than {most} characters")

    return check


def choice(values: tuple[str, ...]) -> Check:
    """One of these strings."""

    def check(value: object) -> None:
        require(as_text(value) in values, f"value {value!r} is not one of {', '.join(values)}")

    return check


def whole(least: int, most: int) -> Check:
    """A JSON integer least … most; true, 2.0 and "2" are none."""

    def check(value: object) -> None:
        integer = _as(int, value, "an integer")
        require(least <= integer <= most, f"must be in [{least}, {most}]")

    return check


def number(least: float, most: float) -> Check:
    """A JSON number least … most."""

    def check(value: object) -> None:
        fraction = value if isinstance(value, float) else _as(int, value, "a number")
        require(least <= fraction <= most, f"must be in [{least}, {most}]")

    return check


def address(value: object) -> None:
    """An http(s) URL with a host."""
    require(is_address(as_text(value)), "must be an http(s) URL")


def is_address(value: str) -> bool:
    """Whether this is an http(s) URL with a host."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def flag(value: object) -> None:
    """A JSON true or false."""
    require(isinstance(value, bool), "must be a boolean")


def word_or(word: str, check: Check) -> Check:
    """This string, or what the check allows."""

    def check_unless_word(value: object) -> None:
        if value != word:
            check(value)

    return check_unless_word


def empty_or(check: Check) -> Check:
    """The empty string, which stands for "not given", or what the check allows."""
    return word_or("", check)


def shape(**checks: Check) -> Check:
    """An object with exactly these keys."""

    def check(value: object) -> None:
        pairs = _as(dict, value, "an object")
        require(pairs.keys() == checks.keys(), f"must be an object with exactly: {', '.join(checks)}")
        for name, inner in checks.items():
            inner(pairs[name])

    return check


def several(each: Check, most: int, least: int = 0) -> Check:
    """An array of least … most such values."""

    def check(value: object) -> None:
        entries = _as(list, value, "an array")
        require(len(entries) >= least, f"must have at least {least} entry")
        require(len(entries) <= most, f"must not have more than {most} entries")
        for entry in entries:
            each(entry)

    return check


def check_all(values: Mapping[str, object], checks: Mapping[str, Check], required: tuple[str, ...] = ()) -> None:
    """Check each value. Raises WrongValueError that begins with the field's name; an unknown field is refused, too."""
    for name in required:
        require(name in values, f"{name} is required")
    for name, value in values.items():
        require(name in checks, f"{name} is not a known parameter")
        try:
            checks[name](value)
        except WrongValueError as error:
            raise WrongValueError(f"{name} {error}") from error


def as_text(value: object) -> str:
    """The value if it is a string."""
    return _as(str, value, "a string")


def _as(kind: type[T], value: object, called: str) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):  # a bool is an int in Python, not in JSON
        raise WrongValueError(f"must be {called}")
    return value
