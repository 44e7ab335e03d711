"""From signing in to a downloaded picture, with and without JavaScript."""

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from generations.models import Credential, Generation, Status
from klingweb.accounts.models import User
from tests.browser.conftest import Open, Start
from tests.cast import PASSWORD
from tests.road import Ask
from tests.states import put

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PROMPT = "A hand-thrown vase on a pale plinth"


@pytest.fixture
def bob(bob: User) -> User:
    bob.set_password(PASSWORD)
    bob.save()
    return bob


def sign_in_on(page: Page) -> None:
    page.get_by_label("E-mail").fill("bob@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def ratio(content: bytes) -> float:
    with Pillow.open(BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return picture.width / picture.height


def test_from_signing_in_to_a_downloaded_picture(
    visit: Open, bob: User, credential: Credential, start_following: Start
) -> None:
    page = visit("/")
    sign_in_on(page)
    page.get_by_label("3:4").check()
    expect(page.get_by_label("3:4")).to_be_checked()
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.get_by_role("button", name="One more").click()
    expect(page.get_by_role("button", name="Generate 2 pictures")).to_contain_text("about $0.056")
    page.get_by_label("Prompt", exact=True).press("Control+Enter")

    card = page.locator("#gens [data-generation]")
    expect(card.locator(".shot-wait")).to_have_count(2)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(PROMPT)
    expect(page).to_have_title("(1) Create · klingweb")
    expect(page.get_by_text("Nothing here yet")).to_have_count(0)

    start_following()
    expect(card).to_have_attribute("data-status", "succeeded")
    expect(card.locator("a[data-image] img")).to_have_count(2)
    expect(page).to_have_title("Create · klingweb")
    expect(page.locator("#news")).to_have_text(f"2 pictures are here: {' '.join(PROMPT.split()[:5])}.")

    page.get_by_role("navigation").get_by_role("link", name="History").click()
    page.locator("[data-image]").nth(1).click()
    expect(page).to_have_url(re.compile(r"/g/[0-9a-f-]{36}/\?picture=2$"))
    expect(page.get_by_text("2 of 2", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename.endswith("-a-hand-thrown-vase-on-a-pale-plinth-kling-v3-2.png")
    assert ratio(Path(download.value.path()).read_bytes()) == pytest.approx(3 / 4, abs=0.01)


def test_the_same_without_javascript(visit: Open, bob: User, credential: Credential, start_following: Start) -> None:
    page = visit("/", java_script_enabled=False)
    sign_in_on(page)
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.get_by_label("Model").select_option("kling-v2-1")
    page.get_by_text("Advanced").click()
    page.get_by_label("Elements").fill("12, 34")
    page.get_by_role("button", name="Show the fields for these choices").click()
    expect(page.get_by_label("Elements")).to_have_count(0)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(PROMPT)
    page.get_by_label("9:16").check()
    page.get_by_role("button", name="Generate").click()
    expect(page).to_have_url(re.compile(r"/g/[0-9a-f-]{36}/$"))

    start_following()
    expect(page.locator("a[data-image]")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="History").click()
    page.locator(".set-say").click()
    expect(page.locator("[data-generation]")).to_have_attribute("data-status", "succeeded")
    href = page.locator("a[data-image]").get_attribute("href")
    assert href
    assert ratio(page.request.get(href).body()) == pytest.approx(9 / 16, abs=0.01)
    assert "element_list" not in Generation.objects.get().values


def test_a_page_asks_more_often_while_a_picture_is_expected(visit: Open, bob: User, ask: Ask) -> None:
    generation = put(ask(), Status.RUNNING, sent=5)  # 30 s are usual
    page, asked = standing_still(visit("/", bob))
    for _ in range(4):
        page.clock.run_for(250)
    assert len(asked) in (0, 1, 2)
    put(generation, Status.RUNNING, sent=25)
    page, asked = standing_still(page)
    for _ in range(4):
        with page.expect_response("**/changes/**"):
            page.clock.run_for(250)


def standing_still(page: Page) -> tuple[Page, list[str]]:
    """The page, where time only passes when it is told to, and what it asks for from then on."""
    page.clock.install()
    page.goto("/")
    expect(page.get_by_text("usually about 30 s", exact=True)).to_be_visible()
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/changes/" in request.url else None)
    return page, asked
