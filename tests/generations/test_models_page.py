"""The page on which an admin changes what a provider offers: who may, and what is refused."""

import pytest
from django.test import Client

from generations.models import Credential, Override
from klingweb.accounts import services
from klingweb.accounts.models import Role, Team, User
from tests.cast import sign_in
from tests.generations.models_page import entries, save

pytestmark = pytest.mark.django_db

ADDRESS = "/credentials/models/kling/"


@pytest.fixture
def admin(client: Client, alice: User, credential: Credential) -> Client:
    return sign_in(client, alice)


def test_saving_what_is_there_changes_nothing_and_comes_back_to_the_page(admin: Client) -> None:
    answer = save(admin)
    assert answer.status_code == 302
    assert answer.headers["Location"] == ADDRESS
    assert "Saved. Create offers this from now on." in admin.get(ADDRESS).content.decode()
    assert not Override.objects.exists()


def test_what_nobody_has_verified_is_offered_in_words(admin: Client) -> None:
    page = admin.get("/credentials/models/apimodels/").content.decode()
    assert "Offer “Several pictures” (<code>image_urls</code>)" in page
    page = admin.get(ADDRESS).content.decode()
    assert "Offer “Also make a copy with Kling&#x27;s watermark”" in page


def test_the_credentials_page_leads_to_it(admin: Client) -> None:
    page = admin.get("/credentials/").content.decode()
    assert f'href="{ADDRESS}">Models and prices of Kling official</a>' in page


@pytest.mark.parametrize(
    ("entered", "sentence"),
    [
        ({"text-to-image-price:kling-v3": "cheap"}, "Enter what one picture costs in US dollars, such as 0.028"),
        ({"text-to-image-price:kling-v3": "-1"}, "Enter what one picture costs in US dollars, such as 0.028"),
        ({"text-to-image-price:kling-v3": "NaN"}, "Enter what one picture costs in US dollars, such as 0.028"),
        ({"expand-price:": "0.00001"}, "Enter what one picture costs in US dollars, such as 0.028"),
        ({"text-to-image-default": "kling-v1"}, "kling-v1 is not offered, so Create cannot begin with it."),
        ({"text-to-image-offers:kling-v3": None}, "kling-v3 is not offered, so Create cannot begin with it."),
        ({"text-to-image-default": "nobody"}, "Choose one of these."),
        ({"new-name": "kling-v4"}, "Choose the model whose fields and limits it has."),
        ({"new-like": "kling-v3"}, "Enter the name of the new model."),
        ({"new-name": "kling-v4", "new-like": "nobody"}, "Choose one of these."),
        ({"new-name": "kling v4", "new-like": "kling-v3"}, "has letters, digits and hyphens, and no spaces."),
        (
            {"new-name": "kling-v2-1", "new-like": "kling-v3"},
            "Wherever there is kling-v3, kling-v2-1 is there already.",
        ),
        ({"new-name": "kling-v9", "new-like": "kling-v3"}, "kling-v9 has been added already."),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_nothing_is_saved(
    admin: Client, halden: Team, entered: dict[str, str | None], sentence: str
) -> None:
    Override.objects.create(team=halden, provider="kling", kind="added", name="kling-v9", value="kling-v3")
    answer = save(admin, {"omni-price:kling-image-o1": "0.5", **entered})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Nothing is saved yet. Mend what is marked below." in page
    assert sentence in page
    assert 'value="0.5"' in page
    assert Override.objects.count() == 1


def test_the_last_model_may_go_although_it_was_the_first_choice(admin: Client) -> None:
    assert save(admin, {"multi-image-offers:kling-v2-1": None}).status_code == 302


def test_what_was_entered_for_another_team_changes_nothing_in_this_one(
    admin: Client, alice: User, halden: Team
) -> None:
    other = services.ensure_team("Atelier")
    services.ensure_membership(other, alice, Role.ADMIN)
    admin.post("/team/switch/", {"team": halden.pk})
    answer = save(admin, {"team": other.pk, "text-to-image-offers:kling-v1": "on"})
    assert answer.status_code == 422
    assert "opened in another team, so nothing was done. You work in Halden Studio now" in answer.content.decode()
    assert f'name="team" value="{halden.pk}"' in answer.content.decode()
    assert not Override.objects.exists()


def test_of_two_admins_the_slower_one_is_told_and_undoes_nothing(admin: Client, halden: Team) -> None:
    slow = entries(admin)
    save(admin, {"new-name": "kling-v4", "new-like": "kling-v3"})
    page = admin.post(ADDRESS, slow | {"text-to-image-price:kling-v3": "0.5"}, follow=True).content.decode()
    assert "Another admin changed this page in the meantime, so nothing was saved." in page
    assert "added, like kling-v3" in page
    assert str(Override.objects.get()) == "kling added kling-v4 kling-v3"


def test_a_provider_that_does_not_exist_has_no_models(admin: Client) -> None:
    assert admin.get("/credentials/models/nobody/").status_code == 404
