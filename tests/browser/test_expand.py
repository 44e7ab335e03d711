"""A larger canvas: four numbers, what they make of the picture, and shapes that set them."""

import pytest
from playwright.sync_api import Page, expect

from generations.models import Asset, Credential, Generation
from klingweb.accounts.models import User
from tests.browser.conftest import Open, Start
from tests.browser.test_pages import Look, look
from tests.browser.test_slots import COFFEE, photographs

__all__ = ["look", "photographs"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

EXPAND = "/?operation=expand"
SIDES = ("Up", "Down", "Left", "Right")


def with_picture(photographs: list[Asset], **sides: float) -> str:
    chosen = "".join(f"&{side}_expansion_ratio={value}" for side, value in sides.items())
    return f"{EXPAND}&image__asset={photographs[0].pk}{chosen}"


def set_growth(page: Page, growth: str) -> None:
    slider = page.get_by_role("slider", name="Shapes grow it to")
    slider.evaluate(
        "(each, value) => { each.value = value; each.dispatchEvent(new Event('input', { bubbles: true })); }", growth
    )


def values(page: Page) -> list[float]:
    return [float(page.get_by_label(side, exact=True).input_value()) for side in SIDES]


def test_from_the_empty_form_to_the_larger_picture(
    visit: Open, bob: User, credential: Credential, start_following: Start
) -> None:
    page = visit(EXPAND, bob)
    expect(page.get_by_text("With the picture comes a view of it.")).to_be_visible()
    page.locator("#id-image").set_input_files(COFFEE)
    expect(page.get_by_alt_text("Reference picture: coffee.png")).to_be_visible()
    page.get_by_label("Left", exact=True).fill("0.5")
    page.get_by_label("Right", exact=True).fill("0.5")
    expect(page.locator("#canvas-area")).to_have_text("2 × the picture, at most 3 ×")
    page.get_by_role("button", name="Generate").click()
    card = page.locator("#gens > .gen").first
    expect(card).to_be_visible()
    start_following()
    expect(card).to_have_attribute("data-status", "succeeded", timeout=60_000)
    picture = Generation.objects.get().images.get()
    assert (picture.width or 0) / (picture.height or 1) == pytest.approx(1200 / 400, rel=0.03)


def test_the_view_is_the_new_canvas_with_the_picture_in_its_place(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    page = visit(with_picture(photographs, up=0.5, left=0.25), bob)
    view = page.locator(".canvas-view")
    expect(view).to_have_attribute("viewBox", "0 0 750 600")
    picture = view.locator("image")
    for name, value in {"x": "150", "y": "200", "width": "600", "height": "400"}.items():
        expect(picture).to_have_attribute(name, value)
    page.get_by_label("Right", exact=True).fill("0.25")
    expect(view).to_have_attribute("viewBox", "0 0 900 600")


def test_more_than_the_factor_is_blocked_and_the_reason_stands_beside_the_button(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    page = visit(with_picture(photographs), bob)
    go = page.locator("#go")
    expect(go).to_be_enabled()
    page.get_by_label("Up", exact=True).fill("2")
    page.wait_for_load_state("networkidle")
    page.get_by_label("Left", exact=True).fill("1")
    expect(go).to_be_disabled()
    expect(go).to_have_accessible_description(
        "The new picture would be 6.00 times the old one. Make it at most 3 times."
    )
    expect(page.locator("#canvas-area")).to_have_text("6 × the picture, at most 3 ×")
    page.get_by_role("spinbutton", name="Pictures").fill("2")  # swaps the button
    page.get_by_role("spinbutton", name="Pictures").press("Tab")
    expect(go).to_contain_text("Generate 2 pictures")
    expect(go).to_be_disabled()
    page.get_by_label("Prompt", exact=True).press("Control+Enter")
    page.get_by_label("Left", exact=True).fill("0")
    expect(go).to_be_enabled()
    page.get_by_label("Left", exact=True).fill("1")
    page.get_by_label("Operation").select_option("text-to-image")
    expect(go).to_be_enabled()
    assert not Generation.objects.exists()


def test_a_shape_sets_the_four_numbers_as_kling_says(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    """Its own example is a square of 100 pixels at 3 times the area in 16:9: 0.1495 and 0.6547."""
    Asset.objects.update(width=100, height=100)
    page = visit(with_picture(photographs), bob)
    set_growth(page, "3")
    page.get_by_role("button", name="16:9").focus()
    page.keyboard.press("Enter")
    assert values(page) == [0.1495, 0.1495, 0.6547, 0.6547]
    expect(page.locator("#canvas-area")).to_have_text("3 × the picture, at most 3 ×")
    expect(page.locator("#go")).to_be_enabled()
    set_growth(page, "2")
    up, down, left, right = values(page)
    assert (1 + up + down) * (1 + left + right) == pytest.approx(2, abs=0.001)
    assert (1 + left + right) / (1 + up + down) == pytest.approx(16 / 9, abs=0.001)


def test_a_shape_out_of_reach_comes_as_near_as_it_can_and_says_so(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    Asset.objects.update(width=100, height=100)
    page = visit(with_picture(photographs), bob)
    set_growth(page, "1.2")
    page.get_by_role("button", name="16:9").click()
    assert values(page) == [0, 0, 0.1, 0.1]
    expect(page.locator("#canvas-said")).to_have_text("16:9 takes at least 1.78 ×: this is as near as it gets.")
    page.get_by_role("button", name="9:16").click()
    assert values(page) == [0.1, 0.1, 0, 0]
    Asset.objects.update(width=100, height=250)
    page.goto(with_picture(photographs))
    set_growth(page, "3")
    page.get_by_role("button", name="21:9").click()
    assert values(page) == [0, 0, 1, 1]
    expect(page.locator("#canvas-said")).to_have_text("21:9 cannot be reached from this picture: it takes 5.84 ×.")
    page.get_by_label("Up", exact=True).fill("0")
    set_growth(page, "2")
    assert values(page) == [0, 0, 1, 1], "numbers typed by hand are not set again"


def test_expanding_without_javascript(visit: Open, bob: User, credential: Credential, photographs: list[Asset]) -> None:
    page = visit(with_picture(photographs, up=2, left=2), bob, java_script_enabled=False)
    expect(page.get_by_text("9 × the picture, at most 3 ×")).to_be_visible()
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#id-up_expansion_ratio-error")).to_contain_text("9.00 times the old one")
    page.get_by_label("Left", exact=True).fill("0")
    page.get_by_role("button", name="Generate").click()
    assert Generation.objects.get().values["up_expansion_ratio"] == 2


def test_expanding_in_every_width_and_light(
    look: Look, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    look(EXPAND, bob)
    look(with_picture(photographs, up=0.3), bob)
    look(with_picture(photographs, up=2, left=2), bob)
