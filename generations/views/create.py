"""Create: the form, what became of it, and the news about everything unfinished on an open page."""

import uuid
from datetime import UTC, datetime, timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from generations import access, queries, queue
from generations.catalogue import Offer, offers
from generations.forms import CreateForm
from generations.models import Generation
from generations.services import asking
from klingweb.accounts.access import SignedIn, membership, require_member, team_required
from klingweb.accounts.models import Membership

RECENT = 12
LONGEST_AGO = timedelta(days=1)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@team_required
def create(request: SignedIn) -> HttpResponse:
    """Show the form; swap its fields (`refresh`); or ask for pictures."""
    member = membership(request)
    offered = offers(member.team)
    if not offered:
        return render(request, "generations/no_credential.html", {"member": member})
    if request.method != "POST":
        return _page(request, member, CreateForm(offered, _start(request)))
    form = CreateForm(offered, _texts(request.POST))
    if "refresh" in request.POST:
        return (
            render(request, "generations/_fields.html", {"form": form})
            if request.htmx
            else _page(request, member, form)
        )
    return _ask(request, require_member(member, "make pictures"), form)


@require_GET
@never_cache
@team_required
def changes(request: SignedIn) -> HttpResponse:
    """Whatever changed on the page since it last asked; 204 where nothing did."""
    queue.nudge_follower()
    now, shown = timezone.now(), _shown(request)
    found = queries.changed_since(shown, _since(request, now))
    counts = queries.counts(shown)
    if not found and counts.running:
        return HttpResponse(status=204)
    context = {
        "changed": found,
        "counts": counts,
        "now": now,
        "page": request.GET.get("page"),
        "g": request.GET.get("g", ""),
    }
    return render(request, "generations/_changes.html", context)


def _ask(request: SignedIn, member: Membership, form: CreateForm) -> HttpResponse:
    form.errors = form.foreign
    if not form.errors:
        asked = asking.ask(member, form.offer, form.operation, form.credential, form.raw, form.key)
        form.errors = asked.errors
        if asked.generation:
            return _accepted(request, asked, form.offer)
    if request.htmx:
        return render(request, "generations/_form.html", {"form": form}, status=422)
    return _page(request, member, form, status=422)


def _accepted(request: SignedIn, asked: asking.Requested, offer: Offer) -> HttpResponse:
    generation = asked.generation
    if not request.htmx or not generation:
        return redirect("generation", generation.pk if generation else uuid.uuid4())
    shown = access.visible_to(request.user).filter(person=request.user)
    card = queries.with_images(shown.filter(pk=generation.pk)).get()
    context = {
        "generation": card,
        "new": asked.new,
        "now": timezone.now(),
        "counts": queries.counts(shown),
        "offer": offer,
    }
    return render(request, "generations/_accepted.html", context | {"key": CreateForm((offer,)).key, "page": "create"})


def _page(request: SignedIn, member: Membership, form: CreateForm, status: int = 200) -> HttpResponse:
    mine = _mine(request, member)
    recent = list(queries.with_images(mine)[:RECENT])
    context = {"form": form, "recent": recent, "counts": queries.counts(mine), "now": timezone.now(), "page": "create"}
    return render(request, "generations/create.html", context, status=status)


def _start(request: SignedIn) -> dict[str, str]:
    """What the form opens with: the address, or the settings of an earlier generation (`?settings=<id>`)."""
    try:
        earlier = access.generation(request.user, uuid.UUID(request.GET.get("settings", "")))
    except ValueError:
        return _texts(request.GET)
    except Http404:
        messages.warning(request, "The generation whose settings should be used does not exist any more.")
        return {}
    chosen = {"provider": earlier.provider, "operation": earlier.operation, "credential": str(earlier.credential_id)}
    return chosen | {name: str(value) for name, value in earlier.values.items()}


def _texts(data: QueryDict) -> dict[str, str]:
    return {name: str(value) for name, value in data.items()}


def _mine(request: SignedIn, member: Membership) -> QuerySet[Generation]:
    return access.visible_to(request.user).filter(team=member.team, person=request.user)


def _shown(request: SignedIn) -> QuerySet[Generation]:
    """What the page that asks can show: one generation, the team's, or the person's own."""
    page = request.GET.get("page")
    if page == "generation":
        return access.visible_to(request.user).filter(pk=_uuid(request.GET.get("g", "")))
    member = membership(request)
    return access.visible_to(request.user).filter(team=member.team) if page == "history" else _mine(request, member)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404 from None


def _since(request: SignedIn, now: datetime) -> datetime:
    try:
        since = datetime.fromtimestamp(float(request.GET["since"]), tz=UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return now - LONGEST_AGO
    return max(since, now - LONGEST_AGO)
