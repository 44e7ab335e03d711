"""Signing in and out, and choosing passwords, through the pages."""

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from klingweb.accounts import services
from klingweb.accounts.models import User
from klingweb.env import Mail
from tests.accounts.conftest import link_in, words
from tests.cast import PASSWORD, sign_in

LOGIN = "/accounts/login/"


@pytest.fixture
def known(alice: User) -> User:
    return services.ensure_person(alice.email, PASSWORD)


def test_a_person_signs_in_with_the_address_in_any_case_and_lands_on_create(client: Client, known: User) -> None:
    response = client.post(LOGIN, {"login": "Alice@Example.COM", "password": PASSWORD})
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert client.session["_auth_user_id"] == str(known.pk)


def test_signing_in_leads_back_to_the_page_one_came_for(client: Client, known: User) -> None:
    asked = client.get("/account/")
    assert asked["Location"] == "/accounts/login/?next=/account/"
    page = client.get(asked["Location"])
    assert '<input type="hidden" name="next" value="/account/">' in page.content.decode()
    response = client.post(LOGIN, {"login": known.email, "password": PASSWORD, "next": "/account/"})
    assert response["Location"] == "/account/"


def test_signing_in_never_leads_to_another_site(client: Client, known: User) -> None:
    response = client.post(LOGIN, {"login": known.email, "password": PASSWORD, "next": "https://evil.example/"})
    assert response["Location"] == "/"


def test_a_wrong_password_is_said_beside_the_field_and_the_address_stays(client: Client, known: User) -> None:
    page = client.post(LOGIN, {"login": known.email, "password": "something else"}).content.decode()
    assert "That e-mail and password do not belong together." in page
    assert 'aria-describedby="id_password_error"' in page
    assert f'value="{known.email}"' in page
    assert "something else" not in page


def test_repeated_wrong_passwords_lock_the_address_for_a_while(client: Client, known: User) -> None:
    for _ in range(5):
        client.post(LOGIN, {"login": known.email, "password": "something else"})
    page = client.post(LOGIN, {"login": known.email, "password": PASSWORD})
    assert "Too many wrong passwords." in words(page)
    assert "_auth_user_id" not in client.session


def test_a_flood_of_sign_ins_is_answered_with_429_and_a_sentence(client: Client, db: None) -> None:
    answers = [client.post(LOGIN, {"login": "x", "password": ""}) for _ in range(31)]
    assert answers[-1].status_code == 429
    assert "Wait a minute" in words(answers[-1])


def test_staying_signed_in_is_a_choice(client: Client, known: User) -> None:
    client.post(LOGIN, {"login": known.email, "password": PASSWORD})
    assert client.session.get_expire_at_browser_close()
    client.logout()
    client.post(LOGIN, {"login": known.email, "password": PASSWORD, "remember": "on"})
    assert not client.session.get_expire_at_browser_close()


def test_signing_out_asks_first_and_then_says_so(client: Client, known: User) -> None:
    sign_in(client, known)
    assert "Sign out?" in words(client.get("/accounts/logout/"))
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session
    assert "You are signed out." in words(client.get(LOGIN))


def test_a_closed_account_cannot_sign_in(client: Client, known: User) -> None:
    known.is_active = False
    known.save(update_fields=["is_active"])
    response = client.post(LOGIN, {"login": known.email, "password": PASSWORD}, follow=True)
    assert "This account is closed" in words(response)
    assert "_auth_user_id" not in client.session


def test_the_password_can_be_changed_by_who_knows_it(client: Client, known: User) -> None:
    sign_in(client, known)
    assert client.get("/accounts/password/change/").status_code == 200
    form = {"oldpassword": "something else", "password1": "linen-and-lead", "password2": "linen-and-lead"}
    assert "This is not your current password." in words(client.post("/accounts/password/change/", form))
    response = client.post("/accounts/password/change/", form | {"oldpassword": PASSWORD}, follow=True)
    assert response.redirect_chain == [("/account/", 302)]
    assert "Your password is changed." in words(response)
    known.refresh_from_db()
    assert known.check_password("linen-and-lead")


def test_who_has_no_password_yet_is_asked_for_one(client: Client, bob: User) -> None:
    response = sign_in(client, bob).get("/accounts/password/change/", follow=True)
    assert response.redirect_chain == [("/accounts/password/set/", 302)]
    client.post("/accounts/password/set/", {"password1": PASSWORD, "password2": PASSWORD})
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_a_forgotten_password_is_mended_by_mail(client: Client, known: User, settings: Settings) -> None:
    settings.MAIL = Mail(host="mail.example.com")
    assert "Send the link" in words(client.get("/accounts/password/reset/"))
    client.post("/accounts/password/reset/", {"email": known.email}, headers={"host": "localhost"}, follow=True)
    assert mail.outbox[0].to == [known.email]
    assert_the_link_works_once(client, known, link_in(str(mail.outbox[0].body)))


def test_an_unknown_address_is_answered_alike_and_gets_no_mail(client: Client, known: User, settings: Settings) -> None:
    settings.MAIL = Mail(host="mail.example.com")
    of_nobody = client.post("/accounts/password/reset/", {"email": "nobody@example.com"}, follow=True)
    of_alice = client.post("/accounts/password/reset/", {"email": known.email}, follow=True)
    assert words(of_nobody) == words(of_alice)
    assert [message.to for message in mail.outbox] == [[known.email]]


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_mail_server_the_page_says_who_can_help_and_sends_nothing(
    client: Client, known: User, method: str
) -> None:
    response = getattr(client, method)("/accounts/password/reset/", {"email": known.email})
    assert "manage.py reset_link" in words(response)
    assert not mail.outbox


def test_the_pages_of_the_library_that_nobody_needs_do_not_exist(client: Client, alice: User) -> None:
    sign_in(client, alice)
    for path in ("email/", "confirm-email/", "reauthenticate/", "login/code/confirm/", "3rdparty/", ""):
        assert client.get(f"/accounts/{path}").status_code == 404, path


def assert_the_link_works_once(client: Client, person: User, link: str) -> None:
    """Follow a link to choose a password, choose one, be signed in, and find the link spent."""
    form = client.get(link, follow=True)
    assert person.email in words(form)
    where = form.redirect_chain[-1][0]
    weak = client.post(where, {"password1": "password", "password2": "password"})
    assert "too common" in words(weak)
    answer = client.post(where, {"password1": "linen-and-lead", "password2": "linen-and-lead"})
    assert answer["Location"] == "/"
    assert client.session["_auth_user_id"] == str(person.pk)
    assert "This link no longer works" in words(Client().get(link))
