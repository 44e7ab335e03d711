from decimal import Decimal

import pytest

from generations.catalogue import Offer, offers
from generations.forms import REFRESHING, CreateForm
from generations.models import Credential
from generations.pricing import in_words
from generations.providers.registry import PROVIDERS
from klingweb.accounts.models import Team
from tests.road import Ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(credential: Credential, halden: Team) -> tuple[Offer, ...]:
    return offers(halden)


def test_the_controls_are_those_of_the_declaration_in_its_order(offered: tuple[Offer, ...]) -> None:
    controls = CreateForm(offered).controls
    assert [each.name for each in controls] == [
        "model_name",
        "prompt",
        "aspect_ratio",
        "n",
        "resolution",
        "negative_prompt",
        "element_list",
        "watermark_info",
    ]
    assert [each.value for each in controls] == ["kling-v3", "", "16:9", 1, "1k", "", "", False]
    assert controls[0].options == (("kling-v3", "kling-v3"), ("kling-v2-1", "kling-v2-1"))
    assert controls[0].id == "id-model_name"


def test_what_was_typed_stays_even_where_it_is_wrong(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {"prompt": "A vase", "n": "99"}, errors={"n": "Enter a whole number from 1 to 9."})
    values = {each.name: (each.value, each.error) for each in form.controls}
    assert values["n"] == ("99", "Enter a whole number from 1 to 9.")
    assert values["prompt"] == ("A vase", "")
    assert form.prompt is not None
    assert form.prompt.value == "A vase"


def test_an_error_at_an_empty_slot_opens_no_further_one(offered: tuple[Offer, ...]) -> None:
    data = {"operation": "multi-image", "prompt": "A vase"}
    errors = {"subject_image_list-2": "Choose a picture."}
    slots = [each.name for each in CreateForm(offered, data, errors).controls if each.slot]
    assert slots == ["subject_image_list-2"]
    assert [each.name for each in CreateForm(offered, data).controls if each.slot] == ["subject_image_list-1"]


def test_the_price_follows_model_and_count_and_is_unknown_while_the_count_is(offered: tuple[Offer, ...]) -> None:
    assert CreateForm(offered, {"n": "4"}).estimate == "about $0.112"
    assert CreateForm(offered, {"n": "5", "model_name": "kling-v2-1"}).estimate == "about $0.07"
    assert CreateForm(offered, {"n": "x"}).estimate == "price unknown"
    assert CreateForm(offered, {"n": "x"}).count == 1
    assert CreateForm(offered, {"n": "4"}).count == 4


def test_choosers_are_shown_only_where_there_is_a_choice_or_an_error(ask: Ask, halden: Team) -> None:
    assert [each.name for each in CreateForm(offers(halden)).choosers] == ["operation"]
    Credential.objects.create(team=halden, provider="kling", name="Other", base_url="sandbox:", secrets={}, slots=1)
    _, key = CreateForm(offers(halden)).choosers
    assert (key.name, key.value, len(key.options)) == ("credential", "", 3)
    assert key.options[0] == ("", "Whichever has a free slot")


def test_a_choice_that_is_not_offered_is_an_error_at_its_place(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {"provider": "nobody", "operation": "sculpture", "credential": "0"})
    assert set(form.foreign) == {"provider", "operation", "credential"}
    form.errors = form.foreign
    assert [each.name for each in form.choosers] == ["provider", "operation", "credential"]
    assert CreateForm(offered, {}).foreign == {}


def test_a_value_that_carries_no_field_now_is_kept_beside_the_form(offered: tuple[Offer, ...]) -> None:
    form = CreateForm(offered, {"kept.negative": "people", "kept.elsewhere": "x"})
    assert form.kept == {"kept.negative": "people"}
    assert next(each.value for each in form.controls if each.name == "negative_prompt") == "people"


@pytest.mark.parametrize(
    ("usd", "words"),
    [("0.014", "$0.014"), ("0.0035", "$0.004"), ("0.07", "$0.07"), ("1.2345", "$1.23"), (None, "price unknown")],
)
def test_amounts_are_written_for_people(usd: str | None, words: str) -> None:
    assert in_words(Decimal(usd) if usd else None) == words


FORM = frozenset(  # what a form already is in the browser; a control of such a name would hide it
    [
        "action",
        "after",
        "append",
        "attributes",
        "before",
        "blur",
        "children",
        "click",
        "closest",
        "contains",
        "dataset",
        "elements",
        "enctype",
        "encoding",
        "focus",
        "hidden",
        "id",
        "insert",
        "length",
        "matches",
        "method",
        "name",
        "parentNode",
        "prepend",
        "querySelector",
        "remove",
        "replaceWith",
        "requestSubmit",
        "reset",
        "style",
        "submit",
        "target",
        "title",
    ]
)


def test_no_control_hides_what_a_form_can_do() -> None:
    declared = {each.name for provider in PROVIDERS.values() for one in provider.operations for each in one.fields}
    assert not FORM & (declared | {"provider", "operation", "credential", "key", "was", *REFRESHING})
