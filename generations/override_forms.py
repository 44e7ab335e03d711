"""The forms in which an admin changes what one provider offers. They are drawn from its declaration."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django import forms

from generations import pricing
from generations.catalogue import Overrides, known_models, listed, matching, offered, special_prices, unverified
from generations.models import Override
from generations.providers.fields import Picture, Source
from generations.providers.spec import Capability, Operation, Price, Provider

Kind = Override.Kind
CHOOSE = {"invalid_choice": "Choose one of these."}
DOLLARS = "Enter what one picture costs in US dollars, such as 0.028, or nothing."
CODES = ("invalid", "min_value", "max_value", "max_digits", "max_decimal_places", "max_whole_digits")


class Dollars(forms.DecimalField):
    """An amount as people write it: `0.028`, `$0.028` or `0,028`."""

    def __init__(self, initial: str) -> None:
        super().__init__(
            initial=initial,
            required=False,
            min_value=0,
            max_value=1000,
            max_digits=8,
            decimal_places=4,
            error_messages=dict.fromkeys(CODES, DOLLARS),
        )

    def to_python(self, value: Any) -> Any:
        """The amount, or None."""
        return super().to_python(str(value or "").strip().removeprefix("$").replace(",", "."))


@dataclass(frozen=True)
class Row:
    """A model with what can be changed of it; or, without one, a price alone. `listed` is the price as declared."""

    name: str
    price: forms.BoundField
    listed: str
    model: Capability | None = None
    offers: forms.BoundField | None = None


class OperationForm(forms.Form):
    """What one operation offers, as it is now."""

    def __init__(self, operation: Operation, overrides: Overrides, data: Any = None) -> None:
        super().__init__(data, prefix=operation.slug)
        self.operation = operation
        self.models = {each.model_name: each for each in known_models(operation, overrides)}
        self.special = special_prices(operation)
        self.switches = unverified(operation)
        now = offered(operation, overrides)
        names = [each.model_name for each in now.capabilities]
        self.fields["default"] = forms.ChoiceField(
            choices=[(name, name) for name in self.models], initial=_first(now), required=False, error_messages=CHOOSE
        )
        for name in self.models:
            self.fields[f"offers:{name}"] = forms.BooleanField(required=False, initial=name in names)
        prices = matching(Kind.PRICE, operation, overrides)
        for name in self._priced:
            self.fields[f"price:{name}"] = Dollars(prices[name].value if name in prices else "")
        on = matching(Kind.UNVERIFIED, operation, overrides)
        for name in self.switches:
            self.fields[f"unverified:{name}"] = forms.BooleanField(required=False, initial=name in on)

    def clean(self) -> dict[str, Any]:
        """Begin with a model that is offered, as long as there is one."""
        cleaned = super().clean() or {}
        chosen, left = cleaned.get("default"), [name for name in self.models if cleaned[f"offers:{name}"]]
        if chosen and left and chosen not in left:
            self.add_error("default", f"{chosen} is not offered, so Create cannot begin with it. Choose another.")
        return cleaned

    @property
    def rows(self) -> Iterator[Row]:
        """The lines of the table: the models, then the prices that depend on something else."""
        for name, model in self.models.items():
            price = _in_words(listed(self.operation, model))
            yield Row(name, self[f"price:{name}"], price, model, self[f"offers:{name}"])
        if not self.models:
            yield Row("Every picture", self["price:"], _in_words(listed(self.operation)))
        for words, special in self.special.items():
            yield Row(f"Any model with {words}", self[f"price:{words}"], _in_words(special))

    @property
    def unverified(self) -> Iterator[tuple[str, str, forms.BoundField, Source]]:
        """What can be switched on: its label and name, whether it is, and who says that it might work."""
        for name, each in self.switches.items():
            several = isinstance(each, Picture) and each.parameter
            yield "Several pictures" if several else each.label, name, self[f"unverified:{name}"], each.source

    def overrides(self, removed: Collection[str]) -> list[Override]:
        """What was entered, where it differs from the declaration; nothing about added models that are removed."""
        gone = {name for name, each in self.models.items() if each.like and name in removed}
        return [each for each in self._entered() if gone.isdisjoint((each.name, each.value))]

    def _entered(self) -> Iterator[Override]:
        said, slug = self.cleaned_data, self.operation.slug
        for name, each in self.models.items():
            if said[f"offers:{name}"] == bool(each.retired):
                yield Override(kind=Kind.SHOWN if each.retired else Kind.HIDDEN, operation=slug, name=name)
        if said["default"] and said["default"] != _first(self.operation):
            yield Override(kind=Kind.DEFAULT, operation=slug, value=said["default"])
        for name in self._priced:
            if (price := said[f"price:{name}"]) is not None:
                yield Override(kind=Kind.PRICE, operation=slug, name=name, value=f"{price:f}")
        for name in self.switches:
            if said[f"unverified:{name}"]:
                yield Override(kind=Kind.UNVERIFIED, operation=slug, name=name)

    @property
    def _priced(self) -> tuple[str, ...]:
        return (*(self.models or [""]), *self.special)


class NewModelForm(forms.Form):
    """A model that the declaration does not know."""

    name = forms.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        label="Name",
        help_text="As the provider writes it: it is sent like this.",
        max_length=64,
        required=False,
        error_messages={"invalid": "A model's name has letters, digits and hyphens, and no spaces."},
    )

    def __init__(self, provider: Provider, overrides: Overrides, data: Any = None) -> None:
        super().__init__(data, prefix="new")
        self.added = {each.name: each.value for each in overrides if each.kind == Kind.ADDED}
        self.models = [{each.model_name for each in one.capabilities} for one in provider.operations]
        declared = dict.fromkeys(each.model_name for one in provider.operations for each in one.capabilities)
        self.fields["like"] = forms.ChoiceField(
            label="It can do what this one can",
            choices=[("", "Choose a model"), *((name, name) for name in declared)],
            required=False,
            error_messages=CHOOSE,
        )
        self.fields["remove"] = forms.MultipleChoiceField(
            choices=[(name, name) for name in self.added], required=False, error_messages=CHOOSE
        )

    def clean(self) -> dict[str, Any]:
        """A new model has a name that is not there yet, and is like one that is."""
        cleaned = super().clean() or {}
        name, like = cleaned.get("name"), cleaned.get("like")
        if like and name == "":
            self.add_error("name", "Enter the name of the new model.")
        elif name and like == "":
            self.add_error("like", "Choose the model whose fields and limits it has.")
        elif name and name in self.added:
            self.add_error("name", f"{name} has been added already.")
        elif name and like and all(name in names for names in self.models if like in names):
            self.add_error("name", f"Wherever there is {like}, {name} is there already.")
        return cleaned

    @property
    def overrides(self) -> Iterator[Override]:
        """The models that there are beyond the declared ones from now on."""
        new = {self.cleaned_data["name"]: self.cleaned_data["like"]} if self.cleaned_data["name"] else {}
        for name, like in (self.added | new).items():
            if name not in self.cleaned_data["remove"]:
                yield Override(kind=Kind.ADDED, name=name, value=like)


class ModelsForm:
    """All that a provider offers; it is saved as a whole. `state` tells from which overrides it was drawn."""

    def __init__(self, provider: Provider, overrides: Overrides, data: Any = None) -> None:
        self.state = sha256(repr(sorted(each.said for each in overrides)).encode()).hexdigest()
        self.operations = [OperationForm(each, overrides, data) for each in provider.operations]
        self.new = NewModelForm(provider, overrides, data)

    def is_valid(self) -> bool:
        """Whether all of it can be saved."""
        return all(each.is_valid() for each in (self.new, *self.operations))

    @property
    def overrides(self) -> list[Override]:
        """What was entered."""
        removed = self.new.cleaned_data["remove"]
        return [*self.new.overrides, *(said for each in self.operations for said in each.overrides(removed))]


def _first(operation: Operation) -> str:
    """The model that Create begins with; empty where none is chosen."""
    names = [each.model_name for each in operation.capabilities]
    declared = next((each.default for each in operation.fields if each.meaning == "model"), None)
    return str(declared or "") if declared in names or not names else names[0]


def _in_words(price: Price | None) -> str:
    return f"listed: {pricing.in_words(price.usd, price.per_picture, price.unit)}" if price else "no price is listed"
