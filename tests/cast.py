"""The cast: alice (admin), bob (member) and victor (viewer) of Halden Studio; charlie, who knows none of them."""

import pytest
from django.test import Client

from klingweb.accounts import services
from klingweb.accounts.models import Role, Team, User

PASSWORD = "paper-ink-hairline"


def person(name: str, team: Team, role: Role) -> User:
    """Someone in a team. Without a password, because hashing one takes longer than most tests."""
    made = services.ensure_person(f"{name.lower()}@example.com", name=name)
    services.ensure_membership(team, made, role)
    return made


def sign_in(client: Client, user: User) -> Client:
    """The same client, from now on as this person."""
    client.force_login(user)
    return client


@pytest.fixture
def halden(db: None) -> Team:
    return services.ensure_team("Halden Studio")


@pytest.fixture
def alice(halden: Team) -> User:
    return person("Alice", halden, Role.ADMIN)


@pytest.fixture
def bob(halden: Team) -> User:
    return person("Bob", halden, Role.MEMBER)


@pytest.fixture
def victor(halden: Team) -> User:
    return person("Victor", halden, Role.VIEWER)


@pytest.fixture
def charlie(db: None) -> User:
    return person("Charlie", services.ensure_team("Charlie's Own"), Role.ADMIN)
