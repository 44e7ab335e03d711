"""Which retired models a team is offered all the same, for admins."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generations.catalogue import retired_models, show_models, shown_models
from generations.providers.registry import PROVIDERS
from klingweb.accounts.access import SignedIn, admin_required, current_team


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_required("change what is offered")
def shown(request: SignedIn, provider: str) -> HttpResponse:
    """The provider's retired models, each to be shown or not."""
    declared, team = PROVIDERS.get(provider), current_team(request)
    if not declared:
        raise Http404
    if request.method == "POST":
        show_models(team, declared, request.POST.getlist("model"))
        messages.success(request, "Saved. Create offers these models from now on.")
        return redirect("credentials")
    context = {
        "provider": declared,
        "retired": retired_models(declared),
        "shown": shown_models(team).get(provider, set()),
    }
    return render(request, "generations/shown_models.html", context)
