"""How a provider's answers to the team are read, where they are not as documented: for admins."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generations import queries
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from generations.reading_forms import FORMS, RuleForm, in_words
from generations.services import rereading
from klingweb.accounts.access import SignedIn, admin_required, membership, opened_elsewhere

MARKED = "Nothing is saved yet. Mend what is marked below."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_required("change how answers are read")
def page(request: SignedIn, provider: str) -> HttpResponse:
    """The rules, what they are for, and the last answers that nobody understood."""
    declared = PROVIDERS.get(provider)
    if not declared:
        raise Http404
    wrong = opened_elsewhere(request)
    chosen = next((each for each in FORMS if each.kind == request.POST.get("kind")), None)
    filled = chosen(declared, request.POST) if chosen and not wrong else None
    if request.method == "POST" and not wrong and (filled.is_valid() if filled else _removes(request, declared)):
        if filled:
            _add(request, declared, filled)
        return redirect("readings", provider)
    team = membership(request).team
    context = {
        "provider": declared,
        "forms": [filled if filled and isinstance(filled, each) else each(declared) for each in FORMS],
        "rules": [(each.pk, in_words(each), each) for each in queries.readings_of(team, provider)],
        "riddles": queries.riddles_of(team, provider),
        "wrong": wrong or (MARKED if filled else ""),
    }
    return render(request, "generations/readings.html", context, status=422 if context["wrong"] else 200)


def _add(request: SignedIn, provider: Provider, form: RuleForm) -> None:
    moved = rereading.add_rule(membership(request), provider, form.rule)
    went = f" {moved} waiting request{'' if moved == 1 else 's'} went on by it." if moved else ""
    messages.success(request, f"Saved. Answers of {provider.label} are read like this from now on.{went}")


def _removes(request: SignedIn, provider: Provider) -> bool:
    pk = request.POST.get("remove", "")
    if pk.isdecimal() and rereading.remove_rule(membership(request), provider, int(pk)):
        messages.success(request, "Removed. Answers are read as documented again.")
    return True
