"""Create: the form, and what became of it."""

import uuid

from django.contrib import messages
from django.db.models import QuerySet, prefetch_related_objects
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap

from generations import access, queries
from generations.catalogue import Offer, offers
from generations.forms import CreateForm, new_key
from generations.models import Generation
from generations.providers.fields import Elements
from generations.providers.registry import PROVIDERS
from generations.services import asking
from generations.views import references
from klingweb.accounts.access import SignedIn, membership, require_member, team_required
from klingweb.accounts.models import Membership

RECENT = 12
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


def _received(request: SignedIn, member: Membership, offered: tuple[Offer, ...]) -> CreateForm:
    """The form as it was sent, with the pictures that came along kept, and errors for those that could not be."""
    data = texts(request.POST)
    wrong = references.receive(request, member, CreateForm(offered, data), data)
    return CreateForm(offered, data, wrong, references.named(member, data))


def _ask(request: SignedIn, member: Membership, form: CreateForm) -> HttpResponse:
    form.errors = {**form.errors, **form.foreign}
    if not form.errors:
        asked = asking.ask(member, form.offer, form.operation, form.chosen_credential, form.raw, form.request_key)
        form.errors = asked.errors
        if asked.generation:
            return _accepted(request, member, asked.generation, new=asked.new)
    if request.htmx:
        return render(request, "generations/_form.html", {"form": form, "member": member}, status=422)
    return _page(request, member, form, status=422)


def _accepted(request: SignedIn, member: Membership, generation: Generation, *, new: bool) -> HttpResponse:
    if not request.htmx:
        return redirect("generation", generation.pk)
    prefetch_related_objects([generation], "images")
    context = {
        "member": member,
        "generation": generation,
        "new": new,
        "key": new_key(),
        "moving": True,
        "now": timezone.now(),
        "page": "create",
    }
    return reswap(render(request, "generations/_accepted.html", context), "none")  # the form stays as it is


def _page(request: SignedIn, member: Membership, form: CreateForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    recent = list(queries.with_images(_mine(request, member))[:RECENT])
    context = {
        "member": member,
        "form": form,
        "recent": recent,
        "moving": any(queries.may_change(each, now) for each in recent),
        "now": now,
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
    credential = "" if earlier.open_credential else str(earlier.credential_id)
    chosen = {"provider": earlier.provider, "operation": earlier.operation, "credential": credential}
    used = {f"{each.field}__asset": str(each.asset_id) for each in earlier.references.all()}
    return chosen | used | {name: str(value) for name, value in earlier.values.items() if f"{name}__asset" not in used}


def texts(data: QueryDict) -> dict[str, str]:
    """A form as text by control name; the values of a list, however they came, are one text."""
    lists = {name: ",".join(filter(None, data.getlist(name))) for name in LISTS if name in data}
    return {name: str(value) for name, value in data.items()} | lists


def _mine(request: SignedIn, member: Membership) -> QuerySet[Generation]:
    return access.visible_to(request.user).filter(team=member.team, person=request.user)
