"""One generation: its pictures, its settings, and what happened to it."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from generations import access, queries
from generations.lifecycle import UNFINISHED
from generations.models import Generation, Image
from generations.providers.fields import Picture, Value
from generations.providers.registry import find
from generations.services import asking, following
from klingweb.accounts.access import SignedIn, membership_in, require_member, sign_in_required


@require_safe
@gzip_page
@never_cache
@sign_in_required
def generation(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """The page; `?picture=2` shows the second picture large."""
    found = access.generation(request.user, pk)
    return render(request, "generations/generation.html", context_of(request, found))


@require_POST
@sign_in_required
def cancel(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Take a generation back while it still waits here, or ask its provider to let go of it."""
    found = access.generation(request.user, pk)
    member = require_member(membership_in(request.user, found.team_id), "cancel it")
    if asking.cancel(found, member.user):
        return redirect("generation", pk)
    found.refresh_from_db()
    if refusal := following.ask_to_let_go(found, member.user):
        messages.warning(request, refusal)
    return redirect("generation", pk)


@require_POST
@sign_in_required
def check(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Ask the provider about a running generation in the next moment."""
    found = access.generation(request.user, pk)
    require_member(membership_in(request.user, found.team_id), "check it")
    following.check_now(found)
    messages.info(request, "Asked. What the provider says is shown here in a moment.")
    return redirect("generation", pk)


@require_POST
@sign_in_required
def retry(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Ask for the same once more, as a new attempt. The same button pressed twice asks once."""
    found = access.generation(request.user, pk)
    member = require_member(membership_in(request.user, found.team_id), "try it again")
    asked = asking.retry(member, found, f"retry of {pk} {found.retries.filter(finished_at__isnull=False).count()}")
    if asked.generation:
        return redirect("generation", asked.generation.pk)
    why = " ".join(asked.errors.values())
    messages.error(request, f"It cannot be asked for like that any more. {why} Use its settings and change them.")
    return redirect("generation", pk)


def context_of(request: SignedIn, found: Generation) -> dict[str, object]:
    """What the generation's page shows."""
    shown, now = queries.with_images(Generation.objects.filter(pk=found.pk)).get(), timezone.now()
    return {
        "generation": shown,
        "settings": _settings(shown),
        "events": found.events.all(),
        "member": membership_in(request.user, found.team_id),
        "moving": queries.may_change(shown, now),
        "under_way": shown.status in UNFINISHED,
        "now": now,
        "page": "generation",
    } | _stage(queries.kept(shown), request.GET.get("picture", ""))


def _stage(pictures: list[Image], number: str) -> dict[str, object]:
    """Which picture is large, and which stand before and after it in the round."""
    if not pictures:
        return {"pictures": []}
    position = next((place for place, each in enumerate(pictures) if str(each.number) == number), 0)
    return {
        "pictures": pictures,
        "several": len(pictures) > 1,
        "current": pictures[position],
        "position": position + 1,
        "before": pictures[position - 1],
        "after": pictures[(position + 1) % len(pictures)],
    }


def _settings(shown: Generation) -> list[tuple[str, str]]:
    """Label and value of everything that was asked for beside the prompt."""
    try:
        provider, operation = find(shown.provider, shown.operation)
    except LookupError:  # neither need be declared any more
        return [("Provider", shown.provider), ("Operation", shown.operation)]
    told = [each for each in operation.fields if each.name in shown.values and not isinstance(each, Picture)]
    chosen = [(each.label, shown.values[each.name]) for each in told]
    prompt = next((each.label for each in operation.fields if each.meaning == "prompt"), "")
    made_by: list[tuple[str, str]] = [("Provider", provider.label), ("Operation", operation.label)]
    return made_by + [(label, _in_words(value)) for label, value in chosen if label != prompt]


def _in_words(value: Value) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
