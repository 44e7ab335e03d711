"""An admin's key from its first day to its last, and how the pages about credentials look."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from generations.models import Credential
from generations.services import keys
from klingweb.accounts.models import User
from tests.browser.conftest import Open, Start
from tests.road import Ask
from tests.states import pause_key

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NO_REST = keys.TEST_EVERY * 0


@pytest.fixture(autouse=True)
def _tested_without_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "TEST_EVERY", NO_REST)


def credentials_of(page: Page) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Credentials").click()


def enter_key(page: Page, key: str, button: str) -> None:
    page.get_by_role("textbox", name="API key").fill(key)
    page.get_by_label("Address", exact=True).select_option("sandbox:")
    page.get_by_role("button", name=button).click()


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_key_from_its_first_day_to_its_last(
    visit: Open, alice: User, bob: User, start_following: Start, javascript: bool
) -> None:
    page = visit("/credentials/", alice, java_script_enabled=javascript)
    page.get_by_role("link", name="Add credential").click()
    page.get_by_role("radio", name="Access key and secret key").check()
    expect(page.get_by_role("textbox", name="API key")).to_be_hidden()
    page.get_by_role("textbox", name="Access key").fill("only half of it")
    page.get_by_role("button", name="Add and test").click()
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    expect(page.get_by_text("Secret key is missing. The pair works only together.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Access key")).to_have_value("")

    page.get_by_role("textbox", name="Name").fill("Studio")
    page.get_by_role("radio", name="API key").check()
    enter_key(page, "sandbox-key", "Add and test")
    expect(page.locator("#toasts")).to_contain_text("Added. Studio ••-key works. 100,000 units left")
    row = page.locator(".cred")
    expect(row).to_have_attribute("data-standing", "working")
    expect(row).not_to_have_attribute("open", re.compile(".*"))

    page.get_by_role("navigation").get_by_role("link", name="Create").click()
    page.get_by_label("Prompt", exact=True).fill("A vase")
    page.get_by_role("button", name="Generate").click()
    start_following()
    expect(page.locator("a[data-image] img").first).to_be_visible()

    credentials_of(page)
    row.locator("summary").click()
    page.get_by_role("link", name="Replace").click()
    enter_key(page, "a-wrong-key", "Replace and test")
    expect(page.locator("#toasts")).to_contain_text("Kling does not know this key.")
    expect(row).to_have_attribute("data-standing", "paused")
    page.get_by_text("What Kling official said").click()
    expect(page.get_by_text("1002 api key not found")).to_be_visible()
    notice = visit("/", bob).locator(".notices")
    expect(notice).to_have_text("Kling official, Studio ••-key is paused. An admin has been told.")
    page.get_by_role("navigation").get_by_role("link", name="Create").click()
    expect(page.locator(".notices")).to_contain_text("Kling does not know this key.")
    page.locator(".notices").get_by_role("link", name="Credentials").click()

    page.get_by_role("link", name="Replace").click()
    enter_key(page, "sandbox-key", "Replace and test")
    expect(page.locator("#toasts")).to_contain_text("Replaced. Studio ••-key works.")
    page.get_by_role("button", name="Test and resume").click()
    expect(page.locator("#toasts")).to_contain_text("Studio ••-key is resumed.")
    expect(page.locator(".notices")).to_have_count(0)
    expect(row).to_have_attribute("data-standing", "working")

    row.locator("summary").click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#toasts")).to_contain_text("Studio ••-key is removed.")
    expect(row).to_have_count(0)
    assert dict(Credential.objects.get().secrets) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_is_amiss_on_the_pages(
    visit: Open, alice: User, ask: Ask, credential: Credential, scheme: str, width: int
) -> None:
    now = timezone.now()
    pause_key(ask("A vase"))
    for number, ok in enumerate((True, False, None), start=1):
        made = Credential.objects.create(
            team=credential.team,
            provider="kling",
            name=f"Key {number}",
            slots=5 * number,
            daily_pictures=20,
            created_by=alice,
            tested_at=now,
            tested_ok=ok,
            balance="2,310 units",
            test_problem="It does not answer.",
            test_details="1200 strange",
        )
        made.accounts.create(name="anna@sandbox.example", slots=3)
        made.accounts.create(
            name="ben@sandbox.example", slots=2, paused_at=now, paused_reason="It has no credits left."
        )
    verbs = ("", "replace/", "pause/", "remove/")
    for verb in ("", "add/", "add/?provider=useapi", *(f"{credential.pk}/{verb}" for verb in verbs)):
        page = visit(f"/credentials/{verb}", alice, width=width, color_scheme=scheme)
        look(page)
        if verb == "add/":
            page.get_by_role("button", name="Add and test").click()
            expect(page.get_by_text("Enter a name.")).to_be_visible()
            look(page)
        page.context.close()


def look(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
    page.evaluate("window.scrollTo(1000, 0)")
    assert page.evaluate("window.scrollX") == 0, f"{page.url} is too wide"
