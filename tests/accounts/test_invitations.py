"""The roads into a team: a new person, one with an account, and everybody an invitation is not for."""

import datetime as dt
import re

import pytest
import time_machine
from allauth.account.adapter import get_adapter
from django.test import Client
from django.utils import timezone

from klingweb.accounts import services
from klingweb.accounts.forms import InvitedSignupForm
from klingweb.accounts.models import Invitation, Membership, Role, Team, User
from tests.accounts.conftest import words
from tests.cast import PASSWORD, sign_in

NEW = "dora@example.com"
SIGN_UP = {"email": NEW, "name": "Dora Holm", "password1": PASSWORD}


def invite(team: Team, email: str, role: Role = Role.MEMBER) -> str:
    return services.invite(team, email, role).removeprefix("http://127.0.0.1:8000")


@pytest.fixture
def link(halden: Team) -> str:
    return invite(halden, NEW, Role.VIEWER)


def test_nobody_signs_up_without_an_invitation(client: Client, db: None) -> None:
    for response in (client.get("/accounts/signup/"), client.post("/accounts/signup/", SIGN_UP)):
        assert response.status_code == 403
        assert "by invitation only" in words(response)
    assert not User.objects.exists()


def test_the_door_that_the_library_would_open_by_default_is_closed(client: Client, db: None) -> None:
    assert not get_adapter().is_open_for_signup(client.get("/accounts/login/").wsgi_request)


def test_a_new_person_chooses_a_password_and_lands_in_the_team(client: Client, link: str, halden: Team) -> None:
    form = client.get(link, follow=True)
    assert form.redirect_chain == [("/accounts/signup/", 302)]
    assert re.search(f'value="{NEW}"[^>]* readonly', form.content.decode())
    assert "Join Halden Studio" in words(form)

    response = client.post("/accounts/signup/", SIGN_UP)
    assert response["Location"] == "/"
    person = User.objects.get(email=NEW)
    assert client.session["_auth_user_id"] == str(person.pk)
    assert person.name == "Dora Holm"
    assert Membership.objects.get(user=person, team=halden).role == Role.VIEWER
    assert Invitation.objects.get().accepted_by == person

    assert Client().post("/accounts/login/", {"login": NEW, "password": PASSWORD}).status_code == 302


def test_the_form_refuses_another_address_than_the_one_invited(client: Client, link: str) -> None:
    client.get(link)
    response = client.post("/accounts/signup/", SIGN_UP | {"email": "mallory@example.com"})
    assert f"This invitation is for {NEW}." in words(response)
    assert not User.objects.exists()


def test_the_form_refuses_a_weak_password(client: Client, link: str) -> None:
    client.get(link)
    assert "too short" in words(client.post("/accounts/signup/", SIGN_UP | {"password1": "x7"}))
    assert not User.objects.exists()


def test_an_address_that_got_an_account_meanwhile_is_told_to_sign_in(client: Client, link: str) -> None:
    client.get(link)
    services.ensure_person(NEW, PASSWORD)
    assert "has an account already" in words(client.post("/accounts/signup/", SIGN_UP))


def test_of_two_browsers_with_the_same_link_one_gets_in(link: str) -> None:
    first, second = Client(), Client()
    first.get(link)
    second.get(link)
    assert first.post("/accounts/signup/", SIGN_UP).status_code == 302
    assert second.post("/accounts/signup/", SIGN_UP).status_code == 403
    assert User.objects.count() == Membership.objects.count() == 1


def test_a_form_that_was_right_when_someone_else_was_first_makes_nothing(
    client: Client, link: str, halden: Team, bob: User
) -> None:
    form = InvitedSignupForm(SIGN_UP, invitation=Invitation.objects.get())
    assert form.is_valid()
    Invitation.objects.update(accepted_at=timezone.now(), accepted_by=bob)
    person, response = form.try_save(client.get("/accounts/login/").wsgi_request)
    assert person is None
    assert response is not None
    assert response["Location"] == "/accounts/signup/"
    assert not User.objects.filter(email=NEW).exists()


def test_an_account_made_in_the_same_moment_keeps_the_invitation_open(link: str) -> None:
    services.ensure_person(NEW)
    with pytest.raises(services.InvitationGoneError):
        services.sign_up(Invitation.objects.get(), PASSWORD)
    assert Invitation.objects.open().exists()


def test_a_person_with_an_account_signs_in_first_and_then_joins(client: Client, charlie: User, halden: Team) -> None:
    services.ensure_person(charlie.email, PASSWORD)
    link = invite(halden, "Charlie@Example.com")
    page = client.get(link)
    assert "Sign in with it, then join" in words(page)
    assert f'href="/accounts/login/?next={link}"' in page.content.decode()
    assert client.post(link).status_code == 200
    assert not Membership.objects.filter(user=charlie, team=halden).exists()

    client.post("/accounts/login/", {"login": charlie.email, "password": PASSWORD, "next": link})
    assert "Join Halden Studio" in words(client.get(link))
    assert client.post(link)["Location"] == "/"
    assert Membership.objects.get(user=charlie, team=halden).role == Role.MEMBER
    assert "member of Halden Studio" in words(client.get("/account/"))
    assert client.get(link)["Location"] == "/"


def test_looking_at_an_invitation_does_not_accept_it(client: Client, charlie: User, halden: Team) -> None:
    sign_in(client, charlie).get(invite(halden, charlie.email))
    assert Invitation.objects.open().exists()


def test_an_invitation_for_somebody_else_is_explained(client: Client, charlie: User, link: str) -> None:
    sign_in(client, charlie)
    for response in (client.get(link), client.post(link)):
        assert response.status_code == 403
        assert f"It is for {NEW}, and you are signed in as {charlie.email}." in words(response)
    assert Invitation.objects.open().exists()


def test_an_invitation_that_is_gone_by_the_time_of_the_click_is_said_to_be_gone(
    client: Client, charlie: User, bob: User, halden: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = invite(halden, charlie.email)
    stale = Invitation.objects.get()
    Invitation.objects.update(accepted_at=timezone.now(), accepted_by=bob)
    monkeypatch.setattr(services, "find_invitation", lambda _digest: stale)
    assert sign_in(client, charlie).post(link)["Location"] == link
    assert not Membership.objects.filter(user=charlie, team=halden).exists()


def test_a_link_works_once(client: Client, link: str) -> None:
    client.get(link)
    client.post("/accounts/signup/", SIGN_UP)
    response = Client().get(link)
    assert response.status_code == 410
    assert "was used already" in words(response)


def test_a_link_ends_after_two_weeks(client: Client, link: str) -> None:
    client.get(link)
    with time_machine.travel(timezone.now() + dt.timedelta(days=14, minutes=1), tick=False):
        response = Client().get(link)
        assert response.status_code == 410
        assert "This invitation has ended" in words(response)
        assert client.post("/accounts/signup/", SIGN_UP).status_code == 403


def test_an_unknown_link_is_a_sentence(client: Client, db: None) -> None:
    response = client.get("/invitation/never-was/")
    assert response.status_code == 404
    assert "There is no such invitation" in words(response)


def test_inviting_again_replaces_the_older_link(client: Client, halden: Team, link: str) -> None:
    client.get(link)
    newer = invite(halden, NEW.upper(), Role.ADMIN)
    assert Client().get(link).status_code == 404
    assert client.get("/accounts/signup/").status_code == 403
    assert Invitation.objects.get().role == Role.ADMIN
    assert client.get(newer).status_code == 302


def test_joining_never_changes_a_role_one_has(alice: User, halden: Team) -> None:
    services.invite(halden, alice.email, Role.VIEWER)
    services.accept(Invitation.objects.get(), alice)
    assert Membership.objects.get(user=alice, team=halden).role == Role.ADMIN


def test_of_a_token_only_its_hash_is_kept(client: Client, link: str) -> None:
    token = link.split("/")[2]
    client.get(link)
    assert token not in str(Invitation.objects.values())
    assert token not in str(dict(client.session))
