"""create_team, invite and reset_link: run twice they change nothing more, and their links work."""

import pytest
from django.core.management import CommandError
from django.db import IntegrityError
from django.test import Client
from pytest_django import Settings

from klingweb.accounts import services
from klingweb.accounts.models import Invitation, Membership, Role, Team, User
from tests.accounts.conftest import Run, link_in
from tests.accounts.test_signing_in import assert_the_link_works_once
from tests.cast import PASSWORD


def create_team(run: Run, name: str = "Halden Studio", admin: str = "Alice@Example.com") -> str:
    return run("create_team", name, admin=admin)


def test_create_team_makes_a_team_and_prints_a_link_for_its_admin(run: Run, client: Client) -> None:
    said = create_team(run)
    assert "The team Halden Studio is made." in said
    assert "alice@example.com is an admin of it." in said
    own = Membership.objects.get()
    assert (own.team.slug, own.role) == ("halden-studio", Role.ADMIN)
    assert_the_link_works_once(client, own.user, link_in(said))


def test_create_team_again_gives_another_link_while_there_is_no_password(run: Run) -> None:
    create_team(run)
    said = create_team(run)
    assert "The team Halden Studio exists already." in said
    assert "/accounts/password/reset/key/" in link_in(said)
    assert User.objects.count() == Team.objects.count() == Membership.objects.count() == 1


def test_create_team_takes_the_password_from_the_environment(run: Run, client: Client, settings: Settings) -> None:
    settings.ADMIN_PASSWORD = PASSWORD
    assert "http" not in create_team(run)
    assert client.post("/accounts/login/", {"login": "alice@example.com", "password": PASSWORD}).status_code == 302


def test_an_empty_password_is_no_password(db: None) -> None:
    assert not services.ensure_person("alice@example.com", "").has_usable_password()


def test_create_team_never_changes_a_password_that_exists(run: Run, settings: Settings) -> None:
    services.ensure_person("alice@example.com", PASSWORD)
    settings.ADMIN_PASSWORD = "another-one-entirely"
    assert "http" not in create_team(run)
    assert User.objects.get().check_password(PASSWORD)


def test_create_team_sets_the_password_of_an_admin_who_has_none(run: Run, settings: Settings) -> None:
    create_team(run)
    settings.ADMIN_PASSWORD = PASSWORD
    create_team(run)
    assert User.objects.get().check_password(PASSWORD)


def test_create_team_makes_a_member_the_admin(run: Run, bob: User, halden: Team) -> None:
    create_team(run, "halden studio", bob.email)
    assert Membership.objects.get(user=bob, team=halden).role == Role.ADMIN


def test_teams_whose_names_look_alike_get_different_slugs(run: Run) -> None:
    for name in ("C Team", "C++ Team", "C? Team", "画室"):
        create_team(run, name)
    assert list(Team.objects.order_by("pk").values_list("slug", flat=True)) == [
        "c-team",
        "c-team-2",
        "c-team-3",
        "team",
    ]


@pytest.mark.parametrize(
    ("name", "admin"), [("", "alice@example.com"), ("x" * 81, "alice@example.com"), ("X", "alice")]
)
def test_create_team_refuses_what_it_cannot_use(run: Run, name: str, admin: str) -> None:
    with pytest.raises(CommandError, match=r"1 to 80 characters|alice is not an e-mail address"):
        create_team(run, name, admin)
    assert not Team.objects.exists()


def test_invite_prints_a_link_into_the_team(run: Run, client: Client, halden: Team) -> None:
    said = run("invite", "halden-studio", "Dora@Example.com", role="viewer")
    assert "dora@example.com joins Halden Studio as viewer here (works once, 14 days at most):" in said
    client.get(link_in(said))
    client.post("/accounts/signup/", {"email": "dora@example.com", "name": "", "password1": PASSWORD})
    assert Membership.objects.get(team=halden).role == Role.VIEWER


def test_invite_again_prints_another_link_for_the_same_invitation(run: Run, halden: Team) -> None:
    links = {link_in(run("invite", name, "dora@example.com")) for name in ("Halden Studio", "HALDEN STUDIO")}
    assert len(links) == 2
    assert Invitation.objects.get().role == Role.MEMBER


def test_invite_says_who_is_in_the_team_already(run: Run, bob: User) -> None:
    said = run("invite", "Halden Studio", bob.email, role="admin")
    assert said == "bob@example.com is in Halden Studio already, as member. Nothing was changed.\n"
    assert not Invitation.objects.exists()


def test_invite_names_the_teams_there_are(run: Run) -> None:
    with pytest.raises(CommandError, match=r"There is no team Haldn. The teams are: none yet."):
        run("invite", "Haldn", "dora@example.com")
    services.ensure_team("Halden Studio")
    with pytest.raises(CommandError, match=r"The teams are: Halden Studio."):
        run("invite", "Haldn", "dora@example.com")


def test_reset_link_lets_a_person_choose_a_new_password(run: Run, client: Client, alice: User) -> None:
    said = run("reset_link", "ALICE@example.com")
    assert "alice@example.com chooses a new password here (works once, 3 days at most):" in said
    assert_the_link_works_once(client, alice, link_in(said))


def test_reset_link_for_nobody_says_how_to_let_them_in(run: Run) -> None:
    with pytest.raises(CommandError, match=r"Nobody signs in as dora@example.com"):
        run("reset_link", "dora@example.com")


def test_addresses_are_kept_in_lower_case_whoever_writes_them(alice: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create(email="Alice@Example.com")
