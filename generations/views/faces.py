"""The faces in a reference picture, for the form on Create."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from generations import access
from generations.catalogue import offers
from generations.forms import CreateForm
from generations.services import faces
from generations.views.create import texts
from klingweb.accounts.access import SignedIn, membership_in, require_member, sign_in_required


@require_POST
@never_cache
@sign_in_required
def look(request: SignedIn, pk: uuid.UUID) -> HttpResponse:
    """Ask the provider which faces there are, and show them in the form that came along; it is free."""
    asset = access.asset(request.user, pk)
    member = require_member(membership_in(request.user, asset.team_id), "look for faces")
    if not (offered := offers(member.team)):
        raise Http404
    form = CreateForm(offered, texts(request.POST), assets={str(asset.pk): asset})
    control = next((each for each in form.controls if each.kind == "face"), None)
    account = str(form.cleaned.values.get(form.operation.account) or "")
    said = faces.look(asset, form.credential, account) if control else ""
    if request.htmx and control:
        return render(request, "generations/_faces.html", {"form": form, "control": control, "said": said})
    if said:
        messages.warning(request, said)
    return redirect("create", preserve_request=True)  # the form goes on to its own page
