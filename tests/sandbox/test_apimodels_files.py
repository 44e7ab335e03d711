"""apimodels: files that are sent for later use."""

import pytest
import time_machine
from django.test import Client

from tests.sandbox.apimodels_client import BASE, BROWSER, KEY, Apimodels
from tests.sandbox.useapi_client import Useapi, photo

PNG = {"filename": "photo.png", "contentType": "image/png", "fileSize": 100}


@pytest.fixture
def apimodels() -> Apimodels:
    return Apimodels()


def put(url: str, content: bytes, kind: str = "image/png", **headers: str) -> int:
    return Client().put(url, content, content_type=kind, headers=headers).status_code


def test_a_file_that_is_sent_in_a_form_can_be_used(apimodels: Apimodels) -> None:
    status, body = apimodels.send(photo())
    assert (status, body["code"], body["msg"]) == (200, 200, "success")
    url = body["data"]["publicUrl"]
    answer = apimodels.client.get(url, headers=BROWSER)
    assert (answer["Content-Type"], answer.content) == ("image/png", photo())
    assert apimodels.client.get(url, headers={"User-Agent": "python-httpx"}).status_code == 403
    apimodels.made(image_url=url)


def test_an_announced_file_is_sent_to_its_presigned_address(
    apimodels: Apimodels, clock: time_machine.Traveller
) -> None:
    status, body = apimodels.post("/files", PNG)
    assert status == 200
    data = body["data"]
    assert data.keys() == {"uploadUrl", "publicUrl", "expiresAt"}
    assert data["expiresAt"] == "2026-11-27T12:00:00.000Z"
    assert apimodels.client.get(data["publicUrl"], headers=BROWSER).status_code == 404
    assert apimodels.create(image_url=data["publicUrl"])[0] == 400
    assert put(data["uploadUrl"], photo(), Authorization=KEY["Authorization"]) == 400
    assert put(data["uploadUrl"], photo(), kind="image/jpeg") == 403
    assert put(data["uploadUrl"], photo()) == 200
    assert put(data["uploadUrl"], photo(400, 400)) == 403
    assert apimodels.client.get(data["publicUrl"], headers=BROWSER).content == photo()
    apimodels.made(image_url=data["publicUrl"])


def test_a_presigned_address_is_good_for_ten_minutes(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    url = apimodels.post("/files", PNG)[1]["data"]["uploadUrl"]
    assert Client().post(url, b"", content_type="image/png").status_code == 403
    clock.shift(600)
    assert put(url, photo()) == 403


def test_files_are_there_for_a_week(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    url = apimodels.file()
    clock.shift(7 * 86_400 - 1)
    apimodels.made(image_url=url)
    clock.shift(1)
    assert apimodels.client.get(url, headers=BROWSER).status_code == 404
    assert apimodels.create(image_url=url)[0] == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "filename is required"),
        ({**PNG, "fileSize": 50 * 1024 * 1024 + 1}, "fileSize must be in"),
        ({**PNG, "fileSize": 0}, "fileSize must be in"),
        ({**PNG, "contentType": "text/html"}, "contentType 'text/html' is not supported"),
        ({**PNG, "folder": "x"}, "folder is not a known parameter"),
    ],
)
def test_an_announcement_that_breaks_a_rule_is_400(apimodels: Apimodels, body: object, message: str) -> None:
    status, answer = apimodels.post("/files", body)
    assert (status, answer["code"]) == (400, 400)
    assert answer["msg"].startswith(message)


def test_a_form_needs_its_field_and_a_file_of_a_known_kind(apimodels: Apimodels) -> None:
    for fields in ({}, {"file": "words"}):
        answer = apimodels.client.post(f"{BASE}/files", fields, headers=KEY)
        assert (answer.status_code, answer.json()) == (400, {"code": 400, "msg": "file is required"})
    assert apimodels.send(b"<html>", "text/html")[0] == 400


def test_a_broken_form_is_400() -> None:
    broken = "multipart/form-data; boundary="
    answer = Client().post(f"{BASE}/files", b"--", content_type=broken, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_a_file_beyond_the_limit_is_refused(apimodels: Apimodels, monkeypatch: pytest.MonkeyPatch) -> None:
    url = apimodels.post("/files", PNG)[1]["data"]["uploadUrl"]
    monkeypatch.setattr("klingweb.sandbox.apimodels_files.MOST_BYTES", 100)
    assert apimodels.send(bytes(101)) == (400, {"code": 400, "msg": "file must not be larger than 50 MB"})
    assert put(url, bytes(101)) == 400


def test_a_file_that_is_no_picture_is_no_reference(apimodels: Apimodels) -> None:
    url = apimodels.send(b"not a picture")[1]["data"]["publicUrl"]
    status, body = apimodels.create(image_url=url)
    assert (status, body["msg"]) == (400, "image_url is not a readable PNG or JPEG or WEBP or GIF picture")


def test_faces_are_not_looked_for_here(apimodels: Apimodels) -> None:
    token = apimodels.file().rpartition("/")[2].partition(".")[0]
    assert apimodels.client.get(f"/sandbox/files/uploads/{token}/face-0.jpg").status_code == 404


def test_useapi_does_not_take_a_file_of_apimodels(apimodels: Apimodels) -> None:
    assert Useapi().create(image_1=apimodels.file())[0] == 404
