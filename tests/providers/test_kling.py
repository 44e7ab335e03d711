import base64
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from generations.providers import errors
from generations.providers.exchange import Account, Cost, Order, Output, Task
from generations.providers.kling import IMAGE_TO_IMAGE, PROVIDER, TEXT_TO_IMAGE, build_list, parse_list
from tests.providers.fixtures import answer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
ACCOUNT = Account("https://api-singapore.klingai.com", {"api_key": "api-key-kling-1"})


def body_of(raw: dict[str, object]) -> dict[str, object]:
    cleaned = TEXT_TO_IMAGE.clean(raw)
    assert cleaned.errors == {}
    request = PROVIDER.build_create(TEXT_TO_IMAGE, Order(cleaned.values, ID), ACCOUNT, NOW)
    body = json.loads(request.content)
    assert isinstance(body, dict)
    return body


def test_everything_whose_default_matters_is_sent_and_what_is_empty_is_not() -> None:
    assert body_of({"prompt": "A vase"}) == {
        "model_name": "kling-v3",
        "prompt": "A vase",
        "aspect_ratio": "16:9",
        "n": 1,
        "resolution": "1k",
        "watermark_info": {"enabled": False},
        "external_task_id": ID,
    }


def test_a_negative_prompt_and_a_watermark_are_sent_when_a_person_wants_them() -> None:
    body = body_of({"prompt": "A vase", "negative_prompt": "people", "watermark_info": "on", "n": "4"})
    assert body["negative_prompt"] == "people"
    assert body["watermark_info"] == {"enabled": True}
    assert body["n"] == 4


def test_the_key_is_the_bearer_and_the_host_that_of_singapore() -> None:
    request = PROVIDER.build_create(TEXT_TO_IMAGE, Order({"prompt": "x"}, ID), ACCOUNT, NOW)
    assert str(request.url) == "https://api-singapore.klingai.com/v1/images/generations"
    assert request.headers["authorization"] == "Bearer api-key-kling-1"
    assert request.headers["content-type"] == "application/json"


def test_an_older_pair_of_keys_signs_each_request_by_itself() -> None:
    pair = Account(ACCOUNT.base_url, {"access_key": "ak", "secret_key": "sk-canary"})
    request = PROVIDER.build_query(TEXT_TO_IMAGE, Task("1", ID), pair, NOW)
    head, claims, signature = request.headers["authorization"].removeprefix("Bearer ").split(".")
    assert json.loads(unpadded(head)) == {"alg": "HS256", "typ": "JWT"}
    moment = int(NOW.timestamp())
    assert json.loads(unpadded(claims)) == {"iss": "ak", "exp": moment + 1800, "nbf": moment - 5}
    expected = hmac.digest(b"sk-canary", f"{head}.{claims}".encode(), "sha256")
    assert unpadded(signature) == expected
    assert "=" not in head + claims + signature


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def from_image(**raw: object) -> dict[str, object]:
    cleaned = IMAGE_TO_IMAGE.clean({"prompt": "A vase", "image": ASSET} | raw)
    assert cleaned.errors == {}
    order = Order(cleaned.values, ID, {"image": "aGVsbG8="})
    body = json.loads(PROVIDER.build_create(IMAGE_TO_IMAGE, order, ACCOUNT, NOW).content)
    assert isinstance(body, dict)
    return body


def test_a_reference_goes_as_bare_base64_and_the_shape_follows_it() -> None:
    body = from_image()
    assert body["image"] == "aGVsbG8="
    assert "aspect_ratio" not in body
    assert "negative_prompt" not in body
    assert not {"image_reference", "image_fidelity", "human_fidelity"} & set(body)


def test_strengths_are_sent_only_when_a_person_set_them() -> None:
    body = from_image(model_name="kling-v2-1", image_reference="subject", image_fidelity="0.65", human_fidelity="0")
    assert (body["image_reference"], body["image_fidelity"], body["human_fidelity"]) == ("subject", 0.65, 0.0)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"image": ""}, "image"),
        ({"image": "not an id"}, "image"),
        ({"negative_prompt": "people"}, "negative_prompt"),
        ({"image_fidelity": "0.5"}, "image_fidelity"),
        ({"model_name": "kling-v2-1", "image_fidelity": "1.1"}, "image_fidelity"),
        ({"model_name": "kling-v2-1", "image_fidelity": "nan"}, "image_fidelity"),
        ({"model_name": "kling-v2-1", "image_reference": "face", "human_fidelity": "0.5"}, "human_fidelity"),
        ({"model_name": "kling-v2-1", "image_reference": "style"}, "image_reference"),
        ({"model_name": "kling-v2-1", "resolution": "2k"}, "resolution"),
        ({"model_name": "kling-v1-5"}, "image_reference"),
        ({"element_list": "1,2,3,4,5,6,7,8,9,10"}, "element_list"),
        ({"element_list": "1;2"}, "element_list"),
        ({"model_name": "kling-v2-1", "element_list": "1"}, "element_list"),
    ],
)
def test_what_a_model_cannot_do_with_a_reference_is_refused_at_its_field(raw: dict[str, str], field: str) -> None:
    assert list(IMAGE_TO_IMAGE.clean({"prompt": "A vase", "image": ASSET} | raw).errors) == [field]


def test_elements_are_sent_as_numbers() -> None:
    assert body_of({"prompt": "A vase", "element_list": " 829,830 ,"})["element_list"] == [
        {"element_id": 829},
        {"element_id": 830},
    ]
    assert TEXT_TO_IMAGE.clean({"prompt": "p", "element_list": " , "}).errors == {}


def test_the_newest_tasks_are_asked_for_at_once() -> None:
    request = build_list(TEXT_TO_IMAGE, ACCOUNT, NOW)
    assert str(request.url).endswith("/v1/images/generations?pageNum=1&pageSize=500")
    found = parse_list(answer("kling/text-to-image__list"))
    assert [(each.task_id, each.external_id, each.progress.state) for each in found] == [
        ("867283747301269523", ID, "succeeded"),
        ("867283747301269524", "", "running"),
    ]
    assert parse_list(answer("kling/text-to-image__list-of-an-empty-account")) == ()


@pytest.mark.parametrize(
    ("case", "balance"),
    [
        ("costs", "1,250 units left in 2 packs, as of 12 hours ago"),
        ("costs-without-packs", ""),
    ],
)
def test_a_checkup_is_free_and_says_what_is_left(case: str, balance: str) -> None:
    request = PROVIDER.build_checkup(ACCOUNT, NOW)
    assert request.url.path == "/account/costs"
    assert int(request.url.params["end_time"]) - int(request.url.params["start_time"]) == 30 * 86_400_000
    assert PROVIDER.parse_checkup(answer(f"kling/account__{case}")).balance == balance


@pytest.mark.parametrize("case", ["costs-inner-code", "costs-strange", "costs-in-words"])
def test_a_checkup_looks_at_the_inner_code_as_well(case: str) -> None:
    with pytest.raises(errors.Unreadable):
        PROVIDER.parse_checkup(answer(f"kling/account__{case}"))


def test_a_checkup_with_a_wrong_key_says_so() -> None:
    with pytest.raises(errors.AccountTrouble):
        PROVIDER.parse_checkup(answer("kling/text-to-image__refused-1002"))


def test_a_task_is_asked_about_by_klings_id_or_else_by_ours() -> None:
    known = PROVIDER.build_query(TEXT_TO_IMAGE, Task("867283747301269523", ID), ACCOUNT, NOW)
    lost = PROVIDER.build_query(TEXT_TO_IMAGE, Task("", ID), ACCOUNT, NOW)
    assert known.url.path == "/v1/images/generations/867283747301269523"
    assert lost.url.path == f"/v1/images/generations/{ID}"


@pytest.mark.parametrize("case", ["submitted", "submitted-code-as-text"])
def test_an_accepted_task_keeps_its_18_digits_as_text(case: str) -> None:
    assert PROVIDER.parse_create(answer(f"kling/text-to-image__{case}")).task_id == "867283747301269523"


@pytest.mark.parametrize(
    "case",
    ["submitted-without-id", "submitted-without-data", "html-502", "broken-json", "list-instead", "refused-5000"],
)
def test_an_answer_that_names_no_task_leaves_its_fate_unknown(case: str) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        PROVIDER.parse_create(answer(f"kling/text-to-image__{case}"))
    assert not caught.value.fate_known


REFUSALS = {
    "1001": errors.AccountTrouble,
    "1002": errors.AccountTrouble,
    "1003": errors.AccountTrouble,
    "1004": errors.AccountTrouble,
    "1100": errors.AccountTrouble,
    "1101": errors.OutOfCredit,
    "1102": errors.OutOfCredit,
    "1103": errors.ModelUnavailable,
    "1201": errors.Refused,
    "1203": errors.ModelUnavailable,
    "1301": errors.Moderated,
    "1302": errors.Busy,
    "1303": errors.Busy,
    "1303-on-200": errors.Busy,
    "1304": errors.AccountTrouble,
    "unknown-code-400": errors.Refused,
    "unknown-code-401": errors.AccountTrouble,
    "unknown-code-429": errors.Busy,
    "unknown-code-200": errors.Unavailable,
}


@pytest.mark.parametrize(("case", "kind"), REFUSALS.items())
def test_each_code_has_its_policy_whatever_the_http_status(case: str, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        PROVIDER.parse_create(answer(f"kling/text-to-image__refused-{case}"))
    assert type(caught.value) is kind
    assert caught.value.code
    assert caught.value.details


def test_account_troubles_pause_and_wait_while_capacity_only_waits() -> None:
    assert errors.OutOfCredit.pauses_credential
    assert errors.OutOfCredit.waits
    assert errors.Busy.waits
    assert not errors.Busy.pauses_credential
    assert not errors.Refused.waits


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after": "9" * 400}, 3600.0), ({"retry-after": "soon"}, None), ({}, None)],
)
def test_retry_after_is_read_where_it_is_a_number(header: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(errors.Busy) as caught:
        PROVIDER.parse_create(answer("kling/text-to-image__refused-1303", header))
    assert caught.value.retry_after == seconds


def test_a_finished_task_gives_its_pictures_and_its_cost() -> None:
    progress = PROVIDER.parse_query(answer("kling/text-to-image__succeed"))
    assert progress.state == "succeeded"
    assert progress.outputs == (Output(0, "https://p1.example.com/a.png"), Output(1, "https://p1.example.com/b.png"))
    assert progress.cost == Cost(Decimal(16), "unit")


def test_a_cost_that_is_not_told_is_unknown_and_not_zero() -> None:
    assert PROVIDER.parse_query(answer("kling/text-to-image__succeed-without-cost")).cost is None


@pytest.mark.parametrize(
    "case",
    [
        "submitted",
        "processing",
        "unknown-status",
        "succeed-without-result",
        "succeed-with-empty-images",
        "succeed-with-strange-images",
    ],
)
def test_whatever_is_not_an_end_is_still_running(case: str) -> None:
    assert PROVIDER.parse_query(answer(f"kling/text-to-image__{case}")).state == "running"


@pytest.mark.parametrize(("case", "moderated"), [("failed-moderation", True), ("failed-pixels", False)])
def test_a_failed_task_gives_klings_reason_and_whether_it_was_moderation(case: str, moderated: bool) -> None:
    progress = PROVIDER.parse_query(answer(f"kling/text-to-image__{case}"))
    assert progress.state == "failed"
    assert progress.reason
    assert progress.moderated is moderated


def test_an_unknown_task_is_not_found() -> None:
    with pytest.raises(errors.NotFound):
        PROVIDER.parse_query(answer("kling/text-to-image__refused-1203"))
