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
from generations.forms import KEPT, CreateForm, control_name
from generations.models import Asset
from generations.pictures import BadPicture
from generations.providers.fields import Picture
from generations.providers.spec import Operation
from klingweb.accounts.access import SignedIn, choose_team, membership_in, require_member, sign_in_required
from klingweb.accounts.models import Membership

DOING = "use reference images"


def receive(request: SignedIn, member: Membership, form: CreateForm, data: dict[str, str]) -> dict[str, str]:
    """Keep what was uploaded or named by its address, so that the form carries its id from here on.

    Changes `data` accordingly; returns sentences by field name for what cannot be kept. A picture may come together
    with the choice of the operation that takes it.
    """
    carriers = {each: control_name(each) for each in form.seen.references}
    if form.operation is not form.seen:
        carriers |= {each: KEPT + each.meaning_in({}) for each in form.operation.references if each not in carriers}
    wrong = {}
    for each, carrier in carriers.items():
        try:
            asset = _arrived(request, member, each, data)
        except BadPicture as refusal:
            wrong[each.name] = str(refusal)
            continue
        if asset:
            data[carrier] = str(asset.pk)
        elif data.get("without") == each.name:
            data[carrier] = ""
    _move(form.seen, data)
    return wrong


def named(member: Membership, data: dict[str, str]) -> dict[str, Asset]:
    """The team's assets that a form names, by their id."""
    ids = [value for name, value in data.items() if name.endswith("__asset") or name.startswith(KEPT) if _is_id(value)]
    return {str(each.pk): each for each in Asset.objects.filter(team=member.team, pk__in=ids)} if ids else {}


def _move(operation: Operation, data: dict[str, str]) -> None:
    """Change two pictures of one row with each other: `move` names their fields."""
    first, _, second = data.get("move", "").partition(":")
    fields = {each.name: each for each in operation.references}
    if first in fields and second in fields and fields[first].series and fields[first].series == fields[second].series:
        one, other = control_name(fields[first]), control_name(fields[second])
        data[one], data[other] = data.get(other, ""), data.get(one, "")


@require_POST
@sign_in_required
def use(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Make a reference of a picture that was made here, and open the form with it."""
    image = access.image(request.user, pk)
    member = require_member(membership_in(request.user, image.generation.team_id), DOING)
    choose_team(request, member.team_id)
    for offer in offers(member.team):
        for operation in offer.operations:
            for each in operation.references:
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


def _is_id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
