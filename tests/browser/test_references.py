"""Each way in which a reference gets into the form, from the empty page to the stored picture, by a photograph."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from generations.models import Credential, Generation
from klingweb.accounts.models import User
from tests.browser.conftest import Open, Start
from tests.road import Ask, finish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

COFFEE = Path(__file__).parent.parent / "fixtures" / "photos" / "coffee.png"
HAND_OVER = """([selector, kind, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "coffee.png", { type: "image/png" }));
  const given = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(selector).dispatchEvent(given);
}"""


def hand_over(page: Page, kind: str) -> None:
    content = base64.b64encode(COFFEE.read_bytes()).decode()
    if kind == "drop":
        page.evaluate(HAND_OVER, ["#create .prompt", "dragover", content])
    page.evaluate(HAND_OVER, ["#create .prompt", kind, content])


def made_of_the_photograph(page: Page, start_following: Start) -> Generation:
    page.get_by_role("button", name="Generate").click()
    card = page.locator("#gens > .gen").first
    expect(card).to_be_visible()
    start_following()
    expect(card).to_have_attribute("data-status", "succeeded", timeout=60_000)
    generation = Generation.objects.order_by("created").last()
    assert generation
    picture = generation.images.get()
    assert (picture.width or 0) / (picture.height or 1) == pytest.approx(600 / 400, rel=0.03)
    return generation


@pytest.mark.parametrize("used_as", ["Whole picture", "Subject", "Face"])
def test_a_chosen_file_is_used_as_each_kind_of_reference(
    visit: Open, bob: User, credential: Credential, start_following: Start, used_as: str
) -> None:
    page = visit("/", bob)
    page.get_by_label("Prompt", exact=True).fill("A cup in window light")
    page.get_by_label("Operation").select_option("image-to-image")
    page.get_by_label("Model").select_option("kling-v2-1")
    page.locator("input[type=file]").set_input_files(COFFEE)
    expect(page.get_by_alt_text("Reference picture: coffee.png")).to_be_visible()
    page.get_by_role("radio", name=used_as).check()
    expect(page.get_by_label("Closeness of the face")).to_have_count(1 if used_as == "Subject" else 0)
    page.get_by_label("Closeness to the reference").fill("0.65")
    generation = made_of_the_photograph(page, start_following)
    kind = {"Whole picture": None, "Subject": "subject", "Face": "face"}[used_as]
    assert generation.values.get("image_reference") == kind
    assert generation.values["image_fidelity"] == 0.65
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A cup in window light")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_that_arrives_by_itself_opens_its_slot(
    visit: Open, bob: User, credential: Credential, start_following: Start, way: str
) -> None:
    page = visit("/", bob)
    page.get_by_label("Prompt", exact=True).fill("A cup in window light")
    hand_over(page, way)
    expect(page.get_by_alt_text("Reference picture: coffee.png")).to_be_visible()
    expect(page.get_by_label("Operation")).to_have_value("image-to-image")
    made_of_the_photograph(page, start_following)


def test_a_picture_made_here_is_taken_into_the_form_which_keeps_what_was_typed(
    visit: Open, bob: User, ask: Ask
) -> None:
    finish(ask("A vase on a plinth"), size=(600, 400))
    page = visit("/", bob)
    page.get_by_label("Prompt", exact=True).fill("The same at night")
    page.get_by_role("button", name="Use picture 1 of 1 as reference").click()
    expect(page.get_by_alt_text("Reference picture:")).to_be_visible()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("The same at night")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_alt_text("Reference picture:")).to_have_count(0)


def test_a_picture_that_cannot_be_used_says_so_at_its_slot(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/?operation=image-to-image", bob)
    page.get_by_text("From an address").click()
    page.get_by_label("Address of a picture").fill("http://127.0.0.1/a.png")
    page.get_by_label("Address of a picture").press("Tab")
    expect(page.locator("#id-image-error")).to_contain_text("https")


def test_a_reference_without_javascript(visit: Open, bob: User, credential: Credential, start_following: Start) -> None:
    page = visit("/?operation=image-to-image", bob, java_script_enabled=False)
    page.get_by_label("Prompt", exact=True).fill("A cup in window light")
    page.locator("input[type=file]").set_input_files(COFFEE)
    page.get_by_role("button", name="Show the fields for these choices").click()
    expect(page.get_by_alt_text("Reference picture: coffee.png")).to_be_visible()
    page.get_by_role("button", name="Generate").click()
    start_following()
    expect(page.locator("a[data-image]")).to_be_visible(timeout=60_000)
