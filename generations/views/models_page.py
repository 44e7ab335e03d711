"""What a provider offers the team: its models, the first choice, prices and what is unverified, for admins."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generations import catalogue, ledger
from generations.override_forms import ModelsForm
from generations.providers.registry import PROVIDERS
from klingweb.accounts.access import SignedIn, admin_required, current_team, opened_elsewhere

MARKED = "Nothing is saved yet. Mend what is marked below."
FASTER = "Another admin changed this page in the meantime, so nothing was saved. This is how it is now."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_required("change what is offered")
def page(request: SignedIn, provider: str) -> HttpResponse:
    """Everything that can be changed of what the provider offers, in one form."""
    declared, team = PROVIDERS.get(provider), current_team(request)
    if not declared:
        raise Http404
    wrong, overrides = opened_elsewhere(request), catalogue.overrides_of(team).get(provider, ())
    form = ModelsForm(declared, overrides, request.POST if request.method == "POST" else None)
    if request.method == "POST" and not wrong and request.POST.get("state") != form.state:
        messages.error(request, FASTER)
        return redirect("models", provider)
    if not wrong and form.is_valid():
        with transaction.atomic():
            catalogue.change(team, declared, form.overrides)
            ledger.write(team, request.user, "change what is offered", declared.label)
        messages.success(request, "Saved. Create offers this from now on.")
        return redirect("models", provider)
    context = {"provider": declared, "form": form, "wrong": wrong or (MARKED if request.method == "POST" else "")}
    return render(request, "generations/models.html", context, status=422 if context["wrong"] else 200)
