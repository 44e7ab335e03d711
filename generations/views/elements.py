"""The elements that a team has given names: everybody looks, members and admins change them."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from generations import access, assets, queries
from generations.element_forms import AddForm, ElementForm
from generations.models import Asset, Element
from generations.pictures import BadPicture
from generations.providers.fields import PictureBounds
from generations.providers.registry import PROVIDERS
from generations.services import elements
from generations.services.elements import Named
from klingweb.accounts.access import (
    SignedIn,
    membership,
    membership_in,
    opened_elsewhere,
    require_member,
    sign_in_required,
    team_required,
)
from klingweb.accounts.models import Membership

DOING = "change its elements"


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@team_required
def page(request: SignedIn) -> HttpResponse:
    """All of the current team's, and a form for a new one."""
    member = membership(request)
    form = AddForm(elements.libraries())
    if request.method == "POST":
        require_member(member, DOING)
        form = AddForm(elements.libraries(), request.POST, request.FILES)
        if wrong := opened_elsewhere(request):
            form.add_error(None, wrong)
        if form.is_valid() and _added(member, form):
            messages.success(request, f"{form.cleaned_data['name']} is added. Create offers it from now on.")
            return redirect("elements")
    found = [(each, PROVIDERS.get(each.provider)) for each in queries.elements_of(member.team)]
    context = {"form": form, "elements": found, "libraries": elements.libraries(), "member": member}
    return render(request, "generations/elements.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sign_in_required
def change(request: SignedIn, pk: int) -> HttpResponse:
    """Give one another name or picture."""
    element, member = _mine(request, pk)
    form = ElementForm(initial={"name": element.name})
    if request.method == "POST":
        form = ElementForm(request.POST, request.FILES)
        if form.is_valid() and _changed(member, element, form):
            messages.success(request, f"{form.cleaned_data['name']} is changed.")
            return redirect("elements")
    context = {"form": form, "element": element}
    return render(request, "generations/element.html", context, status=422 if form.errors else 200)


@require_POST
@sign_in_required
def remove(request: SignedIn, pk: int) -> HttpResponse:
    """Take one out of the list."""
    element, _ = _mine(request, pk)
    elements.remove(element)
    messages.success(request, f"{element} is removed. At the provider nothing has changed.")
    return redirect("elements")


def _mine(request: SignedIn, pk: int) -> tuple[Element, Membership]:
    element = access.element(request.user, pk)
    return element, require_member(membership_in(request.user, element.team_id), DOING)


def _added(member: Membership, form: AddForm) -> bool:
    """Whether it worked; what is wrong stands in the form."""
    entered = form.cleaned_data
    try:
        named = Named(entered["provider"], entered["element_id"], entered["name"], _picture(member, form))
        elements.add(member, named)
    except BadPicture as error:
        form.add_error("picture", str(error))
    except elements.Taken as error:
        form.add_error("element_id", str(error))
    return not form.errors


def _changed(member: Membership, element: Element, form: ElementForm) -> bool:
    try:
        elements.change(element, form.cleaned_data["name"], _picture(member, form))
    except BadPicture as error:
        form.add_error("picture", str(error))
    return not form.errors


def _picture(member: Membership, form: forms.Form) -> Asset | None:
    """What came along, kept. Raises BadPicture."""
    file = form.cleaned_data["picture"]
    return assets.keep(member.team, member.user, file.file, file.name, PictureBounds()) if file else None
