"""What a team is offered: the declarations, without what has been retired, for the credentials that the team has."""

from dataclasses import dataclass, replace

from generations.credentials import working
from generations.models import Credential
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
    """All that the team can use, in the registry's order. One query."""
    found = list(working(team))
    return tuple(
        Offer(provider, tuple(offered(each) for each in provider.operations), mine)
        for provider in PROVIDERS.values()
        if (mine := tuple(each for each in found if each.provider == provider.slug))
    )


def offered(operation: Operation) -> Operation:
    """The operation without the models that their maker has retired."""
    return replace(operation, capabilities=tuple(each for each in operation.capabilities if not each.retired))
