"""Names for elements of a provider's library: a member gives them, so that the form can offer them to everybody."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from generations import assets
from generations.models import Asset, Element
from generations.providers.fields import Elements
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from klingweb.accounts.models import Membership


class Taken(Exception):
    """The team has named this element before. The text says how."""


@dataclass(frozen=True)
class Named:
    """An element as a person entered it. No `asset` means no picture."""

    provider: str
    element_id: str
    name: str
    asset: Asset | None = None


def libraries() -> tuple[Provider, ...]:
    """The providers that have a library of elements."""
    return tuple(
        provider
        for provider in PROVIDERS.values()
        if any(isinstance(each, Elements) for operation in provider.operations for each in operation.fields)
    )


def add(member: Membership, named: Named) -> Element:
    """A new element of the member's team. Raises Taken."""
    try:
        with transaction.atomic():
            return Element.objects.create(team=member.team, by=member.user, **vars(named))
    except IntegrityError:
        same = Element.objects.filter(team=member.team, provider=named.provider, element_id=named.element_id).first()
        raise Taken(f"Your team calls this element {same} already. Change that one instead.") from None


def change(element: Element, name: str, asset: Asset | None) -> None:
    """Give it another name and, where there is one, another picture."""
    old = element.asset
    Element.objects.filter(pk=element.pk).update(name=name, asset=asset or old)
    if asset:
        _forget(old)


def remove(element: Element) -> None:
    """Offer it no longer. What was made with it stays, and at the provider nothing changes."""
    Element.objects.filter(pk=element.pk).delete()
    _forget(element.asset)


def _forget(asset: Asset | None) -> None:
    if asset and not assets.is_used(asset):
        assets.forget(asset)
