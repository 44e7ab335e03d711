"""The form on Create, made from what a team is offered. It knows no provider's name.

Which fields there are follows from the choices so far. What a person set is kept beside the form while no field shows
it, and comes back with its field or with one of the same meaning.
"""

import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field

from generations import pricing
from generations.catalogue import Offer
from generations.controls import Canvas, Control, kind_of, options_of, row_of, slot_of
from generations.intent import absorbed, as_text, carried, drawn, entered, takes
from generations.models import Asset, Credential, CredentialAccount
from generations.providers.fields import AccountName, Field, Fixed, Ours, Picture, Values
from generations.providers.rules import AreaWithin
from generations.providers.spec import Asked, Cleaned, Operation

KEPT = "kept."  # prefix of the controls that carry what waits for its field
REFRESHING = frozenset({"refresh", "without", "move"})  # a control called "remove" would hide the form's own method


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
        self.credential = self._credential()
        self.seen = self._seen()
        before = {name.removeprefix(KEPT): value for name, value in self.data.items() if name.startswith(KEPT)}
        self.drawn = drawn(self.seen, before)
        self.intent = absorbed(self.seen, self._posted(self.seen), before)
        self.operation = self._operation()
        self.notes: list[str] = []
        self.raw = self._raw()
        self.cleaned: Cleaned = self.operation.clean(self.raw)
        if self.refreshing:
            self._tell_what_waits()
        self.key = self.data.get("key") or random.token_urlsafe(16)

    @property
    def accounts(self) -> tuple[CredentialAccount, ...]:
        """The accounts behind the credential."""
        return tuple(self.credential.accounts.all())

    @property
    def refreshing(self) -> bool:
        """Whether the form is only drawn anew: a choice was made, or a picture came, went or moved."""
        return not REFRESHING.isdisjoint(self.data)

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
        """The fields that apply, in order, and those whose error has to be seen. Of a row of slots, one empty one."""
        shown = {each.field.name: each for each in self.operation.asked(self.cleaned.values)}
        for each in self.operation.fields:
            if each.name in self.errors and each.name not in shown:
                shown[each.name] = Asked(each, (), required=False)
        return [self._control(each) for each in shown.values() if not self._is_left_out(each.field)]

    def _is_left_out(self, declared: Field) -> bool:
        """What klingweb sets, what leaves no choice, and of a row of slots all empty ones but the first."""
        if declared.name in self.errors:
            return False
        if isinstance(declared, Picture) and declared.series:
            empty = [name for name in row_of(self.operation, declared) if not self.raw.get(name)]
            return declared.name in empty and (declared.name != empty[0] or not self.errors.keys().isdisjoint(empty))
        if isinstance(declared, AccountName):
            return len(self.accounts) < 2
        return isinstance(declared, Ours | Fixed) or (declared.meaning == "shape" and self.follows)

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
        """Operation and field for a picture that arrives by itself: the present one, else the first that takes one."""
        fields = ((one.slug, each) for one in (self.operation, *self.offer.operations) for each in one.references)
        return next(((slug, each.name) for slug, each in fields), None)

    @property
    def fixed(self) -> dict[str, str]:
        """Who makes it where there is nothing to choose: sent along all the same."""
        chosen = {
            "provider": self.offer.provider.slug,
            "operation": self.operation.slug,
            "credential": str(self.credential.pk),
            "was": f"{self.offer.provider.slug}/{self.operation.slug}",
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
        """All that was meant so far, under the names that carry it: what a field cannot show waits there for it."""
        fields = (each for offer in self.offers for one in offer.operations for each in one.fields)
        known = {meaning for each in fields for meaning in (each.meaning_in({}), *(other for _, other in each.means))}
        return {KEPT + key: value for key, value in self.intent.items() if value and key in known}

    @property
    def follows(self) -> bool:
        """Whether the pictures take the shape of a reference."""
        return self.operation.follows.holds(self.cleaned.values)

    @property
    def reference(self) -> Asset | None:
        """The first picture that is here."""
        names = [str(self.cleaned.values.get(each.name)) for each in self.operation.references]
        return next((self.assets[name] for name in names if name in self.assets), None)

    @property
    def canvas(self) -> Canvas | None:
        """How far the picture grows, where it does."""
        rule = next((each for each in self.operation.rules if isinstance(each, AreaWithin)), None)
        return Canvas(rule.factor, rule.area(self.cleaned.values)) if rule else None

    @property
    def estimate(self) -> str:
        """What it is going to cost, in words."""
        estimate = pricing.estimate(self.operation, self.cleaned.values)
        return f"about {estimate}" if estimate else pricing.in_words(None)

    @property
    def count(self) -> int:
        """How many pictures the button promises."""
        return self.operation.pictures(self.cleaned.values)

    @property
    def usual_seconds(self) -> int | None:
        """How long the chosen model usually takes."""
        capability = self.operation.capability(self.cleaned.values)
        return capability.usual_seconds if capability else None

    def _seen(self) -> Operation:
        """The operation whose fields came with the form: that which it was drawn for, else that which is chosen."""
        provider, _, slug = self.data.get("was", "").partition("/")
        offer = next((each for each in self.offers if each.provider.slug == provider), None)
        return offer.operation(slug) if offer else self.offer.operation(self.data.get("operation", ""))

    def _operation(self) -> Operation:
        """That which is chosen, else one that takes a picture where there is one."""
        slug = self.data.get("operation", "")
        if slug not in {each.slug for each in self.offer.operations} and "picture" in self.intent:
            return next((each for each in self.offer.operations if each.references), self.offer.operations[0])
        return self.offer.operation(slug)

    def _posted(self, operation: Operation) -> dict[str, str]:
        named = {each.name: control_name(each) for each in entered(operation)}
        return {name: self.data[control] for name, control in named.items() if control in self.data}

    def _raw(self) -> dict[str, str]:
        """What is asked for: as typed, else as it was meant before, for a field that has come back."""
        meant = carried(self.operation, self.intent)
        meant = {name: text for name, text in meant.items() if name != self.operation.account or self._has(text)}
        if self.seen is not self.operation:
            return meant
        posted = self._posted(self.operation)
        changed = {name: text for name, text in posted.items() if text != self.drawn.get(name, "")}
        typed = changed if self.refreshing else posted
        raw = typed | {name: text for name, text in meant.items() if name not in typed}
        applying = {each.field.name for each in self.operation.asked(self.operation.clean(raw).values)}
        raw = {name: text for name, text in raw.items() if name in typed or name in applying}
        return self._fitting(raw, posted) if self.refreshing else raw

    def _fitting(self, raw: dict[str, str], posted: Mapping[str, str]) -> dict[str, str]:
        """Without what another choice has ruled out: it is kept, and said."""
        for each in entered(self.operation):
            values, text = self.operation.clean(raw).values, posted.get(each.name)
            if not self.operation.applies(each, values):
                raw.pop(each.name, None)
            elif text and not self._takes(each, text, values):
                raw.pop(each.name, None)
                instead = as_text(self.operation.clean(raw).values.get(each.name)) or "not set"
                self.notes.append(f"{each.label}: {text} is not offered with these settings, so it is {instead} now.")
        return raw

    def _takes(self, each: Field, text: str, values: Values) -> bool:
        return self._has(text) if isinstance(each, AccountName) else takes(self.operation, each, text, values)

    def _has(self, account: str) -> bool:
        """Whether the credential has this account; empty is any of them."""
        return not account or account in {each.name for each in self.accounts}

    def _tell_what_waits(self) -> None:
        """Say once what the person had set and cannot be used now."""
        posted, values = self._posted(self.seen), self.cleaned.values
        before = self.seen.clean(self.drawn).values
        shown = {each.field.meaning_in(values) for each in self.operation.asked(values)}
        waiting = [
            each.label
            for each in entered(self.seen)
            if posted.get(each.name) and (key := each.meaning_in(before)) in self.intent and key not in shown
        ]
        if waiting:
            self.notes.append(f"Not used with these settings: {', '.join(waiting)}. What you set comes back with them.")

    def _credential(self) -> Credential:
        """The chosen one, else one that sends, else any: what is paused waits, and the page says so."""
        chosen = self.data.get("credential")
        mine = self.offer.credentials
        awake = next((each for each in mine if not each.paused_at), mine[0])
        return next((each for each in mine if str(each.pk) == chosen), awake)

    def _chooser(self, name: str, label: str, value: str, options: tuple[tuple[str, str], ...]) -> Control:
        return Control(name, "chooser", label, value, error=self.errors.get(name, ""), options=options)

    def _control(self, asked: Asked) -> Control:
        declared = asked.field
        value = self.cleaned.values.get(declared.name)
        if declared.name in self.cleaned.errors or declared.name not in self.cleaned.values:
            value = self.raw.get(declared.name, "" if declared.name in self.raw else declared.default)
        return Control(
            name=declared.name,
            kind=kind_of(declared),
            label=declared.label,
            value="" if value is None else as_text(value) if isinstance(value, float) else value,
            help=declared.help,
            error=self.errors.get(declared.name, ""),
            required=asked.required,
            advanced=declared.advanced,
            options=_accounts(self.accounts) if isinstance(declared, AccountName) else options_of(asked),
            declared=declared,
            asset=self.assets.get(str(value)),
            slot=slot_of(self.operation, declared, self.raw),
        )


def control_name(declared: Field) -> str:
    """The control that holds a field's value: its own name, for pictures that of the asset's id."""
    return f"{declared.name}__asset" if isinstance(declared, Picture) else declared.name


def _providers(offers: tuple[Offer, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((each.provider.slug, each.provider.label) for each in offers)


def _operations(offer: Offer) -> tuple[tuple[str, str], ...]:
    return tuple((each.slug, each.label) for each in offer.operations)


def _credentials(offer: Offer) -> tuple[tuple[str, str], ...]:
    return tuple((str(each.pk), f"{each}{', paused' if each.paused_at else ''}") for each in offer.credentials)


def _accounts(accounts: tuple[CredentialAccount, ...]) -> tuple[tuple[str, str], ...]:
    named = ((each.name, f"{each}{', paused' if each.paused_at else ''}") for each in accounts)
    return (("", "Free one"), *named)
