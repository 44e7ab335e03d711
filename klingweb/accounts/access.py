"""The only road from a request to a team, and the only place that says what a role may do."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from klingweb.accounts.models import Membership, Team, User

SESSION_TEAM = "team"

P = ParamSpec("P")


class SignedIn(HttpRequest):
    """A request whose person is known. Every guarded view receives one."""

    user: User
    htmx: HtmxDetails


# From a person to teams -----------------------------------------------------------------------------------------------


def teams_of(person: User) -> QuerySet[Team]:
    """The teams a person belongs to, by name."""
    return Team.objects.filter(memberships__user=person).order_by("name")


def team_ids(person: User) -> QuerySet[Membership, int]:
    """The ids of those teams as a subquery, for `filter(team__in=team_ids(person))`."""
    return Membership.objects.filter(user=person).values_list("team_id", flat=True)


# From a request to a team ---------------------------------------------------------------------------------------------


def memberships(request: HttpRequest) -> list[Membership]:
    """All memberships of the request's person, with their teams, by team name: one query per request at most."""
    person = getattr(request, "user", None)
    return person.own_memberships if person and person.is_authenticated else []


def current_membership(request: HttpRequest) -> Membership | None:
    """In the team chosen in this session, else in the first by name; None for people without any team."""
    own = memberships(request)
    chosen = request.session.get(SESSION_TEAM) if own else None
    return next((one for one in own if one.team_id == chosen), own[0] if own else None)


def membership(request: HttpRequest) -> Membership:
    """The same, or PermissionDenied with a sentence for people without any team."""
    found = current_membership(request)
    if found is None:
        raise PermissionDenied("You are not in a team yet. Ask an admin of your team to invite you.")
    return found


def current_team(request: HttpRequest) -> Team:
    """The team that the request works in."""
    return membership(request).team


def opened_elsewhere(request: HttpRequest) -> str:
    """Why what was posted from a page of another team is not acted on; empty where `team` names the current one.

    Another tab may have chosen another team since the page was opened.
    """
    own = current_team(request)
    if request.method != "POST" or request.POST.get("team") == str(own.pk):
        return ""
    return (
        f"This page was opened in another team, so nothing was done. You work in {own} now: "
        f"send it again if it is meant for {own}, else choose the other team first."
    )


def choose_team(request: HttpRequest, team_id: int) -> None:
    """From now on this session works in that team. One that the person does not belong to is ignored later."""
    request.session[SESSION_TEAM] = team_id


# What a role may do ---------------------------------------------------------------------------------------------------


def membership_in(person: User, team_id: int) -> Membership:
    """The person's membership in the team that an object belongs to; Http404 for strangers."""
    found = next((one for one in person.own_memberships if one.team_id == team_id), None)
    if found is None:
        raise Http404
    return found


def require_member(own: Membership, doing: str) -> Membership:
    """Let admins and members through; tell a viewer why not, for example `doing="cancel it"`."""
    if not own.may_act:
        raise PermissionDenied(
            f"You can look at everything {own.team} makes, but only members and admins can {doing}. "
            f"Ask an admin of {own.team} to make you a member."
        )
    return own


def require_admin(own: Membership, doing: str) -> Membership:
    """Let admins through; tell the others why not."""
    if not own.is_admin:
        raise PermissionDenied(f"Only admins of {own.team} can {doing}. Ask one of them.")
    return own


# Guards of views ------------------------------------------------------------------------------------------------------

Guarded = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
View = Callable[Concatenate[SignedIn, P], HttpResponseBase]


def _guard(view: View[P], check: Callable[[SignedIn], object]) -> Guarded[P]:
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        signed_in = cast("SignedIn", request)
        if not request.user.is_authenticated:
            return _ask_to_sign_in(signed_in)
        check(signed_in)
        return view(signed_in, *args, **kwargs)

    return guarded


def _ask_to_sign_in(request: SignedIn) -> HttpResponseBase:
    if not request.htmx:
        return redirect_to_login(request.get_full_path())
    # A partial must not be replaced by the sign-in page: the whole page goes there, and comes back to itself.
    page = redirect_to_login(request.htmx.current_url_abs_path or resolve_url(settings.LOGIN_REDIRECT_URL))
    return HttpResponseClientRedirect(page.url)


def sign_in_required(view: View[P]) -> Guarded[P]:
    """Anonymous people sign in first. A team is not needed."""
    return _guard(view, lambda _request: None)


def team_required(view: View[P]) -> Guarded[P]:
    """For looking: any role in any team."""
    return _guard(view, membership)


def member_required(doing: str) -> Callable[[View[P]], Guarded[P]]:
    """For acting in the current team, for example `@member_required("make pictures")`."""
    return lambda view: _guard(view, lambda request: require_member(membership(request), doing))


def admin_required(doing: str) -> Callable[[View[P]], Guarded[P]]:
    """For administering the current team, for example `@admin_required("change its credentials")`."""
    return lambda view: _guard(view, lambda request: require_admin(membership(request), doing))
