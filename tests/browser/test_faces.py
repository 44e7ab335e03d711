"""Faces found in a reference picture, chosen from their crops, by mouse, by arrow keys and without a script."""

from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image as Pillow
from PIL import ImageDraw
from playwright.sync_api import Page, expect

from generations import credentials
from generations.models import Credential, Generation
from klingweb.accounts.models import Team, User
from tests.browser.conftest import Open

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

NOBODY, THREE, ONE = 404, 333, 600  # pixels of width, by which the sandbox knows how many faces there are


@pytest.fixture
def useapi(halden: Team, sandbox: str) -> Credential:
    secrets = {"api_token": "user:1-sandbox-key"}
    return credentials.ensure(team=halden, provider="useapi", name="Ours", base_url="sandbox:", secrets=secrets)[0]


def people(folder: Path, width: int) -> Path:
    picture = Pillow.new("RGB", (width, 400), "#d8d2c4")
    column = width // 3
    for number, colour in enumerate(("#b06a4f", "#7d8f69", "#4f6d8f")):
        left = number * column
        ImageDraw.Draw(picture).ellipse((left + column // 4, 66, left + 3 * column // 4, 266), fill=colour)
    content = BytesIO()
    picture.save(content, "PNG")
    path = folder / "people.png"
    path.write_bytes(content.getvalue())
    return path


def show(page: Page, picture: Path) -> None:
    page.get_by_label("Prompt", exact=True).fill("A hat")
    page.get_by_role("radio", name="Face", exact=True).check()
    slot = page.get_by_role("group", name="Reference picture")
    slot.locator("input[type=file]").set_input_files(picture)
    expect(page.get_by_alt_text("Reference picture: people.png")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_of_three_faces_is_chosen_by_arrow_keys_and_sent(
    visit: Open, bob: User, useapi: Credential, tmp_path: Path, scheme: str
) -> None:
    page = visit("/?provider=useapi&operation=kolors", bob, color_scheme=scheme)
    show(page, people(tmp_path, THREE))
    first = page.get_by_role("radio", name="Face 1 of 3")
    expect(first).to_be_checked()
    first.focus()
    page.keyboard.press("ArrowRight")
    second = page.get_by_role("radio", name="Face 2 of 3")
    expect(second).to_be_checked()
    expect(second).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#gens > .gen")).to_have_count(1)
    assert Generation.objects.get().values["faceNo"] == 2
    expect(second).to_be_checked()


def test_a_single_face_needs_no_choice(visit: Open, bob: User, useapi: Credential, tmp_path: Path) -> None:
    page = visit("/?provider=useapi&operation=kolors", bob, width=390)
    show(page, people(tmp_path, ONE))
    expect(page.get_by_text("The picture shows one face, and that is used.")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#gens > .gen")).to_have_count(1)
    assert Generation.objects.get().values["faceNo"] == 1


def test_where_no_face_is_found_the_number_is_entered(
    visit: Open, bob: User, useapi: Credential, tmp_path: Path
) -> None:
    page = visit("/?provider=useapi&operation=kolors", bob)
    show(page, people(tmp_path, NOBODY))
    expect(page.get_by_text("finds no face in this picture")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Which face").fill("3")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#gens > .gen")).to_have_count(1)
    assert Generation.objects.get().values["faceNo"] == 3


def test_the_faces_without_javascript(visit: Open, bob: User, useapi: Credential, tmp_path: Path) -> None:
    page = visit("/?provider=useapi&operation=kolors&reference=face", bob, java_script_enabled=False)
    page.get_by_label("Prompt", exact=True).fill("A hat")
    page.locator("input[type=file]").first.set_input_files(people(tmp_path, THREE))
    page.get_by_role("button", name="Show the fields for these choices").click()
    page.get_by_role("button", name="Find the faces").click()
    page.get_by_role("radio", name="Face 3 of 3").check()
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("heading", name="A hat")).to_be_visible()
    assert Generation.objects.get().values["faceNo"] == 3
