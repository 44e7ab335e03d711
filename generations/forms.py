"""The form on Create, made from what a team is offered. It knows no provider's name.

Which fields there are follows from the choices so far. A value whose field is hidden by a choice is kept beside the
form and comes back with its field.
"""

import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generations import pricing
from generations.catalogue import Offer
from generations.models import Asset, Credential
from generations.providers.fields import Field, Ours, Picture, Value
from generations.providers.spec import Asked, Cleaned

KEPT = "kept."  # prefix of the controls that carry hidden values


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

    @property
    def id(self) -> str:
        return f"id-{self.name}"


@dataclass
class CreateForm:
    """What a person chose and typed, beside what is offered. `data` is form text by control name.

    A picture that is kept already is named by its asset's id in the control `<name>__asset`.
    """

    offers: tuple[Offer, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chosen = self.data.get("provider")
        self.offer = next((each for each in self.offers if each.provider.slug == chosen), self.offers[0])
        self.operation = self.offer.operation(self.data.get("operation", ""))
        self.credential = self._credential()
        self.raw = self._raw()
        self.cleaned: Cleaned = self.operation.clean(self.raw)
        self.key = self.data.get("key") or random.token_urlsafe(16)

    @property
    def foreign(self) -> dict[str, str]:
        """Sentences for choices that are not offered; the page shows what was taken instead."""
        chosen = {
            "provider": self.offer.provider.slug,
            "operation": self.operation.slug,
            "credential": self.credential.pk,
        }
        wrong = [name for name, taken in chosen.items() if self.data.get(name, str(taken)) != str(taken)]
        return {
            name: f"This {name} is not offered to your team any more. Check the choice and send again."
            for name in wrong
        }

    @property
    def controls(self) -> list[Control]:
        """The fields that apply, in order, and those whose error has to be seen."""
        shown = {each.field.name: each for each in self.operation.asked(self.cleaned.values)}
        for each in self.operation.fields:
            if each.name in self.errors and each.name not in shown:
                shown[each.name] = Asked(each, (), required=False)
        return [self._control(each) for each in shown.values() if not isinstance(each.field, Ours)]

    @property
    def prompt(self) -> Control | None:
        """The control that stands first and largest."""
        return next((each for each in self.controls if each.kind == "prompt"), None)

    @property
    def choosers(self) -> list[Control]:
        """Who makes it: provider, operation and credential, each only where there is a choice, and the model."""
        made = [
            self._chooser("provider", "Provider", self.offer.provider.slug, _providers(self.offers)),
            self._chooser("operation", "Operation", self.operation.slug, _operations(self.offer)),
            self._chooser("credential", "Key", str(self.credential.pk), _credentials(self.offer)),
        ]
        return [each for each in made if len(each.options) > 1 or each.error]

    @property
    def picture_slot(self) -> tuple[str, str] | None:
        """Operation and field for a picture that arrives by itself: the first of this provider that takes one."""
        fields = ((one.slug, each) for one in self.offer.operations for each in one.fields)
        return next(((slug, each.name) for slug, each in fields if isinstance(each, Picture)), None)

    @property
    def fixed(self) -> dict[str, str]:
        """Who makes it where there is nothing to choose: sent along all the same."""
        chosen = {
            "provider": self.offer.provider.slug,
            "operation": self.operation.slug,
            "credential": str(self.credential.pk),
        }
        offered = {each.name for each in self.choosers}
        return {name: value for name, value in chosen.items() if name not in offered}

    @property
    def first_wrong(self) -> str:
        """The name of the first control on the page that has an error; empty where none has."""
        controls = [*([self.prompt] if self.prompt else []), *self.choosers, *self.controls]
        return next((each.name for each in controls if each.error), "")

    @property
    def kept(self) -> dict[str, str]:
        """Values whose field is hidden now, under the names that carry them."""
        shown = {control_name(each.declared) for each in self.controls}
        typed = {name.removeprefix(KEPT): value for name, value in self.data.items()}
        known = {control_name(each) for offer in self.offers for one in offer.operations for each in one.fields}
        return {KEPT + name: value for name, value in typed.items() if name in known - shown and value}

    @property
    def estimate(self) -> str:
        """What it is going to cost, in words."""
        usd = pricing.estimate_usd(self.operation, self.cleaned.values)
        return pricing.in_words(None) if usd is None else f"about {pricing.in_words(usd)}"

    @property
    def count(self) -> int:
        """How many pictures the button promises."""
        count = self.operation.meant(self.cleaned.values, "count")
        return count if isinstance(count, int) else 1

    @property
    def usual_seconds(self) -> int | None:
        """How long the chosen model usually takes."""
        capability = self.operation.capability(self.cleaned.values)
        return capability.usual_seconds if capability else None

    def _raw(self) -> dict[str, str]:
        """What is asked for: as typed, and what was kept for a field that has come back."""
        named = {each.name: control_name(each) for each in self.operation.fields if not isinstance(each, Ours)}
        typed = {name: self.data[control] for name, control in named.items() if control in self.data}
        kept = {name: self.data.get(KEPT + control) for name, control in named.items() if name not in typed}
        back = {name: value for name, value in kept.items() if value is not None}
        asked = {each.field.name for each in self.operation.asked(self.operation.clean(typed | back).values)}
        return typed | {name: value for name, value in back.items() if name in asked}

    def _credential(self) -> Credential:
        """The chosen one, else one that sends, else any: what is paused waits, and the page says so."""
        chosen = self.data.get("credential")
        mine = self.offer.credentials
        awake = next((each for each in mine if not each.paused_at), mine[0])
        return next((each for each in mine if str(each.pk) == chosen), awake)

    def _chooser(self, name: str, label: str, value: str, options: tuple[tuple[str, str], ...]) -> Control:
        return Control(name, "chooser", label, value, error=self.errors.get(name, ""), options=options)

    def _control(self, asked: Asked) -> Control:
        declared, words = asked.field, getattr(asked.field, "words", {})
        value = self.cleaned.values.get(declared.name)
        if declared.name in self.cleaned.errors or declared.name not in self.cleaned.values:
            value = self.raw.get(declared.name, "" if declared.name in self.raw else declared.default)
        return Control(
            name=declared.name,
            kind=declared.meaning or type(declared).__name__.lower(),
            label=declared.label,
            value="" if value is None else value,
            help=declared.help,
            error=self.errors.get(declared.name, ""),
            required=asked.required,
            advanced=declared.advanced,
            options=tuple((option, words.get(option, option)) for option in _with_none(asked, words)),
            declared=declared,
            asset=self.assets.get(str(value)),
        )


def _with_none(asked: Asked, words: Mapping[str, str]) -> tuple[str, ...]:
    """The options, led by none of them where that has a word and may be chosen."""
    return ("", *asked.options) if "" in words and not asked.required else asked.options


def control_name(declared: Field) -> str:
    """The control that holds a field's value: its own name, for pictures that of the asset's id."""
    return f"{declared.name}__asset" if isinstance(declared, Picture) else declared.name


def _providers(offers: tuple[Offer, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((each.provider.slug, each.provider.label) for each in offers)


def _operations(offer: Offer) -> tuple[tuple[str, str], ...]:
    return tuple((each.slug, each.label) for each in offer.operations)


def _credentials(offer: Offer) -> tuple[tuple[str, str], ...]:
    return tuple((str(each.pk), f"{each}{', paused' if each.paused_at else ''}") for each in offer.credentials)
