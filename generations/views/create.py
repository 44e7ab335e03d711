"""Create: the form, what became of it, and the news about everything unfinished on an open page."""

import uuid
from datetime import UTC, datetime, timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import reswap

from generations import access, queries, queue
from generations.catalogue import Offer, offers
from generations.forms import CreateForm
from generations.models import Generation
from generations.providers.fields import Elements
from generations.providers.registry import PROVIDERS
from generations.services import asking
from generations.views import detail, references
from klingweb.accounts.access import SignedIn, membership, require_member, team_required
from klingweb.accounts.models import Membership

RECENT = 12
LONGEST_AGO = timedelta(days=1)
LISTS = frozenset(
    each.name
    for provider in PROVIDERS.values()
    for operation in provider.operations
    for each in operation.fields
    if isinstance(each, Elements)
)


@require_http_methods(["GET", "HEAD", "POST"])
@gzip_page
@never_cache
@team_required
def create(request: SignedIn) -> HttpResponse:
    """Show the form; swap its fields (`refresh`, `without` a picture, `move` of one); or ask for pictures."""
    member = membership(request)
    offered = offers(member.team)
    if not offered:
        return render(request, "generations/no_credential.html", {"member": member, "providers": PROVIDERS.values()})
    if request.method != "POST":
        start = _start(request)
        return _page(request, member, CreateForm(offered, start, assets=references.named(member, start)))
    form = _received(request, member, offered)
    if not form.refreshing:
        return _ask(request, require_member(member, "make pictures"), form)
    if request.htmx:
        return render(request, "generations/_fields.html", {"form": form})
    return _page(request, member, form)


@require_GET
@gzip_page
@never_cache
@team_required
def changes(request: SignedIn) -> HttpResponse:
    """Whatever changed on the page since it last asked; 204 where nothing did."""
    queue.nudge_follower()
    now, page, shown = timezone.now(), request.GET.get("page"), _shown(request)
    counts = queries.counts(shown)  # first: what ends after this is found below, and what ends later is asked for again
    found = queries.changed_since(_named(request, shown), _since(request, now))
    if not found and counts.moving:
        return HttpResponse(status=204)
    context = {"changed": found, "counts": counts, "now": now, "page": page, "member": membership(request)}
    if page == "generation" and found:
        context |= detail.context_of(request, found[0])
    return render(request, "generations/_changes.html", context)


def _received(request: SignedIn, member: Membership, offered: tuple[Offer, ...]) -> CreateForm:
    """The form as it was sent, with the pictures that came along kept, and errors for those that could not be."""
    data = texts(request.POST)
    wrong = references.receive(request, member, CreateForm(offered, data), data)
    return CreateForm(offered, data, wrong, references.named(member, data))


def _ask(request: SignedIn, member: Membership, form: CreateForm) -> HttpResponse:
    form.errors = {**form.errors, **form.foreign}
    if not form.errors:
        asked = asking.ask(member, form.offer, form.operation, form.credential, form.raw, form.key)
        form.errors = asked.errors
        if asked.generation:
            return _accepted(request, member, asked, form.offer)
    if request.htmx:
        return render(request, "generations/_form.html", {"form": form, "member": member}, status=422)
    return _page(request, member, form, status=422)


def _accepted(request: SignedIn, member: Membership, asked: asking.Requested, offer: Offer) -> HttpResponse:
    generation = asked.generation
    if not request.htmx or not generation:
        return redirect("generation", generation.pk if generation else uuid.uuid4())
    mine, now = _mine(request, member), timezone.now()
    context = {
        "member": member,
        "generation": queries.with_images(mine.filter(pk=generation.pk)).get(),
        "new": asked.new,
        "key": CreateForm((offer,)).key,
        "counts": queries.counts(mine),
        "now": now,
        "since": now - LONGEST_AGO,  # nobody knows when the page asked last
        "page": "create",
    }
    return reswap(render(request, "generations/_accepted.html", context), "none")  # the form stays as it is


def _page(request: SignedIn, member: Membership, form: CreateForm, status: int = 200) -> HttpResponse:
    mine = _mine(request, member)
    recent = list(queries.with_images(mine)[:RECENT])
    context = {
        "member": member,
        "form": form,
        "recent": recent,
        "counts": queries.counts(mine),
        "now": timezone.now(),
        "page": "create",
    }
    return render(request, "generations/create.html", context, status=status)


def _start(request: SignedIn) -> dict[str, str]:
    """What the form opens with: the address, or the settings of an earlier generation (`?settings=<id>`)."""
    try:
        earlier = access.generation(request.user, uuid.UUID(request.GET.get("settings", "")))
    except ValueError:
        return texts(request.GET)
    except Http404:
        messages.warning(request, "The generation whose settings should be used does not exist any more.")
        return {}
    chosen = {"provider": earlier.provider, "operation": earlier.operation, "credential": str(earlier.credential_id)}
    used = {f"{each.field}__asset": str(each.asset_id) for each in earlier.references.all()}
    return chosen | used | {name: str(value) for name, value in earlier.values.items() if f"{name}__asset" not in used}


def texts(data: QueryDict) -> dict[str, str]:
    """A form as text by control name; the values of a list, however they came, are one text."""
    lists = {name: ",".join(filter(None, data.getlist(name))) for name in LISTS if name in data}
    return {name: str(value) for name, value in data.items()} | lists


def _mine(request: SignedIn, member: Membership) -> QuerySet[Generation]:
    return access.visible_to(request.user).filter(team=member.team, person=request.user)


def _shown(request: SignedIn) -> QuerySet[Generation]:
    """What the page that asks can show: one generation, the team's, or the person's own."""
    page = request.GET.get("page")
    if page == "generation":
        return _named(request, access.visible_to(request.user))
    member = membership(request)
    return access.visible_to(request.user).filter(team=member.team) if page == "history" else _mine(request, member)


def _named(request: SignedIn, shown: QuerySet[Generation]) -> QuerySet[Generation]:
    """Those that the page names as unfinished there (`g`): it has no place for others."""
    if "g" not in request.GET:
        return shown
    return shown.filter(pk__in=[_uuid(each) for each in request.GET.getlist("g") if each])


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
