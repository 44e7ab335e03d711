import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from PIL import Image as Pillow

from generations import images
from generations.images import NotAPicture, verify
from generations.models import Image
from tests.road import hollow


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def picture(form: str = "PNG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    content = BytesIO()
    Pillow.new("RGB", size, "navy").save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize(("form", "media_type"), images.FORMATS.items())
def test_a_whole_still_picture_is_measured_and_its_type_is_what_it_is(
    tmp_path: Path, form: str, media_type: str
) -> None:
    assert verify(written(tmp_path / "a.exe", picture(form))) == images.Verified(media_type, 40, 30)


def animation() -> bytes:
    frames = [Pillow.new("RGB", (40, 30), colour) for colour in ("navy", "gold")]
    content = BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:])
    return content.getvalue()


def noise(form: str = "PNG") -> bytes:
    content = BytesIO()
    Pillow.frombytes("RGB", (200, 200), random.Random(1).randbytes(120_000)).save(content, form)  # noqa: S311
    return content.getvalue()


def changed(content: bytes) -> bytes:
    """One byte in its middle is another."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>no picture</html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        picture("GIF"),
        picture("BMP"),
        animation(),
        noise()[:-5000],
        noise()[:-12],
        changed(noise()),
        noise("JPEG")[:-5000],
        noise("WEBP")[:-5000],
        picture(size=(9000, 9000)),
    ],
    ids=[
        *("empty", "html", "svg", "gif", "bmp", "animation", "truncated", "without its end", "changed"),
        *("truncated JPEG", "truncated WebP", "bomb"),
    ],
)
def test_anything_else_is_no_picture(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NotAPicture) as caught:
        verify(written(tmp_path / "a", content))
    assert str(caught.value).startswith("The file is")


def test_what_checksums_cannot_tell_decoding_does(tmp_path: Path) -> None:
    path = written(tmp_path / "a", hollow())
    assert verify(path).media_type == "image/png"
    image = Image(file=default_storage.save("originals/a.png", ContentFile(path.read_bytes())))
    with pytest.raises(NotAPicture, match="not a whole picture"):
        images.make_thumbnails(image)
    assert not default_storage.exists(images.thumbnail_name(image, 320))


def test_a_small_copy_is_there_as_a_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(pk=uuid4(), file="originals/a.png")
    default_storage.save(image.file, ContentFile(picture()))
    chunks, begun = File.chunks, list[int]()

    def watched(self: File[bytes], size: int | None = None) -> Iterator[bytes]:
        for chunk in chunks(self, size):
            begun.extend(each for each in images.THUMBNAILS if default_storage.exists(name(each)))
            yield chunk

    def name(width: int) -> str:
        return images.thumbnail_name(image, width)

    monkeypatch.setattr(File, "chunks", watched)
    monkeypatch.setattr(ContentFile, "chunks", watched)
    images.make_thumbnails(image)
    assert not begun
    assert all(default_storage.exists(name(each)) for each in images.THUMBNAILS)
    assert not images.unfinished()


def test_thumbnails_are_upright_and_within_their_width() -> None:
    content = BytesIO()
    lying = Pillow.new("RGB", (2000, 1000), "navy")
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(content, "JPEG", exif=exif)
    image = Image(file=default_storage.save("originals/b.jpg", ContentFile(content.getvalue())))
    images.make_thumbnails(image)
    for width in images.THUMBNAILS:
        with images.open_thumbnail(image, width) as file, Pillow.open(file) as small:
            assert small.size == (min(width, 1000), 2 * min(width, 1000))
