"""What the documents of Kling's further image endpoints forbid is refused with a text that names the field."""

import pytest

from tests.sandbox.conftest import Kling, picture
from tests.sandbox.test_kling_operations import BODIES, EACH, EXPAND, MULTI, OMNI, V3

PICTURE = picture()
IMAGE: dict[str, object] = {"image": PICTURE}
ELEMENT = {"element_id": 829836802793406551}
SUBJECT = {"subject_image": PICTURE}
WIDE = {"up_expansion_ratio": 1, "down_expansion_ratio": 1, "left_expansion_ratio": 0, "right_expansion_ratio": 0}

REFUSED: dict[str, dict[str, dict[str, object]]] = {
    MULTI: {
        "subject_image_list must be an array": {"subject_image_list": SUBJECT},
        "subject_image_list must have at least 1": {"subject_image_list": []},
        "subject_image_list must not have more than 4": {"subject_image_list": [SUBJECT] * 5},
        "subject_image_list must be an object with exactly: subject_image": {"subject_image_list": [IMAGE]},
        "subject_image_list must be base64": {
            "subject_image_list": [{"subject_image": f"data:image/png;base64,{PICTURE}"}]
        },
        "subject_image_list must be at least 300px": {"subject_image_list": [{"subject_image": picture(299, 299)}]},
        "subject_image_list is not a readable": {"subject_image_list": [{"subject_image": ""}]},
        "scene_image aspect ratio must be": {"scene_image": picture(300, 751)},
        "style_image is not a readable": {"style_image": picture(kind="GIF")},
        "prompt must not be longer than 2500": {"prompt": "x" * 2501},
        "n must be in [1, 9]": {"n": 10},
        "aspect_ratio value 'auto'": {"aspect_ratio": "auto"},
        "resolution is not a known": {"resolution": "1k"},
        "negative_prompt is not a known": {"negative_prompt": ""},
        "image is not a known": IMAGE,
    },
    OMNI: {
        "prompt must not be empty": {"prompt": ""},
        "prompt must not be longer than 2500": {"prompt": "x" * 2501},
        "prompt cites image_1, which": {"prompt": "Like <<<image_1>>>"},
        "prompt cites image_3, which": {"prompt": "<<<image_2>>> and <<<image_3>>>", "image_list": [IMAGE] * 2},
        "prompt cites image_0, which": {"prompt": "<<<image_0>>>", "image_list": [IMAGE]},
        "prompt cites image_999": {"prompt": f"<<<image_{'9' * 2000}>>>", "image_list": [IMAGE]},
        "image_list must be an object": {"image_list": [PICTURE]},
        "image_list must not have more than 10": {"image_list": [IMAGE] * 11},
        "image_list must be at least 300px": {"image_list": [{"image": picture(200, 200)}]},
        "image_list is not a readable": {"image_list": [{"image": ""}]},
        "element_list must be an integer": {"element_list": [{"element_id": "7"}]},
        "element_list and image_list must not exceed 10": {"image_list": [IMAGE] * 5, "element_list": [ELEMENT] * 6},
        "resolution value '8k'": {"resolution": "8k"},
        "resolution value '4k' is not supported by kling-image-o1": {"resolution": "4k"},
        "result_type value 'many'": {"result_type": "many"},
        "result_type value 'series' is not supported by kling-image-o1": {"result_type": "series"},
        "series_amount must be in [2, 9]": {**V3, "series_amount": 1},
        "series_amount must be in [2, 9] ": {**V3, "series_amount": 10},
        "series_amount must be an integer": {**V3, "series_amount": "4"},
        "n must be in [1, 9]": {"n": 0},
        "aspect_ratio value '5:4'": {"aspect_ratio": "5:4"},
        "aspect_ratio value 'auto' is not supported by kling-v3-omni": {**V3, "aspect_ratio": "auto"},
        "negative_prompt is not a known": {"negative_prompt": "rain"},
        "image is not a known": IMAGE,
    },
    EXPAND: {
        "image must be at least 300px": {"image": picture(200, 400)},
        "image is not a readable": {"image": ""},
        "up_expansion_ratio must be in [0, 2]": {"up_expansion_ratio": 2.01},
        "down_expansion_ratio must be in [0, 2]": {"down_expansion_ratio": -0.1},
        "left_expansion_ratio must be a number": {"left_expansion_ratio": "0.5"},
        "right_expansion_ratio must be a number": {"right_expansion_ratio": True},
        "expansion ratios must not make": {**WIDE, "right_expansion_ratio": 0.001},
        "prompt must not be longer than 2500": {"prompt": "x" * 2501},
        "n must be an integer": {"n": "1"},
        "model_name is not a known": {"model_name": "kling-v2-1"},
        "aspect_ratio is not a known": {"aspect_ratio": "1:1"},
    },
}
CASES = [pytest.param(path, text, fields, id=text) for path, texts in REFUSED.items() for text, fields in texts.items()]


@pytest.mark.parametrize(("path", "message", "fields"), CASES)
def test_a_body_that_breaks_a_rule_is_refused_with_1201_naming_the_field(
    path: str, message: str, fields: dict[str, object]
) -> None:
    kling = Kling(path=path)
    status, body = kling.post({"prompt": "A fox", **BODIES[path], **fields})
    assert (status, body["code"]) == (400, 1201)
    assert body["message"].startswith(message.rstrip())
    assert kling.asked()["accepted"] == 0


REQUIRED = [
    (MULTI, "subject_image_list"),
    (OMNI, "prompt"),
    (EXPAND, "image"),
    (EXPAND, "up_expansion_ratio"),
    (EXPAND, "down_expansion_ratio"),
    (EXPAND, "left_expansion_ratio"),
    (EXPAND, "right_expansion_ratio"),
]


@pytest.mark.parametrize(("path", "name"), REQUIRED)
def test_a_required_field_must_not_be_missing(path: str, name: str) -> None:
    body = {"prompt": "A fox", **BODIES[path]}
    body.pop(name)
    status, answer = Kling(path=path).post(body)
    assert (status, answer["code"], answer["message"]) == (400, 1201, f"{name} is required")


ACCEPTED: dict[str, tuple[str, dict[str, object]]] = {
    "a subject alone": (MULTI, {"subject_image_list": [SUBJECT]}),
    "the document's example of several pictures": (
        MULTI,
        {
            "model_name": "kling-v2-1",
            "prompt": "Wearing a flowing red dress on the grassland, in Ghibli style.",
            "subject_image_list": [
                {"subject_image": "https://example.com/multi-1.png"},
                {"subject_image": "https://example.com/multi-2.png"},
            ],
            "scene_image": "https://example.com/background.jpeg",
            "style_image": "https://example.com/16x9_jipuli.png",
            "n": 2,
            "aspect_ratio": "9:16",
        },
    ),
    "four subjects, no scene and no style": (
        MULTI,
        {"subject_image_list": [SUBJECT] * 4, "scene_image": "", "style_image": "", "external_task_id": ""},
    ),
    "the retired model": (MULTI, {"subject_image_list": [SUBJECT], "model_name": "kling-v2"}),
    "the widest ratio": (MULTI, {"subject_image_list": [SUBJECT], "aspect_ratio": "21:9"}),
    "only a prompt": (OMNI, {"prompt": "A fox"}),
    "only a prompt on kling-v3-omni": (OMNI, {"prompt": "A fox", **V3}),
    "auto for text alone on kling-image-o1": (OMNI, {"prompt": "A fox", "aspect_ratio": "auto"}),
    "auto beside an element": (OMNI, {"prompt": "A fox", **V3, "element_list": [ELEMENT], "aspect_ratio": "auto"}),
    "the document's example of omni": (
        OMNI,
        {
            "model_name": "kling-image-o1",
            "prompt": "Merge all the people in the images into the <<<object_1>>> image",
            "element_list": [ELEMENT],
            "image_list": [{"image": f"https://example.com/{number}.png"} for number in range(3)],
            "resolution": "2k",
            "n": 1,
            "aspect_ratio": "3:2",
        },
    ),
    "the document's example of a series": (
        OMNI,
        {
            "model_name": "kling-v3-omni",
            "prompt": "A cover for each subject <<element_1>> in the style of <<image_1>>",
            "element_list": [{"element_id": 160}, {"element_id": 161}],
            "image_list": [{"image": "https://example.com/1.png"}, {"image": PICTURE}],
            "resolution": "2k",
            "result_type": "series",
            "series_amount": 2,
            "aspect_ratio": "auto",
            "external_task_id": "",
            "callback_url": "",
        },
    ),
    "ten pictures, the last one cited": (OMNI, {"prompt": "<<<image_10>>>", "image_list": [IMAGE] * 10}),
    "the document's example of an expansion": (
        EXPAND,
        {
            "up_expansion_ratio": 0.1495,
            "down_expansion_ratio": 0.1495,
            "left_expansion_ratio": 0.6547,
            "right_expansion_ratio": 0.6547,
            "prompt": "",
            "image": "https://example.com/dog.png",
            "n": 2,
            "external_task_id": "",
        },
    ),
    "three times the area": (EXPAND, {**IMAGE, **WIDE}),
    "nothing to expand": (EXPAND, {**IMAGE, **dict.fromkeys(WIDE, 0)}),
}


@pytest.mark.parametrize(("path", "body"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_body_that_keeps_the_rules_is_accepted(path: str, body: dict[str, object]) -> None:
    status, answer = Kling(path=path).post(body)
    assert (status, answer["code"], answer["message"]) == (200, 0, "SUCCEED")


@pytest.mark.parametrize(("path", "name"), [(MULTI, "kling-v3"), (OMNI, "kling-v2-1")])
def test_a_model_of_another_endpoint_is_1203(path: str, name: str) -> None:
    status, body = Kling(path=path).post({"prompt": "A fox", **BODIES[path], "model_name": name})
    assert (status, body["code"]) == (404, 1203)
    assert name in body["message"]


@EACH
def test_a_body_that_is_no_json_object_is_1200(path: str) -> None:
    status, body = Kling(path=path).post([])
    assert (status, body["code"]) == (400, 1200)
