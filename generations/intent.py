"""What a person means, whichever operation is asked for: it is carried from one to another, and back.

Values are kept by what they mean across providers, in one unit for all of them (a strength of 65 as 0.65), or under
their field's own name where they mean nothing elsewhere. They are form text.
"""

from collections.abc import Mapping

from generations.providers.fields import Choice, Field, Fixed, Ours, Switch, Value
from generations.providers.spec import Operation

Intent = dict[str, str]


def entered(operation: Operation) -> tuple[Field, ...]:
    """The fields that a person can fill."""
    return tuple(each for each in operation.fields if not isinstance(each, Ours | Fixed))


def absorbed(operation: Operation, posted: Mapping[str, str], intent: Intent, shown: Mapping[str, str]) -> Intent:
    """The intent once a form of this operation came back as `posted`, having `shown` it (text by field name).

    Only what a person changed is taken over: what the form itself had filled in says nothing.
    """
    fresh, values = dict(intent), operation.clean(posted).values
    for each in entered(operation):
        given = posted.get(each.name)
        if given is None and isinstance(each, Switch) and each.name in shown:
            given = ""
        if given is None or given == shown.get(each.name, ""):
            continue
        key = each.meaning_in(values)
        if given.strip():
            fresh[key] = each.neutral(given)
        else:
            fresh.pop(key, None)
    return fresh


def carried(operation: Operation, intent: Intent) -> dict[str, str]:
    """What this operation can take of the intent: text by field name."""
    raw: dict[str, str] = {}
    values = operation.clean(raw).values if intent else {}
    for each in entered(operation) if intent else ():
        key = each.meaning_in(values)
        if key in intent and operation.applies(each, values):
            text = each.carried(intent[key])
            if takes(operation, each, text, values):
                raw[each.name] = text
                values = operation.clean(raw).values
    return raw


def drawn(operation: Operation, intent: Intent) -> dict[str, str]:
    """What a form of this operation shows that is made from the intent: text by field name."""
    raw = carried(operation, intent)
    return {name: as_text(value) for name, value in operation.clean(raw).values.items()} | raw


def takes(operation: Operation, each: Field, text: str, values: Mapping[str, Value]) -> bool:
    """Whether a choice has this option beside the other values; any other field takes what it gets."""
    if not isinstance(each, Choice):
        return True
    asked = operation.ask(each, values)
    return text in asked.options or (text == "" and not asked.required)


def as_text(value: Value) -> str:
    """A value as a form holds it."""
    if isinstance(value, bool):
        return "true" if value else ""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
