"""Credentials, for admins: what there is and how it fares, and everything that can be done with one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import messages
from django.db.models import prefetch_related_objects
from django.forms import model_to_dict
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations import access, credentials, dispatch, queries
from generations.credential_forms import AddForm, KeyForm, LimitsForm, PauseForm
from generations.dispatch import Load
from generations.models import Credential, Standing
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from generations.services import keys
from klingweb.accounts.access import (
    SignedIn,
    admin_required,
    current_team,
    membership,
    membership_in,
    opened_elsewhere,
    require_admin,
    sign_in_required,
)

DOING = "see and change its credentials"
MOST_SQUARES = 12


@dataclass(frozen=True)
class Row:
    """A credential with what the page says about it."""

    credential: Credential
    provider: Provider
    load: Load
    now: datetime

    @property
    def resting(self) -> int:
        """How many of its accounts are paused."""
        return sum(each.paused_at is not None for each in self.credential.accounts.all())

    @property
    def squares(self) -> list[bool]:
        """One for each slot, whether it is taken; none where there are too many to be counted by eye."""
        slots = self.credential.slots
        return [number < self.load.slots for number in range(slots)] if slots <= MOST_SQUARES else []

    @property
    def left_today(self) -> int | None:
        """How many pictures may still be sent today; None without a limit."""
        most = self.credential.daily_pictures
        return None if most is None else max(0, most - self.load.today)

    @property
    def percent(self) -> int:
        """How much of the day's limit is used."""
        most = self.credential.daily_pictures or 1
        return min(100, 100 * self.load.today // most)

    @property
    def next_day(self) -> datetime:
        """When the daily limit begins anew."""
        return dispatch.next_day(self.now)


# The page -------------------------------------------------------------------------------------------------------------


@require_safe
@never_cache
@admin_required(DOING)
def page(request: SignedIn) -> HttpResponse:
    """The team's credentials, those in trouble first."""
    team, now = current_team(request), timezone.now()
    found = queries.credentials_of(team)
    prefetch_related_objects(found, "accounts")
    loads = dispatch.loads(team, now)
    rows = [
        Row(each, PROVIDERS[each.provider], loads.get(each.pk, Load()), now)
        for each in found
        if each.provider in PROVIDERS
    ]
    order = list(Standing)
    rows.sort(
        key=lambda row: (
            order.index(row.credential.standing),
            not row.resting,
            row.provider.label,
            row.credential.name,
        )
    )
    context = {"rows": rows, "waiting": sum(each.queued for each in loads.values()), "now": now}
    return render(request, "generations/credentials/page.html", context)


@require_POST
@admin_required("pause and resume sending")
def sending(request: SignedIn) -> HttpResponse:
    """Pause all sending of the team (`pause`), or go on."""
    if wrong := opened_elsewhere(request):
        messages.error(request, wrong)
    elif "pause" in request.POST:
        keys.pause_team(current_team(request), request.user)
    else:
        keys.resume_team(current_team(request), request.user)
    return redirect("credentials")


# Forms ----------------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
@admin_required(DOING)
def add(request: SignedIn) -> HttpResponse:
    """A new credential; it is tested at once."""
    chosen = request.POST.get("provider") or request.GET.get("provider") or next(iter(PROVIDERS))
    if chosen not in PROVIDERS:
        raise Http404
    provider = PROVIDERS[chosen]
    form = AddForm(provider, _posted(request))
    if wrong := opened_elsewhere(request):
        form.add_error(None, wrong)

    def act() -> HttpResponse:
        return _test(request, keys.add(membership(request), provider, form.key, form.limits), "Added. ")

    return _show(request, "add", form, act, provider=provider, providers=PROVIDERS.values())


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sign_in_required
def change(request: SignedIn, pk: int) -> HttpResponse:
    """Rename it, or change its limits."""
    found, provider = _mine(request, pk)
    form = LimitsForm(provider, _posted(request), initial=model_to_dict(found, LimitsForm.base_fields))

    def act() -> HttpResponse:
        keys.change(found, request.user, form.limits)
        return _done(request, f"{found} is changed.")

    return _show(request, "change", form, act, credential=found, provider=provider)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
@sign_in_required
def replace(request: SignedIn, pk: int) -> HttpResponse:
    """Put another key in its place; it is tested at once."""
    found, provider = _mine(request, pk)
    shown = credentials.plain_values(found)
    form = KeyForm(provider, _posted(request), current=found.base_url, initial=shown)

    def act() -> HttpResponse:
        keys.replace(found, request.user, form.key)
        return _test(request, found, "Replaced. ")

    return _show(request, "replace", form, act, credential=found, provider=provider, load=_load(found))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sign_in_required
def pause(request: SignedIn, pk: int) -> HttpResponse:
    """Send nothing with it, for a reason."""
    found, provider = _mine(request, pk)
    form = PauseForm(_posted(request))

    def act() -> HttpResponse:
        keys.pause(found, request.user, form.cleaned_data["reason"])
        return _done(request, f"{provider.label}, {found} is paused. What waits for it goes on once it is resumed.")

    return _show(request, "pause", form, act, credential=found, provider=provider, load=_load(found))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sign_in_required
def remove(request: SignedIn, pk: int) -> HttpResponse:
    """Say what removing it means; and do it."""
    found, provider = _mine(request, pk)
    form = forms.Form(_posted(request))

    def act() -> HttpResponse:
        keys.remove(found, request.user)
        return _done(request, f"{found} is removed.")

    return _show(request, "remove", form, act, credential=found, provider=provider, load=_load(found))


# Buttons --------------------------------------------------------------------------------------------------------------


@require_POST
@sign_in_required
def test(request: SignedIn, pk: int) -> HttpResponse:
    """Ask the provider whether the key works. It is free."""
    return _test(request, _mine(request, pk)[0])


@require_POST
@sign_in_required
def resume(request: SignedIn, pk: int) -> HttpResponse:
    """Send with it again; with `test` only if it works."""
    found, provider = _mine(request, pk)
    if "test" in request.POST:
        keys.test(found)  # one of a moment ago will do
        if not found.tested_ok:
            return _tested(request, found)
    keys.resume(found, request.user)
    return _done(request, f"{provider.label}, {found} is resumed. What waited for it goes on.")


# Steps ----------------------------------------------------------------------------------------------------------------


def _mine(request: SignedIn, pk: int) -> tuple[Credential, Provider]:
    found = access.credential(request.user, pk)
    require_admin(membership_in(request.user, found.team_id), DOING)
    if found.provider not in PROVIDERS:
        raise Http404
    return found, PROVIDERS[found.provider]


def _load(credential: Credential) -> Load:
    return dispatch.loads(credential.team, timezone.now()).get(credential.pk, Load())


def _posted(request: SignedIn) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _show(
    request: SignedIn, name: str, form: forms.Form, act: Callable[[], HttpResponse], **context: object
) -> HttpResponse:
    """A form: shown, acted on, or sent back with what is wrong."""
    if form.is_valid():
        try:
            return act()
        except credentials.BadCredential as error:
            form.add_error(error.field or None, str(error))
    context |= {"form": form}
    return render(request, f"generations/credentials/{name}.html", context, status=422 if form.errors else 200)


def _test(request: SignedIn, credential: Credential, done: str = "") -> HttpResponse:
    if not keys.test(credential):
        return _done(request, f"{credential} was tested a moment ago. Look at the result below.")
    return _tested(request, credential, done)


def _tested(request: SignedIn, credential: Credential, done: str = "") -> HttpResponse:
    if credential.tested_ok:
        left = f" {credential.balance}." if credential.balance else ""
        paused = " It is still paused: resume it below." if credential.paused_at else ""
        return _done(request, f"{done}{credential} works.{left}{paused}")
    messages.error(request, f"{done}{credential}: {credential.test_problem}")
    return redirect("credentials")


def _done(request: SignedIn, sentence: str) -> HttpResponse:
    messages.success(request, sentence)
    return redirect("credentials")
