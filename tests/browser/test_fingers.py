"""What is in people's fingers: keys, fields that swap while one types, pictures that arrive."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from generations.models import Credential, Generation, Image, Status
from klingweb.accounts.models import User
from tests.browser.conftest import Open
from tests.road import Ask, finish
from tests.states import lose, put

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_fields_follow_the_model_while_what_was_typed_stays(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("A vase")
    page.get_by_text("Advanced").click()
    page.get_by_label("Elements").fill("12")
    page.get_by_label("Model").focus()
    page.get_by_label("Model").select_option("kling-v2-1")
    expect(page.get_by_label("Elements")).to_have_count(0)
    expect(page.get_by_label("Negative prompt")).to_be_visible()
    expect(page.get_by_label("Model")).to_be_focused()
    expect(page.locator("#go")).to_contain_text("about $0.014")
    expect(prompt).to_have_value("A vase")
    page.get_by_label("Model").select_option("kling-v3")
    expect(page.get_by_label("Elements")).to_have_value("12")


def test_what_is_typed_while_the_answer_is_on_its_way_stays(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    page.get_by_text("Advanced").click()
    negative = page.get_by_label("Negative prompt")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        held.append(route)

    page.route(lambda url: urlsplit(url).path == "/", hold)
    page.get_by_label("2k").check(force=True)
    negative.press_sequentially("people")
    page.wait_for_function("() => document.querySelector('#fields').matches('.htmx-request')")
    held[0].continue_()
    expect(page.locator("#fields")).not_to_have_class(re.compile("htmx"))
    expect(page.get_by_label("2k")).to_be_checked()
    expect(negative).to_have_value("people")
    expect(negative).to_be_focused()


def test_an_error_stands_beside_its_field_which_has_the_focus(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    page.get_by_role("spinbutton", name="Pictures").fill("12")
    page.get_by_label("Prompt", exact=True).fill("A vase")
    page.get_by_label("Prompt", exact=True).press("Control+Enter")
    count = page.get_by_role("spinbutton", name="Pictures")
    expect(count).to_have_accessible_description("Enter a whole number from 1 to 9.")
    expect(count).to_be_focused()
    expect(count).to_have_value("12")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A vase")
    assert not Generation.objects.exists()


def test_a_second_form_is_a_second_generation_and_a_double_click_is_one(
    visit: Open, bob: User, credential: Credential
) -> None:
    page = visit("/", bob)
    page.get_by_label("Prompt", exact=True).fill("A vase")
    page.locator("#go").dblclick()
    expect(page.locator("#gens [data-generation]")).to_have_count(1)
    page.locator("#go").click()
    expect(page.locator("#gens [data-generation]")).to_have_count(2)
    assert Generation.objects.count() == 2


def test_earlier_prompts_and_the_counter(visit: Open, bob: User, ask: Ask) -> None:
    ask("The first")
    ask("The second")
    page = visit("/", bob)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("A draft")
    expect(page.locator("output[for=id-prompt]")).to_have_text("7 of 2,500")
    for key, text in (("Up", "The second"), ("Up", "The first"), ("Up", "The first"), ("Down", "The second")):
        prompt.press(f"Alt+Arrow{key}")
        expect(prompt).to_have_value(text)
    prompt.press("Alt+ArrowDown")
    expect(prompt).to_have_value("A draft")


def test_an_example_fills_the_prompt(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    page.get_by_role("link", name="Tea hills at dawn").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(re.compile("^Terraced tea hills"))


def test_shortcuts_wait_while_one_types(visit: Open, bob: User, credential: Credential) -> None:
    page = visit("/", bob)
    page.get_by_label("Prompt", exact=True).press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("?")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_hidden()


def test_the_viewer_goes_round_by_keys(visit: Open, bob: User, ask: Ask) -> None:
    generation = ask("A vase", n=3)
    finish(generation, 3)
    page = visit(f"/g/{generation.pk}/", bob)
    for key, said in (("ArrowRight", "2 of 3"), ("ArrowLeft", "1 of 3"), ("ArrowLeft", "3 of 3")):
        page.keyboard.press(key)
        expect(page.get_by_text(said, exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"picture=3$"))
    expect(page.locator(".film [aria-current]")).to_have_id("film-3")
    page.get_by_role("link", name="Picture 2 of 3").first.click()
    expect(page.get_by_text("2 of 3", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/history/$"))


def test_pictures_arrive_one_by_one_and_only_what_changed_is_touched(visit: Open, bob: User, ask: Ask) -> None:
    failing = put(ask("Another"), Status.RUNNING)
    generation = ask("A vase", n=2)
    finish(generation, 2)
    lose(generation, 1, Image.State.PENDING)
    lose(generation, 2, Image.State.PENDING)
    put(generation, Status.COLLECTING, finished_at=None)
    page = visit("/", bob)
    card = page.locator(f"#g-{generation.pk}")
    expect(card.get_by_text("0 of 2")).to_be_visible()
    page.locator(f"#a-{failing.pk}").focus()
    generation.images.filter(index=1).update(state="kept")
    put(generation, Status.COLLECTING)
    expect(card.get_by_text("1 of 2")).to_be_visible()
    expect(page.locator(f"#a-{failing.pk}")).to_be_focused()
    put(failing, Status.FAILED, problem="It could not be made.")
    expect(page.locator(f"#g-{failing.pk}")).to_have_attribute("data-status", "failed")
    expect(page.locator(f"#a-{failing.pk}")).to_be_focused()
    expect(page.locator("#news")).to_have_text("Failed: Another. It could not be made.")
    expect(page.locator("#busy")).to_have_text("1 running")


def test_seconds_tick_and_become_late(visit: Open, bob: User, ask: Ask) -> None:
    generation = put(ask("A vase"), Status.RUNNING, sent=94)
    page = visit("/", bob)
    card = page.locator(f"#g-{generation.pk}")
    expect(card.get_by_text("cannot be stopped")).to_be_visible()
    expect(card.get_by_text("Taking longer than usual")).to_be_visible()
    expect(card.get_by_text("cannot be stopped")).to_be_hidden()


def test_history_and_the_page_of_a_generation_renew_themselves(visit: Open, bob: User, ask: Ask) -> None:
    generation = ask("A vase")
    finish(generation)
    lose(generation, 1, Image.State.PENDING)
    put(generation, Status.RUNNING, finished_at=None)
    history, own = visit("/history/", bob), visit(f"/g/{generation.pk}/", bob)
    generation.images.update(state=Image.State.KEPT)
    put(generation, Status.SUCCEEDED)
    for page in (history, own):
        expect(page.locator("[data-generation]")).to_have_attribute("data-status", "succeeded")
        expect(page.locator("a[data-image] img")).to_be_visible()
        expect(page.locator("#live")).not_to_have_attribute("hx-get", re.compile("."))


def test_history_goes_on_as_one_scrolls(visit: Open, bob: User, ask: Ask) -> None:
    for number in range(45):
        finish(ask(f"Vase {number}"))
    page = visit("/history/", bob)
    page.keyboard.press("End")
    expect(page.locator("[data-generation]")).to_have_count(45)
    expect(page.locator("section > ul")).to_have_count(1)
    expect(page.get_by_role("link", name="Older")).to_have_count(0)


def test_canceling_in_place_leaves_the_form_alone(visit: Open, bob: User, ask: Ask) -> None:
    generation = ask("A vase")
    page = visit("/", bob)
    page.get_by_label("Prompt", exact=True).fill("The next one")
    page.get_by_role("button", name="Cancel, costs nothing").click()
    expect(page.locator(f"#g-{generation.pk}")).to_have_attribute("data-status", "canceled")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("The next one")


def test_times_are_in_the_readers_own_zone(visit: Open, bob: User, ask: Ask) -> None:
    generation = ask("A vase")
    Generation.objects.filter(pk=generation.pk).update(created="2026-11-10T23:30:00Z")
    finish(generation)
    page = visit(f"/g/{generation.pk}/", bob, timezone_id="Asia/Tokyo")
    expect(page.locator(".panel time").first).to_have_text("11 November 08:30")
    page.goto("/history/")
    assert "11 November" in page.locator(".day").inner_text()
    expect(page.locator("a[data-image] img")).to_have_attribute("alt", "Picture: A vase, Bob, 08:30")


def test_on_a_phone_the_settings_fold_into_one_line(visit: Open, bob: User, ask: Ask) -> None:
    finish(ask("A vase"))
    page = visit("/", bob, width=390)
    expect(page.get_by_text("16:9 · 1 picture · 1k")).to_be_visible()
    expect(page.get_by_label("2k")).to_be_hidden()
    expect(page.locator("#newest")).to_be_visible()
    page.get_by_text("16:9 · 1 picture · 1k").click()
    page.get_by_label("2k").check()
    expect(page.get_by_text("16:9 · 1 picture · 2k")).to_be_visible()
    expect(page.get_by_label("2k")).to_be_visible()


def test_a_first_load_takes_six_requests_at_most_beside_the_pictures(visit: Open, bob: User, ask: Ask) -> None:
    finish(ask("A vase"))
    page = visit("/account/", bob)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/history/"):
        asked.clear()
        page.goto(path, wait_until="networkidle")
        assert len([url for url in asked if "/images/" not in url]) <= 6, asked
