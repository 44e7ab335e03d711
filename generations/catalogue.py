"""What a team is offered: the declarations, as its admins changed them, for the credentials that the team has."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import transaction
from django.db.models import prefetch_related_objects

from generations.credentials import working
from generations.models import Credential, Override
from generations.providers.fields import ALWAYS, Choice, Clause, Field, Fixed, Ours, Picture, Source, When, equals
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Capability, Operation, Price, Provider
from klingweb.accounts.models import Team

Kind = Override.Kind
Overrides = Collection[Override]


@dataclass(frozen=True)
class Offer:
    """A provider that the team can use, with its operations as offered and the credentials to choose from."""

    provider: Provider
    operations: tuple[Operation, ...]
    credentials: tuple[Credential, ...]

    def operation(self, slug: str) -> Operation:
        """The operation of this slug, or the first."""
        return next((each for each in self.operations if each.slug == slug), self.operations[0])


def offers(team: Team) -> tuple[Offer, ...]:
    """All that the team can use, in the registry's order. A query each for credentials, accounts, overrides."""
    found, overrides = list(working(team)), overrides_of(team)
    prefetch_related_objects([each for each in found if PROVIDERS[each.provider].accounts], "accounts")
    made = (
        Offer(provider, operations_of(provider, overrides.get(provider.slug, ())), mine)
        for provider in PROVIDERS.values()
        if (mine := tuple(each for each in found if each.provider == provider.slug))
    )
    return tuple(each for each in made if each.operations)


# Overrides as rows ----------------------------------------------------------------------------------------------------


def overrides_of(team: Team) -> dict[str, Overrides]:
    """What the team's admins changed, by provider."""
    found: dict[str, list[Override]] = {}
    for each in Override.objects.filter(team=team):
        found.setdefault(each.provider, []).append(each)
    return {**found}


def change(team: Team, provider: Provider, wanted: Overrides) -> None:
    """From now on the team is offered the provider with these overrides, and no others."""
    said = {each.said for each in wanted}
    with transaction.atomic():
        had = {each.said: each.pk for each in Override.objects.filter(team=team, provider=provider.slug)}
        Override.objects.filter(pk__in=[pk for each, pk in had.items() if each not in said]).delete()
        fresh = [each for each in wanted if each.said not in had]
        for each in fresh:
            each.team, each.provider = team, provider.slug
        Override.objects.bulk_create(fresh, ignore_conflicts=True)  # another admin may be saving the same


# What they make of a declaration --------------------------------------------------------------------------------------


def operations_of(provider: Provider, overrides: Overrides = ()) -> tuple[Operation, ...]:
    """The provider's operations as offered; one that has lost all its models is not."""
    pairs = ((declared, offered(declared, overrides)) for declared in provider.operations)
    return tuple(new for declared, new in pairs if new.capabilities or not declared.capabilities)


def offered(operation: Operation, overrides: Overrides = ()) -> Operation:
    """The operation as it is offered: without what has been retired or is unverified, unless an admin wants it."""
    shown, hidden = (matching(kind, operation, overrides) for kind in (Kind.SHOWN, Kind.HIDDEN))
    models = tuple(
        each
        for each in known_models(operation, overrides)
        if (each.model_name in shown if each.retired else each.model_name not in hidden)
    )
    return replace(
        operation,
        capabilities=models,
        fields=_fields(operation, models, overrides),
        prices=_prices(operation, models, overrides),
    )


def known_models(operation: Operation, overrides: Overrides) -> tuple[Capability, ...]:
    """All models of the operation, offered or not: those declared, then those that an admin added."""
    declared = {each.model_name: each for each in operation.capabilities}
    added = (
        replace(
            declared[each.value],
            model_name=name,
            like=each.value,
            retired=None,
            usual_seconds=None,
            source=_source(each),
        )
        for name, each in matching(Kind.ADDED, operation, overrides).items()
        if each.value in declared and name not in declared
    )
    return (*operation.capabilities, *added)


def listed(operation: Operation, model: Capability | None = None) -> Price | None:
    """The price as declared: of the model, or of a picture where there is none to choose."""
    if model:
        return operation.price({operation.named("model"): model.like or model.model_name})
    return operation.price(operation.clean({}).values)


def special_prices(operation: Operation) -> dict[str, Price]:
    """The declared prices that depend on more than the model, by their condition in words: `resolution 4k`."""
    model = operation.named("model")
    return {
        _in_words(each.when): each
        for each in operation.prices
        if any(clause.name != model for way in each.when.ways for clause in way)
    }


def unverified(operation: Operation) -> dict[str, Field]:
    """What an admin can switch on, by its parameter: the field, or the first one where it is a list of them."""
    found: dict[str, Field] = {}
    for each in filter(_is_unverified, operation.fields):
        found.setdefault(_parameter(each), each)
    return found


def matching(kind: Kind, operation: Operation, overrides: Overrides) -> dict[str, Override]:
    """The overrides of this kind that hold for the operation, by name."""
    return {each.name: each for each in overrides if each.kind == kind and each.operation in ("", operation.slug)}


def _fields(operation: Operation, models: Iterable[Capability], overrides: Overrides) -> tuple[Field, ...]:
    switched_on = matching(Kind.UNVERIFIED, operation, overrides)
    default = matching(Kind.DEFAULT, operation, overrides).get("")
    fields = (each for each in operation.fields if not _is_unverified(each) or _parameter(each) in switched_on)
    if not default or default.value not in {each.model_name for each in models}:
        return tuple(fields)
    return tuple(replace(each, default=default.value) if _chooses_model(each) else each for each in fields)


def _prices(operation: Operation, models: Iterable[Capability], overrides: Overrides) -> tuple[Price, ...]:
    """The more exact ones first: a special price, a model's own, that of the model it is like, any other."""
    changed, special = matching(Kind.PRICE, operation, overrides), special_prices(operation)
    model = operation.named("model")
    own = {each.model_name: each for each in sorted(models, key=lambda each: not each.like)}
    return (
        *(_price(changed[words], each.when, each) if words in changed else each for words, each in special.items()),
        *(
            _price(changed[name], equals(model, name), listed(operation, each))
            for name, each in own.items()
            if name in changed
        ),
        *([_price(changed[""], ALWAYS, listed(operation))] if "" in changed else []),
        *(each for each in operation.prices if each not in special.values()),
    )


def _price(override: Override, when: When, declared: Price | None) -> Price:
    """In dollars as the admin says, in the provider's own unit as declared."""
    dollars = Decimal(override.value)
    per_picture, unit = (declared.per_picture, declared.unit) if declared else (dollars, "USD")
    return Price(per_picture=per_picture, unit=unit, usd=dollars, when=when, source=_source(override))


def _source(override: Override) -> Source:
    return Source("An admin of the team", override.since.date().isoformat())


def _is_unverified(each: Field) -> bool:
    return each.mark == "unverified" and not isinstance(each, Ours | Fixed)


def _chooses_model(each: Field) -> bool:
    return isinstance(each, Choice) and each.meaning == "model"


def _parameter(each: Field) -> str:
    return (isinstance(each, Picture) and each.parameter) or each.name


def _in_words(when: When) -> str:
    return " or ".join(" and ".join(map(_clause, way)) for way in when.ways)


def _clause(clause: Clause) -> str:
    return f"{clause.name} {' or '.join(map(str, clause.options)) or ('given' if clause.filled else 'empty')}"
