"""An admin changes what a provider offers, and Create offers it: with the keyboard, with and without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from generations.models import Credential
from klingweb.accounts.models import User
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "Text to image"


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").press("Enter")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_new_model_is_added_priced_and_chosen_at_first(
    visit: Open, alice: User, credential: Credential, width: int, javascript: bool
) -> None:
    page = visit("/credentials/", alice, width=width, java_script_enabled=javascript)
    page.get_by_role("link", name="Models and prices of Kling official").click()
    page.get_by_label("Add a model").fill("kling-v4")
    save(page)
    expect(page.get_by_text("Choose the model whose fields and limits it has.")).to_be_visible()
    page.get_by_label("It can do what this one can").select_option("kling-v3")
    save(page)
    expect(page.locator("#toasts")).to_contain_text("Saved.")

    page.get_by_role("radio", name=f"{TEXT}: begin with kling-v4").press("Space")
    page.get_by_role("checkbox", name=f"{TEXT}: offer kling-v3").press("Space")
    page.get_by_role("textbox", name=f"{TEXT}, kling-v4: US dollars a picture").fill("much")
    save(page)
    expect(page.get_by_role("textbox", name=f"{TEXT}, kling-v4: US dollars a picture")).to_have_accessible_description(
        "Enter what one picture costs in US dollars, such as 0.028, or nothing. listed: $0.028"
    )
    page.get_by_role("textbox", name=f"{TEXT}, kling-v4: US dollars a picture").fill("0.05")
    save(page)

    page.goto("/")
    model = page.locator("[name=model_name]")
    expect(model).to_have_value("kling-v4")
    expect(model.locator("option")).to_contain_text(["kling-v2-1", "kling-v4"])
    expect(page.locator("#go")).to_contain_text("$0.05")
