import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from generations.providers import errors, kling
from generations.providers.exchange import Account, Order, Output, Task
from generations.providers.kkiai import EXPAND, IMAGE_TO_IMAGE, PROVIDER, TEXT_TO_IMAGE
from generations.providers.spec import Operation
from tests.providers.fixtures import answer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
ACCOUNT = Account("https://www.kkiai.com", {"api_key": "sk-kkiai-1"})
A = (Output(0, "https://p1.example.com/a.png"),)
A_AND_B = (*A, Output(1, "https://p1.example.com/b.png"))


def request_of(operation: Operation, **raw: object) -> httpx.Request:
    cleaned = operation.clean({"prompt": "A vase"} | raw)
    assert cleaned.errors == {}
    order = Order(cleaned.values, ID, {"image": "aGVsbG8="})
    return PROVIDER.build_create(operation, order, ACCOUNT, NOW)


def kept(case: str) -> httpx.Response:
    return answer(f"kkiai/text-to-image__{case}")


def test_text_to_image_sends_what_it_needs_and_leaves_out_what_is_unused() -> None:
    request = request_of(TEXT_TO_IMAGE)
    assert str(request.url) == "https://www.kkiai.com/kling/v1/images/generations"
    assert request.headers["authorization"] == "Bearer sk-kkiai-1"
    assert request.content == (
        b'{"model_name":"kling-v3","prompt":"A vase","aspect_ratio":"16:9","n":1,"resolution":"1k"}'
    )


def test_a_negative_prompt_goes_along_where_there_is_no_picture() -> None:
    assert json.loads(request_of(TEXT_TO_IMAGE, negative_prompt="people").content)["negative_prompt"] == "people"


@pytest.mark.parametrize(
    ("raw", "payload"),
    [
        (
            {},
            b'{"model_name":"kling-v3","prompt":"A vase","image":"aGVsbG8=","n":1,"resolution":"1k"}',
        ),
        (
            {"model_name": "kling-v2-1", "image_reference": "subject", "image_fidelity": "0.65", "human_fidelity": "0"},
            (
                b'{"model_name":"kling-v2-1","prompt":"A vase","image":"aGVsbG8=","image_reference":"subject",'
                b'"image_fidelity":0.65,"human_fidelity":0.0,"n":1,"resolution":"1k"}'
            ),
        ),
        (
            {"model_name": "kling-v1-5", "image_reference": "face", "image_fidelity": "0.4", "n": "9"},
            (
                b'{"model_name":"kling-v1-5","prompt":"A vase","image":"aGVsbG8=","image_reference":"face",'
                b'"image_fidelity":0.4,"n":9,"resolution":"1k"}'
            ),
        ),
    ],
)
def test_image_to_image_sends_strengths_as_numbers_and_bare_base64(raw: dict[str, object], payload: bytes) -> None:
    request = request_of(IMAGE_TO_IMAGE, image=ASSET, **raw)
    assert str(request.url) == "https://www.kkiai.com/kling/v1/images/generations"
    assert request.content == payload


def test_expand_sends_all_four_sides_and_no_model() -> None:
    request = request_of(EXPAND, image=ASSET, prompt="", up_expansion_ratio="0.5", left_expansion_ratio="0.25")
    assert str(request.url) == "https://www.kkiai.com/kling/v1/images/editing/expand"
    assert request.content == (
        b'{"image":"aGVsbG8=","up_expansion_ratio":0.5,"down_expansion_ratio":0.0,"left_expansion_ratio":0.25,'
        b'"right_expansion_ratio":0.0,"n":1}'
    )


def test_an_expansion_over_three_times_the_area_is_refused() -> None:
    assert list(EXPAND.clean({"image": ASSET, "up_expansion_ratio": "2", "left_expansion_ratio": "0.5"}).errors) == [
        "up_expansion_ratio"
    ]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"image": ""}, "image"),
        ({"negative_prompt": "people"}, "negative_prompt"),
        ({"n": "10"}, "n"),
        ({"model_name": "kling-v1-5"}, "image_reference"),
        ({"model_name": "kling-v2-1", "resolution": "2k"}, "resolution"),
        ({"image_fidelity": "0.5"}, "image_fidelity"),
        ({"model_name": "kling-v2-1", "image_fidelity": "1.1"}, "image_fidelity"),
    ],
)
def test_what_kling_cannot_do_with_a_reference_cannot_be_done_here(raw: dict[str, str], field: str) -> None:
    assert list(IMAGE_TO_IMAGE.clean({"prompt": "A vase", "image": ASSET} | raw).errors) == [field]


@pytest.mark.parametrize("slug", ["text-to-image", "image-to-image"])
def test_its_models_are_those_of_kling_and_as_retired_as_there(slug: str) -> None:
    here, there = PROVIDER.operation(slug), kling.PROVIDER.operation(slug)
    assert here
    assert there
    assert [(each.model_name, each.retired) for each in here.capabilities] == [
        (each.model_name, each.retired) for each in there.capabilities
    ]
    assert not any("element_list" in each.lacks for each in here.capabilities)
    assert not here.prices


def test_requests_are_counted_and_a_lost_one_cannot_be_found_again() -> None:
    assert (PROVIDER.slot_unit, PROVIDER.default_slots) == ("requests", 2)
    assert PROVIDER.deadlines.create == 200
    assert PROVIDER.deadlines.retention == timedelta(days=7)
    assert not PROVIDER.finds_by_external_id


@pytest.mark.parametrize(
    ("operation", "address"),
    [
        (TEXT_TO_IMAGE, "https://www.kkiai.com/kling/v1/images/generations/task_8Jc2"),
        (EXPAND, "https://www.kkiai.com/kling/v1/images/editing/expand/task_8Jc2"),
    ],
)
def test_a_task_is_asked_about_at_the_path_that_made_it(operation: Operation, address: str) -> None:
    assert str(PROVIDER.build_query(operation, Task("task_8Jc2", ID), ACCOUNT, NOW).url) == address


def test_an_id_cannot_lead_to_another_address() -> None:
    request = PROVIDER.build_query(TEXT_TO_IMAGE, Task("../x?y", ID), ACCOUNT, NOW)
    assert request.url.raw_path == b"/kling/v1/images/generations/..%2Fx%3Fy"


NATIVE, DTO, VIDEO = "827996385395363846", "task_8Jc2kVQ0w1", "CjMT7WdSwWcAAAAAALvB3g"


@pytest.mark.parametrize(
    ("case", "task_id"),
    [
        ("a-submitted", NATIVE),
        ("a-submitted-code-text", NATIVE),
        ("a-submitted-code-word", NATIVE),
        ("a-submitted-code-true", NATIVE),
        ("a-submitted-code-200", NATIVE),
        ("a-submitted-code-missing", NATIVE),
        ("b-submitted-status-empty", VIDEO),
        ("b-submitted-queued", VIDEO),
        ("b-submitted-id-alone", VIDEO),
        ("c-running-not-start", DTO),
        ("d-submitted", DTO),
        ("e-queued", DTO),
    ],
)
def test_an_accepted_task_is_named_in_any_shape(case: str, task_id: str) -> None:
    submission = PROVIDER.parse_create(kept(case))
    assert (submission.task_id, submission.progress) == (task_id, None)


@pytest.mark.parametrize(
    ("case", "task_id", "outputs"),
    [("f-finished", "", A_AND_B), ("d-succeeded", DTO, A), ("e-completed", DTO, A)],
)
def test_pictures_that_come_at_once_go_along_with_the_submission(
    case: str, task_id: str, outputs: tuple[Output, ...]
) -> None:
    submission = PROVIDER.parse_create(kept(case))
    assert submission.task_id == task_id
    assert submission.progress
    assert (submission.progress.state, submission.progress.outputs) == ("succeeded", outputs)


@pytest.mark.parametrize(
    "case",
    [
        "submitted-without-id",
        "submitted-with-nonsense-for-an-id",
        "f-without-pictures",
        "empty",
        "html-502",
        "broken-json",
        "refused-hidden-on-200",
        "refused-error-as-text-on-200",
        "refused-500-upstream-unreachable",
        "refused-500-fail-to-fetch",
        "refused-503",
    ],
)
def test_an_answer_that_names_neither_task_nor_refusal_leaves_its_fate_unknown(case: str) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        PROVIDER.parse_create(kept(case))
    assert not caught.value.fate_known


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("a-failed-pixels", errors.Refused),
        ("a-failed-moderation", errors.Moderated),
        ("c-failure", errors.Moderated),
        ("e-failed", errors.Refused),
    ],
)
def test_a_task_that_failed_at_once_is_a_refusal(case: str, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        PROVIDER.parse_create(kept(case))
    assert type(caught.value) is kind
    assert caught.value.details


@pytest.mark.parametrize(
    ("case", "outputs"),
    [
        ("a-succeed", A_AND_B),
        ("a-succeed-in-capitals", A_AND_B),
        ("c-success", A_AND_B),
        ("c-success-result-url", A),
        ("d-succeeded", A),
        ("e-completed", A),
        ("f-finished", A_AND_B),
    ],
)
def test_a_finished_task_gives_its_pictures_in_any_shape(case: str, outputs: tuple[Output, ...]) -> None:
    progress = PROVIDER.parse_query(kept(case))
    assert (progress.state, progress.outputs, progress.cost) == ("succeeded", outputs, None)


@pytest.mark.parametrize(
    "case",
    [
        "a-submitted",
        "a-processing",
        "a-unknown-status",
        "a-succeed-without-result",
        "a-succeed-with-an-echoed-input",
        "b-submitted-status-empty",
        "c-running-not-start",
        "c-running-submitted",
        "c-running-queued",
        "c-running-in-progress",
        "c-running-unknown",
        "d-submitted",
        "e-queued",
        "e-in-progress",
    ],
)
def test_whatever_is_not_an_end_is_still_running(case: str) -> None:
    progress = PROVIDER.parse_query(kept(case))
    assert (progress.state, progress.outputs) == ("running", ())
    assert progress.task_id


@pytest.mark.parametrize(
    ("case", "reason", "moderated"),
    [
        ("a-failed-moderation", "Failure to pass the risk control system", True),
        ("a-failed-pixels", "Image pixel is invalid", False),
        ("c-failure", "Failure to pass the risk control system", True),
        ("c-failure-json-in-text", "the request did not pass", True),
        ("d-failed", "Image pixel is invalid", False),
        ("e-failed", "Image pixel is invalid", False),
        ("e-failure", "it did not work", False),
        ("e-error", "it did not work", False),
        ("e-cancelled", "it did not work", False),
        ("e-expired", "it did not work", False),
    ],
)
def test_a_failed_task_gives_its_reason_and_whether_it_was_moderation(case: str, reason: str, moderated: bool) -> None:
    progress = PROVIDER.parse_query(kept(case))
    assert (progress.state, progress.reason, progress.moderated) == ("failed", reason, moderated)


REFUSALS = {
    "401": (errors.AccountTrouble, "HTTP 401"),
    "403": (errors.AccountTrouble, "HTTP 403"),
    "403-quota": (errors.OutOfCredit, "insufficient_user_quota"),
    "429": (errors.Busy, "rate_limit"),
    "503-no-channel": (errors.Busy, "model_not_found"),
    "503-no-channel-zh": (errors.Busy, "HTTP 503"),
    "503": (errors.Unavailable, "HTTP 503"),
    "500-upstream-unreachable": (errors.Unavailable, "do_request_failed"),
    "400-sensitive-words": (errors.Moderated, "sensitive_words_detected"),
    "400-fail-to-fetch": (errors.Refused, "fail_to_fetch_task"),
    "500-fail-to-fetch": (errors.Unavailable, "fail_to_fetch_task"),
    "hidden-on-200": (errors.Unreadable, "fail_to_fetch_task"),
    "error-as-text-on-200": (errors.Unreadable, "HTTP 200"),
    "inside-1303": (errors.Busy, "1303"),
    "inside-1102": (errors.OutOfCredit, "1102"),
    "inside-1301": (errors.Moderated, "1301"),
    "inside-1201": (errors.Refused, "1201"),
    "inside-1002": (errors.AccountTrouble, "1002"),
    "inside-1203": (errors.ModelUnavailable, "1203"),
    "native-1303": (errors.Busy, "1303"),
    "native-1301-on-200": (errors.Moderated, "1301"),
}


@pytest.mark.parametrize(("case", "expected"), REFUSALS.items())
def test_each_refusal_has_its_policy(case: str, expected: tuple[type[errors.ProviderError], str]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        PROVIDER.parse_create(kept(f"refused-{case}"))
    assert (type(caught.value), caught.value.code) == expected
    assert caught.value.details
    assert len(caught.value.details) <= 300


def test_the_relays_own_trouble_with_kling_is_not_laid_at_this_keys_door() -> None:
    with pytest.raises(errors.OutOfCredit, match="kkiai's own account, not this key"):
        PROVIDER.parse_create(kept("refused-inside-1102"))


@pytest.mark.parametrize(
    ("case", "headers", "seconds"),
    [
        ("503-no-channel", {}, 300.0),
        ("503-no-channel", {"retry-after": "7"}, 7.0),
        ("429", {"retry-after": "9"}, 9.0),
        ("429", {}, None),
    ],
)
def test_a_relay_without_a_channel_is_left_alone_for_minutes(
    case: str, headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(errors.Busy) as caught:
        PROVIDER.parse_create(answer(f"kkiai/text-to-image__refused-{case}", headers))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("case", ["task-not-exist", "inside-1203"])
def test_an_unknown_task_is_not_found_though_it_answers_400(case: str) -> None:
    with pytest.raises(errors.NotFound):
        PROVIDER.parse_query(kept(f"refused-{case}"))


def test_expand_is_read_like_any_other() -> None:
    assert PROVIDER.parse_create(answer("kkiai/expand__a-submitted")).task_id == NATIVE
    assert PROVIDER.parse_query(answer("kkiai/expand__a-succeed")).outputs == A


@pytest.mark.parametrize(
    ("case", "balance"),
    [("usage", "750,000 points of quota left"), ("usage-unlimited", "no limit on this key"), ("usage-strange", "")],
)
def test_a_checkup_is_free_and_says_what_is_left(case: str, balance: str) -> None:
    request = PROVIDER.build_checkup(ACCOUNT, NOW)
    assert (request.method, str(request.url)) == ("GET", "https://www.kkiai.com/api/usage/token/")
    assert PROVIDER.parse_checkup(answer(f"kkiai/account__{case}")).balance == balance


def test_a_checkup_that_tells_nothing_is_unreadable_and_a_refused_one_says_so() -> None:
    with pytest.raises(errors.Unreadable):
        PROVIDER.parse_checkup(answer("kkiai/account__usage-without-data"))
    with pytest.raises(errors.AccountTrouble):
        PROVIDER.parse_checkup(answer("kkiai/account__usage-refused"))


@pytest.mark.parametrize(
    "message",
    ["{" * 50_000, '{"code": 1303', '{"code": [1303]}', '{"message": {"a": 1}}', "}{", "\x00\ud800"],
)
def test_what_looks_like_json_in_a_message_but_is_none_is_only_words(message: str) -> None:
    body = json.dumps({"code": "fail_to_fetch_task", "message": message, "data": None})
    with pytest.raises(errors.Refused) as caught:
        PROVIDER.parse_create(httpx.Response(400, text=body))
    assert caught.value.code == "fail_to_fetch_task"
    caught.value.details.encode()
    assert "\x00" not in caught.value.details
