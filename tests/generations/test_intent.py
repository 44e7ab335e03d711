"""What a person means, carried between operations and providers, and back."""

import uuid

import pytest

from generations import credentials
from generations.catalogue import Offer, offers
from generations.controls import Control
from generations.forms import KEPT, CreateForm
from generations.intent import Intent, absorbed, as_text, carried, drawn
from generations.models import Credential
from generations.providers import kling, useapi
from generations.providers.spec import Operation
from klingweb.accounts.models import Team

PICTURE, OTHER, THIRD = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
FROM_TEXT, FROM_IMAGE = kling.TEXT_TO_IMAGE, kling.IMAGE_TO_IMAGE


def understood(operation: Operation, posted: dict[str, str], before: Intent) -> Intent:
    """What is meant once a form that showed `before` came back as `posted`."""
    return absorbed(operation, posted, before, drawn(operation, before))


# Values by what they mean ---------------------------------------------------------------------------------------------


def test_only_what_a_person_changed_is_taken_over() -> None:
    shown = {"model_name": "kling-v3", "prompt": "", "aspect_ratio": "16:9", "n": "1", "resolution": "1k"}
    assert understood(FROM_TEXT, shown, {}) == {}
    assert understood(FROM_TEXT, shown | {"prompt": "A vase", "n": "4"}, {}) == {"prompt": "A vase", "count": "4"}


def test_what_was_meant_before_stays_until_it_is_changed_or_emptied() -> None:
    before = {"prompt": "A vase", "negative": "people", "scene": PICTURE}
    posted = {"prompt": "A vase", "negative_prompt": "", "model_name": "kling-v3"}
    assert understood(FROM_TEXT, posted, before) == {"prompt": "A vase", "scene": PICTURE}


def test_a_switch_that_was_turned_off_is_off() -> None:
    on = understood(FROM_TEXT, {"watermark_info": "true"}, {})
    assert on == {"watermark_info": "true"}
    assert understood(FROM_TEXT, {"prompt": ""}, on) == {}


@pytest.mark.parametrize(
    ("field", "typed", "meant"),
    [("faceStrength", "65", "0.65"), ("faceStrength", "100", "1"), ("faceStrength", "much", "much")],
)
def test_a_percentage_is_meant_as_a_part_of_one(field: str, typed: str, meant: str) -> None:
    declared = next(each for each in useapi.KOLORS.fields if each.name == field)
    assert declared.neutral(typed) == meant


@pytest.mark.parametrize(
    ("meant", "shown"), [("0.65", "65"), ("1", "100"), ("0", "1"), ("much", "much"), ("inf", "inf")]
)
def test_a_part_of_one_is_shown_as_a_percentage_of_at_least_one(meant: str, shown: str) -> None:
    declared = next(each for each in useapi.KOLORS.fields if each.name == "subjectStrength")
    assert declared.carried(meant) == shown


def test_the_one_strength_beside_a_face_is_that_of_the_face() -> None:
    posted = {"model_name": "kling-v2-1", "image": PICTURE, "image_reference": "face", "image_fidelity": "0.7"}
    intent = understood(FROM_IMAGE, posted, {})
    assert intent["face strength"] == "0.7"
    raw = carried(useapi.KOLORS, intent)
    assert (raw["reference"], raw["imageReference"], raw["faceStrength"]) == ("face", PICTURE, "70")
    assert "subjectStrength" not in raw


def test_no_reference_type_has_a_word_at_one_provider_and_none_at_another() -> None:
    subject = understood(useapi.KOLORS, {"reference": "subject", "imageReference": PICTURE}, {})
    assert subject["reference"] == "subject"
    posted = {"model_name": "kling-v2-1", "image": PICTURE, "image_reference": ""}
    assert "reference" not in understood(FROM_IMAGE, posted, subject | {"model": "kling-v2-1"})
    assert carried(useapi.KOLORS, {"picture": PICTURE}) == {"image_1": PICTURE}


def test_an_option_that_is_not_there_is_not_carried() -> None:
    assert "resolution" not in carried(FROM_TEXT, {"resolution": "4k"})
    assert carried(FROM_TEXT, {"resolution": "2k"})["resolution"] == "2k"
    assert "reference" not in carried(useapi.KOLORS, {"reference": "restyle-everything"})


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (False, ""), (0.5, "0.5"), (1.0, "1"), (3, "3"), ("x", "x")]
)
def test_values_as_a_form_holds_them(value: str | float | None, text: str) -> None:
    assert as_text(value) == text


# The form -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def offered(db: None, credential: Credential, halden: Team) -> tuple[Offer, ...]:
    for slug, secret in (("useapi", "api_token"), ("kkiai", "api_key"), ("apimodels", "api_key")):
        secrets = {secret: "user:1-sandbox"}
        credentials.ensure(team=halden, provider=slug, name=slug, base_url="sandbox:", secrets=secrets, slots=3)
    return offers(halden)


class Person:
    """Somebody at the form: what a control shows is what comes back with the next choice."""

    def __init__(self, offered: tuple[Offer, ...], **start: str) -> None:
        self.offered = offered
        self.form = CreateForm(offered, start)

    def choose(self, **changes: str) -> CreateForm:
        """Change controls, and get the form anew."""
        self.form = CreateForm(self.offered, self._posted() | {"refresh": "1"} | changes)
        return self.form

    def send(self, **changes: str) -> CreateForm:
        """Change controls, and ask for pictures."""
        return CreateForm(self.offered, self._posted() | changes)

    def _posted(self) -> dict[str, str]:
        form = self.form
        shown = {each.name: each for each in (*form.choosers, *form.controls)}
        posted = {name: as_text(each.value) for name, each in shown.items() if each.kind != "picture"}
        pictures = {f"{each.name}__asset": str(each.value) for each in form.controls if each.kind == "picture"}
        switched = {name for name, each in shown.items() if each.kind == "switch" and not each.value}
        posted = {name: text for name, text in posted.items() if name not in switched}
        return form.fixed | form.kept | {"was": form.fixed["was"]} | posted | pictures


def control(form: CreateForm, name: str) -> Control:
    return next(each for each in form.controls if each.name == name)


def shown(form: CreateForm) -> dict[str, object]:
    return {each.name: each.value for each in form.controls}


def test_switching_through_all_providers_and_back_loses_nothing(offered: tuple[Offer, ...]) -> None:
    person = Person(offered)
    person.choose(operation="image-to-image", prompt="A vase", n="4", aspect_ratio="3:4", negative_prompt="people")
    person.choose(model_name="kling-v2-1", image__asset=PICTURE)
    person.choose(image_reference="subject")
    before = shown(person.choose(image_fidelity="0.65", human_fidelity="0.3"))
    for provider, operation, expected in (
        ("useapi", "kolors", {"reference": "subject", "imageReference": PICTURE, "subjectStrength": 65}),
        ("kkiai", "text-to-image", {"negative_prompt": "people", "aspect_ratio": "3:4"}),
        ("apimodels", "multi-image", {"subject_image_list-1": PICTURE, "aspect_ratio": "3:4", "n": 4}),
        ("useapi", "kolors-elements", {"subjectImage1": PICTURE, "imageCount": 4}),
    ):
        form = person.choose(provider=provider, operation=operation)
        assert (form.offer.provider.slug, form.operation.slug) == (provider, operation)
        assert expected.items() <= shown(form).items()
        assert shown(form)["prompt"] == "A vase"
    assert shown(person.choose(provider="kling", operation="image-to-image")) == before


def test_what_cannot_be_used_is_said_once_and_comes_back(offered: tuple[Offer, ...]) -> None:
    person = Person(offered, operation="image-to-image", model_name="kling-v2-1", image__asset=PICTURE)
    person.choose(image_reference="subject")
    person.choose(human_fidelity="0.3")
    form = person.choose(image_reference="")
    assert form.notes == ["Not used with these settings: Closeness of the face. What you set comes back with them."]
    assert person.choose().notes == []
    assert shown(person.choose(image_reference="subject"))["human_fidelity"] == "0.3"


def test_a_strength_that_means_another_with_a_face_comes_back_as_it_was(offered: tuple[Offer, ...]) -> None:
    person = Person(offered, operation="image-to-image", model_name="kling-v2-1", image__asset=PICTURE)
    person.choose(image_reference="subject")
    before = shown(person.choose(image_fidelity="0.65", human_fidelity="0.3"))
    form = person.choose(image_reference="face")
    assert shown(form)["image_fidelity"] == "0.3"
    assert form.notes == [
        "Not used with these settings: Closeness to the reference. What you set comes back with them."
    ]
    assert shown(person.choose(image_reference="subject")) == before


def test_what_a_form_fills_in_by_itself_is_meant_by_nobody(offered: tuple[Offer, ...]) -> None:
    """A default strength of one provider is not sent to another that would choose its own."""
    person = Person(offered, provider="useapi", operation="kolors", reference="subject", imageReference__asset=PICTURE)
    assert shown(person.choose(prompt="A vase"))["faceStrength"] == 65
    person.choose(provider="kling", operation="image-to-image")
    form = person.choose(model_name="kling-v2-1")
    assert (shown(form)["image_reference"], shown(form)["human_fidelity"]) == ("subject", "")


def test_an_option_that_another_choice_rules_out_is_said_and_comes_back(offered: tuple[Offer, ...]) -> None:
    person = Person(offered, operation="omni")
    person.choose(model_name="kling-v3-omni")
    person.choose(resolution="4k")
    form = person.choose(model_name="kling-image-o1")
    assert form.notes == ["Resolution: 4k is not offered with these settings, so it is 1k now."]
    assert shown(form)["resolution"] == "1k"
    assert person.choose(prompt="A vase").notes == []
    assert shown(person.choose(model_name="kling-v3-omni"))["resolution"] == "4k"


def test_what_waits_is_never_sent(offered: tuple[Offer, ...]) -> None:
    person = Person(offered, operation="image-to-image", model_name="kling-v2-1", image__asset=PICTURE)
    person.choose(image_reference="subject")
    person.choose(human_fidelity="0.3")
    person.choose(image_reference="")
    form = person.send(prompt="A vase")
    assert form.kept[f"{KEPT}face strength"] == "0.3"
    assert "human_fidelity" not in form.raw
    assert form.cleaned.errors == {}


def test_a_value_meant_for_nothing_known_is_not_kept(offered: tuple[Offer, ...]) -> None:
    assert CreateForm(offered, {f"{KEPT}elsewhere": "x", f"{KEPT}scene": PICTURE}).kept == {f"{KEPT}scene": PICTURE}


def test_a_picture_that_waits_opens_an_operation_that_takes_one(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {f"{KEPT}picture": PICTURE})
    assert form.operation.slug == "image-to-image"
    assert shown(form)["image"] == PICTURE
    assert CreateForm(offered, {}).operation.slug == "text-to-image"


# What the page needs beside the values --------------------------------------------------------------------------------


def test_of_a_row_of_slots_the_filled_ones_are_shown_and_one_that_is_empty(offered: tuple[Offer, ...]) -> None:
    row = {"provider": "useapi", "operation": "kolors", "image_2__asset": PICTURE}
    form = CreateForm(offered, row)
    assert [each.name for each in form.controls if each.slot] == ["image_1", "image_2"]
    form = CreateForm(offered, row | {"image_1__asset": OTHER}, errors={"image_7": "It is wrong."})
    assert [each.name for each in form.controls if each.slot] == ["image_1", "image_2", "image_7"]
    assert {each.group for each in form.controls if each.slot} == {"image_{}"}
    assert control(form, "prompt").group == "prompt"


def test_an_error_is_shown_at_its_field_even_where_that_does_not_apply(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {"provider": "useapi", "operation": "kolors"}, errors={"faceNo": "It cannot be used."})
    assert control(form, "faceNo").error == "It cannot be used."


def test_a_cited_slot_knows_its_citation_and_its_neighbours(offered: tuple[Offer, ...]) -> None:
    chosen = {"provider": "useapi", "operation": "kolors", "image_1__asset": PICTURE, "image_2__asset": OTHER}
    form = CreateForm(offered, chosen | {"image_4__asset": THIRD})
    first, second = control(form, "image_1").slot, control(form, "image_2").slot
    assert first
    assert second
    assert (first.citation, first.into, first.most) == ("@image_1", "id-prompt", 10)
    assert (first.earlier, first.later) == ("", "image_2")
    assert (second.earlier, second.later) == ("image_1", "image_4")
    assert control(form, "prompt").slot is None


def test_a_slot_that_no_text_cites_has_neither(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {"operation": "multi-image", "subject_image_list-1__asset": PICTURE})
    slot = control(form, "subject_image_list-1").slot
    assert slot
    assert (slot.most, slot.citation, slot.later) == (4, "", "")
    assert control(form, "scene_image").slot is None


def test_the_shape_is_not_asked_where_it_follows_the_reference_and_waits(offered: tuple[Offer, ...]) -> None:
    person = Person(offered)
    person.choose(aspect_ratio="3:4")
    form = person.choose(operation="image-to-image")
    assert form.follows
    assert "aspect_ratio" not in shown(form)
    assert form.reference is None
    assert shown(person.choose(operation="text-to-image"))["aspect_ratio"] == "3:4"


def test_the_canvas_tells_its_factor_and_its_area(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {"operation": "expand", "up_expansion_ratio": "1"})
    assert form.canvas
    assert (form.canvas.factor, form.canvas.area) == (3, 2)
    sides = [each for each in form.controls if each.kind == "expansion"]
    assert {each.group for each in sides} == {"expansion"}
    assert [each.value for each in sides] == ["1", "0", "0", "0"]
    assert CreateForm(offered).canvas is None


# The accounts behind a credential -------------------------------------------------------------------------------------


def accounts_of(offered: tuple[Offer, ...], *names: str) -> Credential:
    credential = Credential.objects.get(provider="useapi", name="useapi")
    for name in names:
        credential.accounts.create(name=name, slots=3)
    return credential


def test_an_account_is_asked_for_where_there_are_several(offered: tuple[Offer, ...], halden: Team) -> None:
    chosen = {"provider": "useapi", "operation": "kolors"}
    assert "email" not in shown(CreateForm(offered, chosen))
    accounts_of(offered, "a@example.com", "b@example.com")
    account = control(CreateForm(offers(halden), chosen), "email")
    assert account.options == (("", "Free one"), ("a@example.com", "a@example.com"), ("b@example.com", "b@example.com"))


def test_an_account_of_another_credential_waits_and_is_never_sent(offered: tuple[Offer, ...], halden: Team) -> None:
    first = accounts_of(offered, "a@example.com", "b@example.com")
    second, _ = credentials.ensure(
        team=halden, provider="useapi", name="Other", base_url="sandbox:", secrets={"api_token": "user:2-x"}, slots=3
    )
    person = Person(offers(halden), provider="useapi", operation="kolors", credential=str(first.pk))
    person.choose(email="a@example.com")
    form = person.choose(credential=str(second.pk))
    assert form.notes == ["Account: a@example.com is not offered with these settings, so it is not set now."]
    assert form.kept[f"{KEPT}email"] == "a@example.com"
    assert "email" not in person.send(prompt="A vase").raw
    assert shown(person.choose(credential=str(first.pk)))["email"] == "a@example.com"


def test_an_account_that_is_nobodys_stays_to_be_refused(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(
        offered, {"provider": "useapi", "operation": "kolors", "email": "x@example.com"}, {"email": "No."}
    )
    assert form.raw["email"] == "x@example.com"
    assert control(form, "email").error == "No."
