from decimal import Decimal

import pytest

from generations.providers.fields import (
    ALWAYS,
    NEVER,
    Choice,
    Field,
    Integer,
    Invalid,
    Number,
    Ours,
    Picture,
    Source,
    Switch,
    Text,
    empty,
    equals,
    filled,
)
from generations.providers.spec import Capability, Operation, Price

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
