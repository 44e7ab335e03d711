"""Reference images: kept once per team and content, from a file, an earlier picture or an address."""

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import ProtectedError
from django.test import Client
from PIL import Image as Pillow
from pytest_django import Settings

from generations import assets
from generations.models import Asset, AssetCopy, Credential, Reference
from generations.pictures import BadPicture
from generations.providers.client import HostPolicy
from generations.providers.fields import PictureBounds
from klingweb.accounts.models import Team, User
from tests.cast import sign_in
from tests.road import Ask, finish

pytestmark = pytest.mark.django_db

PHOTOS = Path(__file__).parent.parent / "fixtures" / "photos"
BOUNDS = PictureBounds()
INSTEAD = "Use another public https address, or save the picture and choose its file."


def picture(colour: str = "navy", size: tuple[int, int] = (320, 300), form: str = "PNG") -> bytes:
    content = BytesIO()
    Pillow.new("RGB", size, colour).save(content, form)
    return content.getvalue()


def kept(team: Team, person: User | None, content: bytes, name: str = "vase.png") -> Asset:
    return assets.keep(team, person, BytesIO(content), name, BOUNDS)


def files() -> set[str]:
    """What lies in storage."""
    root = Path(default_storage.path(""))
    return {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()}


# From a file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "media_type", "size"),
    [("coffee.png", "image/png", (600, 400)), ("rocket.jpg", "image/jpeg", (640, 427))],
)
def test_an_uploaded_photograph_is_kept_with_all_that_is_known_of_it(
    halden: Team, bob: User, name: str, media_type: str, size: tuple[int, int]
) -> None:
    upload = SimpleUploadedFile(name, (PHOTOS / name).read_bytes(), content_type="text/html")
    asset = assets.keep(halden, bob, upload, name, BOUNDS)
    asset.refresh_from_db()
    with assets.open_original(asset) as file:
        content = file.read()
    assert (asset.team, asset.person, asset.name, asset.said) == (halden, bob, name, "")
    assert (asset.media_type, asset.width, asset.height) == (media_type, *size)
    assert (asset.size, asset.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert files() == {asset.file, assets.thumbnail_name(asset)}
    assert str(asset) == name


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (r"C:\Users\Bob\Desktop\vase.png", "vase.png"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\nc\u202egnp.exe", "a b c gnp.exe"),
        ("", "picture"),
        ("\u200b/", "picture"),
        ("ä" * 300 + ".png", "ä" * 120),
    ],
)
def test_a_name_is_kept_as_it_can_be_shown(halden: Team, given: str, shown: str) -> None:
    assert kept(halden, None, picture(), given).name == shown


def test_what_was_changed_on_arrival_is_remembered(halden: Team) -> None:
    large = picture(size=(6000, 5000), form="JPEG")
    assert kept(halden, None, large).said.startswith("Made smaller: 6,000 × 5,000 → 3,000 × 2,500, because")


def test_a_file_over_the_cap_is_not_read_to_its_end(halden: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "UPLOAD_CAP", 2**20)
    endless = BytesIO(bytes(3 * 2**20))
    with pytest.raises(BadPicture) as caught:
        assets.keep(halden, None, endless, "vase.png", BOUNDS)
    assert str(caught.value) == "The file is larger than 1 MB. Make the picture smaller and try again."
    assert endless.tell() == 2**20 + 1


def test_what_is_no_picture_leaves_nothing_behind(halden: Team) -> None:
    with pytest.raises(BadPicture):
        kept(halden, None, b"<html>")
    assert (files(), Asset.objects.count()) == (set(), 0)


# Once -----------------------------------------------------------------------------------------------------------------


def test_the_same_picture_again_is_the_same_asset(halden: Team, bob: User, alice: User) -> None:
    first = kept(halden, bob, picture())
    assert kept(halden, alice, picture(), "again.png") == first
    assert kept(halden, alice, picture("gold")) != first
    assert len(files()) == 4


def test_another_team_has_an_asset_of_its_own(halden: Team, charlie: User) -> None:
    theirs = charlie.own_memberships[0].team
    one, other = kept(halden, None, picture()), kept(theirs, charlie, picture())
    assert (one.sha256, one != other, one.file != other.file) == (other.sha256, True, True)


class WaitingStorage(FileSystemStorage):
    """Lets a test do something between the first file that is written and its row."""

    meanwhile: Callable[[], object] | None = None

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        saved = super().save(name, content, max_length)
        if doing := WaitingStorage.meanwhile:
            WaitingStorage.meanwhile = None
            doing()
        return saved


@pytest.fixture
def meanwhile(settings: Settings) -> Iterator[Callable[[Callable[[], object]], None]]:
    storages = dict(settings.STORAGES)
    storages["default"] = {**storages["default"], "BACKEND": f"{__name__}.WaitingStorage"}
    settings.STORAGES = storages
    yield lambda doing: setattr(WaitingStorage, "meanwhile", staticmethod(doing))
    WaitingStorage.meanwhile = None


def in_a_thread(doing: Callable[[], Any]) -> Any:
    """Its result; with a connection to the database of its own, closed afterwards."""

    def alone() -> Any:
        try:
            return doing()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(alone).result(20)


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_that_bring_it_at_once_the_later_takes_the_earliers(
    halden: Team, bob: User, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    won: list[Asset] = []
    meanwhile(lambda: won.append(in_a_thread(lambda: kept(halden, bob, picture()))))
    assert kept(halden, None, picture()) == won[0]
    assert Asset.objects.get() == won[0]
    assert files() == {won[0].file, assets.thumbnail_name(won[0])}


def test_a_crash_before_the_row_leaves_no_row_without_its_file(
    halden: Team, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    meanwhile(crash)
    with pytest.raises(KeyboardInterrupt):
        kept(halden, None, picture())
    assert not Asset.objects.exists()
    assert default_storage.exists(kept(halden, None, picture()).file)


# From a picture that was made here ------------------------------------------------------------------------------------


def test_an_earlier_picture_becomes_a_reference(ask: Ask, alice: User, halden: Team) -> None:
    generation = ask("A vase/bowl in the early morning light")
    [image] = finish(generation, size=(300, 400))
    asset = assets.keep_image(image, alice, BOUNDS)
    assert (asset.team, asset.person, asset.name) == (halden, alice, "A vase/bowl in the early 1")
    assert (asset.width, asset.height, asset.media_type) == (300, 400, "image/png")
    assert assets.keep_image(image, alice, BOUNDS) == asset


def test_an_earlier_picture_whose_file_is_gone_is_refused(ask: Ask, alice: User) -> None:
    [image] = finish(ask(), size=(300, 400))
    default_storage.delete(image.file)
    with pytest.raises(BadPicture, match="not there any more"):
        assets.keep_image(image, alice, BOUNDS)


# From an address ------------------------------------------------------------------------------------------------------


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, str], str]]:
    """Answer one request; the address may be fetched although it is neither public nor https."""
    listeners: list[socket.socket] = []

    def start(content: bytes, path: str, status: str = "200 OK") -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        pair = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setattr(assets, "PUBLIC_ONLY", HostPolicy(trusted=frozenset({pair})))

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65536)
                line.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

        threading.Thread(target=answer, daemon=True).start()
        return f"http://{pair}{path}"

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("path", "name"), [("/a/red%20vase.png?width=2", "red vase.png"), ("/", "127.0.0.1"), ("", "127.0.0.1")]
)
def test_a_picture_at_an_address_is_kept(
    halden: Team, bob: User, serve: Callable[[bytes, str], str], path: str, name: str
) -> None:
    asset = assets.keep_address(halden, bob, f"  {serve(picture(), path)}\n", BOUNDS)
    assert (asset.name, asset.person, asset.width) == (name, bob, 320)
    assert kept(halden, bob, picture()) == asset


def test_a_page_at_an_address_is_no_picture(halden: Team, serve: Callable[[bytes, str], str]) -> None:
    with pytest.raises(BadPicture, match=r"This is no picture that can be used\. Choose a PNG"):
        assets.keep_address(halden, None, serve(b"<html>", "/vase.png"), BOUNDS)


def test_what_cannot_be_fetched_is_said_with_what_to_do(
    halden: Team, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "UPLOAD_CAP", 2**20)
    for content, status, reason in (
        (b"", "404 Not Found", "HTTP 404 instead of a picture."),
        (bytes(2**20 + 1), "200 OK", "The picture is larger than 1 MB."),
    ):
        with pytest.raises(BadPicture) as caught:
            assets.keep_address(halden, None, serve(content, "/vase.png", status), BOUNDS)
        assert str(caught.value) == f"{reason} {INSTEAD}"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "The address does not begin with https."),
        ("vase.png", "The address does not begin with https."),
        ("http://example.com/vase.png", "The address does not begin with https."),
        ("file:///etc/passwd", "The address does not begin with https."),
        ("data:image/png;base64,AAAA", "The address does not begin with https."),
        ("https://127.0.0.1/vase.png", "127.0.0.1 leads to a private address."),
        ("https://[::ffff:10.0.0.1]/vase.png", "::ffff:10.0.0.1 leads to a private address."),
        ("https://localhost:1/vase.png", "localhost leads to a private address."),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 leads to a private address."),
        ("https://exa mple.com:port/", "This is not an address."),
        ("https://\x00/", "This is not an address."),
        (f"https://{'a' * 64}.example/", f"{'a' * 64}.example has no address."),
    ],
)
def test_an_address_that_may_not_be_fetched_is_refused(halden: Team, address: str, reason: str) -> None:
    with pytest.raises(BadPicture) as caught:
        assets.keep_address(halden, None, address, BOUNDS)
    assert str(caught.value) == f"{reason} {INSTEAD}"


# To a provider --------------------------------------------------------------------------------------------------------


def test_the_copy_for_a_provider_is_the_file_itself_and_there_is_one(halden: Team, credential: Credential) -> None:
    asset = kept(halden, None, picture())
    copy = assets.copy_for(asset, credential)
    assert (copy.file, copy.sha256, copy.size) == (asset.file, asset.sha256, asset.size)
    assert (copy.address, copy.account, copy.expires_at) == ("", "", None)
    assert assets.copy_for(asset, credential) == copy
    assert str(copy) == f"{asset.pk} for {credential.pk}"


def test_a_copy_goes_as_plain_base64(halden: Team, credential: Credential) -> None:
    asset = kept(halden, None, (PHOTOS / "rocket.jpg").read_bytes())
    sent = assets.base64_of(assets.copy_for(asset, credential))
    assert hashlib.sha256(base64.b64decode(sent, validate=True)).hexdigest() == asset.sha256
    assert not set(sent) & set(":;,\n\r ")


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        (
            PictureBounds(max_bytes=512),
            "The provider takes at most 0.000488 MB. Choose the picture again, and it is made to fit.",
        ),
        (PictureBounds(min_side=310), "The picture is 320 × 300 pixels. Each side needs at least 310."),
    ],
)
def test_a_picture_that_was_kept_for_one_that_takes_more_is_refused(
    halden: Team, bounds: PictureBounds, sentence: str
) -> None:
    with pytest.raises(BadPicture) as caught:
        assets.check(kept(halden, None, picture()), bounds)
    assert str(caught.value) == sentence
    assert not AssetCopy.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_however_many_ask_at_once_there_is_one_asset_and_one_copy(halden: Team, credential: Credential) -> None:
    together = threading.Barrier(5)

    def ask_for_both() -> tuple[Asset, AssetCopy]:
        together.wait(10)
        asset = kept(halden, None, picture())
        return asset, assets.copy_for(asset, credential)

    with ThreadPoolExecutor(5) as pool:
        answers = [each.result(30) for each in [pool.submit(in_a_thread, ask_for_both) for _ in range(5)]]
    assert set(answers) == {(Asset.objects.get(), AssetCopy.objects.get())}
    assert len(files()) == 2


# Away and out ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_forgotten_asset_leaves_nothing(halden: Team, credential: Credential) -> None:
    asset, other = kept(halden, None, picture()), kept(halden, None, picture("gold"))
    assets.copy_for(asset, credential)
    assets.forget(asset)
    assert list(Asset.objects.all()) == [other]
    assert not AssetCopy.objects.exists()
    assert files() == {other.file, assets.thumbnail_name(other)}


def test_an_asset_that_a_generation_refers_to_is_not_forgotten(halden: Team, ask: Ask) -> None:
    asset = kept(halden, None, picture())
    Reference.objects.create(generation=ask(), field="image", asset=asset)
    with pytest.raises(ProtectedError):
        assets.forget(asset)
    assert files() == {asset.file, assets.thumbnail_name(asset)}


def test_files_stay_until_it_is_certain_that_the_row_is_gone(
    halden: Team, django_capture_on_commit_callbacks: Any
) -> None:
    asset = kept(halden, None, picture())
    before = files()
    with django_capture_on_commit_callbacks(execute=True):
        assets.forget(asset)
        assert files() == before
    assert files() == set()


def test_a_person_may_go_and_the_asset_stays(halden: Team, bob: User) -> None:
    asset = kept(halden, bob, picture())
    bob.delete()
    asset.refresh_from_db()
    assert asset.person is None


@pytest.fixture
def as_victor(client: Client, victor: User) -> Client:
    return sign_in(client, victor)


def test_an_asset_is_served_as_what_it_is_and_never_changes(as_victor: Client, halden: Team) -> None:
    asset = kept(halden, None, picture(form="WEBP"), "red vase.webp")
    response = as_victor.get(f"/assets/{asset.pk}/")
    assert response.getvalue()[:3] == b"\xff\xd8\xff"
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["Content-Disposition"] == 'inline; filename="red vase.jpg"'
    again = as_victor.get(f"/assets/{asset.pk}/", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304


def test_its_small_copy_has_one_width(as_victor: Client, halden: Team) -> None:
    asset = kept(halden, None, picture())
    response = as_victor.get(f"/assets/{asset.pk}/320")
    with Pillow.open(BytesIO(response.getvalue())) as small:
        assert (small.format, small.size) == ("WEBP", (320, 300))
    assert response["Cache-Control"].startswith("private")
    assert as_victor.get(f"/assets/{asset.pk}/1280").status_code == 404


def test_an_asset_whose_file_is_gone_is_not_found(as_victor: Client, halden: Team) -> None:
    asset = kept(halden, None, picture())
    default_storage.delete(asset.file)
    assert as_victor.get(f"/assets/{asset.pk}/").status_code == 404
