"""Every field of every operation in rows: a table for people, JSON for scripts, under the providers' own names.

A list that a person fills in slots, one picture each, is one row under the list's name.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from generations.providers.fields import ALWAYS, NEVER, Choice, Clause, Field, Fixed, Ours, Picture, Source, Value, When
from generations.providers.rules import Rule
from generations.providers.spec import Operation, Provider

LIMITS = ("options", "max_length", "citation", "at_least", "at_most", "step", "value")
COLUMNS = ("provider", "operation", "field", "takes", "default", "asked", "source")


@dataclass(frozen=True)
class Row:
    """One field of an operation: its bounds in words and as values, when it is asked for, and where that was read."""

    provider: str
    operation: str
    field: str
    label: str
    kind: str
    bounds: str
    limits: dict[str, object]
    default: Value
    asked: str
    required: str
    mark: str
    source: Source

    @property
    def use(self) -> str:
        """Whether it is asked for and has to be filled, in one phrase."""
        if self.asked in ("constant", "set by klingweb"):
            return self.asked
        must = {"always": "required", "never": "optional"}.get(
            self.required, f"required {self.required}, else optional"
        )
        return must if self.asked == "always" else f"{self.asked}: {must}"


def rows(providers: Iterable[Provider]) -> tuple[Row, ...]:
    """All of them, in the order of the declarations."""
    return tuple(
        _row(provider, operation, name, group)
        for provider in providers
        for operation in provider.operations
        for name, group in _parameters(operation).items()
    )


def as_json(table: Iterable[Row]) -> str:
    """A list of objects, one for each row."""
    return json.dumps([asdict(each) for each in table], ensure_ascii=False, indent=2)


def as_markdown(table: Iterable[Row]) -> str:
    """A table."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, table)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    name = f"`{row.field}`" + (f" ({row.mark})" if row.mark else "")
    source = f"{row.source.page}, {row.source.checked}"
    cells = (row.provider, row.operation, name, row.bounds, _default(row.default), row.use, source)
    return tuple(each.replace("|", "\\|").replace("<", "&lt;") for each in cells)


def _default(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _parameters(operation: Operation) -> dict[str, list[Field]]:
    """What is sent, by name: one field each, or the slots of a list."""
    found: dict[str, list[Field]] = {}
    for each in operation.fields:
        found.setdefault(_parameter(each), []).append(each)
    return found


def _parameter(each: Field) -> str:
    return (isinstance(each, Picture) and each.parameter) or each.name


def _row(provider: Provider, operation: Operation, name: str, group: list[Field]) -> Row:
    first = group[0]
    asked = {Ours: "set by klingweb", Fixed: "constant"}.get(type(first)) or _in_words(first.when, operation)
    return Row(
        provider=provider.slug,
        operation=operation.slug,
        field=name,
        label=first.label,
        kind="list" if name != first.name else type(first).__name__.lower(),
        bounds="; ".join([_takes(operation, name, group), *_notes(operation, group)]),
        limits=_limits(operation, name, group),
        default=first.default,
        asked=asked,
        required=_in_words(first.required, operation),
        mark=first.mark,
        source=first.source,
    )


def _takes(operation: Operation, name: str, group: list[Field]) -> str:
    first = group[0]
    if isinstance(first, Picture) and name != first.name:
        entry = f"{{{first.key}: {first.bounds}}}" if first.key else first.bounds
        return f"{_least(group)}–{len(group)} × {entry}"
    if _is_model(first):
        retired = {each.model_name for each in operation.capabilities if each.retired}
        return " ".join(f"{each} (retired)" if each in retired else each for each in _models(operation))
    return first.bounds


def _limits(operation: Operation, name: str, group: list[Field]) -> dict[str, object]:
    first = group[0]
    if isinstance(first, Picture):
        listed = {"key": first.key, "at_least": _least(group), "at_most": len(group)} if name != first.name else {}
        return listed | asdict(first.limits)
    found = {limit: getattr(first, limit) for limit in LIMITS if getattr(first, limit, "") != ""}
    return found | ({"options": _models(operation)} if _is_model(first) else {})


def _is_model(each: Field) -> bool:
    return isinstance(each, Choice) and each.meaning == "model"


def _models(operation: Operation) -> list[str]:
    return [each.model_name for each in operation.capabilities]


def _least(group: list[Field]) -> int:
    return sum(each.required == ALWAYS for each in group)


def _notes(operation: Operation, group: list[Field]) -> Iterator[str]:
    """What narrows the bounds: the model, other fields, the rules between fields."""
    first = group[0]
    lacking = [each.model_name for each in operation.capabilities if first.name in each.lacks]
    if lacking:
        yield f"not with {', '.join(lacking)}"
    if isinstance(first, Choice):
        yield from _narrowings(operation, first)
    names = {each.name for each in group}
    yield from (rule.words for rule in operation.rules if names & _named(rule))


def _narrowings(operation: Operation, choice: Choice) -> Iterator[str]:
    by_options: dict[tuple[str, ...], list[str]] = {}
    for each in operation.capabilities:
        if choice.name in each.options:
            by_options.setdefault(each.options[choice.name], []).append(each.model_name)
    for options, models in by_options.items():
        yield f"with {', '.join(models)}: {_narrowed(choice, options)}"
    for when, options in choice.only:
        yield f"{_in_words(when, operation)}: {_narrowed(choice, options)}"


def _narrowed(choice: Choice, options: tuple[str, ...]) -> str:
    left_out = [each for each in choice.options if each not in options]
    if not left_out:
        return "all"
    return f"without {' '.join(left_out)}" if len(left_out) < len(options) else " ".join(options)


def _named(rule: Rule) -> set[str]:
    """The fields that a rule names; it is a dataclass that holds names by themselves and in tuples."""
    values = vars(rule).values()
    return {str(name) for value in values for name in (value if isinstance(value, tuple) else (value,))}


def _in_words(when: When, operation: Operation) -> str:
    if when in (ALWAYS, NEVER):
        return "always" if when == ALWAYS else "never"
    parameters = {each.name: _parameter(each) for each in operation.fields}
    ways = [" and ".join(dict.fromkeys(_clause(each, parameters) for each in way)) for way in when.ways]
    return f"when {' or '.join(ways)}"


def _clause(clause: Clause, parameters: dict[str, str]) -> str:
    name = parameters.get(clause.name, clause.name)
    if clause.options:
        return f"{name} is {' or '.join('empty' if each is None else str(each) for each in clause.options)}"
    return f"{name} is {'given' if clause.filled else 'empty'}"
