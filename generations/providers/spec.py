"""What a provider offers, as data: operations, fields, bounds, conditions, capabilities and prices.

One declaration drives the form, the validation, the payload, the table of fields and the price. `Operation.clean` is
the only rule engine: forms and services call the same one. Every bound carries its source: page and day.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import httpx

from generations.providers.exchange import Account, Checkup, Listed, Order, Progress, Submission, Task
from generations.providers.fields import ALWAYS, Choice, Field, Invalid, Meaning, Ours, Source, Value, Values, When

# Capabilities and prices ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What one model can do within an operation.

    `options` narrows a choice by its field's name; `lacks` names the fields that the model does not take;
    `usual_seconds` is how long a request usually takes; `retired` says where its end was announced.
    """

    model_name: str
    source: Source
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    usual_seconds: int | None = None
    retired: Source | None = None


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one picture costs where `when` holds: in the provider's own `unit`, and in US dollars."""

    per_picture: Decimal
    unit: str
    usd: Decimal
    source: Source
    when: When = ALWAYS


# Operations -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A field that applies to the values so far, with the options that remain."""

    field: Field
    options: tuple[str, ...]
    required: bool


@dataclass(frozen=True)
class Cleaned:
    """What became of a person's input: values by field name, and sentences by field name."""

    values: dict[str, Value]
    errors: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing a provider can do. `fields` stand in the order of the form; a condition looks only at earlier ones."""

    slug: str
    label: str
    path: str
    source: Source
    fields: tuple[Field, ...]
    capabilities: tuple[Capability, ...]
    prices: tuple[Price, ...] = ()

    def capability(self, values: Values) -> Capability | None:
        """What the chosen model can do; None where no known model is chosen."""
        chosen = values.get(self.named("model"))
        return next((each for each in self.capabilities if each.model_name == chosen), None)

    def named(self, meaning: Meaning) -> str:
        """The provider's name for the field of this meaning; empty where it has none."""
        return next((each.name for each in self.fields if each.meaning == meaning), "")

    def meant(self, values: Values, meaning: Meaning) -> Value:
        """The value of the field of this meaning."""
        return values.get(self.named(meaning))

    def asked(self, values: Values) -> tuple[Asked, ...]:
        """The fields that apply to these values, in order."""
        return tuple(self._ask(each, values) for each in self.fields if self._applies(each, values))

    def clean(self, raw: Mapping[str, object]) -> Cleaned:
        """Check what a person entered. Absent fields take their default; errors are sentences by field name."""
        cleaned = Cleaned({}, {})
        for each in self.fields:
            if isinstance(each, Ours):
                continue
            try:
                self._clean(each, raw, cleaned.values)
            except Invalid as verdict:
                cleaned.errors[each.name] = str(verdict)
        return cleaned

    def price(self, values: Values) -> Price | None:
        """What one picture costs with these values; None where it is not known."""
        return next((each for each in self.prices if each.when.holds(values)), None)

    def _clean(self, each: Field, raw: Mapping[str, object], values: dict[str, Value]) -> None:
        given = raw.get(each.name)
        if not self._applies(each, values):
            if given is not None and each.deliberate(given):
                raise Invalid(f"{each.label} cannot be used with these settings. Empty it, or change them.")
            return
        asked = self._ask(each, values)
        if given is None:
            given = self._default(each, asked.options)
        blank = given is None or (isinstance(given, str) and not given.strip())
        if blank and asked.required:
            raise Invalid(f"Fill in: {each.label.lower()}.")
        value = None if blank else each.read(given, asked.options)
        if value is not None:
            values[each.name] = value

    def _default(self, each: Field, options: tuple[str, ...]) -> Value:
        narrowed = isinstance(each, Choice) and each.default is not None and each.default not in options
        return options[0] if narrowed and options else each.default

    def _applies(self, each: Field, values: Values) -> bool:
        capability = self.capability(values)
        return each.when.holds(values) and not (capability and each.name in capability.lacks)

    def _ask(self, each: Field, values: Values) -> Asked:
        return Asked(each, self._options(each, values), each.required.holds(values))

    def _options(self, each: Field, values: Values) -> tuple[str, ...]:
        if not isinstance(each, Choice):
            return ()
        if each.meaning == "model":
            return tuple(one.model_name for one in self.capabilities)
        capability = self.capability(values)
        allowed = capability.options.get(each.name, each.options) if capability else each.options
        return tuple(option for option in each.options if option in allowed)


# Providers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SecretField:
    """One secret value of a credential."""

    name: str
    label: str
    help: str = ""


@dataclass(frozen=True)
class CredentialWay:
    """One way to sign in to a provider: all of its secrets together, and none of another way's."""

    label: str
    fields: tuple[SecretField, ...]


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each kind of call may take in seconds, and how long the provider keeps results."""

    create: float
    query: float
    download: float
    retention: timedelta

    def paced(self, pace: float) -> "Deadlines":
        """The same with more or less time for each kind of call."""
        return replace(self, create=self.create * pace, query=self.query * pace, download=self.download * pace)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One remote service: its declaration, and the pure functions that write its requests and read its answers.

    `build_*` return the request to send, `parse_*` read an answer and raise a ProviderError where it is a refusal.
    None of them sends anything; the moment is an argument. `build_list` asks for the newest tasks at once, where the
    provider can; `build_checkup` is free and tells whether the credential works. `finds_by_external_id` says that a
    task can be asked for by our own name for it, so that a lost answer can be found again.
    """

    slug: str
    label: str
    base_urls: tuple[str, ...]
    credential_ways: tuple[CredentialWay, ...]
    operations: tuple[Operation, ...]
    slot_unit: Literal["pictures", "requests"]
    default_slots: int
    deadlines: Deadlines
    build_create: Callable[[Operation, Order, Account, datetime], httpx.Request]
    parse_create: Callable[[httpx.Response], Submission]
    build_query: Callable[[Operation, Task, Account, datetime], httpx.Request]
    parse_query: Callable[[httpx.Response], Progress]
    build_checkup: Callable[[Account, datetime], httpx.Request]
    parse_checkup: Callable[[httpx.Response], Checkup]
    build_list: Callable[[Operation, Account, datetime], httpx.Request] | None = None
    parse_list: Callable[[httpx.Response], tuple[Listed, ...]] | None = None
    finds_by_external_id: bool = False

    def operation(self, slug: str) -> Operation | None:
        """The operation of this slug."""
        return next((each for each in self.operations if each.slug == slug), None)
