"""Pictures on disk: checked before they are believed, stored under a name of their own, then given two thumbnails."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from PIL import Image as Pillow
from PIL.ImageFile import ImageFile

from generations.models import Image
from generations.pictures import TOO_LARGE, turn_upright, webp

log = logging.getLogger(__name__)

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
THUMBNAILS = (320, 1280)  # widths in pixels


class NotAPicture(Exception):
    """The file is no picture that we keep. The text is a sentence."""


@dataclass(frozen=True)
class Verified:
    """What a file really is: its media type, and its size in pixels."""

    media_type: str
    width: int
    height: int


class Settled(File[bytes]):
    """A finished local file. Storage on the same disk moves it into place in one step, so it is whole or absent."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def incoming(image: Image) -> Path:
    """Where the picture is written while it arrives. A later attempt writes over an earlier one."""
    return _unfinished(f"{image.pk}.part")


def verify(path: Path) -> Verified:
    """See that the file is all here. Raises NotAPicture for anything but one still PNG, JPEG or WebP.

    A PNG has a checksum in each part and a mark at its end: they tell of a missing or changed byte in a fiftieth of the
    time that decoding takes. The others have neither, and are decoded.
    """
    with _opened(path) as picture:
        if getattr(picture, "n_frames", 1) != 1:
            raise NotAPicture("The file is an animation.")
        verified = Verified(FORMATS[str(picture.format)], *picture.size)
        if picture.format == "PNG":
            picture.verify()
        else:
            picture.load()
    return verified


def store(image: Image, path: Path, verified: Verified) -> str:
    """Move a verified file to where it stays. Returns its name in storage."""
    return _settle(path, f"originals/{image.pk}.{EXTENSIONS[verified.media_type]}")


def make_thumbnails(image: Image) -> None:
    """Decode all of a stored picture and make its small copies. Raises NotAPicture, or FileNotFoundError if it is gone.

    Making them again does no harm.
    """
    with open_original(image) as file, _opened(file) as picture:
        picture.load()
        turn_upright(picture)
        plain = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    for width in THUMBNAILS:
        path = _unfinished(f"{image.pk}-{width}.webp")
        path.write_bytes(webp(plain, width))
        _settle(path, thumbnail_name(image, width))


def unfinished() -> list[Path]:
    """What has arrived in part, also of attempts that have come to an end since."""
    return list((settings.DATA_DIR / "incoming").glob("*"))


def thumbnail_name(image: Image, width: int) -> str:
    """The name in storage of the thumbnail of this width."""
    return f"thumbnails/{image.pk}-{width}.webp"


def open_original(image: Image) -> IO[bytes]:
    """The picture itself. Raises FileNotFoundError."""
    return default_storage.open(image.file)


def open_thumbnail(image: Image, width: int) -> IO[bytes]:
    """A thumbnail. Raises FileNotFoundError."""
    return default_storage.open(thumbnail_name(image, width))


def forget(image: Image) -> None:
    """Delete the picture's files. What is missing already does no harm."""
    incoming(image).unlink(missing_ok=True)
    for name in [image.file, *(thumbnail_name(image, width) for width in THUMBNAILS)]:
        if name:
            default_storage.delete(name)


def obstacle() -> str:
    """Why no picture could be kept now, as a sentence; empty where one could. Nothing is paid for that has no room."""
    folder = settings.DATA_DIR
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"The data directory {folder} cannot be written to. Give klingweb's user the right to."
    free = shutil.disk_usage(folder).free
    if free < settings.FREE_SPACE:
        return f"Only {free / 2**30:.1f} GB are free in the data directory {folder}. Make room: 1 GB is needed."
    return ""


def exists(image: Image) -> bool:
    """Whether the picture's file is there."""
    return default_storage.exists(image.file)


@contextmanager
def _opened(source: Path | IO[bytes]) -> Iterator[ImageFile]:
    """A picture that is not decoded yet. Whatever Pillow says against it, then or later, becomes NotAPicture."""
    try:
        with Pillow.open(source, formats=tuple(FORMATS)) as picture:
            yield picture
    except (OSError, ValueError, SyntaxError, *TOO_LARGE) as error:
        log.info("A file is not a whole picture: %s", type(error).__name__)
        raise NotAPicture("The file is not a whole picture.") from error


def _unfinished(name: str) -> Path:
    folder = settings.DATA_DIR / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(folder / name)


def _settle(path: Path, name: str) -> str:
    """Move a finished file into storage under this name, and return it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())  # the row will say that it is here, and that must outlive a power cut
        default_storage.delete(name)  # whatever a broken attempt left there belongs to no row
        return default_storage.save(name, Settled(file, name=str(path)))
