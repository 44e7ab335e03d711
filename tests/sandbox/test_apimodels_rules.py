"""apimodels: what the document forbids is refused, naming the field."""

import pytest
from django.test import Client

from tests.sandbox.apimodels_client import GENERATIONS, KEY, Apimodels

URL = "https://example.com/a.jpg"
V2 = {"model": "kling-v2"}
O1 = {"model": "kling-image-o1"}
MULTI = {"model": "kling-multi-image", "subject_image_list": [{"subject_image": URL}]}
EDGES = {f"{edge}_expansion_ratio": 0.2 for edge in ("up", "down", "left", "right")}
EXPAND = {"model": "kling-expand", "image_url": URL, **EDGES}
PRIVATE = "private/reserved IP addresses not allowed"

REFUSED: dict[str, dict[str, object]] = {
    "model must be a string": {"model": 5},
    "prompt is required": {**V2, "prompt": ""},
    "prompt must not be longer than 2500": {**V2, "prompt": "x" * 2501},
    "n must be in [1, 9]": {**V2, "n": 0},
    "n must be in [1, 9] ": {**V2, "n": 10},
    "n must be an integer": {**V2, "n": 1.5},
    "aspect_ratio value 'auto'": {**V2, "aspect_ratio": "auto"},
    "resolution value '4k'": {**V2, "resolution": "4k"},
    "callback_url must be an http(s) URL": {**V2, "callback_url": "x"},
    "negative_prompt must not be longer than 2500": {**V2, "negative_prompt": "x" * 2501},
    "image_reference value 'style'": {**V2, "image_url": URL, "image_reference": "style"},
    "image_reference requires image_url": {**V2, "image_reference": "face"},
    "image_fidelity requires image_url": {**V2, "image_fidelity": 0.5},
    "human_fidelity must be in [0, 1]": {**V2, "image_url": URL, "human_fidelity": 1.1},
    "image_url is not supported by kling-v2-1": {"model": "kling-v2-1", "image_url": URL},
    "image_url is required by kling-v2-new": {"model": "kling-v2-new"},
    "image_urls is not supported by kling-v2": {**V2, "image_urls": [URL]},
    "image_urls must have at least 1": {**O1, "image_urls": []},
    "image_urls must not have more than 10": {**O1, "image_urls": [URL] * 11},
    "image_urls must be an array": {**O1, "image_urls": URL},
    "image_urls[1] must be a public http(s) URL": {**O1, "image_urls": [URL, "x"]},
    "image_url must be a public http(s) URL": {**V2, "image_url": "data:image/png;base64,aGVsbG8="},
    "image_url must be a public http(s) URL ": {**V2, "image_url": "aGVsbG8="},
    "image_url must be an https URL": {**V2, "image_url": "http://example.com/a.jpg"},
    f"image_url: {PRIVATE}": {**V2, "image_url": "https://10.0.0.1/a.jpg"},
    f"image_url: {PRIVATE} ": {**V2, "image_url": "http://127.0.0.1:8000/sandbox/files/x.png"},
    f"image_url: {PRIVATE}  ": {**V2, "image_url": "https://localhost/a.jpg"},
    f"image_url: {PRIVATE}   ": {**V2, "image_url": "https://intranet/a.jpg"},
    f"image_url: {PRIVATE}    ": {**V2, "image_url": "https://[::1]/a.jpg"},
    f"image_url: {PRIVATE}     ": {**V2, "image_url": "https://printer.local/a.jpg"},
    "external_task_id is not a known parameter": {**V2, "external_task_id": "mine"},
    "subject_image_list is required": {"model": "kling-multi-image"},
    "subject_image_list must have at least 1": {**MULTI, "subject_image_list": []},
    "subject_image_list must not have more than 4": {**MULTI, "subject_image_list": [{"subject_image": URL}] * 5},
    "subject_image_list must be an object with exactly: subject_image": {**MULTI, "subject_image_list": [{"x": URL}]},
    "subject_image_list[1] must be a public": {
        **MULTI,
        "subject_image_list": [{"subject_image": URL}, {"subject_image": "x"}],
    },
    "multi_model_name value 'kling-v3'": {**MULTI, "multi_model_name": "kling-v3"},
    f"scene_image: {PRIVATE}": {**MULTI, "scene_image": "https://192.168.1.1/a.jpg"},
    "resolution is not a known parameter": {**MULTI, "resolution": "2k"},
    "image_url is required": {"model": "kling-expand", **EDGES},
    "up_expansion_ratio is required": {"model": "kling-expand", "image_url": URL},
    "left_expansion_ratio must be in [0, 2]": {**EXPAND, "left_expansion_ratio": 2.1},
    "down_expansion_ratio must be a number": {**EXPAND, "down_expansion_ratio": "1"},
    "total expansion area must not exceed 3x": {**EXPAND, "left_expansion_ratio": 2},
    "aspect_ratio is not a known parameter": {**EXPAND, "aspect_ratio": "1:1"},
}


@pytest.fixture
def apimodels() -> Apimodels:
    return Apimodels()


@pytest.mark.parametrize(("message", "fields"), REFUSED.items(), ids=REFUSED)
def test_a_body_that_breaks_a_rule_is_400_naming_the_field(
    apimodels: Apimodels, message: str, fields: dict[str, object]
) -> None:
    status, body = apimodels.post("/images/generations", {"prompt": "A fox", **fields})
    assert (status, body["code"], list(body)) == (400, 400, ["code", "msg"])
    assert body["msg"].startswith(message.rstrip())
    assert apimodels.asked()["accepted"] == 0


@pytest.mark.parametrize("model", ["kling-v9", "kling-v3", ""])
def test_an_invalid_model_is_a_200_with_400_inside(apimodels: Apimodels, model: str) -> None:
    assert apimodels.create(model=model) == (200, {"code": 400, "msg": f"Invalid model: {model}"})


def test_a_body_without_a_model_is_400(apimodels: Apimodels) -> None:
    assert apimodels.post("/images/generations", {}) == (400, {"code": 400, "msg": "model is required"})


@pytest.mark.parametrize("raw", [b"{", b"[]"])
def test_a_body_that_is_no_json_object_is_400(raw: bytes) -> None:
    answer = Client().post(GENERATIONS, raw, content_type="application/json", headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


ACCEPTED: dict[str, dict[str, object]] = {
    "the document's own example": {
        "model": "kling-v3-image",
        "prompt": "A majestic snow-capped mountain at sunrise with golden light",
        "aspect_ratio": "16:9",
        "resolution": "2k",
        "n": 1,
    },
    "the longest prompt": {**V2, "prompt": "x" * 2500},
    "a picture without a prompt": {"model": "kling-v2", "image_url": URL},
    "everything beside a picture": {
        **V2,
        "prompt": "A fox",
        "image_url": URL,
        "negative_prompt": "rain",
        "image_reference": "subject",
        "image_fidelity": 0,
        "human_fidelity": 1,
        "callback_url": "https://example.com/hook",
    },
    "a picture in another style": {"model": "kling-v2-new", "image_url": URL, "prompt": "In oil"},
    "one picture for omni": {**O1, "image_url": URL, "prompt": "At night"},
    "several pictures for omni": {**O1, "image_urls": [URL] * 10, "prompt": "At night"},
    "all there is for several pictures": {
        "model": "kling-multi-image",
        "multi_model_name": "kling-v2",
        "subject_image_list": [{"subject_image": URL}] * 4,
        "scene_image": URL,
        "style_image": URL,
        "aspect_ratio": "21:9",
        "n": 9,
    },
    "an expansion to the largest area": {
        "model": "kling-expand",
        "image_url": URL,
        "up_expansion_ratio": 0,
        "down_expansion_ratio": 0,
        "left_expansion_ratio": 2,
        "right_expansion_ratio": 0,
    },
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_a_body_that_keeps_the_rules_is_accepted(apimodels: Apimodels, fields: dict[str, object]) -> None:
    status, body = apimodels.post("/images/generations", fields)
    assert (status, body["code"], body["msg"]) == (200, 200, "success"), body
