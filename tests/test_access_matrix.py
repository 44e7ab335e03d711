"""Every address × anonymous, stranger, viewer, member and admin, generated from the URL conf."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask, finish

FORM = "application/x-www-form-urlencoded"
SANDBOX = "sandbox"  # a stranger's server: it has keys of its own
PEOPLE = ("anonymous", "stranger", "viewer", "member", "admin")

# Name of an address → method, and the answer for each of PEOPLE. Nothing may be missing here.
MATRIX: dict[str, tuple[str, tuple[int, int, int, int, int]]] = {
    "create": ("GET", (302, 200, 200, 200, 200)),
    "create POST": ("POST", (302, 200, 403, 422, 422)),
    "changes": ("GET", (302, 200, 200, 200, 200)),
    "history": ("GET", (302, 200, 200, 200, 200)),
    "generation": ("GET", (302, 404, 200, 200, 200)),
    "cancel": ("POST", (302, 404, 403, 302, 302)),
    "archive": ("GET", (302, 404, 200, 200, 200)),
    "original": ("GET", (302, 404, 200, 200, 200)),
    "thumbnail": ("GET", (302, 404, 200, 200, 200)),
    "account": ("GET", (302, 200, 200, 200, 200)),
    "switch_team": ("POST", (302, 404, 302, 302, 302)),
    "invitation": ("GET", (404, 404, 404, 404, 404)),
    "account_login": ("GET", (200, 302, 302, 302, 302)),
    "account_logout": ("GET", (302, 200, 200, 200, 200)),
    "account_signup": ("GET", (403, 302, 302, 302, 302)),
    "account_inactive": ("GET", (200, 200, 200, 200, 200)),
    "account_change_password": ("GET", (302, 302, 302, 302, 302)),
    "account_set_password": ("GET", (302, 200, 200, 200, 200)),
    "account_reset_password": ("GET", (200, 200, 200, 200, 200)),
    "account_reset_password_done": ("GET", (200, 200, 200, 200, 200)),
    "account_reset_password_from_key": ("GET", (200, 200, 200, 200, 200)),
}


def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            if not str(each.pattern).startswith(SANDBOX):
                yield from names(each.url_patterns)
        else:
            yield each.name or str(each.pattern)


def test_the_matrix_names_every_address() -> None:
    assert set(names(get_resolver().url_patterns)) == {name.partition(" ")[0] for name in MATRIX}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", MATRIX)
def test_each_address_answers_each_person_as_written(
    name: str, who: str, client: Client, ask: Ask, alice: User, bob: User, victor: User, charlie: User
) -> None:
    people = dict(zip(PEOPLE, (None, charlie, victor, bob, alice), strict=True))
    if person := people[who]:
        sign_in(client, person)
    method, expected = MATRIX[name]
    data = {"team": str(alice.own_memberships[0].team_id)} if method == "POST" else {}
    response = client.generic(method, address(name.partition(" ")[0], ask), urlencode(data), FORM)
    response.close()
    assert response.status_code == expected[PEOPLE.index(who)]


def address(name: str, ask: Ask) -> str:
    generation = ask()
    [image] = finish(generation)
    arguments: dict[str, dict[str, object]] = {
        "generation": {"pk": generation.pk},
        "cancel": {"pk": generation.pk},
        "archive": {"pk": generation.pk},
        "original": {"pk": image.pk},
        "thumbnail": {"pk": image.pk, "width": 320},
        "invitation": {"token": "unknown"},
        "account_reset_password_from_key": {"uidb36": "1", "key": "abc-def"},
    }
    return reverse(name, kwargs=arguments.get(name, {}))
