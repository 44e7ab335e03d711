"""useapi: pictures that are sent for later use, and the faces in them."""

import io
import json

import pytest
import time_machine
from PIL import Image

from tests.sandbox.useapi_client import ANNA, BASE, BEN, TOKEN, V21, Useapi, photo

NOT_FOUND = {"error": "Sorry, the requested resource was not found (VALID.ResourceNotFound)", "message": "Not Found"}


@pytest.fixture
def useapi() -> Useapi:
    return Useapi()


@pytest.mark.parametrize(("kind", "format_", "ending"), [("image/png", "PNG", "png"), ("image/jpeg", "JPEG", "jpg")])
def test_a_picture_that_is_sent_can_be_seen(useapi: Useapi, kind: str, format_: str, ending: str) -> None:
    content = photo(kind=format_)
    status, body = useapi.send(content, kind)
    assert (status, body["status"], body["message"]) == (200, 3, "")
    assert body["url"] == f"http://testserver/sandbox/files/uploads/{body['fileName']}"
    assert body["fileName"].endswith(f".{ending}")
    answer = useapi.client.get(body["url"])
    assert (answer["Content-Type"], answer.content) == (kind, content)
    assert useapi.client.get(body["url"], headers=TOKEN).status_code == 400
    assert useapi.client.get(body["url"].rpartition(".")[0] + ".gif").status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "error"),
    [
        (photo(), "image/webp", "Content-Type image/webp is not supported. Valid values: image/png,image/jpeg"),
        (photo(), "application/json", "Content-Type application/json is not supported"),
        (photo(), "image/jpeg", "The file is not a readable JPEG picture"),
        (photo(kind="JPEG"), "image/png", "The file is not a readable PNG picture"),
        (b"x", "image/png", "The file is not a readable PNG picture"),
        (photo(299, 400), "image/png", "The file must be at least 300px"),
        (bytes(10 * 1024 * 1024 + 1), "image/png", "The file must not be larger than 10485760 bytes"),
    ],
    ids=["webp", "json", "png as jpeg", "jpeg as png", "no picture", "small", "large"],
)
def test_what_is_no_good_picture_is_refused(useapi: Useapi, content: bytes, kind: str, error: str) -> None:
    status, body = useapi.send(content, kind)
    assert status == 400
    assert body["error"].startswith(error)


def test_an_asset_is_for_its_account_alone(useapi: Useapi) -> None:
    url = useapi.asset()
    useapi.email = BEN
    assert useapi.create(image_1=url) == (404, NOT_FOUND)
    assert useapi.combine(sceneImage=url, styleImage=useapi.asset()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    "url", ["https://example.com/a.jpg", "http://testserver/sandbox/files/uploads/" + "0" * 32 + ".png"]
)
def test_an_address_outside_is_not_found(useapi: Useapi, url: str) -> None:
    assert useapi.create(image_1=url) == (404, NOT_FOUND)
    assert useapi.post("/images/recognize-faces", {"email": ANNA, "imageReference": url}) == (404, NOT_FOUND)
    assert useapi.create(**V21, reference="restyle", imageReference=url) == (404, NOT_FOUND)


def test_an_asset_of_another_host_is_not_found(useapi: Useapi) -> None:
    assert useapi.create(image_1=useapi.asset().replace("testserver", "example.com")) == (404, NOT_FOUND)


def test_assets_are_there_for_a_week(useapi: Useapi, clock: time_machine.Traveller) -> None:
    url = useapi.asset()
    clock.shift(7 * 86_400 - 1)
    useapi.made(image_1=url)
    clock.shift(1)
    assert useapi.create(image_1=url) == (404, NOT_FOUND)
    assert useapi.client.get(url).status_code == 404
    useapi.asset()
    clock.shift(-86_400)
    assert useapi.client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("width", "bounds"),
    [
        (404, []),
        (800, [{"x": 200, "y": 100, "width": 400, "height": 300}]),
        (333, [{"x": x, "y": 100, "width": 55, "height": 300} for x in (27, 138, 249)]),
    ],
)
def test_the_width_of_a_picture_tells_its_faces(useapi: Useapi, width: int, bounds: list[dict[str, int]]) -> None:
    url = useapi.asset(width, 600)
    status, body = useapi.post("/images/recognize-faces", {"email": ANNA, "imageReference": url})
    assert (status, body["status"], body["message"]) == (200, 0, "")
    assert body["mediaInfo"] == {"type": "image", "width": width, "height": 600, "duration": 0}
    assert [item["name"] for item in body["faceItems"]] == [f"face_{number}" for number in range(len(bounds))]
    assert [json.loads(item["arguments"][0]["value"]) for item in body["faceItems"]] == bounds
    for item, bound in zip(body["faceItems"], bounds, strict=True):
        assert item["arguments"][0]["name"] == "face_bound"
        answer = useapi.client.get(item["resources"][0]["url"])
        with Image.open(io.BytesIO(answer.content)) as crop:
            assert (crop.format, crop.size) == ("JPEG", (bound["width"], bound["height"]))


def test_a_face_beyond_the_last_is_missing(useapi: Useapi) -> None:
    token = useapi.asset().rpartition("/")[2].partition(".")[0]
    assert useapi.client.get(f"/sandbox/files/uploads/{token}/face-1.jpg").status_code == 404
    assert useapi.client.get(f"/sandbox/files/uploads/{'0' * 32}/face-0.jpg").status_code == 404


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "Parameter imageReference is required"),
        ({"imageReference": 5}, "imageReference must be an http(s) URL"),
        ({"imageReference": "x"}, "imageReference must be an http(s) URL"),
    ],
)
def test_looking_for_faces_needs_a_picture(useapi: Useapi, fields: dict[str, object], error: str) -> None:
    assert useapi.post("/images/recognize-faces", {"email": ANNA, **fields}) == (400, {"error": error})


def test_the_address_for_assets_may_end_in_a_slash(useapi: Useapi) -> None:
    path = f"{BASE}/assets/?email={ANNA}"
    assert useapi.client.post(path, photo(), content_type="image/png", headers=TOKEN).status_code == 200
