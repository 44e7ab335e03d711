"""Elements: a team's names for things in a provider's library, and how the form offers them."""

from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from PIL import Image as Pillow

from generations.models import Asset, Credential, Element, Generation, Reference
from generations.providers.registry import PROVIDERS
from generations.services import deleting
from klingweb.accounts import services
from klingweb.accounts.models import Role, Team, User
from tests.cast import sign_in
from tests.road import Ask, finish

pytestmark = pytest.mark.django_db

CHOSEN = {"provider": "kling", "operation": "text-to-image", "was": "kling/text-to-image", "model_name": "kling-v3"}


def photo(colour: str = "teal", side: int = 400) -> SimpleUploadedFile:
    content = BytesIO()
    Pillow.new("RGB", (side, side), colour).save(content, "PNG")
    return SimpleUploadedFile("cup.png", content.getvalue(), "image/png")


def add(client: Client, own: Team, **entered: object) -> HttpResponse:
    data = {"team": own.pk, "provider": "kling", "element_id": "829", "name": "The cup"} | entered
    response = client.post("/elements/", data)
    assert isinstance(response, HttpResponse)
    return response


def element(team: Team, element_id: str = "829", name: str = "The cup") -> Element:
    return Element.objects.create(team=team, provider="kling", element_id=element_id, name=name)


# The page -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_member_or_an_admin_names_an_element_and_all_see_it(
    client: Client, halden: Team, who: str, alice: User, bob: User, victor: User
) -> None:
    sign_in(client, {"alice": alice, "bob": bob}[who])
    assert "There is none yet." in client.get("/elements/").content.decode()
    assert add(client, halden, picture=photo()).status_code == 302
    made = Element.objects.get()
    assert (str(made), made.element_id, made.by and made.by.display_name) == ("The cup", "829", who.capitalize())
    page = sign_in(client, victor).get("/elements/").content.decode()
    assert f"829 · {PROVIDERS['kling'].label} · named by {who.capitalize()}" in " ".join(page.split())
    assert f"/assets/{made.asset_id}/320" in page
    assert "Add an element" not in page
    assert "Remove" not in page


@pytest.mark.parametrize(
    ("entered", "sentence"),
    [
        ({"name": " "}, "Enter a name."),
        ({"element_id": ""}, "Enter the number of the element."),
        ({"element_id": "12a"}, "Enter a number of at most 18 digits"),
        ({"element_id": "1" * 19}, "Enter a number of at most 18 digits"),
        ({"picture": SimpleUploadedFile("a.png", b"no picture")}, "This is no picture that can be used."),
        ({"picture": SimpleUploadedFile("a.png", b"")}, "This file is empty."),
        ({"provider": "nobody"}, ""),
        ({"team": "0"}, "This page was opened in another team"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    client: Client, halden: Team, bob: User, entered: dict[str, object], sentence: str
) -> None:
    response = add(sign_in(client, bob), halden, **entered)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Element.objects.exists()


def test_the_same_element_is_named_once_in_a_team(client: Client, halden: Team, bob: User) -> None:
    add(sign_in(client, bob), halden)
    response = add(client, halden, name="Another cup")
    assert response.status_code == 422
    assert "Your team calls this element The cup already." in response.content.decode()
    other = services.ensure_team("Atelier")
    element(other)
    assert Element.objects.count() == 2


def test_an_element_gets_another_name_and_picture_and_the_old_picture_goes(
    client: Client, halden: Team, bob: User
) -> None:
    add(sign_in(client, bob), halden, picture=photo())
    made = Element.objects.get()
    address = reverse("element", args=[made.pk])
    assert 'value="The cup"' in client.get(address).content.decode()
    assert client.post(address, {"name": "The mug"}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.asset is not None) == ("The mug", True)
    client.post(address, {"name": "The mug", "picture": photo("red")})
    new = Asset.objects.get()
    made.refresh_from_db()
    assert made.asset == new
    client.post(address, {"name": "The mug", "picture": photo("red")})
    assert Asset.objects.get() == new
    for wrong in ({"name": ""}, {"name": "x", "picture": photo(side=20)}):
        assert client.post(address, wrong).status_code == 422


def test_a_removed_element_takes_its_picture_along_unless_that_is_used(
    client: Client, halden: Team, bob: User, ask: Ask
) -> None:
    add(sign_in(client, bob), halden, picture=photo())
    add(client, halden, element_id="830", name="The same cup", picture=photo())
    for made, left in zip(Element.objects.order_by("pk"), (1, 0), strict=True):
        assert client.post(reverse("element_remove", args=[made.pk])).status_code == 302
        assert Asset.objects.count() == left
    assert not Element.objects.exists()


def test_a_picture_that_shows_an_element_outlives_the_generation_that_used_it(
    client: Client, halden: Team, bob: User, ask: Ask
) -> None:
    add(sign_in(client, bob), halden, picture=photo())
    generation = ask("A cup", operation="image-to-image", image=Asset.objects.get().pk)
    finish(generation)
    assert deleting.delete(generation, bob)
    assert not Reference.objects.exists()
    assert Asset.objects.exists()


def test_strangers_find_no_element_and_viewers_change_none(
    client: Client, halden: Team, victor: User, charlie: User
) -> None:
    made = element(halden)
    for person, status in ((victor, 403), (charlie, 404)):
        sign_in(client, person)
        answers = [client.post(reverse(name, args=[made.pk]), {"name": "x"}) for name in ("element", "element_remove")]
        assert [each.status_code for each in answers] == [status] * 2
    assert "The cup" not in client.get("/elements/").content.decode()
    assert add(sign_in(client, victor), halden).status_code == 403


# The form -------------------------------------------------------------------------------------------------------------


def test_the_form_offers_the_teams_elements_by_name_and_others_by_id(
    client: Client, halden: Team, bob: User, credential: Credential
) -> None:
    page = sign_in(client, bob).get("/", CHOSEN).content.decode()
    assert "Name some for your team" in page
    mine = element(halden)
    other = services.ensure_team("Atelier")
    element(other, "831", "Their cup")
    Element.objects.create(team=halden, provider="kkiai", element_id="832", name="Elsewhere")
    page = sign_in(client, bob).get("/", CHOSEN | {"element_list": "829, 77"}).content.decode()
    assert f'name="element_list" value="{mine.element_id}" checked' in page
    assert 'id="id-element_list" name="element_list" value="77"' in page
    assert "Their cup" not in page
    assert "Elsewhere" not in page
    assert 'href="/elements/"' in page


@pytest.mark.parametrize("sent", ["829,77", ["829", "77"], ["829", "", "77"], ["829", "829, 77"], " 829 , 77 "])
def test_ids_come_as_a_list_of_any_kind(
    client: Client, bob: User, credential: Credential, sent: str | list[str]
) -> None:
    sign_in(client, bob).post("/", CHOSEN | {"prompt": "A cup", "element_list": sent})
    assert Generation.objects.get().values["element_list"] == "829,77"


def test_no_element_at_all_is_nothing_that_is_sent(client: Client, bob: User, credential: Credential) -> None:
    sign_in(client, bob).post("/", CHOSEN | {"prompt": "A cup", "element_list": ["", ""]})
    assert "element_list" not in Generation.objects.get().values


def test_chosen_elements_wait_while_a_model_takes_none_and_come_back(
    client: Client, halden: Team, bob: User, credential: Credential
) -> None:
    element(halden)
    htmx = {"HX-Request": "true"}
    drawn = CHOSEN | {"refresh": "1", "prompt": "A cup", "element_list": ["829", "77"]}
    away = sign_in(client, bob).post("/", drawn | {"model_name": "kling-v2-1"}, headers=htmx).content.decode()
    assert 'name="kept.element_list" value="829,77"' in away
    back = CHOSEN | {"refresh": "1", "prompt": "A cup", "kept.element_list": "829,77"}
    page = client.post("/", back, headers=htmx).content.decode()
    assert 'value="829" checked' in page
    assert 'name="element_list" value="77"' in page


def test_a_wrong_id_is_refused_at_the_field(client: Client, bob: User, credential: Credential) -> None:
    response = sign_in(client, bob).post("/", CHOSEN | {"prompt": "A cup", "element_list": "cup"})
    assert response.status_code == 422
    assert "Enter the numbers of elements, separated by commas." in response.content.decode()


def test_an_admin_of_two_teams_sees_the_elements_of_the_current_one(client: Client, halden: Team, alice: User) -> None:
    other = services.ensure_team("Atelier")
    services.ensure_membership(other, alice, Role.ADMIN)
    element(halden)
    sign_in(client, alice).post("/team/switch/", {"team": other.pk})
    assert "There is none yet." in client.get("/elements/").content.decode()
    assert add(client, halden, element_id="900").status_code == 422
