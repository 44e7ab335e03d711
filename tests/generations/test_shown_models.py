import pytest
from django.test import Client

from generations.catalogue import offers
from generations.models import Credential, ShownModel
from klingweb.accounts.models import Team, User
from tests.cast import sign_in

pytestmark = pytest.mark.django_db

ADDRESS = "/credentials/models/kling/"


def names(team: Team) -> list[str]:
    [offer] = offers(team)
    return [each.model_name for each in offer.operation("image-to-image").capabilities]


def test_an_admin_shows_a_retired_model_and_hides_it_again(
    client: Client, alice: User, halden: Team, credential: Credential
) -> None:
    sign_in(client, alice)
    assert names(halden) == ["kling-v3", "kling-v2-1"]
    client.post(ADDRESS, {"model": ["kling-v1-5", "kling-v1", "nobody's"]})
    assert names(halden) == ["kling-v3", "kling-v2-1", "kling-v1-5", "kling-v1"]
    assert str(ShownModel.objects.get(model_name="kling-v1")) == "kling kling-v1"
    page = client.get(ADDRESS).content.decode()
    assert page.count(" checked") == 2
    assert "15 September 2026" in page
    client.post(ADDRESS, {"model": ["kling-v1"]})
    assert names(halden) == ["kling-v3", "kling-v2-1", "kling-v1"]


def test_a_shown_model_asks_for_what_its_document_says(
    client: Client, bob: User, alice: User, halden: Team, credential: Credential
) -> None:
    sign_in(client, alice).post(ADDRESS, {"model": ["kling-v1-5"]})
    asked = {"operation": "image-to-image", "model_name": "kling-v1-5", "prompt": "A vase"}
    page = sign_in(client, bob).post("/", asked)
    assert page.status_code == 422
    assert "kling-v1-5" in page.content.decode()


def test_a_provider_that_does_not_exist_has_no_models(client: Client, alice: User) -> None:
    assert sign_in(client, alice).get("/credentials/models/nobody/").status_code == 404
