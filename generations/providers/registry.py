"""The only list of providers."""

from generations.providers import apimodels, kkiai, kling, useapi
from generations.providers.spec import Operation, Provider

PROVIDERS: dict[str, Provider] = {
    each.slug: each for each in (kling.PROVIDER, useapi.PROVIDER, kkiai.PROVIDER, apimodels.PROVIDER)
}


def find(provider: str, operation: str) -> tuple[Provider, Operation]:
    """The provider and its operation by their slugs; raises LookupError where there is none."""
    found = PROVIDERS[provider]
    if chosen := found.operation(operation):
        return found, chosen
    raise LookupError(operation)
