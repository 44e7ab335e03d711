import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from generations.providers import errors, kling_family
from generations.providers.exchange import Account, Cost, Order, Output, Task
from generations.providers.fields import Picture
from generations.providers.kling import (
    EXPAND,
    IMAGE_TO_IMAGE,
    MULTI_IMAGE,
    OMNI_IMAGE,
    PROVIDER,
    TEXT_TO_IMAGE,
    build_list,
    parse_list,
)
from generations.providers.spec import Operation
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


def payload(operation: Operation, **raw: object) -> bytes:
    """What is sent, in the order of the form. Each picture is named after its slot."""
    cleaned = operation.clean(raw)
    assert cleaned.errors == {}
    pictures = {each.name: f"<{each.name}>" for each in operation.references if each.name in cleaned.values}
    content = PROVIDER.build_create(operation, Order(cleaned.values, ID, pictures), ACCOUNT, NOW).content
    return content.replace(f',"external_task_id":"{ID}"}}'.encode(), b"}")


def slots(pattern: str, *numbers: int) -> dict[str, object]:
    return {pattern.format(number): ASSET for number in numbers}


SUBJECT, PICTURE = "subject_image_list-{}", "image_list-{}"


def test_several_pictures_go_as_a_list_without_gaps_and_in_order() -> None:
    assert payload(MULTI_IMAGE, **slots(SUBJECT, 1, 2, 4), scene_image=ASSET, style_image=ASSET, prompt="Two") == (
        b'{"model_name":"kling-v2-1","prompt":"Two","subject_image_list":[{"subject_image":"<subject_image_list-1>"},'
        b'{"subject_image":"<subject_image_list-2>"},{"subject_image":"<subject_image_list-4>"}],'
        b'"scene_image":"<scene_image>","style_image":"<style_image>","aspect_ratio":"16:9","n":1,'
        b'"watermark_info":{"enabled":false}}'
    )


def test_one_subject_is_enough_and_needs_no_prompt() -> None:
    assert payload(MULTI_IMAGE, **slots(SUBJECT, 1), aspect_ratio="1:1", n="3") == (
        b'{"model_name":"kling-v2-1","subject_image_list":[{"subject_image":"<subject_image_list-1>"}],'
        b'"aspect_ratio":"1:1","n":3,"watermark_info":{"enabled":false}}'
    )


def test_several_pictures_need_a_subject_and_know_no_resolution_or_negative_prompt() -> None:
    assert list(MULTI_IMAGE.clean({"prompt": "Two", "scene_image": ASSET}).errors) == ["subject_image_list-1"]
    assert not {"resolution", "negative_prompt"} & {each.name for each in MULTI_IMAGE.fields}


def test_omni_makes_pictures_from_text_alone() -> None:
    assert payload(OMNI_IMAGE, prompt="A vase", model_name="kling-v3-omni", resolution="4k", n="2") == (
        b'{"model_name":"kling-v3-omni","prompt":"A vase","result_type":"single","n":2,"aspect_ratio":"16:9",'
        b'"resolution":"4k","watermark_info":{"enabled":false}}'
    )


def test_omni_takes_pictures_and_elements_and_follows_their_shape() -> None:
    raw = slots(PICTURE, 1, 2) | {"element_list": "829", "prompt": "<<<image_2>>> beside <<<image_1>>>"}
    assert payload(OMNI_IMAGE, **raw) == (
        b'{"model_name":"kling-image-o1","prompt":"<<<image_2>>> beside <<<image_1>>>",'
        b'"image_list":[{"image":"<image_list-1>"},{"image":"<image_list-2>"}],"element_list":[{"element_id":829}],'
        b'"n":1,"aspect_ratio":"auto","resolution":"1k","watermark_info":{"enabled":false}}'
    )


@pytest.mark.parametrize(("amount", "sent"), [("6", b"6"), ("auto", b'"auto"')])
def test_a_series_says_how_many_pictures_it_has_instead_of_a_count(amount: str, sent: bytes) -> None:
    raw = {"prompt": "p", "model_name": "kling-v3-omni", "result_type": "series", "series_amount": amount, "n": "3"}
    assert payload(OMNI_IMAGE, **raw) == (
        b'{"model_name":"kling-v3-omni","prompt":"p","result_type":"series","series_amount":' + sent + b","
        b'"aspect_ratio":"16:9","resolution":"1k","watermark_info":{"enabled":false}}'
    )


def test_the_older_omni_model_makes_no_series_and_no_4k() -> None:
    values = OMNI_IMAGE.clean({"prompt": "p", "result_type": "series", "series_amount": "5"}).values
    assert (values.get("result_type"), values.get("series_amount"), values["n"]) == (None, None, 1)
    assert list(OMNI_IMAGE.clean({"prompt": "p", "resolution": "4k"}).errors) == ["resolution"]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"model_name": "kling-v3-omni", "aspect_ratio": "auto"}, "aspect_ratio"),
        ({"model_name": "kling-v3-omni", "result_type": "series", "series_amount": "10"}, "series_amount"),
        ({"model_name": "kling-v3-omni", "result_type": "series", "series_amount": "1"}, "series_amount"),
        (slots(PICTURE, 2), "image_list-1"),
        (slots(PICTURE, *range(1, 11)) | {"element_list": "1"}, "element_list"),
        ({"prompt": "<<<image_1>>>"}, "prompt"),
        (slots(PICTURE, 1) | {"prompt": "<<<image_2>>>"}, "prompt"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_what_omni_cannot_do_is_refused_at_its_field(raw: dict[str, object], field: str) -> None:
    assert list(OMNI_IMAGE.clean({"prompt": "A vase"} | raw).errors) == [field]


def test_ten_references_together_are_allowed() -> None:
    raw = slots(PICTURE, *range(1, 10)) | {"prompt": "<<<image_9>>>", "element_list": "1"}
    assert OMNI_IMAGE.clean(raw).errors == {}


def test_expand_sends_all_four_sides_and_our_id_though_nobody_has_seen_kling_read_it() -> None:
    cleaned = EXPAND.clean({"image": ASSET, "up_expansion_ratio": "0,1495", "right_expansion_ratio": "0.6547"})
    request = PROVIDER.build_create(EXPAND, Order(cleaned.values, ID, {"image": "aGVsbG8="}), ACCOUNT, NOW)
    assert request.url.path == "/v1/images/editing/expand"
    assert request.content == (
        b'{"image":"aGVsbG8=","up_expansion_ratio":0.1495,"down_expansion_ratio":0.0,"left_expansion_ratio":0.0,'
        b'"right_expansion_ratio":0.6547,"n":1,"watermark_info":{"enabled":false},'
        b'"external_task_id":"0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"}'
    )
    unverified = {each.name for each in EXPAND.fields if each.mark == "unverified"}
    assert unverified == {"watermark_info", "external_task_id", "callback_url"}


def test_klings_own_helper_for_a_target_shape_stays_within_the_canvas() -> None:
    ratios = {"up": "0.1495", "down": "0.1495", "left": "0.6547", "right": "0.6547"}
    raw = {f"{side}_expansion_ratio": value for side, value in ratios.items()} | {"image": ASSET}
    assert EXPAND.clean(raw).errors == {}
    assert list(EXPAND.clean(raw | {"up_expansion_ratio": "0.2"}).errors) == ["up_expansion_ratio"]
    assert list(EXPAND.clean(raw | {"left_expansion_ratio": "2.05"}).errors) == ["left_expansion_ratio"]


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (MULTI_IMAGE, "/v1/images/multi-image2image"),
        (OMNI_IMAGE, "/v1/images/omni-image"),
        (EXPAND, "/v1/images/editing/expand"),
    ],
)
def test_each_operation_is_asked_about_at_its_own_path(operation: Operation, path: str) -> None:
    assert PROVIDER.build_query(operation, Task("867", ID), ACCOUNT, NOW).url.path == f"{path}/867"
    assert build_list(operation, ACCOUNT, 1, NOW).url.path == path


@pytest.mark.parametrize(
    ("case", "pictures", "units"),
    [
        ("multi-image__succeed", "a", 16),
        ("omni__succeed-single", "ab", 16),
        ("omni__succeed-series", "abc", 24),
        ("omni__succeed-series-alone", "ab", 16),
        ("expand__succeed", "a", 8),
    ],
)
def test_pictures_are_found_in_either_list(case: str, pictures: str, units: int) -> None:
    progress = PROVIDER.parse_query(answer(f"kling/{case}"))
    assert [each.url for each in progress.outputs] == [f"https://p1.example.com/{each}.png" for each in pictures]
    assert [each.index for each in progress.outputs] == list(range(len(pictures)))
    assert progress.cost == Cost(Decimal(units), "unit")


@pytest.mark.parametrize(
    ("operation", "values", "units"),
    [
        (MULTI_IMAGE, {"model_name": "kling-v2-1"}, 16),
        (MULTI_IMAGE, {"model_name": "kling-v2"}, None),
        (OMNI_IMAGE, {"model_name": "kling-image-o1", "resolution": "2k"}, 8),
        (OMNI_IMAGE, {"model_name": "kling-v3-omni", "resolution": "1k"}, 8),
        (OMNI_IMAGE, {"model_name": "kling-v3-omni", "resolution": "4k"}, 16),
        (EXPAND, {}, 8),
    ],
)
def test_a_picture_has_its_price(operation: Operation, values: dict[str, str], units: int | None) -> None:
    price = operation.price(values)
    assert (price.per_picture if price else None) == units


def test_a_webhook_secret_may_be_added_to_either_way_to_sign_in() -> None:
    for way in PROVIDER.credential_ways:
        assert [each.name for each in way.fields if each.optional] == ["webhook_secret"]


@pytest.mark.parametrize("task_id", ["", None, True, {"a": 1}, "x" * 201, "a\x00b", "a\nb"])
def test_what_cannot_be_an_id_is_none(task_id: object) -> None:
    body = {"code": 0, "data": {"task_id": task_id, "task_status": "submitted"}}
    with pytest.raises(errors.Unreadable):
        PROVIDER.parse_create(httpx.Response(200, json=body))


def test_a_list_of_plain_pictures_has_no_key() -> None:
    plain = Picture(name="pictures-1", label="Picture", parameter="pictures", source=MULTI_IMAGE.source)
    operation = replace(MULTI_IMAGE, fields=(plain, replace(plain, name="pictures-2")))
    order = Order({"pictures-1": ASSET, "pictures-2": ASSET}, ID, {"pictures-1": "one", "pictures-2": "two"})
    assert kling_family.body_of(operation, order) == {"pictures": ["one", "two"]}


def test_elements_are_sent_as_numbers() -> None:
    assert body_of({"prompt": "A vase", "element_list": " 829,830 ,"})["element_list"] == [
        {"element_id": 829},
        {"element_id": 830},
    ]
    assert TEXT_TO_IMAGE.clean({"prompt": "p", "element_list": " , "}).errors == {}


def test_the_newest_tasks_are_asked_for_at_once() -> None:
    request = build_list(TEXT_TO_IMAGE, ACCOUNT, 1, NOW)
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
    "html-429": errors.Busy,
    "unknown-code-200": errors.Unreadable,
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
