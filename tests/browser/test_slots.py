"""Rows of slots: several pictures at once, in order, cited in the prompt; by pointer and by keys."""

import base64
from io import BytesIO
from pathlib import Path
from zlib import crc32

import pytest
from PIL import Image as Pillow
from playwright.sync_api import FilePayload, Locator, Page, expect

from generations import assets, credentials
from generations.models import Asset, Credential, CredentialAccount, Generation
from generations.providers.fields import PictureBounds
from klingweb.accounts.models import Team, User
from tests.browser.conftest import Open
from tests.browser.test_pages import Look, look
from tests.road import Ask, finish

__all__ = ["look"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PHOTOS = Path(__file__).parent.parent / "fixtures" / "photos"
COFFEE, ROCKET = PHOTOS / "coffee.png", PHOTOS / "rocket.jpg"
KOLORS = "/?provider=useapi&operation=kolors"
HAND_OVER = """([selector, kind, files]) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
  }
  const given = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(selector).dispatchEvent(given);
}"""


@pytest.fixture
def useapi(halden: Team) -> Credential:
    made, _ = credentials.ensure(
        team=halden,
        provider="useapi",
        name="Sandbox",
        base_url="sandbox:",
        secrets={"api_token": "user:1-sandbox"},
        slots=3,
    )
    return made


@pytest.fixture
def photographs(halden: Team, bob: User) -> list[Asset]:
    kept = []
    for file in (COFFEE, ROCKET):
        with file.open("rb") as photograph:
            kept.append(assets.keep(halden, bob, photograph, file.name, PictureBounds()))
    return kept


def hand_over(page: Page, kind: str, names: list[str], selector: str = "#create .prompt") -> None:
    files = [[name, drawn(name)] for name in names]
    for each in ("dragover", "drop") if kind == "drop" else (kind,):
        page.evaluate(HAND_OVER, [selector, each, files])


def drawn(name: str) -> str:
    """A picture of its own for each name: the same bytes would be the same picture, under its first name."""
    content = BytesIO()
    Pillow.new("RGB", (400, 300), (crc32(name.encode()) % 256, 90, 160)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def slot(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def shows(page: Page, name: str, file: str) -> None:
    expect(slot(page, name).get_by_alt_text(f"Reference picture: {file}")).to_be_visible()


def with_three(photographs: list[Asset]) -> str:
    coffee, rocket = photographs
    return f"{KOLORS}&image_1__asset={coffee.pk}&image_2__asset={rocket.pk}&image_3__asset={coffee.pk}"


def test_files_chosen_together_fill_the_slots_one_after_another(visit: Open, bob: User, useapi: Credential) -> None:
    page = visit(KOLORS, bob)
    page.get_by_label("Prompt", exact=True).fill("A cup")
    expect(page.locator("[data-slot]")).to_have_count(1)
    page.locator("[data-slot] input[type=file]").set_input_files([COFFEE, ROCKET])
    shows(page, "Picture 1", "coffee.png")
    shows(page, "Picture 2", "rocket.jpg")
    expect(slot(page, "Picture 3").get_by_text("choose")).to_be_visible()
    expect(page.get_by_text("2 of 10")).to_be_visible()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A cup")


def test_a_drop_goes_where_it_falls_and_a_paste_into_the_first_empty_slot(
    visit: Open, bob: User, credential: Credential
) -> None:
    page = visit("/?operation=multi-image", bob)
    hand_over(page, "drop", ["scene.png"], "#id-scene_image-slot")
    expect(page.locator("#id-scene_image-slot").get_by_alt_text("Reference picture: scene.png")).to_be_visible()
    hand_over(page, "drop", ["one.png", "two.png"])
    shows(page, "Subject 1", "one.png")
    shows(page, "Subject 2", "two.png")
    hand_over(page, "paste", ["three.png"])
    shows(page, "Subject 3", "three.png")
    hand_over(page, "drop", ["other.png"], '[id="id-subject_image_list-2-slot"] .slot')
    shows(page, "Subject 2", "other.png")
    shows(page, "Subject 1", "one.png")


def test_what_finds_no_place_is_said(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/?operation=image-to-image", bob)
    hand_over(page, "drop", ["one.png", "two.png", "three.png"])
    expect(page.get_by_alt_text("Reference picture: one.png")).to_be_visible()
    expect(page.get_by_text("2 pictures were not taken in.")).to_be_visible()


def test_when_all_slots_are_taken_nothing_is_replaced(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    taken = "&".join(f"subject_image_list-{number}__asset={photographs[0].pk}" for number in range(1, 5))
    taken += f"&scene_image__asset={photographs[0].pk}&style_image__asset={photographs[0].pk}"
    page = visit(f"/?operation=multi-image&{taken}", bob)
    hand_over(page, "paste", ["one.png"])
    expect(page.get_by_text("Every place for a picture is taken. Remove one first.")).to_be_visible()
    expect(page.get_by_alt_text("Reference picture: one.png")).to_have_count(0)


def test_a_picture_made_here_goes_into_the_first_empty_slot(
    visit: Open, bob: User, ask: Ask, photographs: list[Asset]
) -> None:
    finish(ask("A vase on a plinth"), size=(600, 400))
    page = visit(f"/?operation=multi-image&subject_image_list-1__asset={photographs[0].pk}", bob)
    page.get_by_role("button", name="Use picture 1 of 1 as reference").click()
    expect(slot(page, "Subject 2").get_by_alt_text("Reference picture:")).to_be_visible()
    shows(page, "Subject 1", "coffee.png")
    expect(page.get_by_label("Operation")).to_have_value("multi-image")


def test_pictures_move_and_go_by_keys_alone_and_the_focus_goes_along(
    visit: Open, bob: User, useapi: Credential, photographs: list[Asset]
) -> None:
    page = visit(with_three(photographs), bob)
    later = page.get_by_role("button", name="Move Picture 1 later")
    later.focus()
    page.keyboard.press("Enter")
    shows(page, "Picture 1", "rocket.jpg")
    shows(page, "Picture 2", "coffee.png")
    expect(page.get_by_role("button", name="Move Picture 2 later")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move Picture 3 earlier")).to_be_focused()
    remove = slot(page, "Picture 1").get_by_role("button", name="Remove rocket.jpg")
    remove.focus()
    page.keyboard.press("Enter")
    expect(slot(page, "Picture 1").get_by_text("choose")).to_be_visible()
    expect(page.locator("#id-image_1")).to_be_focused()
    expect(page.locator("[data-slot]")).to_have_count(3)
    page.get_by_role("button", name="Move Picture 2 earlier").click()
    shows(page, "Picture 1", "coffee.png")


def test_a_citation_goes_in_where_the_caret_is(
    visit: Open, bob: User, useapi: Credential, photographs: list[Asset]
) -> None:
    page = visit(with_three(photographs) + "&prompt=Put", bob)
    prompt = page.get_by_label("Prompt", exact=True)
    page.get_by_role("button", name="@image_2").click()
    expect(prompt).to_have_value("Put @image_2")
    expect(prompt).to_be_focused()
    page.keyboard.type(" beside it")
    prompt.evaluate("field => field.setSelectionRange(3, 3)")
    page.get_by_role("button", name="@image_1").click()
    expect(prompt).to_have_value("Put @image_1 @image_2 beside it")


def test_a_citation_of_nothing_and_a_gap_are_said_at_their_places(
    visit: Open, bob: User, useapi: Credential, photographs: list[Asset]
) -> None:
    page = visit(f"{KOLORS}&image_2__asset={photographs[0].pk}&prompt=Like+@image_7", bob)
    page.locator("#go").click()
    expect(page.locator("#id-prompt-error")).to_contain_text("there is no such picture")
    page.get_by_label("Prompt", exact=True).fill("A cup")
    page.locator("#go").click()
    expect(page.locator("#id-image_1-error")).to_contain_text("This slot is empty")
    expect(page.locator("#id-image_1")).to_be_focused()
    assert not Generation.objects.exists()


def test_a_file_that_is_no_picture_is_said_at_its_slot_and_what_follows_it_is_not_taken(
    visit: Open, bob: User, useapi: Credential
) -> None:
    page = visit(KOLORS, bob)
    broken = FilePayload(name="broken.png", mimeType="image/png", buffer=b"no picture")
    whole = FilePayload(name="coffee.png", mimeType="image/png", buffer=COFFEE.read_bytes())
    page.locator("[data-slot] input[type=file]").set_input_files([broken, whole])
    expect(page.locator("#id-image_1-error")).to_be_visible()
    expect(page.get_by_text("One picture was not taken in.")).to_be_visible()


def test_slots_without_javascript(visit: Open, bob: User, useapi: Credential, photographs: list[Asset]) -> None:
    page = visit(with_three(photographs), bob, java_script_enabled=False)
    expect(page.get_by_text("@image_2")).to_be_visible()
    page.get_by_role("button", name="Move Picture 2 earlier").click()
    shows(page, "Picture 1", "rocket.jpg")
    slot(page, "Picture 4").locator("input[type=file]").set_input_files(COFFEE)
    page.get_by_role("button", name="Show the fields for these choices").click()
    shows(page, "Picture 4", "coffee.png")


def test_an_account_is_chosen_only_where_there_are_several(visit: Open, bob: User, useapi: Credential) -> None:
    page = visit(KOLORS, bob)
    account = page.locator("#id-email")
    expect(account).to_have_count(0)
    useapi.accounts.create(name="a@example.com", slots=3)
    page.reload()
    expect(account).to_have_count(0)
    CredentialAccount.objects.create(credential=useapi, name="b@example.com", slots=3, paused_at=useapi.created)
    page.reload()
    expect(account.locator("option")).to_have_text(["Free one", "a@example.com", "b@example.com, paused"])
    expect(account).to_have_value("")
    account.select_option("a@example.com")
    expect(account).to_have_value("a@example.com")


def test_rows_of_slots_in_every_width_and_light(
    look: Look, bob: User, credential: Credential, useapi: Credential, photographs: list[Asset]
) -> None:
    look(with_three(photographs), bob)
    ten = "&".join(f"image_list-{number}__asset={photographs[0].pk}" for number in range(1, 11))
    look(f"/?provider=kling&operation=omni&{ten}", bob)
    look("/?provider=kling&operation=multi-image", bob)
