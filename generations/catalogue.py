"""What a team is offered: the declarations, without what has been retired, for the credentials that the team has."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from django.db import transaction

from generations.credentials import working
from generations.models import Credential, ShownModel
from generations.providers.fields import Source
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation, Provider
from klingweb.accounts.models import Team


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
    """All that the team can use, in the registry's order. Two queries."""
    found, shown = list(working(team)), shown_models(team)
    return tuple(
        Offer(provider, tuple(offered(each, shown.get(provider.slug, set())) for each in provider.operations), mine)
        for provider in PROVIDERS.values()
        if (mine := tuple(each for each in found if each.provider == provider.slug))
    )


def offered(operation: Operation, shown: Collection[str] = ()) -> Operation:
    """The operation without the models that their maker has retired, except those that an admin shows."""
    kept = tuple(each for each in operation.capabilities if not each.retired or each.model_name in shown)
    return replace(operation, capabilities=kept)


def retired_models(provider: Provider) -> dict[str, Source]:
    """The provider's models that have been retired, and where that was announced."""
    every = (each for operation in provider.operations for each in operation.capabilities)
    return {each.model_name: each.retired for each in every if each.retired}


def shown_models(team: Team) -> dict[str, set[str]]:
    """Retired models that the team is offered all the same, by provider."""
    shown: dict[str, set[str]] = {}
    for provider, model_name in ShownModel.objects.filter(team=team).values_list("provider", "model_name"):
        shown.setdefault(provider, set()).add(model_name)
    return shown


def show_models(team: Team, provider: Provider, wanted: Collection[str]) -> None:
    """From now on these of the provider's retired models are offered to the team, and no other."""
    chosen = [name for name in retired_models(provider) if name in wanted]
    with transaction.atomic():
        ShownModel.objects.filter(team=team, provider=provider.slug).exclude(model_name__in=chosen).delete()
        for name in chosen:
            ShownModel.objects.get_or_create(team=team, provider=provider.slug, model_name=name)
