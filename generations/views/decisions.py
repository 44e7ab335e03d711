"""What only a person can decide: a request of unknown fate, and what is to be removed for good."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from generations import access, queries
from generations.models import Generation, Status
from generations.services import deleting, unconfirmed, weighing
from klingweb.accounts.access import SignedIn, membership_in, require_member, sign_in_required
from klingweb.accounts.models import Membership


@require_POST
@sign_in_required
def decide(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Look again, say that it was made or bring its pictures, send it again, or give it up (`action`)."""
    generation, member = _acting(request, pk, "decide about it")
    decision = DECISIONS.get(request.POST.get("action", ""))
    if decision:
        decision(request, generation, member)
    return redirect("generation", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sign_in_required
def delete(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Ask once, then delete a generation with its pictures."""
    generation, member = _acting(request, pk, "delete it")
    if request.method != "POST":
        context = {
            "generation": generation,
            "pictures": queries.kept(generation),
            "why_not": deleting.obstacle(generation),
        }
        return render(request, "generations/delete.html", context)
    if deleting.delete(generation, member.user):
        messages.success(request, "Deleted, with its pictures.")
        return redirect("history")
    messages.warning(request, deleting.obstacle(generation) or "It is gone already.")
    return redirect("generation", pk)


def _acting(request: SignedIn, pk: uuid.UUID, doing: str) -> tuple[Generation, Membership]:
    generation = access.generation(request.user, pk)
    return generation, require_member(membership_in(request.user, generation.team_id), doing)


def _look(request: SignedIn, generation: Generation, _member: Membership) -> None:
    unconfirmed.look_again(generation)
    generation.refresh_from_db(fields=["status", "problem_details"])
    if generation.status == Status.UNCONFIRMED:
        messages.info(request, f"Nothing new. {weighing.evidence(generation) or generation.problem_details}")
    else:
        messages.success(request, "The provider answered: it goes on.")


def _made(request: SignedIn, generation: Generation, member: Membership) -> None:
    try:
        unconfirmed.it_was_made(generation, request.POST.get("task_id", "").strip(), member.user)
    except unconfirmed.CannotTell as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, "Found. Its pictures are brought home.")


def _brought(request: SignedIn, generation: Generation, member: Membership) -> None:
    files = [each.file for each in request.FILES.getlist("pictures") if each.file]
    try:
        unconfirmed.here_they_are(generation, files, member.user)
    except unconfirmed.CannotTell as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, "Kept with this generation.")


def _again(request: SignedIn, generation: Generation, member: Membership) -> None:
    if not unconfirmed.send_again(generation, member.user):
        messages.warning(request, "It was decided already.")


def _give_up(request: SignedIn, generation: Generation, member: Membership) -> None:
    if not unconfirmed.give_up(generation, member.user):
        messages.warning(request, "It was decided already.")


DECISIONS: dict[str, Callable[[SignedIn, Generation, Membership], None]] = {
    "look": _look,
    "made": _made,
    "brought": _brought,
    "again": _again,
    "give_up": _give_up,
}
