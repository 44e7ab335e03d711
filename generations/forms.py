"""The form on Create, made from what a team is offered. It knows no provider's name.

Which fields there are follows from the choices so far. What a person set is kept beside the form while no field shows
it, and comes back with its field or with one of the same meaning.
"""

import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from generations import pace, pricing
from generations.catalogue import Offer
from generations.controls import Canvas, Control, kind_of, options_of, row_of, slot_of
from generations.intent import Intent, absorbed, as_text, carried, drawn, entered, takes
from generations.models import Asset, Credential, CredentialAccount
from generations.providers.fields import AccountName, Field, Fixed, Ours, Picture, Values
from generations.providers.rules import AreaWithin
from generations.providers.spec import Asked, Capability, Cleaned, Operation

KEPT = "kept."  # prefix of the controls that carry what waits for its field
REFRESHING = frozenset({"refresh", "without", "move"})  # a control called "remove" would hide the form's own method


@dataclass
class CreateForm:
    """What a person chose and typed, beside what is offered. `data` is form text by control name.

    A picture that is kept already is named by its asset's id in the control `<name>__asset`. All follows from what is
    given, and is worked out when it is first asked for: `errors` may be set until the controls are.
    """

    offers: tuple[Offer, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)

    @cached_property
    def offer(self) -> Offer:
        """The provider that is chosen, as offered."""
        chosen = self.data.get("provider")
        return next((each for each in self.offers if each.provider.slug == chosen), self.offers[0])

    @cached_property
    def chosen_credential(self) -> Credential | None:
        """That which is to send it; None where whichever has a free slot is."""
        mine = self.offer.credentials
        if len(mine) == 1:
            return mine[0]
        return next((each for each in mine if str(each.pk) == self.data.get("credential")), None)

    @property
    def request_key(self) -> str:
        """What tells this request from others: its key, and the credential as it was named, whatever keys there are."""
        return f"{self.key} {self.data.get('credential', '')}"

    @property
    def credential(self) -> Credential:
        """The chosen one; for any of them one that sends, if there is one. What is paused waits: the page says so."""
        mine = self.offer.credentials
        return self.chosen_credential or next((each for each in mine if not each.paused_at), mine[0])

    @property
    def accounts(self) -> tuple[CredentialAccount, ...]:
        """The accounts behind the chosen credential."""
        return tuple(self.chosen_credential.accounts.all()) if self.chosen_credential else ()

    @cached_property
    def seen(self) -> Operation:
        """The operation whose fields came with the form: that which it was drawn for, else that which is chosen."""
        provider, _, slug = self.data.get("was", "").partition("/")
        offer = next((each for each in self.offers if each.provider.slug == provider), None)
        return offer.operation(slug) if offer else self.offer.operation(self.data.get("operation", ""))

    @cached_property
    def before(self) -> Intent:
        """What was meant when the form was drawn."""
        return {name.removeprefix(KEPT): value for name, value in self.data.items() if name.startswith(KEPT)}

    @cached_property
    def drawn(self) -> dict[str, str]:
        """What the form showed before anybody touched it."""
        return drawn(self.seen, self.before)

    @cached_property
    def intent(self) -> Intent:
        """What is meant now."""
        return absorbed(self.seen, self._posted(self.seen), self.before, self.drawn)

    @cached_property
    def operation(self) -> Operation:
        """That which is chosen, else one that takes a picture where there is one."""
        slug = self.data.get("operation", "")
        if slug not in {each.slug for each in self.offer.operations} and "picture" in self.intent:
            return next((each for each in self.offer.operations if each.references), self.offer.operations[0])
        return self.offer.operation(slug)

    @cached_property
    def raw(self) -> dict[str, str]:
        """What is asked for: as typed, else as it was meant before, for a field that has come back."""
        return self._fitted[0]

    @cached_property
    def cleaned(self) -> Cleaned:
        """The values that are asked for, and what is wrong with them."""
        return self.operation.clean(self.raw)

    @cached_property
    def key(self) -> str:
        """What tells this form from any other, so that sent twice it asks once."""
        return self.data.get("key") or new_key()

    @property
    def notes(self) -> list[str]:
        """What a choice has made of others, said once."""
        if not self.refreshing:
            return []
        waiting = ", ".join(self._waiting)
        aside = [f"Not used with these settings: {waiting}. What you set comes back with them."] if waiting else []
        return [*self._fitted[1], *aside]

    @property
    def refreshing(self) -> bool:
        """Whether the form is only drawn anew: a choice was made, or a picture came, went or moved."""
        return not REFRESHING.isdisjoint(self.data)

    @property
    def foreign(self) -> dict[str, str]:
        """Sentences for choices that are not offered; the page shows what was taken instead."""
        wrong = [name for name, taken in self._chosen.items() if self.data.get(name, taken) not in (taken, "")]
        return {
            name: f"This {name} is not offered to your team any more. Check the choice and send again."
            for name in wrong
        }

    @cached_property
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

    @cached_property
    def choosers(self) -> list[Control]:
        """Who makes it: provider, operation and credential, each only where there is a choice, and the model."""
        made = [
            self._chooser("provider", "Provider", _providers(self.offers)),
            self._chooser("operation", "Operation", _operations(self.offer)),
            self._chooser("credential", "Key", _credentials(self.offer)),
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
        chosen = self._chosen | {"was": f"{self.offer.provider.slug}/{self.operation.slug}"}
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

    def usual_of(self, model_name: str, capability: Capability | None) -> int | None:
        """How long a model usually takes: as it did here, else as its provider says."""
        return self._learned.get(model_name) or (capability.usual_seconds if capability else None)

    @cached_property
    def _learned(self) -> dict[str, int]:
        return pace.usual_of(self.offer.provider.slug, self.operation.slug)

    def _posted(self, operation: Operation) -> dict[str, str]:
        named = {each.name: control_name(each) for each in entered(operation)}
        return {name: self.data[control] for name, control in named.items() if control in self.data}

    @cached_property
    def _fitted(self) -> tuple[dict[str, str], list[str]]:
        """What is asked for, and sentences about what could not be."""
        meant = carried(self.operation, self.intent)
        meant = {name: text for name, text in meant.items() if name != self.operation.account or self._has(text)}
        if self.seen is not self.operation:
            return meant, []
        posted = self._posted(self.operation)
        changed = {name: text for name, text in posted.items() if text != self.drawn.get(name, "")}
        typed = changed if self.refreshing else posted
        raw = typed | {name: text for name, text in meant.items() if name not in typed}
        applying = {each.field.name for each in self.operation.asked(self.operation.clean(raw).values)}
        raw = {name: text for name, text in raw.items() if name in typed or name in applying}
        return self._without_ruled_out(raw, posted) if self.refreshing else (raw, [])

    def _without_ruled_out(self, raw: dict[str, str], posted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """Without what another choice has ruled out: it is kept, and said."""
        values, said = self.operation.clean(raw).values, []
        for each in entered(self.operation):
            text, applies = posted.get(each.name), self.operation.applies(each, values)
            refused = bool(applies and text and not self._takes(each, text, values))
            if (refused or not applies) and raw.pop(each.name, None) is not None:
                values = self.operation.clean(raw).values
            if refused:
                instead = as_text(values.get(each.name)) or "not set"
                said.append(f"{each.label}: {text} is not offered with these settings, so it is {instead} now.")
        return raw, said

    def _takes(self, each: Field, text: str, values: Values) -> bool:
        return self._has(text) if isinstance(each, AccountName) else takes(self.operation, each, text, values)

    def _has(self, account: str) -> bool:
        """Whether the credential has this account; empty is any of them."""
        return not account or account in {each.name for each in self.accounts}

    @property
    def _waiting(self) -> list[str]:
        """What the person had set and cannot be used now."""
        posted, values = self._posted(self.seen), self.cleaned.values
        before = self.seen.clean(self.drawn).values
        shown = {each.field.meaning_in(values) for each in self.operation.asked(values)}
        return [
            each.label
            for each in entered(self.seen)
            if posted.get(each.name) and (key := each.meaning_in(before)) in self.intent and key not in shown
        ]

    @property
    def _chosen(self) -> dict[str, str]:
        """Who makes it, as the choosers hold it."""
        key = str(self.chosen_credential.pk) if self.chosen_credential else ""
        return {"provider": self.offer.provider.slug, "operation": self.operation.slug, "credential": key}

    def _chooser(self, name: str, label: str, options: tuple[tuple[str, str], ...]) -> Control:
        return Control(name, "chooser", label, self._chosen[name], error=self.errors.get(name, ""), options=options)

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


def new_key() -> str:
    """A key that no form had before."""
    return random.token_urlsafe(16)


def control_name(declared: Field) -> str:
    """The control that holds a field's value: its own name, for pictures that of the asset's id."""
    return f"{declared.name}__asset" if isinstance(declared, Picture) else declared.name


def _providers(offers: tuple[Offer, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((each.provider.slug, each.provider.label) for each in offers)


def _operations(offer: Offer) -> tuple[tuple[str, str], ...]:
    return tuple((each.slug, each.label) for each in offer.operations)


def _credentials(offer: Offer) -> tuple[tuple[str, str], ...]:
    named = tuple((str(each.pk), f"{each}{', paused' if each.paused_at else ''}") for each in offer.credentials)
    return (("", "Whichever has a free slot"), *named) if len(named) > 1 else named


def _accounts(accounts: tuple[CredentialAccount, ...]) -> tuple[tuple[str, str], ...]:
    named = ((each.name, f"{each}{', paused' if each.paused_at else ''}") for each in accounts)
    return (("", "Free one"), *named)
