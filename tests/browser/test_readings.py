"""The page on which an admin says what has changed in a provider's answers, in the browser."""

import httpx
import pytest
from playwright.sync_api import Page

from generations.models import Credential, Generation, Status
from generations.services import submission
from klingweb.accounts.models import User
from tests.browser.conftest import Open
from tests.browser.test_pages import Look, look
from tests.road import Ask

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

__all__ = ["look"]
ADDRESS = "/credentials/readings/kling/"


def unreadable(ask: Ask) -> Generation:
    generation = ask()
    assert submission.begin(generation, "turn")
    submission.finish(generation.pk, "turn", httpx.Response(200, json={"code": 0, "job": {"number": "77"}}))
    return generation


def test_what_waits_goes_on_once_an_admin_has_said_where_the_id_is(
    visit: Open, alice: User, credential: Credential, ask: Ask
) -> None:
    generation = unreadable(ask)
    page = visit("/credentials/models/kling/", alice)
    page.get_by_role("link", name="How its answers are read").click()
    page.locator("summary", has_text="does not understand").click()
    assert '"number":"77"' in page.locator("pre").inner_text()
    page.get_by_label("Where it stands now").fill("job.number")
    page.get_by_label("Read it as if it stood at").select_option("data.task_id")
    page.get_by_role("region", name="Something stands at another place").get_by_role("button", name="Add").click()
    page.get_by_text("1 waiting request went on by it.").wait_for()
    generation.refresh_from_db()
    assert generation.status == Status.RUNNING
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Nothing: its answers are read as its documents say.").wait_for()


def test_the_page_with_rules_riddles_and_errors(look: Look, alice: User, credential: Credential, ask: Ask) -> None:
    unreadable(ask)

    def fill(page: Page) -> None:
        page.get_by_label("The word in the answer").fill("baked")
        page.get_by_label("It means that").first.select_option("succeeded")
        page.get_by_role("button", name="Add").first.click()
        page.locator("summary", has_text="does not understand").click()
        page.get_by_label("Where it stands now").fill("a b")
        page.get_by_role("button", name="Add").nth(1).click()

    look(ADDRESS, alice, fill)
