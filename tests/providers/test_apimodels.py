import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from generations.providers import errors
from generations.providers.apimodels import PROVIDER
from generations.providers.exchange import Account, Cost, Order, Output, Task, Upload
from generations.providers.spec import Operation
from tests.providers.fixtures import answer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
TASK = "clx8kq2v90001ml08h3f5zt7c"
ACCOUNT = Account("https://apimodels.app/api/v1", {"api_key": "sk_apimodels-1"})
KEPT = "https://r2.apimodels.app/uploads/{}.png"


def operation(slug: str) -> Operation:
    found = PROVIDER.operation(slug)
    assert found
    return found


def request_of(slug: str, raw: dict[str, object]) -> httpx.Request:
    """The request for a form in which pictures are named by ASSET."""
    chosen = operation(slug)
    cleaned = chosen.clean(raw)
    assert cleaned.errors == {}
    pictures = {each.name: KEPT.format(each.name) for each in chosen.references}
    return PROVIDER.build_create(chosen, Order(cleaned.values, ID, pictures), ACCOUNT, NOW)


def body_of(slug: str, **raw: object) -> dict[str, object]:
    body = json.loads(request_of(slug, raw).content)
    assert isinstance(body, dict)
    return body


def refused_at(slug: str, **raw: object) -> list[str]:
    return list(operation(slug).clean(raw).errors)


# What is sent ---------------------------------------------------------------------------------------------------------


def test_all_operations_are_posted_to_one_place_with_the_key_as_bearer() -> None:
    request = request_of("text-to-image", {"prompt": "A vase"})
    assert (request.method, str(request.url)) == ("POST", "https://apimodels.app/api/v1/images/generations")
    assert request.headers["authorization"] == "Bearer sk_apimodels-1"
    assert request.headers["content-type"] == "application/json"
    assert request.content == (
        b'{"model":"kling-v3-image","prompt":"A vase","aspect_ratio":"16:9","n":1,"resolution":"1k"}'
    )


def test_the_other_base_url_has_the_same_paths_behind_it() -> None:
    elsewhere = Account("https://api.apimodels.app/v1", ACCOUNT.secrets)
    assert elsewhere.base_url in PROVIDER.base_urls
    request = PROVIDER.build_query(operation("expand"), Task(TASK, ID), elsewhere, NOW)
    assert str(request.url) == f"https://api.apimodels.app/v1/images/generations?task_id={TASK}"


@pytest.mark.parametrize("model", ["kling-v3-image", "kling-v2-1", "kling-image-o1", "kling-v2"])
def test_text_to_image_sends_what_a_person_set(model: str) -> None:
    body = body_of("text-to-image", model=model, prompt="A vase", negative_prompt="people", n="4", resolution="2k")
    assert (body["model"], body["negative_prompt"], body["n"], body["resolution"]) == (model, "people", 4, "2k")


def test_image_to_image_sends_an_address_and_the_shape_follows_it() -> None:
    request = request_of("image-to-image", {"prompt": "A vase", "image_url": ASSET})
    assert request.content == (
        b'{"model":"kling-v3-image","prompt":"A vase","image_url":"https://r2.apimodels.app/uploads/image_url.png",'
        b'"n":1,"resolution":"1k"}'
    )


@pytest.mark.parametrize(
    ("reference", "sent"),
    [
        ({"image_reference": "subject"}, {"image_reference": "subject"}),
        (
            {"image_reference": "subject", "image_fidelity": "0.65", "human_fidelity": "0"},
            {"image_reference": "subject", "image_fidelity": 0.65, "human_fidelity": 0.0},
        ),
        ({"image_reference": "face", "image_fidelity": "1"}, {"image_reference": "face", "image_fidelity": 1.0}),
        ({"image_fidelity": "0.5"}, {"image_fidelity": 0.5}),
    ],
)
@pytest.mark.parametrize("slug", ["image-to-image", "style-transfer"])
def test_a_reference_type_and_strengths_are_sent_only_when_set(
    slug: str, reference: dict[str, str], sent: dict[str, object]
) -> None:
    plain = body_of(slug, prompt="A vase", image_url=ASSET)
    assert body_of(slug, prompt="A vase", image_url=ASSET, **reference) == plain | sent


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"image_url": ""}, "image_url"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 2501}, "prompt"),
        ({"model": "kling-v2-1"}, "model"),
        ({"model": "kling-v2-new"}, "model"),
        ({"negative_prompt": "people"}, "negative_prompt"),
        ({"human_fidelity": "0.5"}, "human_fidelity"),
        ({"image_reference": "face", "human_fidelity": "0.5"}, "human_fidelity"),
        ({"image_reference": "style"}, "image_reference"),
        ({"image_fidelity": "1.1"}, "image_fidelity"),
        ({"n": "10"}, "n"),
        ({"resolution": "4k"}, "resolution"),
    ],
)
def test_what_is_outside_the_bounds_is_refused_at_its_field(raw: dict[str, str], field: str) -> None:
    assert refused_at("image-to-image", **{"prompt": "A vase", "image_url": ASSET} | raw) == [field]


def test_style_transfer_takes_neither_shape_nor_resolution() -> None:
    assert body_of("style-transfer", prompt="In oil", image_url=ASSET) == {
        "model": "kling-v2-new",
        "prompt": "In oil",
        "image_url": KEPT.format("image_url"),
        "n": 1,
    }
    assert all(each.retired for each in operation("style-transfer").capabilities)


def test_several_subjects_go_as_a_list_of_objects_without_gaps() -> None:
    assert body_of("multi-image", **{"subject_image_list-1": ASSET}) == {
        "model": "kling-multi-image",
        "multi_model_name": "kling-v2-1",
        "subject_image_list": [{"subject_image": KEPT.format("subject_image_list-1")}],
        "aspect_ratio": "16:9",
        "n": 1,
    }
    pictures = dict.fromkeys(["subject_image_list-1", "subject_image_list-4", "scene_image", "style_image"], ASSET)
    body = body_of("multi-image", multi_model_name="kling-v2", prompt="A walk", aspect_ratio="1:1", **pictures)
    assert body == {
        "model": "kling-multi-image",
        "multi_model_name": "kling-v2",
        "prompt": "A walk",
        "subject_image_list": [
            {"subject_image": KEPT.format("subject_image_list-1")},
            {"subject_image": KEPT.format("subject_image_list-4")},
        ],
        "scene_image": KEPT.format("scene_image"),
        "style_image": KEPT.format("style_image"),
        "aspect_ratio": "1:1",
        "n": 1,
    }
    assert refused_at("multi-image", prompt="A walk") == ["subject_image_list-1"]


def test_expand_sends_all_four_sides() -> None:
    assert body_of("expand", image_url=ASSET, up_expansion_ratio="0.5", right_expansion_ratio="1") == {
        "model": "kling-expand",
        "image_url": KEPT.format("image_url"),
        "up_expansion_ratio": 0.5,
        "down_expansion_ratio": 0.0,
        "left_expansion_ratio": 0.0,
        "right_expansion_ratio": 1.0,
        "n": 1,
    }
    assert body_of("expand", image_url=ASSET, up_expansion_ratio="1", prompt="A wall", n="2")["prompt"] == "A wall"


def test_a_canvas_over_three_times_the_picture_is_refused() -> None:
    sides = {"up_expansion_ratio": "1", "left_expansion_ratio": "0.5"}
    assert refused_at("expand", image_url=ASSET, **sides) == []
    assert refused_at("expand", image_url=ASSET, **sides, right_expansion_ratio="0.05") == ["up_expansion_ratio"]
    assert refused_at("expand", image_url=ASSET, down_expansion_ratio="2.05") == ["down_expansion_ratio"]


def test_omni_makes_from_words_and_edits_a_picture() -> None:
    assert body_of("omni", prompt="A vase") == {
        "model": "kling-image-o1",
        "prompt": "A vase",
        "aspect_ratio": "16:9",
        "n": 1,
        "resolution": "1k",
    }
    edited = body_of("omni", prompt="A vase", image_url=ASSET, aspect_ratio="", resolution="2k")
    assert edited["image_url"] == KEPT.format("image_url")
    assert edited["resolution"] == "2k"
    assert "aspect_ratio" not in edited
    assert refused_at("omni", prompt="A vase", aspect_ratio="") == ["aspect_ratio"]


def test_several_pictures_for_omni_are_a_plain_list_instead_of_the_one() -> None:
    body = body_of("omni", prompt="Both", **{"image_urls-1": ASSET, "image_urls-3": ASSET})
    assert body["image_urls"] == [KEPT.format("image_urls-1"), KEPT.format("image_urls-3")]
    assert "image_url" not in body
    assert refused_at("omni", prompt="Both", image_url=ASSET, **{"image_urls-2": ASSET}) == ["image_url"]
    marks = {each.mark for each in operation("omni").fields if each.name.startswith("image_urls-")}
    assert marks == {"unverified"}


@pytest.mark.parametrize(
    ("slug", "raw", "credits_each"),
    [
        ("text-to-image", {}, "0.151"),
        ("text-to-image", {"model": "kling-v2-1"}, "0.076"),
        ("text-to-image", {"model": "kling-v2"}, "0.076"),
        ("text-to-image", {"model": "kling-image-o1"}, "1.80"),
        ("image-to-image", {}, "0.151"),
        ("image-to-image", {"model": "kling-v2"}, "0.151"),
        ("multi-image", {}, "0.302"),
        ("expand", {}, "0.151"),
        ("omni", {}, "1.80"),
        ("style-transfer", {}, "0.151"),
    ],
)
def test_a_picture_costs_the_credits_of_the_page(slug: str, raw: dict[str, str], credits_each: str) -> None:
    price = operation(slug).price(operation(slug).clean(raw).values)
    assert price
    assert (price.per_picture, price.unit, price.usd) == (Decimal(credits_each), "credit", None)


def test_what_only_kling_states_about_pictures_is_a_precaution() -> None:
    fields = [each for one in PROVIDER.operations for each in one.references if each.series != "image_urls-{}"]
    assert {each.mark for each in fields} == {"precaution"}


def test_models_that_their_maker_retired_are_marked_so() -> None:
    known = {each.model_name: bool(each.retired) for one in PROVIDER.operations for each in one.capabilities}
    assert known == {
        "kling-v3-image": False,
        "kling-v2-1": False,
        "kling-image-o1": False,
        "kling-v2": True,
        "kling-v2-new": True,
    }


# What comes back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "task_id"),
    [("submitted", TASK), ("submitted-without-code", TASK), ("submitted-number", "867283747301269523")],
)
def test_an_accepted_task_is_named_by_text(case: str, task_id: str) -> None:
    assert PROVIDER.parse_create(answer(f"apimodels/text-to-image__{case}")).task_id == task_id


@pytest.mark.parametrize(
    "case",
    [
        "submitted-without-id",
        "submitted-without-data",
        "submitted-list",
        "submitted-strange-id",
        "submitted-true-id",
        "html-200",
        "html-502",
        "broken-json",
        "refused-500",
        "refused-500-on-200",
        "refused-408",
    ],
)
def test_an_answer_that_names_no_task_leaves_its_fate_unknown(case: str) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        PROVIDER.parse_create(answer(f"apimodels/text-to-image__{case}"))
    assert not caught.value.fate_known
    assert caught.value.details


REFUSALS = {
    "400": (errors.Refused, "Invalid model: kling-v9"),
    "400-error-object": (errors.Refused, "prompt is required"),
    "400-error-text": (errors.Refused, "private/reserved IP addresses not allowed"),
    "401": (errors.AccountTrouble, "Invalid API key"),
    "402": (errors.OutOfCredit, "Insufficient credits"),
    "402-on-200": (errors.OutOfCredit, "Insufficient credits"),
    "402-as-text-on-200": (errors.OutOfCredit, "Insufficient credits"),
    "403": (errors.AccountTrouble, "<html><body>Access denied</body></html>"),
    "404": (errors.AccountTrouble, "Task not found"),
    "413": (errors.Refused, "Payload Too Large"),
    "422": (errors.Moderated, "The picture was flagged by moderation"),
    "429": (errors.Busy, "Too many requests"),
    "429-on-200": (errors.Busy, "Too many requests"),
    "unknown-code-400": (errors.Refused, "n must be between 1 and 9"),
}


@pytest.mark.parametrize(("case", "kind", "details"), [(case, *each) for case, each in REFUSALS.items()])
def test_the_bodys_code_decides_and_else_the_http_status(
    case: str, kind: type[errors.ProviderError], details: str
) -> None:
    for parse in (PROVIDER.parse_create, PROVIDER.parse_checkup):
        with pytest.raises(errors.ProviderError) as caught:
            parse(answer(f"apimodels/text-to-image__refused-{case}"))
        assert type(caught.value) is kind
        assert caught.value.details == details
        assert caught.value.code == case[:3].replace("unk", "400")


def test_the_advice_to_wait_is_kept() -> None:
    with pytest.raises(errors.Busy) as caught:
        PROVIDER.parse_create(answer("apimodels/text-to-image__refused-429"))
    assert caught.value.retry_after == 7


def test_words_of_the_provider_are_cut_and_can_be_stored() -> None:
    body = json.dumps({"code": 400, "msg": "\ud800\x00 " + "x" * 1000})
    with pytest.raises(errors.Refused) as caught:
        PROVIDER.parse_create(httpx.Response(400, text=body))
    assert caught.value.details.startswith("? xxx")
    assert len(caught.value.details) == 300


def test_a_task_is_asked_about_by_a_parameter() -> None:
    request = PROVIDER.build_query(operation("text-to-image"), Task("a b&c", ID), ACCOUNT, NOW)
    assert request.method == "GET"
    assert request.url.path == "/api/v1/images/generations"
    assert dict(request.url.params) == {"task_id": "a b&c"}


@pytest.mark.parametrize("case", ["completed", "completed-result-json"])
def test_a_completed_task_gives_its_pictures(case: str) -> None:
    progress = PROVIDER.parse_query(answer(f"apimodels/text-to-image__{case}"))
    assert (progress.state, progress.task_id, progress.cost) == ("succeeded", TASK, None)
    assert progress.outputs == (
        Output(0, "https://r2.apimodels.app/a.png"),
        Output(1, "https://r2.apimodels.app/b.png"),
    )


@pytest.mark.parametrize(
    "case",
    [
        "pending",
        "processing",
        "unknown-state",
        "completed-empty",
        "completed-without-urls",
        "completed-strange-urls",
        "completed-urls-elsewhere",
    ],
)
def test_whatever_is_not_an_end_is_still_running(case: str) -> None:
    progress = PROVIDER.parse_query(answer(f"apimodels/text-to-image__{case}"))
    assert (progress.state, progress.outputs) == ("running", ())


@pytest.mark.parametrize(
    ("case", "reason", "moderated"),
    [
        ("failed-moderation", "Content policy violation (CONTENT_MODERATION)", True),
        ("failed-moderation-in-words", "Content policy violation", True),
        ("failed-retryable", "The upstream is busy, try again later (UPSTREAM_BUSY, retryable)", False),
        ("failed-invalid-input", "image_url: prohibited host (INVALID_INPUT)", False),
        ("failed-without-words", "(INTERNAL_ERROR)", False),
        ("failed-silent", "", False),
    ],
)
def test_a_failed_task_gives_its_reason_and_whether_it_was_moderation(case: str, reason: str, moderated: bool) -> None:
    progress = PROVIDER.parse_query(answer(f"apimodels/text-to-image__{case}"))
    assert (progress.state, progress.reason, progress.moderated) == ("failed", reason, moderated)


def test_an_unknown_task_is_not_found_and_a_query_without_a_task_is_not_understood() -> None:
    with pytest.raises(errors.NotFound):
        PROVIDER.parse_query(answer("apimodels/text-to-image__refused-404"))
    with pytest.raises(errors.Unreadable):
        PROVIDER.parse_query(httpx.Response(200, json={"code": 200, "data": {"model": "kling-v3-image"}}))


def test_a_reference_is_uploaded_as_a_file_and_kept_for_a_week() -> None:
    uploads = PROVIDER.uploads
    assert uploads
    request = uploads.build(Upload(b"\x89PNG...", "image/png", "vase.png"), ACCOUNT, NOW)
    assert (request.method, str(request.url)) == ("POST", "https://apimodels.app/api/v1/files")
    assert request.headers["authorization"] == "Bearer sk_apimodels-1"
    boundary = request.headers["content-type"].removeprefix("multipart/form-data; boundary=")
    assert (
        request.content
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="vase.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        ).encode()
        + b"\x89PNG..."
        + f"\r\n--{boundary}--\r\n".encode()
    )
    assert int(request.headers["content-length"]) == len(request.content)
    assert uploads.keeps == timedelta(days=7)
    assert uploads.parse(answer("apimodels/files__kept")).address == KEPT.format("x" * 320)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("files__without-address", errors.Unreadable),
        ("text-to-image__html-200", errors.Unreadable),
        ("text-to-image__refused-404", errors.AccountTrouble),
        ("text-to-image__refused-422", errors.Moderated),
    ],
)
def test_an_upload_is_refused_in_the_same_words(name: str, kind: type[errors.ProviderError]) -> None:
    assert PROVIDER.uploads
    with pytest.raises(kind):
        PROVIDER.uploads.parse(answer(f"apimodels/{name}"))


@pytest.mark.parametrize(("case", "words"), [("balance", "$1,234.50 left"), ("balance-as-text", "$12.34 left")])
def test_a_checkup_is_free_and_says_what_is_left(case: str, words: str) -> None:
    request = PROVIDER.build_checkup(ACCOUNT, NOW)
    assert (request.method, str(request.url)) == ("GET", "https://apimodels.app/api/v1/balance")
    assert PROVIDER.parse_checkup(answer(f"apimodels/account__{case}")).balance == words


@pytest.mark.parametrize("case", ["balance-in-words", "balance-without-end"])
def test_a_balance_that_is_no_amount_is_not_understood(case: str) -> None:
    with pytest.raises(errors.Unreadable):
        PROVIDER.parse_checkup(answer(f"apimodels/account__{case}"))


@pytest.mark.parametrize(
    ("case", "cost"),
    [
        ("settled", Cost(Decimal("0.151"), "USD")),
        ("settled-as-text", Cost(Decimal("0.302"), "USD")),
        ("failed", Cost(Decimal(0), "USD")),
        ("failed-settled", Cost(Decimal(0), "USD")),
        ("unsettled", None),
        ("settled-in-words", None),
        ("settled-without-credits", None),
    ],
)
def test_the_final_cost_stands_once_it_is_settled(case: str, cost: Cost | None) -> None:
    assert PROVIDER.costs
    request = PROVIDER.costs.build(Task("a/b", ID), ACCOUNT, NOW)
    assert str(request.url) == "https://apimodels.app/api/v1/records/a%2Fb"
    assert PROVIDER.costs.parse(answer(f"apimodels/records__{case}")) == cost
