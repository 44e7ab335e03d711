"""Reference images as they arrive: with the form, from an address, or from a picture that was made here."""

import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from generations import access, assets
from generations.catalogue import offers
from generations.forms import control_name
from generations.models import Asset
from generations.pictures import BadPicture
from generations.providers.fields import Picture
from generations.providers.spec import Operation
from klingweb.accounts.access import SignedIn, choose_team, membership_in, require_member, sign_in_required
from klingweb.accounts.models import Membership

DOING = "use reference images"


def receive(request: SignedIn, member: Membership, operation: Operation, data: dict[str, str]) -> dict[str, str]:
    """Keep what was uploaded or named by its address, so that the form carries its id from here on.

    Changes `data` accordingly; returns sentences by field name for what cannot be kept.
    """
    wrong = {}
    for each in _pictures(operation):
        try:
            asset = _arrived(request, member, each, data)
        except BadPicture as refusal:
            wrong[each.name] = str(refusal)
            continue
        if asset:
            data[control_name(each)] = str(asset.pk)
        elif data.get("remove") == each.name:
            data.pop(control_name(each), None)
    return wrong


def named(member: Membership, data: dict[str, str]) -> dict[str, Asset]:
    """The team's assets that a form names, by their id."""
    ids = [value for name, value in data.items() if name.endswith("__asset") and _is_id(value)]
    return {str(each.pk): each for each in Asset.objects.filter(team=member.team, pk__in=ids)} if ids else {}


@require_POST
@sign_in_required
def use(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Make a reference of a picture that was made here, and open the form with it."""
    image = access.image(request.user, pk)
    member = require_member(membership_in(request.user, image.generation.team_id), DOING)
    choose_team(request, member.team_id)
    for offer in offers(member.team):
        for operation in offer.operations:
            for each in _pictures(operation):
                return _open_with(request, member, image.pk, offer.provider.slug, operation, each)
    messages.warning(request, "No provider that your team uses takes a reference image.")
    return redirect("create")


def _open_with(
    request: SignedIn, member: Membership, pk: uuid.UUID, provider: str, operation: Operation, field: Picture
) -> HttpResponse:
    try:
        asset = assets.keep_image(access.image(request.user, pk), member.user, field.limits)
    except BadPicture as refusal:
        messages.warning(request, str(refusal))
        return redirect("create")
    chosen = {"provider": provider, "operation": operation.slug, control_name(field): str(asset.pk)}
    return redirect(f"{reverse('create')}?{urlencode(chosen)}")


def _arrived(request: SignedIn, member: Membership, field: Picture, data: dict[str, str]) -> Asset | None:
    upload = request.FILES.get(field.name)
    address, image = (data.pop(f"{field.name}__{kind}", "").strip() for kind in ("address", "image"))
    if not (upload or address or image):
        return None
    require_member(member, DOING)
    if upload and upload.file:
        return assets.keep(member.team, member.user, upload.file, upload.name or "", field.limits)
    if address:
        return assets.keep_address(member.team, member.user, address, field.limits)
    if not _is_id(image):
        raise BadPicture("Choose the picture again.")
    made = access.image(request.user, uuid.UUID(image))
    if made.generation.team_id != member.team_id:
        raise BadPicture("That picture belongs to another of your teams. Switch to that team first.")
    return assets.keep_image(made, member.user, field.limits)


def _pictures(operation: Operation) -> list[Picture]:
    return [each for each in operation.fields if isinstance(each, Picture)]


def _is_id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
