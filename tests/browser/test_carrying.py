"""Switching provider, operation, model and reference type, as a person does: nothing that was set is lost."""

import re

import pytest
from playwright.sync_api import Page, expect

from generations.models import Asset, Credential
from klingweb.accounts.models import User
from tests.browser.conftest import Open
from tests.browser.test_slots import photographs, useapi

__all__ = ["photographs", "useapi"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

CLOSENESS, OF_THE_FACE = "Closeness to the reference", "Closeness of the face"


def choose(page: Page, label: str, value: str) -> None:
    page.get_by_label(label).select_option(value)
    settled(page)


def settled(page: Page) -> None:
    expect(page.locator("#fields")).not_to_have_class(re.compile("htmx"))


def from_subject(photographs: list[Asset]) -> str:
    chosen = "provider=kling&operation=image-to-image&model_name=kling-v2-1&image_reference=subject"
    return f"/?{chosen}&image__asset={photographs[0].pk}&prompt=A+cup"


def test_from_one_provider_to_another_and_back(
    visit: Open, bob: User, credential: Credential, useapi: Credential, photographs: list[Asset]
) -> None:
    page = visit(from_subject(photographs), bob)
    page.get_by_label(CLOSENESS).fill("0.65")
    page.get_by_label(OF_THE_FACE).fill("0.3")
    choose(page, "Provider", "useapi")
    expect(page.get_by_label("Closeness of the subject")).to_have_value("65")
    expect(page.get_by_label(OF_THE_FACE)).to_have_value("30")
    expect(page.get_by_role("radio", name="Subject")).to_be_checked()
    expect(page.get_by_alt_text("Reference picture: coffee.png")).to_be_visible()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A cup")
    choose(page, "Operation", "kolors-elements")
    expect(page.get_by_label("Closeness of the subject")).to_have_count(0)
    expect(page.get_by_role("group", name="Subject 1").get_by_alt_text("Reference picture:")).to_be_visible()
    choose(page, "Provider", "kling")
    choose(page, "Operation", "image-to-image")
    expect(page.get_by_label("Model")).to_have_value("kling-v2-1")
    expect(page.get_by_label(CLOSENESS)).to_have_value("0.65")
    expect(page.get_by_label(OF_THE_FACE)).to_have_value("0.3")


def test_what_is_not_used_is_said_once_and_quietly(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    page = visit(from_subject(photographs), bob)
    notes = page.locator("#notes")
    expect(notes).to_have_attribute("role", "status")
    page.get_by_label(OF_THE_FACE).fill("0.3")
    page.get_by_role("radio", name="Whole picture").check()
    expect(notes).to_have_text(f"Not used with these settings: {OF_THE_FACE}. What you set comes back with them.")
    page.get_by_label("Prompt", exact=True).fill("Another cup")
    page.get_by_role("button", name="One more").click()
    expect(page.locator("#go")).to_contain_text("Generate 2 pictures")
    expect(notes).to_have_text("")
    page.get_by_role("radio", name="Subject").check()
    expect(page.get_by_label(OF_THE_FACE)).to_have_value("0.3")


def test_the_shape_follows_the_reference_and_comes_back(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    page.get_by_role("radio", name="3:4").check()
    settled(page)
    choose(page, "Operation", "image-to-image")
    expect(page.get_by_text("Shape follows the reference")).to_be_visible()
    expect(page.get_by_role("radio", name="3:4")).to_have_count(0)
    choose(page, "Operation", "text-to-image")
    expect(page.get_by_role("radio", name="3:4")).to_be_checked()


def test_what_the_prompt_is_asked_for_follows_the_operation(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    choose(page, "Operation", "expand")
    expect(page.get_by_placeholder("What should be around the picture?")).to_be_visible()


def test_auto_is_a_shape_with_its_word(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/?operation=omni", bob)
    expect(page.get_by_role("radio", name="auto")).to_be_checked()


def test_a_strength_stays_unset_until_it_is_touched(
    visit: Open, bob: User, credential: Credential, photographs: list[Asset]
) -> None:
    page = visit(from_subject(photographs), bob)
    number = page.get_by_label(CLOSENESS)
    slider = page.locator("[data-mirror=id-image_fidelity]")
    expect(number).to_have_value("")
    expect(slider).to_have_class("unset")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(number).to_have_value("0.55")
    expect(slider).not_to_have_class("unset")
    settled(page)
    expect(number).to_have_value("0.55")
    number.fill("")
    expect(slider).to_have_class("unset")
    number.press("Tab")
    settled(page)
    expect(number).to_have_value("")
    number.fill("0.2")
    expect(slider).to_have_js_property("value", "0.2")
