"""Elements: named on their page, chosen by name in the form."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from generations.models import Credential, Element, Generation
from klingweb.accounts.models import Team, User
from tests.browser.conftest import Open

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

COFFEE = Path(__file__).parent.parent / "fixtures" / "photos" / "coffee.png"
FORM = "/?provider=kling&operation=text-to-image&model_name=kling-v3"


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_element_is_named_changed_and_removed(
    visit: Open, bob: User, credential: Credential, width: int, scheme: str
) -> None:
    page = visit("/elements/", bob, width=width, color_scheme=scheme)
    page.get_by_label("Element id").fill("829")
    page.get_by_label("Name").fill("The cup")
    page.get_by_label("Picture").set_input_files(COFFEE)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("listitem").filter(has_text="The cup")).to_be_visible()
    page.get_by_label("Element id").fill("829")
    page.get_by_label("Name").fill("The cup again")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Your team calls this element The cup already.")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Change The cup").click()
    page.get_by_label("Name").fill("The mug")
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Remove The mug").click()
    expect(page.get_by_text("There is none yet.")).to_be_visible()


def test_elements_are_chosen_by_name_and_by_id(visit: Open, bob: User, halden: Team, credential: Credential) -> None:
    for element_id, name in (("829", "The cup"), ("830", "The lamp")):
        Element.objects.create(team=halden, provider="kling", element_id=element_id, name=name)
    page = visit(FORM, bob)
    page.get_by_label("Prompt", exact=True).fill("A table")
    page.get_by_text("Advanced").click()
    page.get_by_label("The lamp").check()
    page.get_by_label("The cup").check()
    page.get_by_label("Others, by their ids").fill("77")
    page.get_by_label("Others, by their ids").press("Tab")
    page.get_by_label("Model").select_option("kling-v2-1")
    expect(page.get_by_label("The lamp")).to_have_count(0)
    page.get_by_label("Model").select_option("kling-v3")
    expect(page.get_by_label("The lamp")).to_be_checked()
    expect(page.get_by_label("The cup")).to_be_checked()
    page.get_by_label("The cup").uncheck()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#gens > .gen")).to_have_count(1)
    assert Generation.objects.get().values["element_list"] == "830,77"


def test_without_javascript_the_boxes_are_sent_as_they_are(
    visit: Open, bob: User, halden: Team, credential: Credential
) -> None:
    Element.objects.create(team=halden, provider="kling", element_id="829", name="The cup")
    page = visit(FORM, bob, java_script_enabled=False)
    page.get_by_label("Prompt", exact=True).fill("A table")
    page.get_by_text("Advanced").click()
    page.get_by_label("The cup").check()
    page.get_by_label("Others, by their ids").fill("77")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("heading", name="A table")).to_be_visible()
    assert Generation.objects.get().values["element_list"] == "829,77"
