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

from generations.providers.exchange import (
    Account,
    Capacity,
    Checkup,
    Cost,
    Face,
    Listed,
    Order,
    Progress,
    State,
    Submission,
    Task,
    Upload,
    Uploaded,
)
from generations.providers.fields import (
    ALWAYS,
    NEVER,
    AccountName,
    Choice,
    Field,
    Fixed,
    Invalid,
    Ours,
    Picture,
    Source,
    Value,
    Values,
    When,
)
from generations.providers.rules import Rule

# Capabilities and prices ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What one model can do within an operation.

    `options` narrows a choice by its field's name; `lacks` names the fields that the model does not take;
    `usual_seconds` is how long a request usually takes; `retired` says where its end was announced; `like` names the
    model whose capabilities it has, where an admin added it.
    """

    model_name: str
    source: Source
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    usual_seconds: int | None = None
    retired: Source | None = None
    like: str = ""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one picture costs where `when` holds: in the provider's own `unit`, and in US dollars where known."""

    per_picture: Decimal
    unit: str
    usd: Decimal | None
    source: Source
    when: When = ALWAYS


MOST_OF_A_SERIES = 9

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
    """One thing a provider can do. `fields` stand in the order of the form; a condition looks only at earlier ones.

    `rules` hold between the fields. `follows` is when the pictures take the shape of a reference. `resends` says that
    a request which the provider has clearly never heard of may be sent again under the same name.
    """

    slug: str
    label: str
    path: str
    source: Source
    fields: tuple[Field, ...]
    capabilities: tuple[Capability, ...]
    prices: tuple[Price, ...] = ()
    rules: tuple[Rule, ...] = ()
    follows: When = NEVER
    resends: bool = True

    def capability(self, values: Values) -> Capability | None:
        """What the chosen model can do; None where no known model is chosen."""
        chosen = values.get(self.named("model"))
        return next((each for each in self.capabilities if each.model_name == chosen), None)

    def named(self, meaning: str) -> str:
        """The provider's name for the field of this meaning; empty where it has none."""
        return next((each.name for each in self.fields if each.meaning == meaning), "")

    def meant(self, values: Values, meaning: str) -> Value:
        """The value of the field of this meaning."""
        return values.get(self.named(meaning))

    def pictures(self, values: Values) -> int:
        """How many pictures these values ask for; the most there may be where the provider decides."""
        series = self.meant(values, "series")
        if series is not None:
            return int(series) if str(series).isdecimal() else MOST_OF_A_SERIES
        count = self.meant(values, "count")
        return count if isinstance(count, int) else 1

    def counts_itself(self, values: Values) -> bool:
        """Whether the provider decides how many pictures there will be."""
        return self.meant(values, "series") == "auto"

    @property
    def references(self) -> tuple[Picture, ...]:
        """The fields that hold pictures, in order."""
        return tuple(each for each in self.fields if isinstance(each, Picture))

    @property
    def webhook(self) -> str:
        """The name of the field that takes our webhook's address; empty where none is known for certain."""
        ours = (each for each in self.fields if isinstance(each, Ours) and each.meaning == "webhook")
        return next((each.name for each in ours if each.mark != "unverified"), "")

    @property
    def account(self) -> str:
        """The name of the field that chooses an account of the credential; empty where there is none."""
        return next((each.name for each in self.fields if isinstance(each, AccountName)), "")

    def asked(self, values: Values) -> tuple[Asked, ...]:
        """The fields that apply to these values, in order."""
        return tuple(self.ask(each, values) for each in self.fields if self.applies(each, values))

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
        known = self._as_known(cleaned.values)
        for rule in self.rules:
            if broken := rule.check(known):
                cleaned.errors.setdefault(broken.field, broken.sentence)
        return cleaned

    def price(self, values: Values) -> Price | None:
        """What one picture costs with these values; None where it is not known."""
        ways = (values, self._as_known(values))
        return next((each for each in self.prices if any(map(each.when.holds, ways))), None)

    def _clean(self, each: Field, raw: Mapping[str, object], values: dict[str, Value]) -> None:
        given = raw.get(each.name)
        if isinstance(each, Fixed):
            values[each.name] = each.value
            return
        if not self.applies(each, values):
            if given is not None and each.deliberate(given):
                raise Invalid(f"{each.label} cannot be used with these settings. Empty it, or change them.")
            return
        asked = self.ask(each, values)
        if given is None:
            given = self._default(each, asked.options)
        blank = given is None or (isinstance(given, str) and not given.strip())
        if blank and asked.required:
            raise Invalid("Choose a picture." if isinstance(each, Picture) else f"Fill in: {each.label.lower()}.")
        value = None if blank else each.read(given, asked.options)
        if value is not None:
            values[each.name] = value

    def _default(self, each: Field, options: tuple[str, ...]) -> Value:
        narrowed = isinstance(each, Choice) and each.default is not None and each.default not in options
        return options[0] if narrowed and options else each.default

    def applies(self, each: Field, values: Values) -> bool:
        """Whether a field is asked for beside these values of earlier ones."""
        capability = self.capability(values)
        return each.when.holds(self._as_known(values)) and not (capability and each.name in capability.lacks)

    def ask(self, each: Field, values: Values) -> Asked:
        """A field with the options that remain beside these values."""
        return Asked(each, self._options(each, values), each.required.holds(self._as_known(values)))

    def _options(self, each: Field, values: Values) -> tuple[str, ...]:
        if not isinstance(each, Choice):
            return ()
        if each.meaning == "model":
            return self._models(each, values)
        capability = self.capability(values)
        allowed = capability.options.get(each.name, each.options) if capability else each.options
        known = self._as_known(values)
        narrowed = next((options for when, options in each.only if when.holds(known)), each.options)
        return tuple(option for option in each.options if option in allowed and option in narrowed)

    def _as_known(self, values: Values) -> Values:
        """The values as conditions see them: a model that an admin added counts as the one that it is like."""
        capability = self.capability(values)
        return {**values, self.named("model"): capability.like} if capability and capability.like else values

    def _models(self, each: Choice, values: Values) -> tuple[str, ...]:
        """The models on offer, which an admin may have added to; earlier choices narrow them."""
        names = tuple(one.model_name for one in self.capabilities)
        narrowed = next((options for when, options in each.only if when.holds(values)), names)
        alike = {one.model_name for one in self.capabilities if one.like in narrowed}
        return tuple(name for name in names if name in narrowed or name in alike)


# Providers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SecretField:
    """One value of a credential, kept like a secret. `optional` ones may be left empty; `plain` ones are no secret.

    `refuses` says, as a sentence, what is wrong with a value that cannot be one; empty where it may be.
    """

    name: str
    label: str
    help: str = ""
    optional: bool = False
    plain: bool = False
    refuses: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True)
class CredentialWay:
    """One way to sign in to a provider: all of its values but the optional ones, and none of another way's."""

    label: str
    fields: tuple[SecretField, ...]


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each kind of call may take in seconds, and how long the provider keeps results."""

    create: float
    query: float
    download: float
    retention: timedelta
    upload: float = 120

    def paced(self, pace: float) -> "Deadlines":
        """The same with more or less time for each kind of call."""
        return replace(
            self,
            create=self.create * pace,
            query=self.query * pace,
            download=self.download * pace,
            upload=self.upload * pace,
        )


@dataclass(frozen=True, kw_only=True)
class Uploads:
    """That references are brought to the provider as files of its own, each good for `keeps`; None is for ever."""

    build: Callable[[Upload, Account, datetime], httpx.Request]
    parse: Callable[[httpx.Response], Uploaded]
    keeps: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """That there are several accounts behind one credential; `parse` tells how much room each of them has."""

    build: Callable[[Account, datetime], httpx.Request]
    parse: Callable[[httpx.Response], tuple[Capacity, ...]]


@dataclass(frozen=True, kw_only=True)
class Faces:
    """That the provider finds the faces in an uploaded picture. It is free."""

    build: Callable[[str, Account, datetime], httpx.Request]
    parse: Callable[[httpx.Response], tuple[Face, ...]]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """That one free request answers for many tasks of an operation, page by page from 1, the newest first."""

    build: Callable[[Operation, Account, int, datetime], httpx.Request]
    parse: Callable[[httpx.Response], tuple[Listed, ...]]
    per_page: int
    most_pages: int = 1


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """That a request whose answer was lost may be found in a free list of what has been asked for since a moment."""

    build: Callable[[Account, datetime], httpx.Request]
    parse: Callable[[httpx.Response], tuple[Listed, ...]]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """That the provider tells the final cost of a task when asked; None while it is not settled."""

    build: Callable[[Task, Account, datetime], httpx.Request]
    parse: Callable[[httpx.Response], Cost | None]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How its answers are written, so that an admin can say what has changed in them.

    `words` are its status words with what they mean; they stand under the names in `named`, wherever that is. `places`
    are the documented ones of what is read of a task: `data.images[].url`.
    """

    words: Mapping[str, State] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One remote service: its declaration, and the pure functions that write its requests and read its answers.

    `build_*` return the request to send, `parse_*` read an answer and raise a ProviderError where it is a refusal.
    None of them sends anything; the moment is an argument. `build_checkup` is free and tells whether the credential
    works. References go along as base64 unless there are `uploads`. `finds_by_external_id` says that a task can be
    asked for by our own name for it, so that a lost answer can be found again; `lookups` are lists to look for it in.
    `build_cancel` asks to let go of a task that has not begun, where the provider can; it may be made all the same.
    `signs_with` names the secret that its calls to our webhooks are signed with once a credential has it.
    `balance_unit` is what `Checkup.left` counts.
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
    listing: Listing | None = None
    lookups: tuple[Lookup, ...] = ()
    uploads: Uploads | None = None
    accounts: Accounts | None = None
    faces: Faces | None = None
    costs: Costs | None = None
    build_cancel: Callable[[Task, Account, datetime], httpx.Request] | None = None
    finds_by_external_id: bool = False
    signs_with: str = ""
    balance_unit: str = ""
    answers: Answers = Answers()

    def operation(self, slug: str) -> Operation | None:
        """The operation of this slug."""
        return next((each for each in self.operations if each.slug == slug), None)
