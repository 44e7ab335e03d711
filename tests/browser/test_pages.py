"""Every page, wide and narrow, light and dark: nothing for axe to find, nothing wider than the screen."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from generations import assets
from generations.models import Credential, Generation, Override
from generations.providers.fields import PictureBounds
from klingweb.accounts import services
from klingweb.accounts.models import Team, User
from tests.browser.conftest import Open
from tests.providers.fixtures import FOLDER
from tests.road import Ask
from tests.states import every_state, pause_key

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCHEMES = ("light", "dark")
WIDTHS = (1440, 390)
STATES = ("succeeded", "collecting", "late", "failed", "unconfirmed")

Look = Callable[..., None]


@pytest.fixture(params=SCHEMES)
def look(request: pytest.FixtureRequest, visit: Open) -> Look:
    """Open a page in both widths; axe finds nothing, and nothing has to be scrolled sideways."""

    def looked(path: str, person: User | None = None, before: Callable[[Page], object] = Page.title) -> None:
        for width in WIDTHS:
            page = visit(path, person, width=width, color_scheme=request.param)
            before(page)
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path} at {width} px: {found.generate_report()}"
            page.evaluate("window.scrollTo(1000, 0)")
            assert page.evaluate("window.scrollX") == 0, f"{path} is wider than {width} px"

    return looked


def test_create_with_a_card_in_every_state(look: Look, bob: User, ask: Ask) -> None:
    every_state(ask)
    look("/", bob)


def test_create_and_history_before_the_first_picture(look: Look, bob: User, credential: Credential) -> None:
    look("/", bob)
    look("/history/", bob)


def test_create_with_errors_beside_their_fields_and_the_folded_ones_open(
    look: Look, bob: User, credential: Credential
) -> None:
    def send(page: Page) -> None:
        page.get_by_label("Prompt", exact=True).fill("A vase")
        page.locator("#settings").evaluate("each => each.open = true")
        page.get_by_text("Advanced").click()
        page.get_by_label("Elements").fill("a lamp")
        page.get_by_role("spinbutton", name="Pictures").fill("12")
        page.locator("#go").click()
        page.get_by_text("Enter the numbers of elements, separated by commas.").wait_for()

    look("/", bob, send)


def test_history_with_a_set_in_every_state(look: Look, bob: User, ask: Ask) -> None:
    every_state(ask)
    look("/history/", bob)


@pytest.mark.parametrize("state", STATES)
def test_a_generation_in_each_of_its_forms(look: Look, bob: User, ask: Ask, state: str) -> None:
    look(f"/g/{every_state(ask)[state].pk}/", bob)


def test_a_generation_whose_key_is_paused(look: Look, bob: User, ask: Ask) -> None:
    waiting = ask("A vase")
    pause_key(waiting)
    look("/", bob)
    look(f"/g/{waiting.pk}/", bob)


def test_the_pages_around_them(look: Look, alice: User, bob: User, victor: User) -> None:
    look("/accounts/login/")
    look("/account/", bob)
    look("/", alice)  # there is no credential yet
    look("/", bob)
    look("/", services.ensure_person("nobody@example.com"))  # who is in no team


def test_what_a_viewer_sees(look: Look, victor: User, ask: Ask) -> None:
    generation: Generation = ask("A vase")
    look("/", victor)
    look(f"/g/{generation.pk}/", victor)


def test_the_shortcuts(look: Look, bob: User, credential: Credential) -> None:
    def open_them(page: Page) -> None:
        page.locator("h1").first.evaluate("() => document.activeElement.blur()")
        page.keyboard.press("?")
        page.get_by_role("heading", name="Shortcuts").wait_for()

    look("/", bob, open_them)


def test_a_form_with_a_reference_and_the_page_of_what_came_of_it(look: Look, bob: User, halden: Team, ask: Ask) -> None:
    with (FOLDER / "photos" / "coffee.png").open("rb") as photograph:
        asset = assets.keep(halden, bob, photograph, "coffee.png", PictureBounds())
    look(f"/?operation=image-to-image&model_name=kling-v2-1&image_reference=subject&image__asset={asset.pk}", bob)
    look(f"/g/{ask('A cup', operation='image-to-image', image=asset.pk).pk}/", bob)


def test_deleting(look: Look, alice: User, ask: Ask) -> None:
    states = every_state(ask)
    look(f"/g/{states['succeeded'].pk}/delete/", alice)
    look(f"/g/{states['queued'].pk}/delete/", alice)


def test_the_models_of_a_provider(look: Look, alice: User, credential: Credential) -> None:
    def save_what_is_wrong(page: Page) -> None:
        page.get_by_label("US dollars a picture").first.fill("much")
        page.get_by_label("offer kling-v3").first.uncheck()
        page.get_by_label("Add a model").fill("kling-v5")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Mend what is marked below.").wait_for()

    Override.objects.create(
        team=credential.team, provider="kling", kind="added", name="kling-v4-preview-2026-12", value="kling-v3"
    )
    look("/credentials/models/kling/", alice, save_what_is_wrong)
    look("/credentials/models/apimodels/", alice)
