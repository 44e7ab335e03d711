"""Pictures as they leave: one, the set, small copies; what they say of themselves and how they are cached."""

import zipfile
from io import BytesIO

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image as Pillow

from generations.models import Generation, Image
from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask, finish

pytestmark = pytest.mark.django_db


@pytest.fixture
def generation(ask: Ask) -> Generation:
    made = ask("Hand-thrown vase, élan & <light>", n=2)
    finish(made, count=2)
    return made


@pytest.fixture
def image(generation: Generation) -> Image:
    return generation.images.all()[0]


@pytest.fixture
def as_bob(client: Client, bob: User) -> Client:
    return sign_in(client, bob)


def test_a_picture_is_served_as_what_it_is_and_never_changes(as_bob: Client, image: Image) -> None:
    response = as_bob.get(f"/images/{image.pk}/original")
    content = response.getvalue()
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["ETag"] == f'"{image.sha256}"'
    assert Pillow.open(BytesIO(content)).size == (image.width, image.height)


def test_a_picture_that_the_browser_has_is_not_sent_again(as_bob: Client, image: Image) -> None:
    for address, tag in (
        (f"/images/{image.pk}/original", image.sha256),
        (f"/images/{image.pk}/320", f"{image.sha256}-320"),
    ):
        response = as_bob.get(address, headers={"If-None-Match": f'"{tag}"'})
        assert response.status_code == 304
        assert response["Cache-Control"].startswith("private")


def test_a_downloaded_picture_has_a_telling_name(as_bob: Client, image: Image, generation: Generation) -> None:
    response = as_bob.get(f"/images/{image.pk}/original?download")
    response.close()
    stamp = f"{generation.created:%Y-%m-%d-%H%M}"
    name = f"{stamp}-hand-thrown-vase-elan-light-kling-v3-1.png"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'


def test_a_small_copy_is_webp_in_one_of_two_widths(as_bob: Client, image: Image) -> None:
    response = as_bob.get(f"/images/{image.pk}/320")
    with Pillow.open(BytesIO(response.getvalue())) as picture:
        assert picture.format == "WEBP"
    assert response["Content-Type"] == "image/webp"
    assert as_bob.get(f"/images/{image.pk}/321").status_code == 404


def test_the_set_is_a_zip_whose_length_is_told_before_it_begins(as_bob: Client, generation: Generation) -> None:
    response = as_bob.get(f"/g/{generation.pk}/pictures.zip")
    content = response.getvalue()
    assert len(content) == int(response["Content-Length"])
    assert response["Content-Disposition"].endswith('-kling-v3.zip"')
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert [name[-6:] for name in archive.namelist()] == ["-1.png", "-2.png"]


def test_a_file_that_is_missing_on_disk_is_left_out_or_404(
    as_bob: Client, generation: Generation, image: Image
) -> None:
    default_storage.delete(image.file)
    assert as_bob.get(f"/images/{image.pk}/original").status_code == 404
    with zipfile.ZipFile(BytesIO(as_bob.get(f"/g/{generation.pk}/pictures.zip").getvalue())) as archive:
        assert [name[-6:] for name in archive.namelist()] == ["-2.png"]


def test_a_picture_that_is_not_here_yet_has_no_file_and_no_zip(as_bob: Client, ask: Ask) -> None:
    waiting = ask()
    pending = Image.objects.create(generation=waiting, index=0, source_url="https://p1.example.com/a.png")
    assert str(pending) == f"{waiting.pk} 0"
    assert as_bob.get(f"/images/{pending.pk}/original").status_code == 404
    assert as_bob.get(f"/g/{waiting.pk}/pictures.zip").status_code == 404


def test_nothing_is_written_by_looking(as_bob: Client, image: Image) -> None:
    for method in ("post", "put", "delete"):
        assert getattr(as_bob, method)(f"/images/{image.pk}/original").status_code == 405
