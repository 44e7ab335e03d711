"""Every address × anonymous, stranger, viewer, member and admin, generated from the URL conf."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from generations import assets
from generations.models import Element
from generations.providers.fields import PictureBounds
from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask, finish

FORM = "application/x-www-form-urlencoded"
SANDBOX = "sandbox"  # a stranger's server: it has keys of its own
CREDENTIAL_VERBS = ("change", "replace", "test", "pause", "resume", "remove")
PEOPLE = ("anonymous", "stranger", "viewer", "member", "admin")

# Name of an address → method, and the answer for each of PEOPLE. Nothing may be missing here.
MATRIX: dict[str, tuple[str, tuple[int, int, int, int, int]]] = {
    "create": ("GET", (302, 200, 200, 200, 200)),
    "create POST": ("POST", (302, 200, 403, 422, 422)),
    "changes": ("GET", (302, 200, 200, 200, 200)),
    "queue": ("GET", (302, 200, 200, 200, 200)),
    "history": ("GET", (302, 200, 200, 200, 200)),
    "generation": ("GET", (302, 404, 200, 200, 200)),
    "models": ("GET", (302, 200, 403, 403, 200)),
    "readings": ("GET", (302, 200, 403, 403, 200)),
    "readings POST": ("POST", (302, 422, 403, 403, 302)),
    "decide": ("POST", (302, 404, 403, 302, 302)),
    "delete": ("GET", (302, 404, 403, 200, 200)),
    "audit": ("GET", (302, 200, 403, 403, 200)),
    "check": ("POST", (302, 404, 403, 302, 302)),
    "retry": ("POST", (302, 404, 403, 302, 302)),
    "cancel": ("POST", (302, 404, 403, 302, 302)),
    "archive": ("GET", (302, 404, 200, 200, 200)),
    "original": ("GET", (302, 404, 200, 200, 200)),
    "thumbnail": ("GET", (302, 404, 200, 200, 200)),
    "use_as_reference": ("POST", (302, 404, 403, 302, 302)),
    "asset": ("GET", (302, 404, 200, 200, 200)),
    "asset_thumbnail": ("GET", (302, 404, 200, 200, 200)),
    "faces": ("POST", (302, 404, 403, 307, 307)),
    "elements": ("GET", (302, 200, 200, 200, 200)),
    "elements POST": ("POST", (302, 422, 403, 422, 422)),
    "element": ("GET", (302, 404, 403, 200, 200)),
    "element POST": ("POST", (302, 404, 403, 422, 422)),
    "element_remove": ("POST", (302, 404, 403, 302, 302)),
    "credentials": ("GET", (302, 200, 403, 403, 200)),
    "credential_add": ("GET", (302, 200, 403, 403, 200)),
    "credential_add POST": ("POST", (302, 422, 403, 403, 422)),
    "sending": ("POST", (302, 302, 403, 403, 302)),
    "credential_change": ("GET", (302, 404, 403, 403, 200)),
    "credential_change POST": ("POST", (302, 404, 403, 403, 422)),
    "credential_replace": ("GET", (302, 404, 403, 403, 200)),
    "credential_replace POST": ("POST", (302, 404, 403, 403, 422)),
    "credential_test": ("POST", (302, 404, 403, 403, 302)),
    "credential_pause": ("GET", (302, 404, 403, 403, 200)),
    "credential_pause POST": ("POST", (302, 404, 403, 403, 422)),
    "credential_resume": ("POST", (302, 404, 403, 403, 302)),
    "credential_remove": ("GET", (302, 404, 403, 403, 200)),
    "credential_remove POST": ("POST", (302, 404, 403, 403, 302)),
    "webhook": ("POST", (404, 404, 404, 404, 404)),
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
    [image] = finish(generation, size=(300, 300))
    reference = assets.keep_image(image, generation.person, PictureBounds())
    element = Element.objects.create(team=generation.team, provider="kling", element_id="12", name="The cup")
    arguments: dict[str, dict[str, object]] = {
        "generation": {"pk": generation.pk},
        "models": {"provider": "kling"},
        "readings": {"provider": "kling"},
        "decide": {"pk": generation.pk},
        "delete": {"pk": generation.pk},
        "check": {"pk": generation.pk},
        "retry": {"pk": generation.pk},
        "cancel": {"pk": generation.pk},
        "archive": {"pk": generation.pk},
        "original": {"pk": image.pk},
        "thumbnail": {"pk": image.pk, "width": 320},
        "use_as_reference": {"pk": image.pk},
        "asset": {"pk": reference.pk},
        "asset_thumbnail": {"pk": reference.pk, "width": 320},
        "faces": {"pk": reference.pk},
        "element": {"pk": element.pk},
        "element_remove": {"pk": element.pk},
        "invitation": {"token": "unknown"},
        "webhook": {"provider": "kling", "token": "unknown"},
        **{f"credential_{verb}": {"pk": generation.credential_id} for verb in CREDENTIAL_VERBS},
        "account_reset_password_from_key": {"uidb36": "1", "key": "abc-def"},
    }
    return reverse(name, kwargs=arguments.get(name, {}))
