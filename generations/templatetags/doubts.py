"""What templates say about requests of unknown fate."""

from django.template import Library

from generations.models import Generation
from generations.services import unconfirmed, weighing

register = Library()


@register.filter
def evidence(generation: Generation) -> str:
    """What the account's balance says about it; empty where it says nothing."""
    return weighing.evidence(generation)


@register.filter
def looked_for(generation: Generation) -> bool:
    """Whether klingweb goes on looking for it by itself."""
    return generation.provider in unconfirmed.findable() and generation.credential.erased_at is None


@register.filter
def sent_from_here(generation: Generation) -> bool:
    """Whether it is known when it was sent last: a restored one names no turn that did it."""
    return bool(generation.token)
