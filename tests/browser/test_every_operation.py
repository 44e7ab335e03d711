"""Each operation of each provider with each kind of reference: from the empty form to stored pictures."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow
from playwright.sync_api import FilePayload, Page, expect

from generations import credentials
from generations.models import Generation, Image, Override
from klingweb.accounts.models import Team, User
from tests.browser.conftest import Open, Start
from tests.browser.test_carrying import settled

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PHOTOS = Path(__file__).parent.parent / "fixtures" / "photos"
COFFEE, ROCKET = PHOTOS / "coffee.png", PHOTOS / "rocket.jpg"
THREE_FACES = (0, 0, 333, 333)  # the sandbox sees three faces in whatever is 333 pixels wide

SECRETS = {
    "kling": {"api_key": "sandbox-key"},
    "useapi": {"api_token": "user:1-sandbox-key"},
    "kkiai": {"api_key": "sandbox-key"},
    "apimodels": {"api_key": "sk_sandbox-key"},
}
PATHS = {
    "kling text-to-image": "kling/v1/images/generations",
    "kling image-to-image": "kling/v1/images/generations",
    "kling multi-image": "kling/v1/images/multi-image2image",
    "kling omni": "kling/v1/images/omni-image",
    "kling expand": "kling/v1/images/editing/expand",
    "useapi kolors": "useapi/v1/kling/images/kolors",
    "useapi kolors-elements": "useapi/v1/kling/images/kolors-elements",
    "kkiai text-to-image": "kkiai/kling/v1/images/generations",
    "kkiai image-to-image": "kkiai/kling/v1/images/generations",
    "kkiai expand": "kkiai/kling/v1/images/editing/expand",
    "apimodels": "apimodels/api/v1/images/generations",
}

Step = Callable[[Page], None]


# What a person does ---------------------------------------------------------------------------------------------------


def write(text: str | float, label: str = "Prompt") -> Step:
    return lambda page: page.get_by_label(label, exact=True).fill(str(text))


def select(label: str, option: str) -> Step:
    def step(page: Page) -> None:
        page.get_by_role("combobox", name=label, exact=True).select_option(option)
        settled(page)

    return step


def check(label: str) -> Step:
    def step(page: Page) -> None:
        page.get_by_role("radio", name=label, exact=True).check()
        settled(page)

    return step


def press(button: str) -> Step:
    def step(page: Page) -> None:
        page.get_by_role("button", name=button).click()
        settled(page)

    return step


def show(place: str, photograph: Path = COFFEE) -> Step:
    return lambda page: upload(page, place, photograph, photograph.name)


def show_three_faces(place: str) -> Step:
    content = io.BytesIO()
    with Pillow.open(ROCKET) as photograph:
        photograph.crop(THREE_FACES).save(content, "PNG")
    file = FilePayload(name="faces.png", mimeType="image/png", buffer=content.getvalue())
    return lambda page: upload(page, place, file, "faces.png")


def upload(page: Page, place: str, file: Path | FilePayload, name: str) -> None:
    slot = page.get_by_role("group", name=place)
    slot.locator("input[type=file]").set_input_files(file)
    expect(slot.get_by_alt_text(f"Reference picture: {name}")).to_be_visible()
    settled(page)


PROMPT, TWO, TALL = write("A cup in window light"), press("One more"), check("3:4")
SUBJECT, FACE, V21 = check("Subject"), check("Face"), select("Model", "kling-v2-1")
SMALL = check("1k")  # drawn and brought home sooner
CLOSE, CLOSE_FACE = write(0.65, "Closeness to the reference"), write(0.3, "Closeness of the face")
REFERENCE = show("Reference")
BOTH = (show("Picture 1"), show("Picture 2", ROCKET))
SEVERAL = (show("Subject 1"), show("Subject 2", ROCKET), show("Scene", ROCKET), show("Style"))
WIDER = (show("Picture"), write(0.5, "Left"), write(0.5, "Right"))


# What is tried --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """The steps on the form, and what has to be in the request and on the page."""

    steps: tuple[Step, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    references: int = 0
    pictures: int = 1


TWO_TALL = Case((PROMPT, TWO, TALL), {"n": 2, "aspect_ratio": "3:4"}, pictures=2)
AS_SUBJECT = {"image_reference": "subject", "image_fidelity": 0.65, "human_fidelity": 0.3}
AS_FACE = {"image_reference": "face", "image_fidelity": 0.65}
EXPANDED = Case((*WIDER, write("A long table")), {"left_expansion_ratio": 0.5, "right_expansion_ratio": 0.5}, 1)

AS_KLING = {
    "text-to-image": TWO_TALL,
    "image-to-image": Case((PROMPT, REFERENCE), references=1),
    "image-to-image subject": Case((PROMPT, V21, REFERENCE, SUBJECT, CLOSE, CLOSE_FACE), AS_SUBJECT, 1),
    "image-to-image face": Case((PROMPT, V21, REFERENCE, FACE, CLOSE), AS_FACE, 1),
    "expand": EXPANDED,
}
CASES = {
    **{f"{provider} {name}": case for provider in ("kling", "kkiai") for name, case in AS_KLING.items()},
    "kling multi-image": Case((PROMPT, *SEVERAL), references=4),
    "kling omni": Case((PROMPT, TWO), {"n": 2}, pictures=2),
    "kling omni cited": Case(
        (write("Put both"), *BOTH, press("<<<image_1>>>"), press("<<<image_2>>>")),
        {"prompt": "Put both <<<image_1>>> <<<image_2>>>"},
        references=2,
    ),
    "kling omni series": Case(
        (
            write("A morning"),
            select("Model", "kling-v3-omni"),
            select("Result", "series"),
            select("Pictures in the series", "3"),
        ),
        {"result_type": "series", "series_amount": "3"},
        pictures=3,
    ),
    "useapi kolors": Case(
        (PROMPT, TWO, TALL, SMALL), {"reference": "none", "version": "kling-v3-0", "resolution": "1k"}, pictures=2
    ),
    "useapi kolors cited": Case(
        (write("Put both"), *BOTH, press("@image_1"), press("@image_2"), SMALL),
        {"prompt": "Put both @image_1 @image_2", "version": "kling-v3-0"},
        references=2,
    ),
    "useapi kolors subject": Case(
        (PROMPT, SUBJECT, REFERENCE, write(80, "Closeness of the subject"), write(30, "Closeness of the face")),
        {"reference": "subject", "version": "kling-v2-1", "subjectStrength": 80, "faceStrength": 30},
        references=1,
    ),
    "useapi kolors face": Case(
        (PROMPT, FACE, show_three_faces("Reference picture"), check("Face 2 of 3")),
        {"reference": "face", "version": "kling-v2-1", "faceNo": 2, "faceStrength": 65},
        references=1,
    ),
    "useapi kolors restyle": Case(
        (PROMPT, check("New style"), REFERENCE), {"reference": "restyle", "version": "kling-v2-1"}, references=1
    ),
    "useapi kolors-elements": Case((PROMPT, *SEVERAL), references=4),
    "apimodels text-to-image": TWO_TALL,
    "apimodels image-to-image": Case((PROMPT, REFERENCE), references=1),
    "apimodels image-to-image subject": Case((PROMPT, REFERENCE, SUBJECT, CLOSE, CLOSE_FACE), AS_SUBJECT, 1),
    "apimodels image-to-image face": Case((PROMPT, REFERENCE, FACE, CLOSE), AS_FACE, 1),
    "apimodels style-transfer": Case((PROMPT, REFERENCE), {"model": "kling-v2-new"}, 1),
    "apimodels style-transfer subject": Case((PROMPT, REFERENCE, SUBJECT, CLOSE, CLOSE_FACE), AS_SUBJECT, 1),
    "apimodels style-transfer face": Case((PROMPT, REFERENCE, FACE, CLOSE), AS_FACE, 1),
    "apimodels multi-image": Case((PROMPT, *SEVERAL), {"multi_model_name": "kling-v2-1"}, 4),
    "apimodels expand": EXPANDED,
    "apimodels omni": Case((PROMPT,), {"model": "kling-image-o1"}),
    "apimodels omni edited": Case((write("Make it blue"), REFERENCE), references=1),
    "apimodels omni addresses": Case((write("Put both on a table"), *BOTH), references=2),
}
SWITCHED_ON = {
    "apimodels style-transfer": ("shown", "kling-v2-new"),
    "apimodels omni addresses": ("unverified", "image_urls"),
}


@pytest.fixture
def team(halden: Team) -> Team:
    """A team with a key for each provider, so that nothing is chosen beforehand."""
    for provider, secrets in SECRETS.items():
        credentials.ensure(team=halden, provider=provider, name="Ours", base_url="sandbox:", secrets=secrets, slots=9)
    return halden


def made(page: Page, provider: str, operation: str, case: Case, start_following: Start) -> Generation:
    """Go all the way on the empty form, and return what came of it when its pictures are on the page."""
    for step in (select("Provider", provider), select("Operation", operation), *case.steps):
        step(page)
    page.get_by_role("button", name="Generate").click()
    card = page.locator("#gens > .gen")
    expect(card).to_be_visible()
    start_following()
    expect(card).to_have_attribute("data-status", "succeeded")
    pictures = card.locator("a[data-image] img")
    expect(pictures).to_have_count(case.pictures)
    for picture in pictures.all():
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    return Generation.objects.get()


def check_request(page: Page, path: str, generation: Generation, case: Case) -> None:
    """The sandbox was asked once, at the right address, for what the form said; and all pictures are kept."""
    asked = page.request.get(f"/sandbox/requests?dialect={path.partition('/')[0]}").json()
    assert [each["path"] for each in asked["requests"] if each["accepted"]] == [f"/sandbox/{path}"]
    assert {name: generation.values.get(name) for name in case.values} == case.values
    assert generation.references.count() == case.references
    assert generation.images.filter(state=Image.State.KEPT, size__gt=0).count() == generation.asked == case.pictures


@pytest.mark.parametrize("name", CASES)
def test_from_the_empty_form_to_stored_pictures(
    visit: Open, bob: User, team: Team, start_following: Start, name: str
) -> None:
    provider, operation, *_ = name.split()
    for each, (kind, switched) in SWITCHED_ON.items():
        if name.startswith(each):
            Override.objects.create(team=team, provider=provider, operation=operation, kind=kind, name=switched)
    page = visit("/", bob)
    generation = made(page, provider, operation, CASES[name], start_following)
    check_request(page, PATHS.get(f"{provider} {operation}") or PATHS[provider], generation, CASES[name])


@pytest.mark.parametrize("shape", "bcdef")
def test_each_way_in_which_kkiai_may_answer(
    visit: Open, bob: User, team: Team, start_following: Start, shape: str
) -> None:
    team.credentials.filter(provider="kkiai").update(base_url=f"sandbox:kkiai-{shape}")
    case, page = Case((PROMPT,)), visit("/", bob)
    generation = made(page, "kkiai", "text-to-image", case, start_following)
    check_request(page, f"kkiai-{shape}/kling/v1/images/generations", generation, case)
