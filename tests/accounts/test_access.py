"""From a request to a team, and what a role may do there."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import include, path
from pytest_django import DjangoAssertNumQueries

from klingweb.accounts import access, context, services
from klingweb.accounts.access import SignedIn
from klingweb.accounts.models import Membership, Role, Team, User
from tests.accounts.conftest import words
from tests.cast import person, sign_in


@access.team_required
def look(request: SignedIn) -> HttpResponse:
    return HttpResponse(access.current_team(request).name)


@access.member_required("make pictures")
def act(request: SignedIn) -> HttpResponse:
    return HttpResponse("made")


@access.admin_required("change its credentials")
def administer(request: SignedIn) -> HttpResponse:
    return HttpResponse("changed")


@access.team_required
def page(request: SignedIn) -> HttpResponse:
    return render(request, "base.html")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [
    path("look/", look),
    path("act/", act),
    path("administer/", administer),
    path("broken/", broken),
    path("page/", page),
    path("", include("klingweb.urls")),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def second(alice: User) -> Team:
    """Another team of alice, which comes first by name."""
    team = services.ensure_team("Aurora")
    services.ensure_membership(team, alice, Role.VIEWER)
    return team


def test_anonymous_people_sign_in_first(client: Client) -> None:
    for where in ("/look/", "/act/", "/administer/"):
        assert client.get(where)["Location"] == f"/accounts/login/?next={where}"


def test_a_partial_sends_the_whole_page_to_sign_in(client: Client) -> None:
    asked = {"HX-Request": "true", "HX-Current-URL": "http://testserver/history/?person=2"}
    response = client.get("/look/", headers=asked)
    assert response["HX-Redirect"] == "/accounts/login/?next=/history/%3Fperson%3D2"
    assert client.get("/look/", headers={"HX-Request": "true"})["HX-Redirect"] == "/accounts/login/?next=/"


def test_a_person_without_a_team_is_told_whom_to_ask(client: Client) -> None:
    sign_in(client, services.ensure_person("dora@example.com"))
    response = client.get("/look/")
    assert response.status_code == 403
    assert "You are not in a team yet." in words(response)
    assert "You are not in a team yet." in words(client.get("/account/"))


def test_a_viewer_looks_but_does_not_act(client: Client, victor: User) -> None:
    sign_in(client, victor)
    assert client.get("/look/").status_code == 200
    response = client.get("/act/")
    assert response.status_code == 403
    assert (
        "You can look at everything Halden Studio makes, but only members and admins can make pictures. "
        "Ask an admin of Halden Studio to make you a member."
    ) in words(response)


def test_a_member_acts_but_does_not_administer(client: Client, bob: User) -> None:
    sign_in(client, bob)
    assert client.get("/act/").status_code == 200
    response = client.get("/administer/")
    assert response.status_code == 403
    assert "Only admins of Halden Studio can change its credentials. Ask one of them." in words(response)


def test_an_admin_does_everything(client: Client, alice: User) -> None:
    sign_in(client, alice)
    assert [client.get(where).status_code for where in ("/look/", "/act/", "/administer/")] == [200] * 3


def test_an_object_of_another_team_counts_with_the_role_there(alice: User, second: Team, halden: Team) -> None:
    assert access.require_member(access.membership_in(alice, halden.pk), "cancel it").role == Role.ADMIN
    with pytest.raises(PermissionDenied, match="Aurora"):
        access.require_member(access.membership_in(alice, second.pk), "cancel it")


def test_an_object_of_strangers_does_not_exist(charlie: User, halden: Team) -> None:
    with pytest.raises(Http404):
        access.membership_in(charlie, halden.pk)


def test_the_ids_of_ones_teams_work_as_a_subquery(alice: User, charlie: User, second: Team, halden: Team) -> None:
    assert set(Team.objects.filter(pk__in=access.team_ids(alice))) == {second, halden}
    assert list(access.teams_of(alice)) == [second, halden]
    assert halden not in access.teams_of(charlie)


def test_the_first_team_by_name_is_current_until_another_is_chosen(client: Client, alice: User, second: Team) -> None:
    sign_in(client, alice)
    assert client.get("/look/").content == b"Aurora"
    response = client.post("/team/switch/", {"team": Team.objects.get(name="Halden Studio").pk, "next": "/look/"})
    assert response["Location"] == "/look/"
    assert client.get("/look/").content == b"Halden Studio"
    assert "admin of Halden Studio" in words(client.get("/account/"))


def test_a_chosen_team_that_one_left_is_forgotten(client: Client, alice: User, second: Team, halden: Team) -> None:
    sign_in(client, alice).post("/team/switch/", {"team": halden.pk})
    Membership.objects.filter(user=alice, team=halden).delete()
    assert client.get("/look/").content == b"Aurora"


@pytest.mark.parametrize("team", ["0", "", "aurora"])
def test_nobody_switches_into_a_team_that_is_not_theirs(client: Client, charlie: User, halden: Team, team: str) -> None:
    sign_in(client, charlie)
    assert client.post("/team/switch/", {"team": team}).status_code == 404
    assert client.post("/team/switch/", {"team": halden.pk}).status_code == 404
    assert client.get("/team/switch/").status_code == 405


def test_switching_never_leads_to_another_site(client: Client, alice: User, halden: Team) -> None:
    response = sign_in(client, alice).post("/team/switch/", {"team": halden.pk, "next": "//evil.example/"})
    assert response["Location"] == "/"


def test_the_switcher_is_there_for_people_with_several_teams(
    client: Client, alice: User, bob: User, second: Team
) -> None:
    assert 'action="/team/switch/"' in sign_in(client, alice).get("/page/").content.decode()
    assert 'action="/team/switch/"' not in sign_in(client, bob).get("/page/").content.decode()


def test_all_questions_about_teams_cost_one_query(
    alice: User, second: Team, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=alice.pk)
    request.session = SimpleNamespace(get=lambda _key: None)  # type: ignore[assignment]
    with django_assert_num_queries(1):
        access.current_team(request)
        said = Template("{{ team }} {{ membership.role }} {{ teams|length }}").render(Context(context.team(request)))
    assert said == "Aurora viewer 2"


def test_templates_that_ask_for_no_team_and_anonymous_people_cost_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    request = RequestFactory().get("/")
    with django_assert_num_queries(0):
        values = context.team(request)
        assert Template("{% if team %}{{ team }}{% endif %}{{ teams|length }}").render(Context(values)) == "0"


def test_the_name_can_be_changed_on_the_account_page(client: Client, bob: User) -> None:
    sign_in(client, bob)
    assert client.post("/account/", {"name": "Bob Marsh"})["Location"] == "/account/"
    assert 'aria-label="Your account, Bob Marsh"' in client.get("/account/").content.decode()
    response = client.post("/account/", {"name": "B" * 81})
    assert response.status_code == 422
    assert "at most 80 characters" in words(response)


def test_names_and_initials_fall_back_to_the_address(halden: Team) -> None:
    assert person("Mara", halden, Role.MEMBER).initials == "MA"
    unnamed = User(email="mara.lindqvist@example.com")
    assert (str(unnamed), unnamed.initials) == ("mara.lindqvist", "ML")
    assert User(email="__@example.com").initials == "?"


def test_error_pages_say_what_happened(client: Client, alice: User) -> None:
    assert "Nothing is here" in words(client.get("/nowhere/"))
    assert "Nothing is here" in words(sign_in(client, alice).get("/nowhere/"))
    client.raise_request_exception = False
    response = client.get("/broken/")
    assert response.status_code == 500
    assert "The mistake is ours" in words(response)


def test_a_form_without_its_token_is_refused_with_a_sentence(alice: User, halden: Team) -> None:
    client = sign_in(Client(enforce_csrf_checks=True), alice)
    response = client.post("/team/switch/", {"team": halden.pk})
    assert response.status_code == 403
    assert "Go back, reload the page and send it again." in words(response)


def test_pages_need_neither_inline_styles_nor_inline_scripts(client: Client, alice: User) -> None:
    response = sign_in(client, alice).get("/account/")
    markup = response.content.decode()
    assert " style=" not in markup
    assert "<style" not in markup
    assert markup.count("<script") == markup.count("<script src=") == 2
    assert "unsafe" not in response["Content-Security-Policy"]


def test_what_people_are_called_in_logs(alice: User, halden: Team) -> None:
    services.invite(halden, "dora@example.com")
    assert str(halden.invitations.get()) == "dora@example.com to Halden Studio as member"
    assert str(halden.memberships.get()) == "Alice, admin of Halden Studio"
