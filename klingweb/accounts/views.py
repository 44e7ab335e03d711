"""The pages about people that django-allauth does not have, and the two of its pages that differ here."""

from typing import Any, NoReturn

from allauth.account import views as allauth_views
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from klingweb.accounts import access, services
from klingweb.accounts.access import SignedIn
from klingweb.accounts.forms import InvitedSignupForm, ProfileForm
from klingweb.accounts.models import Invitation, User

SESSION_INVITATION = "invitation"


@require_http_methods(["GET", "POST"])
@access.sign_in_required
def account(request: SignedIn) -> HttpResponse:
    """The person's own page."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("account")
    values = {"form": form, "memberships": access.memberships(request)}
    return render(request, "accounts/account.html", values, status=422 if form.errors else 200)


@require_POST
@access.sign_in_required
def switch_team(request: SignedIn) -> HttpResponse:
    """Work in another of one's teams, and come back to the same page."""
    chosen = request.POST.get("team")
    if chosen not in {str(own.team_id) for own in access.memberships(request)}:
        raise Http404
    access.choose_team(request, int(chosen))
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else settings.LOGIN_REDIRECT_URL)


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link of an invitation leads. Looking changes nothing; only a POST of the invited person accepts."""
    found = services.find_invitation(services.digest(token))
    if found is None or not found.is_open:
        return _gone(request, found)
    if not request.user.is_authenticated:
        return _welcome(request, found)
    if request.user.email != found.email:
        return render(request, "accounts/invitation_of_another.html", {"invitation": found}, status=403)
    if request.method == "POST":
        return _accept(request, request.user, found)
    return render(request, "accounts/invitation.html", {"invitation": found})


def _gone(request: HttpRequest, found: Invitation | None) -> HttpResponse:
    if found and request.user.is_authenticated and found.accepted_by == request.user:
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/invitation_gone.html", {"invitation": found}, status=410 if found else 404)


def _welcome(request: HttpRequest, found: Invitation) -> HttpResponse:
    if services.find_person(found.email):
        return render(request, "accounts/invitation.html", {"invitation": found})
    # The hash is enough, and sessions lie in the database too.
    request.session[SESSION_INVITATION] = found.token_sha256
    return redirect("account_signup")


def _accept(request: HttpRequest, person: User, found: Invitation) -> HttpResponse:
    try:
        services.accept(found, person)
    except services.InvitationGoneError:
        return redirect(request.path)
    access.choose_team(request, found.team_id)
    return redirect(settings.LOGIN_REDIRECT_URL)


class InvitedSignupView(allauth_views.SignupView):  # type: ignore[misc]  # untyped
    """The library's page, for a browser that came with an invitation."""

    form_class = InvitedSignupForm
    invitation: Invitation | None

    def is_open(self) -> bool:
        """Only while that invitation can be accepted."""
        found = services.find_invitation(self.request.session.get(SESSION_INVITATION, ""))
        self.invitation = found if found and found.is_open else None
        return self.invitation is not None

    def closed(self) -> NoReturn:
        """Say how one gets in."""
        raise PermissionDenied(
            "Accounts are made by invitation only. Open the link you were sent, or ask an admin of your team for one. "
            "If you have used it already, sign in."
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        """Hand the invitation to the form."""
        return {**super().get_form_kwargs(), "invitation": self.invitation}


def forgotten(request: HttpRequest) -> HttpResponseBase:
    """Ask for a link to choose a new password; without a mail server, say who can make one."""
    if not settings.MAIL.host:
        return render(request, "account/password_reset_by_admin.html")
    response: HttpResponseBase = allauth_views.password_reset(request)
    return response
