"""History: everything the team has made, newest first."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from generations import access, queries
from generations.lifecycle import UNFINISHED
from generations.models import Generation
from klingweb.accounts.access import SignedIn, membership, team_required


@require_safe
@gzip_page
@never_cache
@team_required
def history(request: SignedIn) -> HttpResponse:
    """One page of generations; `?before=<id>` goes on behind that one, and HTMX gets only the page's rows."""
    member, after = membership(request), _last_seen(request)
    shown = access.visible_to(request.user).filter(team=member.team)
    found, now = queries.page_of(shown, after), timezone.now()
    context = {
        "member": member,
        "after": after,
        "generations": found[: queries.PAGE],
        "more": len(found) > queries.PAGE,
        "moving": any(queries.may_change(each, now) for each in found),
        "under_way": any(each.status in UNFINISHED for each in found),
        "now": now,
        "page": "history",
    }
    return render(request, "generations/_sets.html" if request.htmx else "generations/history.html", context)


def _last_seen(request: SignedIn) -> Generation | None:
    try:
        return access.visible_to(request.user).filter(pk=uuid.UUID(request.GET["before"])).first()
    except (KeyError, ValueError):
        return None
