import random
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from generations import images
from generations.images import NotAPicture, verify


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


def noise() -> bytes:
    content = BytesIO()
    Pillow.frombytes("RGB", (200, 200), random.Random(1).randbytes(120_000)).save(content, "PNG")  # noqa: S311
    return content.getvalue()


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
        picture(size=(9000, 9000)),
    ],
    ids=["empty", "html", "svg", "gif", "bmp", "animation", "truncated", "bomb"],
)
def test_anything_else_is_no_picture(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NotAPicture) as caught:
        verify(written(tmp_path / "a", content))
    assert str(caught.value).startswith("The file is")
