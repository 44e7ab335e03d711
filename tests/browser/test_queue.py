"""The queue by keyboard alone, on a phone, and without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from generations.models import Generation, Status
from generations.services import following
from klingweb.accounts.models import User
from tests.browser.conftest import Open
from tests.browser.test_pages import Look, look
from tests.road import Ask
from tests.states import every_state, pause_key, put

__all__ = ["look"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def open_queue(page: Page) -> None:
    page.get_by_role("button", name="Queue").click()
    page.get_by_role("heading", name="Queue").wait_for()


def hold(page: Page, address: str) -> list[Route]:
    """What the page asks there next waits here until the test lets it go on."""
    held: list[Route] = []

    def wait(route: Route) -> None:
        held.append(route)

    page.route(address, wait, times=1)
    return held


def test_the_panel_and_the_page_with_everything_in_them(look: Look, bob: User, ask: Ask) -> None:
    every_state(ask)
    ask("A cup")
    look("/", bob, open_queue)
    look("/queue/?queue=team", bob)


def test_an_empty_queue_and_one_behind_a_paused_key(look: Look, bob: User, victor: User, ask: Ask) -> None:
    look("/queue/", victor)
    pause_key(ask("A cup"))
    look("/queue/", bob)


def test_the_panel_is_worked_by_the_keyboard_alone(visit: Open, bob: User, ask: Ask) -> None:
    put(ask("A vase"), Status.RUNNING)
    first, second = ask("A cup"), ask("A bowl")
    page = visit("/history/", bob)
    button, panel = page.get_by_role("button", name="Queue: 1 running"), page.get_by_role("dialog", name="Queue")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.focus()
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(panel.get_by_text("Next in line")).to_be_visible()
    for name in ("Mine", "Team", "A vase", "A cup"):
        page.keyboard.press("Tab")
        expect(panel.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(panel.get_by_role("button", name="Cancel, costs nothing: A cup")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button", name="Cancel, costs nothing: A cup")).to_have_count(0)
    first.refresh_from_db()
    assert first.status == Status.CANCELED
    expect(panel.get_by_role("heading", name="Queue")).to_be_focused()
    expect(panel.get_by_role("heading", name=re.compile("Just finished"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("q")
    panel.get_by_role("link", name="A bowl").press("Enter")
    expect(page).to_have_url(re.compile(f"/g/{second.pk}/$"))


def test_an_open_panel_follows_and_keeps_the_focus(visit: Open, bob: User, ask: Ask) -> None:
    running, waiting = put(ask("A vase"), Status.RUNNING), ask("A cup")
    page = visit("/", bob)
    open_queue(page)
    link = page.locator(f"#q-{waiting.pk}")
    link.focus()
    put(running, Status.UNCONFIRMED)
    expect(page.locator("#queue-in").get_by_role("link", name="Decide: A vase")).to_be_visible()
    expect(link).to_be_focused()
    expect(page.get_by_role("button", name="Queue: 1 waiting 1 needs you")).to_be_visible()
    put(waiting, Status.RUNNING)
    expect(page.locator("#queue-in").get_by_role("heading", name="Running 1")).to_be_visible()
    expect(link).to_be_focused()


def test_the_team_is_one_choice_away_and_stays_chosen(visit: Open, bob: User, alice: User, ask: Ask) -> None:
    hers = put(ask("A vase", person=alice), Status.RUNNING)
    ask("A cup")
    page = visit("/account/", bob)
    open_queue(page)
    panel = page.locator("#queue-in")
    expect(panel.get_by_text("A vase")).to_have_count(0)
    panel.get_by_role("link", name="Team").click()
    expect(panel.get_by_text("A vase")).to_be_visible()
    put(hers, Status.UNCONFIRMED)
    expect(panel.get_by_role("link", name="Decide: A vase")).to_be_visible()
    expect(panel.get_by_role("link", name="Team")).to_have_attribute("aria-current", "true")


def test_the_bar_says_nothing_when_nothing_runs_and_the_tab_of_a_phone_is_always_there(
    visit: Open, bob: User, ask: Ask
) -> None:
    page = visit("/history/", bob)
    expect(page.get_by_role("button", name="Queue")).to_have_count(0)
    page = visit("/history/", bob, width=390)
    open_queue(page)
    expect(page.get_by_text("Nothing runs and nothing waits.")).to_be_visible()
    page.keyboard.press("Escape")
    put(ask("A vase"), Status.RUNNING)
    page.reload()
    page.get_by_role("button", name="Queue 1 running").click()
    expect(page.locator("#queue-in").get_by_role("link", name="A vase")).to_be_visible()


def test_a_closed_panel_asks_for_nothing_and_the_first_load_does_not_bring_it(visit: Open, bob: User, ask: Ask) -> None:
    put(ask("A vase"), Status.RUNNING)
    page = visit("/", bob)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_request("**/changes/**"):
        pass
    assert not [url for url in asked if "queue" in url]
    open_queue(page)
    with page.expect_request("**/changes/**queue=mine**"):
        pass
    page.keyboard.press("Escape")
    expect(page.locator("#queue-in")).to_be_empty()
    asked.clear()
    with page.expect_request("**/changes/**"):
        pass
    assert not [url for url in asked if "queue" in url]


def test_a_page_that_shows_another_persons_work_goes_on_asking_when_its_panel_opens(
    visit: Open, bob: User, alice: User, ask: Ask
) -> None:
    hers = put(ask("A vase", person=alice), Status.RUNNING)
    page = visit("/history/", bob, width=390)
    open_queue(page)
    expect(page.get_by_text("Nothing runs and nothing waits.")).to_be_visible()
    page.keyboard.press("Escape")
    put(hers, Status.FAILED)
    expect(page.locator(f"#g-{hers.pk}")).to_have_attribute("data-status", "failed")


def test_what_the_page_had_asked_before_the_panel_opened_is_asked_again_with_it(
    visit: Open, bob: User, ask: Ask
) -> None:
    running = put(ask("A vase"), Status.RUNNING)
    page = visit("/", bob)
    held = hold(page, "**/changes/**")
    with page.expect_request("**/changes/**"):
        pass
    open_queue(page)
    put(running, Status.UNCONFIRMED)
    with page.expect_response("**/changes/**"):
        held[0].continue_()
    expect(page.locator(f"#g-{running.pk}")).to_have_attribute("data-status", "unconfirmed")
    expect(page.locator("#queue-in").get_by_role("link", name="Decide: A vase")).to_be_visible()


def test_a_card_stays_until_what_was_asked_from_it_has_been_answered(visit: Open, bob: User, ask: Ask) -> None:
    waiting = ask("A vase")
    page = visit("/", bob)
    held = hold(page, "**/cancel/")
    with page.expect_request("**/cancel/"):
        page.get_by_role("button", name="Cancel, costs nothing").click()
    with page.expect_response(lambda answer: "/changes/" in answer.url and answer.status == 200):
        put(waiting, Status.SUBMITTING)
    with page.expect_request("**/changes/**"):
        pass
    expect(page.locator(f"#g-{waiting.pk}")).to_have_attribute("data-status", "queued")
    held[0].continue_()
    expect(page.locator("#toasts").get_by_text(following.LEFT)).to_be_visible()
    expect(page.locator(f"#g-{waiting.pk}")).to_have_attribute("data-status", "submitting")


def test_however_much_is_under_way_the_address_stays_short_enough_for_proxies(visit: Open, bob: User, ask: Ask) -> None:
    put(ask("A vase"), Status.RUNNING)
    page = visit("/", bob)
    row = page.locator("[name=g]")
    row.evaluate("each => { for (let n = 0; n < 150; n++) each.after(each.cloneNode()) }")
    with page.expect_request(lambda request: request.url.count("&g=") > 1) as asked:
        pass
    assert asked.value.url.count("&g=") == 100
    assert len(asked.value.url) < 8000


@pytest.mark.parametrize("width", [1440, 390])
def test_without_javascript_it_is_a_page(visit: Open, bob: User, ask: Ask, width: int) -> None:
    waiting = ask("A vase")
    put(ask("A cup"), Status.RUNNING)
    page = visit("/history/", bob, width=width, java_script_enabled=False)
    page.get_by_role("button", name="Queue").press("Enter")
    expect(page).to_have_url(re.compile(r"/queue/\??$"))
    expect(page.get_by_role("heading", name="Running 1")).to_be_visible()
    page.get_by_role("link", name="Team").click()
    page.get_by_role("button", name="Cancel, costs nothing: A vase").click()
    assert Generation.objects.get(pk=waiting.pk).status == Status.CANCELED
