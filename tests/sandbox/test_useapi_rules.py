"""useapi: what the documents forbid is refused in their words."""

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from klingweb.sandbox.fields import WrongValueError
from klingweb.sandbox.useapi_rules import OF_REFERENCES, read_kolors
from tests.sandbox.useapi_client import ANNA, BASE, TOKEN, V21, Useapi

URL = "https://example.com/a.jpg"
FACE = {**V21, "reference": "face", "imageReference": URL}
SUBJECT = {**V21, "reference": "subject", "imageReference": URL}
RESTYLE = {**V21, "reference": "restyle", "imageReference": URL}

REFUSED: dict[str, dict[str, object]] = {
    "prompt must not be empty": {"prompt": " "},
    "prompt must not be longer than 2500": {"prompt": "x" * 2501},
    "prompt must be a string": {"prompt": 5},
    "version value 'kling-v9'": {"version": "kling-v9"},
    "imageCount must be in [1, 9]": {"imageCount": 0},
    "imageCount must be in [1, 9] ": {"imageCount": 10},
    "imageCount must be an integer": {"imageCount": "2"},
    "maxJobs must be in [1, 50]": {"maxJobs": 51},
    "maxJobs must be in [1, 50] ": {"maxJobs": 0},
    "replyUrl must be an http(s) URL": {"replyUrl": "mailto:anna@sandbox.example"},
    "replyRef must be a string": {"replyRef": 5},
    "resolution value '4k'": {"resolution": "4k"},
    "aspect_ratio value '5:4'": {"aspect_ratio": "5:4"},
    'aspect_ratio "auto" requires at least one image': {"aspect_ratio": "auto"},
    "image_1 must be an http(s) URL": {"image_1": "aGVsbG8="},
    "image_11 is not a known parameter": {"image_11": URL},
    "prompt refers to @image_2, but image_2 is not provided": {"prompt": "Put @image_1 on @image_2", "image_1": URL},
    "prompt refers to @image_10, but": {"prompt": "@image_10", "image_1": URL},
    'version "kling-v3-0" does not support reference': {"reference": "face"},
    'version "kling-v3-0" does not support imageReference': {"imageReference": URL},
    'version "kling-v3-0" does not support faceStrength': {"faceStrength": 65},
    'version "kling-v3-0" does not support subjectStrength': {"subjectStrength": 50},
    'version "kling-v3-0" does not support faceNo': {"faceNo": 1},
    'version "kling-v2-1" does not support image_1': {**V21, "image_1": URL},
    'version "kling-v1-5" does not support image_2': {"version": "kling-v1-5", "image_2": URL},
    'version "kling-v2-1" does not support aspect_ratio "auto"': {**V21, "aspect_ratio": "auto"},
    "reference value 'style'": {**V21, "reference": "style"},
    'reference "none" does not support imageReference': {**V21, "imageReference": URL},
    'reference "none" does not support faceNo': {**V21, "faceNo": 1},
    "Parameter imageReference is required": {**V21, "reference": "face"},
    'reference "face" does not support subjectStrength': {**FACE, "subjectStrength": 50},
    'reference "face" does not support resolution': {**FACE, "resolution": "1k"},
    "faceStrength must be in [1, 100]": {**FACE, "faceStrength": 0},
    "faceNo must be in [1, ": {**FACE, "faceNo": 0},
    'reference "subject" does not support faceNo': {**SUBJECT, "faceNo": 1},
    "subjectStrength must be in [1, 100]": {**SUBJECT, "subjectStrength": 101},
    'reference "restyle" does not support aspect_ratio': {**RESTYLE, "aspect_ratio": "1:1"},
    'reference "restyle" does not support faceStrength': {**RESTYLE, "faceStrength": 65},
    "negative_prompt is not a known parameter": {"negative_prompt": "rain"},
}


@pytest.fixture
def useapi() -> Useapi:
    return Useapi()


@pytest.mark.parametrize(("error", "fields"), REFUSED.items(), ids=REFUSED)
def test_kolors_refuses_what_breaks_a_rule(useapi: Useapi, error: str, fields: dict[str, object]) -> None:
    status, body = useapi.post("/images/kolors", {"email": ANNA, "prompt": "A fox", **fields})
    assert (status, list(body)) == (400, ["error"])
    assert body["error"].startswith(error.rstrip())
    assert useapi.asked()["accepted"] == 0


def test_kolors_needs_a_prompt(useapi: Useapi) -> None:
    assert useapi.post("/images/kolors", {"email": ANNA}) == (400, {"error": "Parameter prompt is required"})


ACCEPTED: dict[str, dict[str, object]] = {
    "only a prompt": {},
    "the longest prompt": {"prompt": "x" * 2500},
    "everything of version 3": {
        "version": "kling-v3-0",
        "prompt": "@image_1 beside @image_10, and @image_1 again",
        "resolution": "1k",
        "aspect_ratio": "21:9",
        "imageCount": 9,
        "image_1": "asset",
        "image_10": "asset",
        "maxJobs": 50,
        "replyUrl": "https://example.com/hook",
        "replyRef": "mine",
    },
    "no reference, said aloud": {"reference": "none"},
    "the older version from text": {**V21, "resolution": "2k", "aspect_ratio": "2:3"},
    "a retired version": {"version": "kling-v2-0"},
    "a face": {**FACE, "imageReference": "asset", "faceStrength": 1, "faceNo": 1, "aspect_ratio": "9:16"},
    "a subject": {**SUBJECT, "imageReference": "asset", "faceStrength": 100, "subjectStrength": 1},
    "a restyled picture": {**RESTYLE, "imageReference": "asset"},
    "a prompt of version 2.1 that only looks like a citation": {**V21, "prompt": "@image_1"},
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_kolors_accepts_what_keeps_the_rules(useapi: Useapi, fields: dict[str, object]) -> None:
    url = useapi.asset()
    sent = {name: url if value == "asset" else value for name, value in fields.items()}
    status, body = useapi.post("/images/kolors", {"email": ANNA, "prompt": "A fox", **sent})
    assert status == 200, body


@pytest.mark.parametrize(("fields", "count"), [({}, "2"), (V21, "1"), ({"version": "kling-v1-6"}, "1")])
def test_how_many_pictures_are_usual_depends_on_the_version(
    useapi: Useapi, fields: dict[str, object], count: str
) -> None:
    arguments = useapi.create(**fields)[1]["task"]["taskInfo"]["arguments"]  # type: ignore[arg-type]
    assert {"name": "imageCount", "value": count} in arguments


@pytest.mark.parametrize(
    ("width", "number", "error"),
    [
        (800, 2, "faceNo 2 is out of range, faces found in imageReference: 1"),
        (333, 4, "faceNo 4 is out of range, faces found in imageReference: 3"),
        (404, None, "faceNo 1 is out of range, faces found in imageReference: 0"),
    ],
)
def test_a_face_that_is_not_there_is_refused(useapi: Useapi, width: int, number: int | None, error: str) -> None:
    chosen = {} if number is None else {"faceNo": number}
    status, body = useapi.create(**{**FACE, "imageReference": useapi.asset(width, 400), **chosen})  # type: ignore[arg-type]
    assert (status, body) == (400, {"error": error})


ELEMENTS_REFUSED: dict[str, dict[str, object]] = {
    "At least two images must be provided": {"prompt": "A fox"},
    "At least two images must be provided ": {"sceneImage": URL},
    "prompt must not be longer than 2500": {"prompt": "x" * 2501},
    "aspect_ratio value 'auto'": {"sceneImage": URL, "styleImage": URL, "aspect_ratio": "auto"},
    "imageCount must be in [1, 9]": {"sceneImage": URL, "styleImage": URL, "imageCount": 10},
    "subjectImage5 is not a known parameter": {"subjectImage5": URL},
    "version is not a known parameter": {"version": "kling-v2-1"},
    "subjectImage1 must be an http(s) URL": {"subjectImage1": ""},
}


@pytest.mark.parametrize(("error", "fields"), ELEMENTS_REFUSED.items(), ids=ELEMENTS_REFUSED)
def test_elements_refuse_what_breaks_a_rule(useapi: Useapi, error: str, fields: dict[str, object]) -> None:
    status, body = useapi.combine(**fields)
    assert status == 400
    assert body["error"].startswith(error.rstrip())


def test_elements_take_six_pictures_and_need_no_prompt(useapi: Useapi) -> None:
    names = ("subjectImage1", "subjectImage2", "subjectImage3", "subjectImage4", "sceneImage", "styleImage")
    assert useapi.combine(**{name: useapi.asset() for name in names}, aspect_ratio="1:1")[0] == 200


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"n": NaN}'])
def test_a_body_that_is_no_json_object_is_400(raw: bytes) -> None:
    answer = Client().post(f"{BASE}/images/kolors", raw, content_type="application/json", headers=TOKEN)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request body")


def test_a_form_is_as_good_as_json(useapi: Useapi) -> None:
    fields = {"email": ANNA, "prompt": "A fox", "imageCount": "3", "maxJobs": "2", **V21}
    answer = useapi.client.post(f"{BASE}/images/kolors", fields, headers=TOKEN)
    assert answer.status_code == 200
    assert {"name": "imageCount", "value": "3"} in answer.json()["task"]["taskInfo"]["arguments"]


def test_a_form_with_a_word_for_a_number_is_refused(useapi: Useapi) -> None:
    fields = {"email": ANNA, "prompt": "A fox", "imageCount": "many"}
    answer = useapi.client.post(f"{BASE}/images/kolors", fields, headers=TOKEN)
    assert (answer.status_code, answer.json()) == (400, {"error": "imageCount must be an integer"})


def test_a_broken_form_is_400() -> None:
    broken = "multipart/form-data; boundary="
    answer = Client().post(f"{BASE}/images/kolors", b"--", content_type=broken, headers=TOKEN)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request body")


@given(
    st.dictionaries(st.sampled_from(["faceStrength", "subjectStrength", "faceNo"]), st.integers(-5, 105)),
    st.sampled_from(["none", "subject", "face", "restyle"]),
)
def test_whatever_is_read_has_only_what_its_reference_type_takes(numbers: dict[str, int], kind: str) -> None:
    body = {"prompt": "A fox", **V21, "reference": kind, "imageReference": URL, **numbers}
    if kind == "none":
        del body["imageReference"]
    own = {"none": set(), "restyle": set(), "face": {"faceStrength", "faceNo"}, "subject": set(OF_REFERENCES[1:3])}
    fine = numbers.keys() <= own[kind] and all(
        1 <= value <= (100 if name != "faceNo" else 105) for name, value in numbers.items()
    )
    try:
        read_kolors(body)
    except WrongValueError:
        assert not fine
    else:
        assert fine
