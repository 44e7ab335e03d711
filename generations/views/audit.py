"""Who did what, for admins."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations import queries
from klingweb.accounts.access import SignedIn, admin_required, current_team

PAGE = 100


@require_safe
@never_cache
@admin_required("read the audit log")
def log(request: SignedIn) -> HttpResponse:
    """The team's log, newest first, a hundred entries on a page."""
    pages = Paginator(queries.audit_of(current_team(request)), PAGE)
    return render(request, "generations/audit.html", {"entries": pages.get_page(request.GET.get("page"))})
