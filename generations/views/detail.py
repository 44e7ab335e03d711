"""One generation: its pictures, its settings, and what happened to it."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generations import access, queries
from generations.models import Generation
from generations.providers.registry import find
from generations.services import asking
from klingweb.accounts.access import SignedIn, membership_in, require_member, sign_in_required


@require_safe
@never_cache
@sign_in_required
def generation(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """The page; `?picture=2` shows the second picture large."""
    found = access.generation(request.user, pk)
    return render(request, "generations/generation.html", context_of(found, request.GET.get("picture", "1")))


@require_POST
@sign_in_required
def cancel(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Take a generation back while it still waits here."""
    found = access.generation(request.user, pk)
    member = require_member(membership_in(request.user, found.team_id), "cancel it")
    if not asking.cancel(found, member.user.display_name):
        messages.warning(request, "It has left already and cannot be stopped. The pictures will arrive here.")
    return redirect("generation", pk)


def context_of(found: Generation, picture: str = "1") -> dict[str, object]:
    """What the generation's page shows."""
    shown = queries.with_images(Generation.objects.filter(pk=found.pk)).get()
    pictures = queries.kept(shown)
    number = int(picture) if picture.isascii() and picture.isdecimal() and 0 < int(picture[:3]) <= len(pictures) else 1
    provider, operation = find(found.provider, found.operation)
    return {
        "generation": shown,
        "pictures": pictures,
        "current": pictures[number - 1] if pictures else None,
        "settings": [(each.label, found.values[each.name]) for each in operation.fields if each.name in found.values],
        "provider": provider,
        "operation": operation,
        "events": found.events.all(),
        "counts": queries.counts(Generation.objects.filter(pk=found.pk)),
        "now": timezone.now(),
        "page": "generation",
    }
