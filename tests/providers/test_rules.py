import pytest

from generations.providers.fields import Values
from generations.providers.rules import AreaWithin, AtLeast, AtMostTogether, Cited, NoGaps

SLOTS = ("one", "two", "three")
CANVAS = AreaWithin(3, "up", "down", "left", "right")


def filled(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e")


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({}, "one", "Add at least 2 pictures; there is none."),
        (filled("one"), "two", "Add at least 2 pictures; there is one."),
        (filled("three"), "one", "Add at least 2 pictures; there is one."),
    ],
)
def test_too_few_pictures_are_said_at_the_first_empty_slot(values: Values, field: str, sentence: str) -> None:
    broken = AtLeast(2, SLOTS).check(values)
    assert broken
    assert (broken.field, broken.sentence) == (field, sentence)


def test_enough_pictures_may_stand_in_any_slots() -> None:
    assert AtLeast(2, SLOTS).check(filled("one", "three")) is None
    assert AtLeast(3, SLOTS).check(filled(*SLOTS)) is None
    short = AtLeast(3, SLOTS).check(filled("one", "two"))
    assert short
    assert short.sentence == "Add at least 3 pictures; there are 2."


def test_pictures_and_elements_are_counted_together() -> None:
    rule = AtMostTogether(3, SLOTS, "elements")
    assert rule.check({}) is None
    assert rule.check(filled(*SLOTS)) is None
    assert rule.check(filled("one") | {"elements": "1,2"}) is None
    assert rule.check({"elements": ""} | filled(*SLOTS)) is None
    broken = rule.check(filled("one", "two") | {"elements": "1,2"})
    assert broken
    assert broken.field == "elements"


@pytest.mark.parametrize(
    ("names", "gap"),
    [((), None), (("one",), None), (SLOTS, None), (("two",), "one"), (("one", "three"), "two"), (("three",), "one")],
)
def test_a_row_of_cited_pictures_has_no_gap(names: tuple[str, ...], gap: str | None) -> None:
    broken = NoGaps(SLOTS).check(filled(*names))
    assert (broken.field if broken else None) == gap


@pytest.mark.parametrize("citation", ["@image_{}", "<<<image_{}>>>"])
@pytest.mark.parametrize(
    ("numbers", "wrong"),
    [((), None), ((1, 2), None), ((2, 2), None), ((3,), 3), ((0,), 0), ((4,), 4), ((1, 12), 12)],
)
def test_a_citation_names_a_picture_that_is_there(citation: str, numbers: tuple[int, ...], wrong: int | None) -> None:
    text = "A vase, " + " and ".join(citation.format(number) for number in numbers)
    broken = Cited("prompt", citation, SLOTS).check(filled("one", "two") | {"prompt": text})
    assert (broken is not None) == (wrong is not None)
    if broken:
        assert broken.field == "prompt"
        assert f"The text cites {citation.format(wrong)}," in broken.sentence


def test_a_text_that_is_not_there_cites_nothing() -> None:
    assert Cited("prompt", "@image_{}", SLOTS).check({}) is None


@pytest.mark.parametrize(
    ("sides", "area"),
    [
        ({}, 1),
        ({"up": 2.0}, 3),
        ({"up": 1.0, "down": 1.0}, 3),
        ({"left": 0.5, "right": 0.5, "up": 0.5}, 3),
        ({"up": 0.1495, "down": 0.1495, "left": 0.6547, "right": 0.6547}, 2.9996),
        ({"up": "half"}, 1),
    ],
)
def test_a_canvas_within_its_factor_is_fine(sides: dict[str, float], area: float) -> None:
    assert CANVAS.area(sides) == pytest.approx(area, abs=1e-3)
    assert CANVAS.check(sides) is None


def test_a_canvas_over_its_factor_says_how_large_it_would_be() -> None:
    broken = CANVAS.check({"up": 2, "left": 0.05})
    assert broken
    assert broken.field == "up"
    assert broken.sentence == "The new picture would be 3.15 times the old one. Make it at most 3 times."


def test_a_canvas_that_does_not_grow_is_not_paid_for() -> None:
    broken = CANVAS.check({"up": 0, "down": 0.0, "left": 0, "right": 0})
    assert broken
    assert broken.field == "up"
    assert broken.sentence.startswith("Nothing would be added.")


def test_every_rule_says_itself_in_one_clause() -> None:
    rules = (AtLeast(2, SLOTS), AtMostTogether(10, SLOTS, "elements"), NoGaps(SLOTS), Cited("p", "@image_{}", SLOTS))
    assert [each.words for each in (*rules, CANVAS)] == [
        "at least 2 pictures",
        "pictures and elements ≤ 10 together",
        "filled from the first slot on",
        "@image_1 names a picture that is there",
        "1 < (1 + up + down) · (1 + left + right) ≤ 3",
    ]
