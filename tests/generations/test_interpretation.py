"""Rules for reading answers: where they work, and where they must not."""

import httpx
import pytest
from pytest_django import DjangoAssertNumQueries

from generations import interpretation
from generations.interpretation import PATH, moved, steps
from generations.models import Generation, Reading
from generations.providers import errors
from klingweb.accounts.models import User
from tests.road import Ask

TASK = {"task_id": "77", "task_status": "succeed", "task_result": {"images": [{"url": "https://p.example.com/a.png"}]}}


def move(body: object, source: str, target: str) -> object:
    return moved(body, steps(source), steps(target))


@pytest.mark.parametrize(
    ("body", "source", "target", "expected"),
    [
        ({"a": {"b": 1}}, "a.b", "c.d", {"a": {"b": 1}, "c": {"d": 1}}),
        ({"r": {"x": 1}}, "r", "$", {"x": 1}),
        ([{"x": 1}], "[]", "$", {"x": 1}),
        ({"x": 1}, "$", "data", {"x": 1, "data": {"x": 1}}),
        ({"data": {"data": {"x": 1}}}, "data.data", "data", {"data": {"x": 1}}),
        ({"data": [{"x": 1}]}, "data[]", "data", {"data": {"x": 1}}),
        ({"u": ["a", "b"]}, "u[]", "l[].url", {"u": ["a", "b"], "l": [{"url": "a"}, {"url": "b"}]}),
        ({"l": [{"href": "a", "n": 1}]}, "l[].href", "l[].url", {"l": [{"href": "a", "n": 1, "url": "a"}]}),
        ({"l": [["a", "b"]]}, "l[][]", "l[]", {"l": ["a", "b"]}),
        ({"l": '{"m": [1]}'}, "l.m", "l.k", {"l": {"m": [1], "k": [1]}}),
        ({"l": "{no"}, "l.m", "k", {"l": "{no"}),
    ],
)
def test_what_stands_elsewhere_is_read_in_its_place(body: object, source: str, target: str, expected: object) -> None:
    assert move(body, source, target) == expected


@pytest.mark.parametrize(
    ("body", "source", "target"),
    [
        ({"a": 1, "b": 2}, "a", "b"),
        ({"a": 1, "b": 0}, "a", "b"),
        ({"a": ""}, "a", "b"),
        ({"a": None}, "a.x", "b"),
        ({"a": {}}, "a[]", "b"),
        ([1], "a.b", "a.c"),
        ({"a": 1}, "a[].x", "a[].y"),
    ],
)
def test_what_is_there_already_or_is_nothing_stays_as_it_is(body: object, source: str, target: str) -> None:
    assert move(body, source, target) == body


@pytest.mark.parametrize("path", ["$", "a", "a.b", "a[].b", "a[][].b[]", "[]", "[].a"])
def test_a_path_is_names_with_dots_between_them(path: str) -> None:
    assert PATH.fullmatch(path)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[", "a[0]", "a b", "$.a", "a.[]"])
def test_anything_else_is_none(path: str) -> None:
    assert not PATH.fullmatch(path)


# With a generation ----------------------------------------------------------------------------------------------------


@pytest.fixture
def generation(ask: Ask) -> Generation:
    return ask("A vase")


def rule(generation: Generation, kind: str, found: str, means: str) -> None:
    Reading.objects.create(team=generation.team, provider="kling", kind=kind, found=found, means=means)


def answer(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


@pytest.mark.django_db
def test_reading_costs_one_query(generation: Generation, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    rule(generation, "word", "baked", "succeeded")
    with django_assert_num_queries(1):
        progress = interpretation.read_query(generation, answer({"code": 0, "data": TASK | {"task_status": "Baked"}}))
    assert progress.state == "succeeded"


@pytest.mark.django_db
def test_a_rule_of_another_team_or_provider_counts_for_nothing(generation: Generation, charlie: User) -> None:
    said = {"kind": "word", "found": "baked", "means": "succeeded"}
    other = Reading.objects.create(team=charlie.own_memberships[0].team, provider="kling", **said)
    Reading.objects.create(team=generation.team, provider="useapi", **said)
    assert str(other) == "word baked → succeeded"
    progress = interpretation.read_query(generation, answer({"code": 0, "data": TASK | {"task_status": "baked"}}))
    assert (progress.state, bool(progress.strange)) == ("running", True)


@pytest.mark.django_db
def test_an_error_that_no_module_foresees_is_one_of_a_provider(
    generation: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_response: httpx.Response) -> tuple[()]:
        raise ZeroDivisionError

    with pytest.raises(errors.Unreadable, match="does not understand"):
        interpretation.read_list(generation, broken, answer({}))
    assert "could not be read" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"code": 1201, "message": "The vault is closed"}, 400, errors.OutOfCredit),
        ({"reason": "the VAULT is closed!"}, 200, errors.OutOfCredit),
        ({"code": 1201, "message": "The vault is closedish"}, 400, errors.Refused),
        ({"echo": {"prompt": "the vault is closed"}}, 200, errors.Unreadable),
    ],
)
def test_a_refusal_is_known_by_its_words_and_not_by_what_was_sent(
    ask: Ask, body: object, status: int, kind: type[errors.ProviderError]
) -> None:
    generation = ask("the vault is closed")
    rule(generation, "error", "vault is closed", "no credit")
    with pytest.raises(errors.ProviderError) as caught:
        interpretation.read_create(generation, answer(body, status))
    assert type(caught.value) is kind


@pytest.mark.django_db
def test_a_page_may_be_known_by_its_words(generation: Generation) -> None:
    rule(generation, "error", "余额不足", "busy")
    rule(generation, "error", "Just a moment", "busy")
    for page in ("<p>您的余额不足请充值</p>", "<title>Just a moment</title>"):
        with pytest.raises(errors.Busy):
            interpretation.read_create(generation, httpx.Response(200, text=page))


@pytest.mark.django_db
def test_a_failure_in_new_words_is_moderation_where_a_rule_says_so(generation: Generation) -> None:
    failed = {"code": 0, "data": {"task_id": "77", "task_status": "failed", "task_status_msg": "guardrail 7 tripped"}}
    assert not interpretation.read_query(generation, answer(failed)).moderated
    rule(generation, "error", "guardrail 7", "moderated")
    assert interpretation.read_query(generation, answer(failed)).moderated


@pytest.mark.django_db
def test_a_refused_look_up_ends_nothing_unless_a_rule_says_so(generation: Generation) -> None:
    refused = {"code": 1201, "message": "purged"}
    with pytest.raises(errors.Refused):
        interpretation.read_query(generation, answer(refused, 400))
    rule(generation, "error", "purged", "key")
    with pytest.raises(errors.AccountTrouble):
        interpretation.read_query(generation, answer(refused, 400))
    Reading.objects.update(means="moderated")
    progress = interpretation.read_query(generation, answer(refused, 400))
    assert (progress.state, progress.moderated) == ("failed", True)


@pytest.mark.django_db
def test_pictures_at_once_that_cannot_be_called_are_no_answer(generation: Generation) -> None:
    generation.provider = "kkiai"
    found = {"created": 1, "data": [{"url": "https://\x00/"}, {"url": "ftp://p.example.com/a.png"}]}
    with pytest.raises(errors.Unreadable):
        interpretation.read_create(generation, answer(found))
    submission = interpretation.read_create(generation, answer(found | {"data": [{"url": "/o/a.png"}]}))
    assert submission.progress
    assert submission.progress.outputs[0].url.endswith("/o/a.png")
    assert submission.progress.outputs[0].url.startswith("http")
    known = {"code": 0, "data": TASK | {"task_result": {"images": [{"url": "soon"}]}}}
    assert interpretation.read_create(generation, answer(known)).progress is None


@pytest.mark.django_db
@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff\xfe{", b"{"])
def test_what_is_no_json_is_left_as_it_is(generation: Generation, content: bytes) -> None:
    rule(generation, "path", "a", "data")
    with pytest.raises(errors.Unreadable):
        interpretation.read_create(generation, httpx.Response(200, content=content))
