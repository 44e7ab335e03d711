from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from generations.providers.fields import (
    ALWAYS,
    NEVER,
    AccountName,
    Choice,
    Elements,
    Face,
    Field,
    Fixed,
    Integer,
    Invalid,
    Number,
    Ours,
    Percent,
    Picture,
    Source,
    Switch,
    Text,
    empty,
    equals,
    filled,
)
from generations.providers.rules import AtLeast, NoGaps
from generations.providers.spec import MOST_OF_A_SERIES, Capability, Deadlines, Operation, Price

PAGE = Source("a page", "2026-11-20")
MODEL = Choice(
    name="model", label="Model", options=("big", "small"), default="big", required=ALWAYS, meaning="model", source=PAGE
)
PROMPT = Text(name="prompt", label="Prompt", max_length=10, required=ALWAYS, meaning="prompt", source=PAGE)
COUNT = Integer(name="n", label="Pictures", at_least=1, at_most=4, default=1, meaning="count", source=PAGE)
SIZE = Choice(name="size", label="Size", options=("1k", "2k"), default="2k", source=PAGE)
MARK = Switch(name="mark", label="Mark", source=PAGE)
FACE = Text(name="face", label="Face", max_length=5, when=equals("mark", True), source=PAGE)
ID = Ours(name="id", label="Our id", source=PAGE)
DRAW = Operation(
    slug="draw",
    label="Draw",
    path="/draw",
    source=PAGE,
    fields=(MODEL, PROMPT, COUNT, SIZE, MARK, FACE, ID),
    capabilities=(
        Capability(model_name="big", source=PAGE),
        Capability(model_name="small", options={"size": ("1k",)}, lacks=frozenset({"mark"}), source=PAGE),
    ),
    prices=(
        Price(per_picture=Decimal(8), unit="unit", usd=Decimal("0.028"), when=equals("model", "big"), source=PAGE),
    ),
)


def test_what_is_left_out_takes_its_default() -> None:
    cleaned = DRAW.clean({"prompt": " A vase "})
    assert cleaned.values == {"model": "big", "prompt": "A vase", "n": 1, "size": "2k", "mark": False}
    assert cleaned.errors == {}


def test_a_default_that_the_model_lacks_becomes_the_first_that_it_has() -> None:
    assert DRAW.clean({"model": "small", "prompt": "A vase"}).values["size"] == "1k"


@pytest.mark.parametrize(
    ("raw", "field", "sentence"),
    [
        ({}, "prompt", "Fill in: prompt."),
        ({"prompt": "  "}, "prompt", "Fill in: prompt."),
        ({"prompt": "x" * 11}, "prompt", "Shorten this to 10 characters; it has 11."),
        ({"prompt": "a\x00b"}, "prompt", "Remove the invisible null character from this text."),
        ({"model": "huge"}, "model", "Choose big or small."),
        ({"model": "small", "size": "2k"}, "size", "Choose 1k."),
        ({"n": "0"}, "n", "Enter a whole number from 1 to 4."),
        ({"n": "5"}, "n", "Enter a whole number from 1 to 4."),
        ({"n": "2.5"}, "n", "Enter a whole number from 1 to 4."),
        ({"n": "1e3"}, "n", "Enter a whole number from 1 to 4."),
        ({"n": "٣"}, "n", "Enter a whole number from 1 to 4."),
        ({"n": "9" * 5000}, "n", "Enter a whole number from 1 to 4."),
        ({"face": "mine"}, "face", "Face cannot be used with these settings. Empty it, or change them."),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence_at_its_field(raw: dict[str, str], field: str, sentence: str) -> None:
    assert DRAW.clean(raw).errors[field] == sentence


def test_text_is_counted_after_line_ends_are_made_one_character() -> None:
    assert DRAW.clean({"prompt": "12345\r\n789"}).values["prompt"] == "12345\n789"


def test_a_field_is_asked_while_its_condition_holds() -> None:
    assert "face" not in [each.field.name for each in DRAW.asked({"model": "big"})]
    assert "face" in [each.field.name for each in DRAW.asked({"model": "big", "mark": True})]
    assert DRAW.clean({"prompt": "p", "mark": "on", "face": "mine"}).values["face"] == "mine"


def test_what_a_model_lacks_is_not_asked_and_a_switch_left_over_is_passed_over() -> None:
    assert "mark" not in [each.field.name for each in DRAW.asked({"model": "small"})]
    assert DRAW.clean({"prompt": "p", "model": "small", "mark": "on"}).errors == {}


def test_an_empty_optional_field_is_not_in_the_values() -> None:
    assert "n" not in DRAW.clean({"prompt": "p", "n": ""}).values


def test_a_field_of_ours_is_never_taken_from_a_person() -> None:
    assert "id" not in DRAW.clean({"prompt": "p", "id": "mine"}).values
    with pytest.raises(Exception, match="set by klingweb"):
        ID.read("mine", ())


def test_a_price_holds_where_its_condition_does() -> None:
    assert DRAW.price({"model": "big"}) is DRAW.prices[0]
    assert DRAW.price({"model": "small"}) is None


def test_values_are_found_by_their_meaning() -> None:
    assert DRAW.meant({"prompt": "A vase"}, "prompt") == "A vase"
    assert DRAW.named("shape") == ""
    assert DRAW.capability({"model": "nobody's"}) is None


def test_conditions_combine() -> None:
    both = filled("a") & empty("b")
    either = filled("a") | equals("c", 1, 2)
    assert both.holds({"a": "x", "b": ""})
    assert not both.holds({"a": "x", "b": "y"})
    assert either.holds({"c": 2})
    assert not either.holds({"c": 3})
    assert ALWAYS.holds({})
    assert not NEVER.holds({})
    assert (both & ALWAYS).holds({"a": "x"})


def test_every_kind_says_its_bounds() -> None:
    assert [each.bounds for each in DRAW.fields] == [
        "big small",
        "≤ 10 characters",
        "1–4",
        "1k 2k",
        "yes or no",
        "≤ 5 characters",
        "set by klingweb",
    ]


def test_the_bare_field_is_no_kind_of_its_own() -> None:
    bare = Field(name="x", label="X", source=PAGE)
    with pytest.raises(NotImplementedError):
        bare.read("x", ())
    with pytest.raises(NotImplementedError):
        _ = bare.bounds


@pytest.mark.parametrize("raw", ["much", "nan", "1.5", "-0.1", "inf", ""])
def test_what_is_no_number_within_its_bounds_is_refused(raw: str) -> None:
    strength = Number(name="s", label="Strength", at_least=0, at_most=1, step=0.05, source=PAGE)
    with pytest.raises(Invalid, match="Enter a number from 0 to 1"):
        strength.read(raw, ())
    assert strength.read("0,65", ()) == 0.65


def test_a_picture_that_was_chosen_was_meant() -> None:
    picture = Picture(name="p", label="Picture", when=NEVER, source=PAGE)
    assert picture.deliberate("7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e")
    assert not picture.deliberate(" ")


# Kinds that only some providers need ----------------------------------------------------------------------------------

ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
KIND = Fixed(name="kind", label="Kind", value="several", source=PAGE)
ACCOUNT = AccountName(name="email", label="Account", source=PAGE)
ROW = tuple(
    Picture(name=f"list-{number}", label=f"Picture {number}", series="list-{}", parameter="list", source=PAGE)
    for number in (1, 2, 3)
)
NAMES = tuple(each.name for each in ROW)
FACE_NUMBER = Face(name="faceNo", label="Face", of="list-1", at_least=1, at_most=20, when=filled("list-1"), source=PAGE)
FACE_STRENGTH = Percent(
    name="faceStrength", label="Closeness", at_least=1, at_most=100, default=65, meaning="face strength", source=PAGE
)
RATIO = Choice(
    name="ratio",
    label="Shape",
    options=("16:9", "1:1", "auto"),
    default="auto",
    only=((equals("model", "small"), ("1:1",)), (empty("list-1"), ("16:9", "1:1"))),
    source=PAGE,
)
SERIES = Choice(
    name="series", label="Series", options=("auto", "2", "3"), when=equals("mark", True), meaning="series", source=PAGE
)
COMPOSE = replace(
    DRAW,
    slug="compose",
    fields=(MODEL, PROMPT, COUNT, MARK, KIND, ACCOUNT, *ROW, FACE_NUMBER, FACE_STRENGTH, RATIO, SERIES, ID),
    capabilities=(Capability(model_name="big", source=PAGE), Capability(model_name="small", source=PAGE)),
    rules=(NoGaps(NAMES), AtLeast(1, NAMES)),
)
ENOUGH = {"prompt": "p", "list-1": ASSET}


def test_a_constant_is_in_the_values_whatever_a_person_sends() -> None:
    assert COMPOSE.clean(ENOUGH | {"kind": "mine"}).values["kind"] == "several"
    assert KIND.read("mine", ()) == KIND.bounds == "several"


def test_an_account_is_a_name_of_bearable_length_or_none() -> None:
    assert COMPOSE.clean(ENOUGH | {"email": " anna@example.com "}).values["email"] == "anna@example.com"
    assert "email" not in COMPOSE.clean(ENOUGH | {"email": ""}).values
    assert COMPOSE.clean(ENOUGH | {"email": "x" * 201}).errors == {"email": "Choose one of the accounts."}
    assert ACCOUNT.bounds == "an account of the credential"
    assert (COMPOSE.account, DRAW.account) == ("email", "")


def test_a_face_is_a_number_of_the_picture_that_it_is_in() -> None:
    assert COMPOSE.clean(ENOUGH | {"faceNo": "2"}).values["faceNo"] == 2
    assert list(COMPOSE.clean(ENOUGH | {"faceNo": "0"}).errors) == ["faceNo"]
    assert "faceNo" not in [each.field.name for each in COMPOSE.asked({})]


@pytest.mark.parametrize(
    ("percent", "part"), [("65", "0.65"), ("100", "1"), ("1", "0.01"), ("", ""), ("a lot", "a lot")]
)
def test_a_percentage_is_carried_as_a_part_of_one(percent: str, part: str) -> None:
    assert FACE_STRENGTH.neutral(percent) == part


@pytest.mark.parametrize(
    ("part", "percent"),
    [("0.65", "65"), ("1", "100"), ("0", "1"), ("0.004", "1"), ("0.655", "66"), ("", ""), ("a lot", "a lot"),
     ("nan", "nan"), ("inf", "inf")],
)  # fmt: skip
def test_a_part_of_one_arrives_as_a_percentage_and_at_least_as_one(part: str, percent: str) -> None:
    assert FACE_STRENGTH.carried(part) == percent


def test_other_values_are_carried_as_they_are() -> None:
    assert PROMPT.carried(PROMPT.neutral("A vase")) == "A vase"


def test_an_option_that_stands_for_none_is_carried_as_none() -> None:
    reference = Choice(name="r", label="Use as", options=("none", "face"), blank="none", source=PAGE)
    assert (reference.neutral("none"), reference.neutral("face")) == ("", "face")
    assert (reference.carried(""), reference.carried("face")) == ("none", "face")


def test_a_value_means_the_same_across_providers_or_else_its_own_name() -> None:
    strength = replace(FACE_STRENGTH, meaning="subject strength", means=((equals("model", "big"), "face strength"),))
    assert strength.meaning_in({"model": "big"}) == "face strength"
    assert strength.meaning_in({"model": "small"}) == "subject strength"
    assert SIZE.meaning_in({}) == "size"


def test_other_values_narrow_a_choice_and_its_default_gives_way() -> None:
    def shapes(**values: object) -> tuple[str, ...]:
        return next(each.options for each in COMPOSE.asked(COMPOSE.clean(values).values) if each.field.name == "ratio")

    assert shapes(model="small") == ("1:1",)
    assert shapes(model="big") == ("16:9", "1:1")
    assert shapes(model="big", **{"list-1": ASSET}) == ("16:9", "1:1", "auto")
    assert COMPOSE.clean(ENOUGH).values["ratio"] == "auto"
    assert COMPOSE.clean({"prompt": "p"}).values["ratio"] == "16:9"
    assert COMPOSE.clean(ENOUGH | {"model": "small", "ratio": "auto"}).errors == {"ratio": "Choose 1:1."}


def test_earlier_choices_narrow_the_models_and_those_that_an_admin_added_are_like_another() -> None:
    kind = Choice(name="kind", label="Kind", options=("plain", "face"), default="plain", source=PAGE)
    model = replace(MODEL, only=((equals("kind", "face"), ("small",)),))
    added = Capability(model_name="tiny", like="small", source=PAGE)
    operation = replace(DRAW, fields=(kind, model, PROMPT), capabilities=(*DRAW.capabilities, added))

    def models(**values: str) -> tuple[str, ...]:
        return next(each.options for each in operation.asked(values) if each.field.name == "model")

    assert models(kind="plain") == ("big", "small", "tiny")
    assert models(kind="face") == ("small", "tiny")
    assert operation.clean({"prompt": "p", "kind": "face", "model": "big"}).errors == {"model": "Choose small or tiny."}


def test_an_operation_may_have_no_model_at_all() -> None:
    operation = replace(DRAW, fields=(PROMPT, SIZE), capabilities=())
    assert operation.clean({"prompt": "p"}).values == {"prompt": "p", "size": "2k"}
    assert operation.capability({"prompt": "p"}) is None


def test_rules_are_checked_after_the_fields_and_leave_their_errors_alone() -> None:
    assert COMPOSE.clean(ENOUGH | {"list-3": ASSET}).errors == {
        "list-2": "This slot is empty, and a later one is not. Fill it, or move the later pictures up."
    }
    assert COMPOSE.clean({"prompt": "p", "list-1": "nonsense"}).errors == {"list-1": "Choose the picture again."}


def test_the_pictures_of_an_operation_are_its_references() -> None:
    assert COMPOSE.references == ROW
    assert DRAW.references == ()


@pytest.mark.parametrize(
    ("values", "pictures"),
    [
        ({"n": 3}, 3),
        ({}, 1),
        ({"n": "many"}, 1),
        ({"n": 1, "series": "3"}, 3),
        ({"series": "auto"}, MOST_OF_A_SERIES),
    ],
)
def test_a_request_asks_for_so_many_pictures_or_the_most_there_may_be(
    values: dict[str, str | int], pictures: int
) -> None:
    assert COMPOSE.pictures(values) == pictures
    assert COMPOSE.counts_itself(values) == (values.get("series") == "auto")


def test_the_pace_stretches_each_deadline_and_not_what_is_kept() -> None:
    kept = timedelta(days=7)
    paced = Deadlines(create=60, query=20, download=120, retention=kept).paced(0.5)
    assert paced == Deadlines(create=30, query=10, download=60, upload=60, retention=kept)


def test_elements_are_numbers_up_to_a_count() -> None:
    elements = Elements(name="elements", label="Elements", at_most=2, source=PAGE)
    assert elements.read("1, 2,", ()) == "1,2"
    assert elements.read(["1", "2"], ()) == "1,2"
    assert elements.read(" , ", ()) is None
    assert elements.deliberate("1")
    assert not elements.deliberate(" , ")
    with pytest.raises(Invalid, match="at most 2"):
        elements.read("1,2,3", ())


def test_the_other_kinds_say_their_bounds_as_well() -> None:
    more = (*ROW[:1], FACE_NUMBER, Elements(name="e", label="E", at_most=2, source=PAGE))
    strength = Number(name="s", label="S", at_least=0, at_most=1, step=0.05, source=PAGE)
    assert [each.bounds for each in (*more, strength)] == [
        "a picture, ≤ 10 MB, ≥ 300 px, 1:2.5 to 2.5:1",
        "1–20",
        "≤ 2 ids",
        "0–1",
    ]
