"""The only road to a team's objects. What a person may not see does not exist for them: 404."""

import uuid

from django.db.models import QuerySet
from django.http import Http404

from generations.models import Asset, Credential, Element, Generation, Image
from klingweb.accounts.access import team_ids
from klingweb.accounts.models import User


def visible_to(person: User) -> QuerySet[Generation]:
    """The generations that a person may see: all that the person's teams have made."""
    return Generation.objects.filter(team__memberships__user=person)  # a join, which is quicker to ask than a subquery


def generation(person: User, pk: uuid.UUID) -> Generation:
    """One generation that the person may see, with what its page shows. Raises Http404."""
    found = visible_to(person).filter(pk=pk).select_related("person", "credential", "team").first()
    if not found:
        raise Http404
    return found


def image(person: User, pk: uuid.UUID) -> Image:
    """One kept image that the person may see. Raises Http404."""
    found = Image.objects.filter(pk=pk, state__in=Image.HERE, generation__in=visible_to(person))
    if not (kept := found.select_related("generation").first()):
        raise Http404
    return kept


def asset(person: User, pk: uuid.UUID) -> Asset:
    """One reference image that the person may see. Raises Http404."""
    found = Asset.objects.filter(pk=pk, team__in=team_ids(person)).first()
    if not found:
        raise Http404
    return found


def credential(person: User, pk: int) -> Credential:
    """One credential of the person's teams that has not been removed. Raises Http404."""
    found = Credential.objects.filter(pk=pk, removed_at=None, team__in=team_ids(person)).select_related("team").first()
    if not found:
        raise Http404
    return found


def element(person: User, pk: int) -> Element:
    """One element of the person's teams. Raises Http404."""
    found = Element.objects.filter(pk=pk, team__in=team_ids(person)).select_related("asset", "team").first()
    if not found:
        raise Http404
    return found
