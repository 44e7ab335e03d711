"""Pictures of strangers, decoded with care and written anew: upright, in sRGB, without metadata, within bounds.

Writing anew is the point: whatever else a file carries (a place, a second file behind the first) does not come along.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from generations.providers.fields import PictureBounds

log = logging.getLogger(__name__)

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
JPEGS = ("JPEG", "MPO")  # MPO: what phones write where a JPEG carries a depth map or a second exposure
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
TOO_LARGE = (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning)

MOST_PIXELS = 25_000_000  # decoding takes up to 16 bytes for each (WebP); larger JPEGs are decoded at half their size
QUALITIES = (95, 90, 85)  # of a JPEG, until it fits; after the last one its sides shrink
STEP = 0.8
THUMBNAIL = 320  # width in pixels
THUMBNAIL_QUALITY = 80


class BadPicture(Exception):
    """The file cannot be a reference. The text is a sentence that says what to do."""


@dataclass(frozen=True)
class Prepared:
    """A picture as it is kept. `said` tells what was changed that a person may notice; mostly empty."""

    content: bytes
    media_type: str
    width: int
    height: int
    said: str
    thumbnail: bytes


def prepare(content: bytes, bounds: PictureBounds) -> Prepared:
    """What a provider takes, made of any still PNG, JPEG, WebP or AVIF. Raises BadPicture.

    The same bytes within the same bounds give the same bytes.
    """
    arrived = _open(content)
    picture = arrived.picture
    if refusal := refuses(bounds, *picture.size):
        raise BadPicture(refusal)
    for attempt in _attempts(picture, bounds, lossless=arrived.lossless):
        if kept := attempt.encoded(bounds.max_bytes):
            said = _said(arrived, attempt, bounds)
            return Prepared(kept, attempt.media_type, *attempt.picture.size, said, webp(attempt.picture, THUMBNAIL))
    raise BadPicture(f"The picture does not fit into {_megabytes(bounds)}. Choose a simpler one.")


def refuses(bounds: PictureBounds, width: int, height: int, size: int = 0) -> str:
    """Why a provider would not take a picture of these pixels and bytes; empty where it would."""
    if size > bounds.max_bytes:
        return f"The provider takes at most {_megabytes(bounds)}. Choose the picture again, and it is made to fit."
    short, long = sorted((width, height))
    if short < bounds.min_side:
        return f"The picture is {_size((width, height))} pixels. Each side needs at least {bounds.min_side}."
    if long > bounds.ratio * short:
        times = -(-100 * long // short) / 100  # rounded up, so that it never reads like the limit itself
        return (
            f"The picture is too {'narrow' if height > width else 'wide'}: its long side may be at most "
            f"{bounds.ratio:g} times the short one; this one is {times:g}."
        )
    return ""


def turn_upright(picture: Pillow.Image) -> None:
    """Turn it as its camera was held."""
    with suppress(Exception):  # broken metadata fail in any way, mostly when Pillow writes them back after turning
        ImageOps.exif_transpose(picture, in_place=True)


def webp(picture: Pillow.Image, width: int) -> bytes:
    """A small copy."""
    copy = picture.copy()
    copy.thumbnail((width, width * 4), Pillow.Resampling.LANCZOS)
    content = BytesIO()
    copy.save(content, "WEBP", quality=THUMBNAIL_QUALITY, method=4)
    return content.getvalue()


# In -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Arrived:
    """A picture as `_plain` leaves it; `size` is what it had before anything was done to it."""

    picture: Pillow.Image
    size: tuple[int, int]
    lossless: bool


def _open(content: bytes) -> _Arrived:
    if refusal := _known_by_signature(content):
        raise BadPicture(refusal)
    try:
        with Pillow.open(BytesIO(content), formats=FORMATS) as picture:
            size = picture.size
            _decode(picture)
        lying = picture.size
        turn_upright(picture)
        upright = size if picture.size == lying else size[::-1]
        return _Arrived(_plain(picture), upright, lossless=picture.format == "PNG")
    except BadPicture:
        raise
    except UnidentifiedImageError:
        raise BadPicture("This is no picture that can be used. Choose a PNG, JPEG, WebP or AVIF file.") from None
    except TOO_LARGE:
        raise BadPicture(_too_many(Pillow.MAX_IMAGE_PIXELS or MOST_PIXELS)) from None
    except Exception as error:  # noqa: BLE001 - Pillow's readers raise anything for a broken file
        log.info("A picture could not be read: %r", error)
        raise BadPicture("The file is damaged or incomplete. Export the picture again and choose that file.") from None


def _known_by_signature(content: bytes) -> str:
    """What to say of a file that Pillow would not be asked to open."""
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "This is a GIF. Choose a still picture: PNG, JPEG, WebP or AVIF."
    brands = content[8:40]
    if content[4:8] == b"ftyp" and b"avi" not in brands and any(brand in brands for brand in HEIC_BRANDS):
        return (
            "This is a HEIC photo, which no provider takes. Export it as JPEG and choose that file. "
            "On an iPhone: Settings › Camera › Formats › Most Compatible."
        )
    return "" if content else "The file is empty. Choose another one."


def _decode(picture: Pillow.Image) -> None:
    is_jpeg, (width, height) = picture.format in JPEGS, picture.size
    if getattr(picture, "n_frames", 1) != 1 and not is_jpeg:
        raise BadPicture("This is an animation. Choose a still picture.")
    if width * height > MOST_PIXELS:
        if not is_jpeg:
            raise BadPicture(_too_many(MOST_PIXELS))
        picture.draft(picture.mode, (width // 2, height // 2))
    picture.load()


def _plain(picture: Pillow.Image) -> Pillow.Image:
    """The same as 8-bit RGB, or RGBA where something of it is transparent, in sRGB and without any metadata."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I"):  # 16 bits of grey; converting alone would cut off what is above 255
        picture = picture.point(lambda value: value / 257).convert("L")
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
    elif picture.mode in ("P", "1"):
        picture = picture.convert("RGB")
    if profile:
        picture = _in_srgb(picture, profile)
    opaque = picture.mode != "RGBA" or picture.getchannel("A").getextrema() == (255, 255)
    if opaque and picture.mode != "RGB":
        picture = picture.convert("RGB")
    picture.info.clear()  # Pillow writes some of it
    return picture


def _in_srgb(picture: Pillow.Image, profile: bytes) -> Pillow.Image:
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        theirs, ours = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, theirs, ours, outputMode=mode) or picture
    except (ImageCms.PyCMSError, OSError):
        return picture  # a broken profile says nothing


# Out ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Attempt:
    """One form in which a picture could be written."""

    picture: Pillow.Image
    form: str
    quality: int = QUALITIES[0]

    @property
    def media_type(self) -> str:
        return f"image/{self.form.lower()}"

    def encoded(self, most: int) -> bytes:
        """The file, or nothing where it would be larger than `most` bytes."""
        file = _Capped(most)
        try:
            self.picture.save(file, self.form, quality=self.quality, subsampling=0)
        except _Full:
            return b""
        return file.getvalue()


def _attempts(picture: Pillow.Image, bounds: PictureBounds, *, lossless: bool) -> Iterator[_Attempt]:
    """Best first."""
    if lossless or picture.mode == "RGBA":
        yield _Attempt(picture, "PNG")
    flat = _on_white(picture)
    for quality in QUALITIES:
        yield _Attempt(flat, "JPEG", quality)
    while min(size := _smaller(flat.size)) >= bounds.min_side:
        flat = flat.resize(size, Pillow.Resampling.LANCZOS)
        yield _Attempt(flat, "JPEG", QUALITIES[-1])


def _on_white(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode == "RGB":
        return picture
    flat = Pillow.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture)
    return flat


def _smaller(size: tuple[int, int]) -> tuple[int, int]:
    """Rounded so that a picture never becomes narrower than it was."""
    short, long = sorted(size)
    less = int(short * STEP)
    sides = less, long * less // short
    return sides if size[0] == short else sides[::-1]


class _Full(Exception):
    """The file has reached its cap."""


class _Capped(BytesIO):
    """Stops an encoder as soon as it has written too much."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(data) > self.most:
            raise _Full
        return super().write(data)


# In words -------------------------------------------------------------------------------------------------------------


def _said(arrived: _Arrived, attempt: _Attempt, bounds: PictureBounds) -> str:
    size, transparent = attempt.picture.size, arrived.picture.mode == "RGBA"
    turned_jpeg = attempt.form == "JPEG" and (arrived.lossless or transparent)
    tight = turned_jpeg or attempt.quality < QUALITIES[0]
    changes = ["saved as JPEG"] if turned_jpeg else []
    if size != arrived.size:
        changes.append(f"made smaller: {_size(arrived.size)} → {_size(size)}")
    elif tight and not changes:
        changes.append("compressed more strongly")
    if not changes:
        return ""
    reason = f"the provider takes at most {_megabytes(bounds)}" if tight else _at_most(MOST_PIXELS)
    sentence = f"{' and '.join(changes)}, because {reason}."
    white = " What was transparent is white now." if turned_jpeg and transparent else ""
    return sentence[0].upper() + sentence[1:] + white


def _at_most(most: int) -> str:
    return f"a reference has at most {most // 10**6} million pixels"


def _too_many(most: int) -> str:
    return f"The picture is too large: {_at_most(most)}. Make it smaller, then choose it again."


def _megabytes(bounds: PictureBounds) -> str:
    return f"{bounds.max_bytes / 2**20:.3g} MB"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,}"
