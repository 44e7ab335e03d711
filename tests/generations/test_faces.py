"""Faces in a reference picture: found by the provider through the sandbox, chosen in the form, remembered."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import httpx
import pytest
from django.core.files.storage import default_storage
from django.http import HttpResponse
from django.test import Client
from PIL import Image as Pillow
from pytest_django import Settings

from generations import assets, credentials
from generations.models import Asset, AssetCopy, Credential
from generations.providers.fields import PictureBounds
from generations.services import faces
from klingweb.accounts.models import Team, User
from tests.cast import sign_in

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY, THREE, ONE = 404, 333, 600  # pixels of width, by which the sandbox knows how many faces there are
ANNA, BEN = "anna@sandbox.example", "ben@sandbox.example"


def picture(team: Team, width: int) -> Asset:
    content = BytesIO()
    Pillow.new("RGB", (width, 400), "teal").save(content, "PNG")
    return assets.keep(team, None, BytesIO(content.getvalue()), f"{width}.png", PictureBounds())


@pytest.fixture
def useapi(halden: Team) -> Credential:
    secrets = {"api_token": "user:1-sandbox-key"}
    return credentials.ensure(team=halden, provider="useapi", name="Ours", base_url="sandbox:", secrets=secrets)[0]


def asked(sandbox: str, path: str) -> int:
    return sum(path in each["path"] for each in httpx.get(f"{sandbox}/requests").json()["requests"])


def posted(asset: Asset, **changed: str) -> dict[str, str]:
    """The form on Create with this picture's face to be used."""
    chosen = {"provider": "useapi", "operation": "kolors", "was": "useapi/kolors", "reference": "face"}
    return chosen | {"imageReference__asset": str(asset.pk), "version": "kling-v2-1", "prompt": "A hat"} | changed


def look(client: Client, asset: Asset, *, htmx: bool = True, **changed: str) -> HttpResponse:
    headers = {"HX-Request": "true"} if htmx else {}
    response = client.post(f"/assets/{asset.pk}/faces/", posted(asset, **changed), headers=headers)
    assert isinstance(response, HttpResponse)
    return response


# What the provider finds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "count"), [(NOBODY, 0), (ONE, 1), (THREE, 3)])
def test_the_faces_are_asked_for_once_and_remembered(
    sandbox: str, halden: Team, useapi: Credential, width: int, count: int
) -> None:
    asset = picture(halden, width)
    assert faces.known(asset, "useapi") is None
    assert [faces.look(asset, useapi), faces.look(asset, useapi, BEN)] == ["", ""]
    found = faces.known(asset, "useapi")
    assert found is not None
    assert [each.number for each in found] == list(range(1, count + 1))
    assert asked(sandbox, "recognize-faces") == asked(sandbox, "assets") == 1
    assert AssetCopy.objects.get().account == ANNA


def test_the_chosen_account_is_used_else_the_credentials_own_else_the_one_that_has_the_picture(
    sandbox: str, halden: Team, useapi: Credential
) -> None:
    one, two, three = (picture(halden, width) for width in (500, 510, 520))
    assert faces.look(one, useapi, BEN) == ""
    AssetCopy.objects.update(faces=None)
    assert faces.look(one, useapi) == ""
    assert faces.look(two, useapi) == ""
    assert dict(AssetCopy.objects.values_list("asset", "account")) == {one.pk: BEN, two.pk: ANNA}
    own = {"api_token": "user:1-sandbox-key", "email": BEN}
    credentials.ensure(team=halden, provider="useapi", name="Ours", base_url="sandbox:", secrets=own)
    useapi.refresh_from_db()
    assert faces.look(three, useapi) == ""
    assert AssetCopy.objects.get(asset=three).account == BEN


def test_a_picture_that_the_provider_has_lost_is_sent_to_it_once_more(
    sandbox: str, halden: Team, useapi: Credential
) -> None:
    asset = picture(halden, THREE)
    lost = f"{sandbox}/useapi/files/gone.png"
    assets.keep_copy(asset, useapi, ANNA, lost, None)
    assert faces.look(asset, useapi, ANNA) == ""
    assert len(faces.known(asset, "useapi") or ()) == 3
    assert AssetCopy.objects.get().address != lost


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_a_refused_key_pauses_the_credential_and_a_paused_one_asks_nothing(
    sandbox: str, halden: Team, useapi: Credential
) -> None:
    credentials.ensure(
        team=halden, provider="useapi", name="Ours", base_url="sandbox:", secrets={"api_token": "user:1-other"}
    )
    useapi.refresh_from_db()
    asset = picture(halden, ONE)
    assert "refused the API token" in faces.look(asset, useapi)
    useapi.refresh_from_db()
    assert useapi.paused_at
    assert "is paused" in faces.look(asset, useapi)


def test_a_provider_that_is_not_there_is_said(settings: Settings, halden: Team, useapi: Credential) -> None:
    settings.SANDBOX_ADDRESS = "http://127.0.0.1:1/sandbox"
    said = faces.look(picture(halden, ONE), useapi, ANNA)
    assert said.startswith("useapi.net cannot be asked for faces. Nobody answers at this address.")
    assert said.endswith("Look again in a moment, or enter the number of the face.")


def test_a_picture_whose_file_is_gone_is_said(sandbox: str, halden: Team, useapi: Credential) -> None:
    asset = picture(halden, ONE)
    default_storage.delete(asset.file)
    assert faces.look(asset, useapi, ANNA) == "The file of this picture is not here any more. Choose another picture."


def test_an_account_that_useapi_does_not_know_is_said(sandbox: str, halden: Team, useapi: Credential) -> None:
    said = faces.look(picture(halden, ONE), useapi, "nobody@sandbox.example")
    assert said == "useapi.net could not look for faces. Look again in a moment, or enter the number of the face."


@pytest.fixture
def stranger(settings: Settings, halden: Team) -> Iterator[tuple[Credential, dict[str, tuple[int, object]]]]:
    """A useapi that answers by the end of the path, as it is told, and its credential."""
    answers: dict[str, tuple[int, object]] = {"/assets": (200, {"status": 3, "url": "https://p.example.com/a.png"})}

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = next(found for end, found in answers.items() if self.path.split("?")[0].endswith(end))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever).start()
    settings.TRUSTED_PROVIDER_HOSTS = [f"127.0.0.1:{server.server_port}"]
    address = f"http://127.0.0.1:{server.server_port}"
    secrets = {"api_token": "user:1-sandbox-key"}
    made, _ = credentials.ensure(team=halden, provider="useapi", name="Other", base_url=address, secrets=secrets)
    yield made, answers
    server.shutdown()
    server.server_close()


def test_an_account_that_cannot_be_used_rests_and_the_other_goes_on(
    stranger: tuple[Credential, dict[str, tuple[int, object]]], halden: Team
) -> None:
    credential, answers = stranger
    for name in (ANNA, BEN):
        credential.accounts.create(name=name, slots=1)
    answers["/recognize-faces"] = (596, {"error": "sign in failed"})
    assert "can no longer sign in" in faces.look(picture(halden, ONE), credential, ANNA)
    credential.refresh_from_db()
    assert not credential.paused_at
    assert credential.accounts.get(paused_at=None).name == BEN


def test_a_refused_picture_is_told_in_the_providers_sentence(
    stranger: tuple[Credential, dict[str, tuple[int, object]]], halden: Team
) -> None:
    credential, answers = stranger
    answers["/assets"] = (200, {"status": 9, "message": "bad picture"})
    said = faces.look(picture(halden, ONE), credential, ANNA)
    assert said == "Kling cannot use this picture. Choose another one."


# The form -------------------------------------------------------------------------------------------------------------


def test_several_faces_are_offered_and_the_chosen_one_stays_chosen(
    sandbox: str, client: Client, halden: Team, bob: User, useapi: Credential
) -> None:
    asset = picture(halden, THREE)
    page = look(sign_in(client, bob), asset, faceNo="2").content.decode()
    assert [f'aria-label="Face {number} of 3"' in page for number in (1, 2, 3)] == [True] * 3
    assert page.count(" checked") == 1
    assert 'value="2" aria-label="Face 2 of 3" checked' in page
    fields = client.post("/", posted(asset, refresh="1", faceNo="9"), headers={"HX-Request": "true"}).content.decode()
    assert 'value="1" aria-label="Face 1 of 3" checked' in fields
    assert "Find the faces" not in fields


def test_a_single_face_is_chosen_silently_and_said(
    sandbox: str, client: Client, halden: Team, bob: User, useapi: Credential
) -> None:
    page = look(sign_in(client, bob), picture(halden, ONE), faceNo="2").content.decode()
    assert "The picture shows one face, and that is used." in page
    assert '<input type="hidden" name="faceNo" value="1">' in page


def test_without_a_face_the_number_can_still_be_entered(
    sandbox: str, client: Client, halden: Team, bob: User, useapi: Credential
) -> None:
    page = look(sign_in(client, bob), picture(halden, NOBODY)).content.decode()
    assert "useapi.net finds no face in this picture." in page
    assert 'type="number"' in page
    assert "Find the faces" not in page


def test_before_there_is_a_picture_nothing_looks_for_faces(client: Client, bob: User, useapi: Credential) -> None:
    chosen = {"provider": "useapi", "operation": "kolors", "reference": "face"}
    page = sign_in(client, bob).get("/", chosen).content.decode()
    assert 'id="id-faceNo" name="faceNo"' in page
    assert "Find the faces" not in page


def test_what_went_wrong_is_said_and_not_asked_again_by_itself(
    settings: Settings, client: Client, halden: Team, bob: User, useapi: Credential
) -> None:
    settings.SANDBOX_ADDRESS = "http://127.0.0.1:1/sandbox"
    asset = picture(halden, ONE)
    page = look(sign_in(client, bob), asset).content.decode()
    assert "cannot be asked for faces" in page
    assert 'hx-trigger="click"' in page
    htmx = {"HX-Request": "true"}
    again = client.post("/", posted(asset, refresh="1", looked=str(asset.pk)), headers=htmx).content.decode()
    first = client.post("/", posted(asset, refresh="1"), headers=htmx).content.decode()
    assert ('hx-trigger="click"' in again, 'hx-trigger="load, click"' in first) == (True, True)


def test_without_javascript_the_form_comes_back_with_the_faces(
    sandbox: str, client: Client, halden: Team, bob: User, useapi: Credential
) -> None:
    asset = picture(halden, THREE)
    response = look(sign_in(client, bob), asset, htmx=False, refresh="1")
    assert (response.status_code, response["Location"]) == (307, "/")
    assert "Face 3 of 3" in client.post("/", posted(asset, refresh="1")).content.decode()


def test_without_javascript_what_went_wrong_stands_above_the_form(
    settings: Settings, client: Client, halden: Team, bob: User, useapi: Credential
) -> None:
    settings.SANDBOX_ADDRESS = "http://127.0.0.1:1/sandbox"
    asset = picture(halden, ONE)
    look(sign_in(client, bob), asset, htmx=False)
    assert "cannot be asked for faces" in client.post("/", posted(asset, refresh="1")).content.decode()


def test_where_no_provider_looks_nothing_is_asked(
    sandbox: str, client: Client, halden: Team, bob: User, credential: Credential
) -> None:
    asset = picture(halden, ONE)
    assert faces.look(asset, credential) == ""
    assert look(sign_in(client, bob), asset, provider="kling").status_code == 307
    assert asked(sandbox, "recognize-faces") == 0


def test_a_viewer_a_stranger_and_a_team_without_keys_look_for_nothing(
    client: Client, halden: Team, bob: User, victor: User, charlie: User
) -> None:
    asset = picture(halden, ONE)
    statuses = [look(sign_in(client, person), asset).status_code for person in (victor, charlie, bob)]
    assert statuses == [403, 404, 404]
