"""What the document forbids is refused with Kling's codes and a text that names the field."""

import base64

import pytest
from django.test import Client

from tests.sandbox.conftest import GENERATIONS, KEY, Kling, picture

PICTURE = picture()
V21 = {"model_name": "kling-v2-1"}
V3 = {"model_name": "kling-v3"}
OLD = {"model_name": "kling-v1-5"}

REFUSED: dict[str, dict[str, object]] = {
    "prompt": {"prompt": 7},
    "prompt must not be empty": {"prompt": "  "},
    "prompt must not be longer than 2500": {"prompt": "x" * 2501},
    "negative_prompt must not be longer than 2500": {"negative_prompt": "x" * 2501},
    "negative_prompt is not supported when image": {**V21, "image": PICTURE, "negative_prompt": "rain"},
    "model_name must be a string": {"model_name": None},
    "n must be an integer": {"n": "2"},
    "n must be an integer ": {"n": True},
    "n must be an integer  ": {"n": 2.0},
    "n must be in [1, 9]": {"n": 0},
    "n must be in [1, 9] ": {"n": 10},
    "aspect_ratio value '5:4'": {"aspect_ratio": "5:4"},
    "aspect_ratio value '21:9' is not supported": {"model_name": "kling-v1", "aspect_ratio": "21:9"},
    "resolution value '4k'": {**V3, "resolution": "4k"},
    "resolution value '2K'": {**V3, "resolution": "2K"},
    "resolution value '2k' is not supported": {"model_name": "kling-v1", "resolution": "2k"},
    "resolution value '2k' is not supported ": {**OLD, "resolution": "2k"},
    "resolution value '2k' is not supported  ": {**V21, "image": PICTURE, "resolution": "2k"},
    "resolution value '2k' is not supported   ": {"model_name": "kling-v2-new", "image": PICTURE, "resolution": "2k"},
    "image is required by kling-v2-new": {"model_name": "kling-v2-new"},
    "image must be base64 without a data: prefix": {**V21, "image": f"data:image/png;base64,{PICTURE}"},
    "image is neither": {**V21, "image": "not base64!"},
    "image is neither an": {**V21, "image": PICTURE[:76] + "\n" + PICTURE[76:]},
    "image is neither an http": {**V21, "image": "http://[broken"},
    "image is not a readable PNG or JPEG": {**V21, "image": picture(kind="GIF")},
    "image is not a readable": {**V21, "image": base64.b64encode(base64.b64decode(PICTURE)[:60]).decode()},
    "image must be at least 300px": {**V21, "image": picture(299, 400)},
    "image aspect ratio must be within 1:2.5": {**V21, "image": picture(300, 751)},
    "image must not be larger than 10485760": {**V21, "image": base64.b64encode(bytes(10 * 1024**2 + 1)).decode()},
    "image must be a string": {**V21, "image": 5},
    "image is required when image_reference": {**V21, "image_reference": "face"},
    "image_reference value 'restyle'": {**V21, "image": PICTURE, "image_reference": "restyle"},
    "image_reference is not supported by kling-v3": {**V3, "image": PICTURE, "image_reference": "face"},
    "image_reference is required by kling-v1-5": {**OLD, "image": PICTURE},
    "image_fidelity must be a number": {**V21, "image": PICTURE, "image_fidelity": "0.5"},
    "image_fidelity must be in [0, 1]": {**V21, "image": PICTURE, "image_fidelity": 1.01},
    "image_fidelity is not supported by kling-v3": {**V3, "image": PICTURE, "image_fidelity": 0.5},
    "image_fidelity needs image": {**V21, "image_fidelity": 0.5},
    "human_fidelity must be in [0, 1]": {**V21, "image": PICTURE, "human_fidelity": -1},
    "human_fidelity is not supported by kling-v1": {"image": PICTURE, "human_fidelity": 0.5},
    "human_fidelity needs image_reference subject": {
        **V21,
        "image": PICTURE,
        "image_reference": "face",
        "human_fidelity": 0.5,
    },
    "element_list must be an array": {**V3, "element_list": {"element_id": 1}},
    "element_list must be an object": {**V3, "element_list": [1]},
    "element_list must be an object with exactly: element_id": {**V3, "element_list": [{"element_id": 1, "x": 1}]},
    "element_list must be an integer": {**V3, "element_list": [{"element_id": "1"}]},
    "element_list must not have more than 10": {**V3, "element_list": [{"element_id": 1}] * 11},
    "element_list and image must not exceed 10": {**V3, "image": PICTURE, "element_list": [{"element_id": 1}] * 10},
    "element_list is not supported by kling-v2-1": {**V21, "element_list": [{"element_id": 1}]},
    "watermark_info must be an object": {"watermark_info": True},
    "watermark_info must be a boolean": {"watermark_info": {"enabled": 1}},
    "callback_url must be an http(s) URL": {"callback_url": "ftp://example.com/x"},
    "callback_url must be an http(s)": {"callback_url": "https://"},
    "external_task_id must be a string": {"external_task_id": 5},
    "seed is not a known parameter": {"seed": 1},
    "model is not a known parameter": {"model": "kling-v2-1"},
}


@pytest.mark.parametrize(("message", "fields"), REFUSED.items(), ids=REFUSED)
def test_a_body_that_breaks_a_rule_is_refused_with_1201_naming_the_field(
    kling: Kling, message: str, fields: dict[str, object]
) -> None:
    status, body = kling.post({"prompt": "A fox", **fields})
    assert (status, body["code"]) == (400, 1201)
    assert body["message"].startswith(message.rstrip())
    assert set(body) == {"code", "message", "request_id"}
    assert kling.asked()["accepted"] == 0


def test_a_body_without_a_prompt_is_refused(kling: Kling) -> None:
    status, body = kling.post({"n": 1})
    assert (status, body["code"], body["message"]) == (400, 1201, "prompt is required")


ACCEPTED: dict[str, dict[str, object]] = {
    "only a prompt": {},
    "the longest prompt": {"prompt": "x" * 2500},
    "the document's own example": {
        **V21,
        "prompt": "Generate a Pixar-style puppy",
        "negative_prompt": "",
        "image": "https://p1-kling.klingai.com/kcdn/cdn-kcdn112452/kling-qa-test/dog.png",
        "n": 2,
        "external_task_id": "",
        "callback_url": "",
    },
    "an empty image beside a negative prompt": {**V21, "image": "", "negative_prompt": "rain"},
    "nine pictures": {**V21, "n": 9},
    "the widest ratio": {**V3, "aspect_ratio": "21:9", "resolution": "2k"},
    "a subject with both strengths": {
        **V21,
        "image": PICTURE,
        "image_reference": "subject",
        "image_fidelity": 0.5,
        "human_fidelity": 1,
    },
    "a face on an old model": {**OLD, "image": picture(kind="JPEG"), "image_reference": "face", "image_fidelity": 0},
    "a strength on the first model": {"image": PICTURE, "image_fidelity": 0.5},
    "a restyled picture": {"model_name": "kling-v2-new", "image": PICTURE},
    "2k with an image on kling-v3": {**V3, "image": PICTURE, "resolution": "2k"},
    "the narrowest picture": {**V21, "image": picture(300, 750)},
    "elements and an image": {**V3, "image": PICTURE, "element_list": [{"element_id": 2**62}] * 9},
    "a watermark": {"watermark_info": {"enabled": True}},
    "a callback": {"callback_url": "https://example.com/hook"},
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_a_body_that_keeps_the_rules_is_accepted(kling: Kling, fields: dict[str, object]) -> None:
    status, body = kling.post({"prompt": "A fox", **fields})
    assert (status, body["code"], body["message"]) == (200, 0, "SUCCEED")


def test_a_model_that_the_document_does_not_know_is_1203(kling: Kling) -> None:
    status, body = kling.create(model_name="kling-v9")
    assert (status, body["code"]) == (404, 1203)
    assert "kling-v9" in body["message"]


@pytest.mark.parametrize("raw", ["{", "[]", '"x"', '{"n": NaN}', '{"prompt": "\\ud800"}', "[" * 100_000, "\xff"])
def test_a_body_that_is_no_json_object_is_1200(raw: str) -> None:
    body = raw.encode("latin-1")
    answer = Client().post(GENERATIONS, body, content_type="application/json", headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, 1200)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_1200(content_type: str) -> None:
    answer = Client().post(GENERATIONS, b'{"prompt": "A fox"}', content_type=content_type, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, 1200)
    assert "Content-Type" in answer.json()["message"]


def test_a_body_beyond_all_bounds_is_1200(monkeypatch: pytest.MonkeyPatch, kling: Kling) -> None:
    monkeypatch.setattr("klingweb.sandbox.serving.MOST_BYTES", 100)
    status, body = kling.create("x" * 100)
    assert (status, body["code"], body["message"]) == (400, 1200, "request body is too large")
