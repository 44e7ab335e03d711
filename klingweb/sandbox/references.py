"""Reading a reference picture that came as base64."""

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image


class UnreadableError(ValueError):
    """The picture cannot be used. The text says why and follows the name of the field."""


@dataclass(frozen=True)
class Limits:
    """What a provider asks of a reference: bytes, pixels of each side, longer side ÷ shorter side, Pillow's formats."""

    most_bytes: int
    shortest_side: int
    longest_ratio: float
    formats: tuple[str, ...]


def read_size(encoded: str, limits: Limits) -> tuple[int, int]:
    """Width and height of the picture, pixels. Raises UnreadableError when it is not what the limits ask for."""
    return measure(_decoded(encoded), limits)


def measure(content: bytes, limits: Limits) -> tuple[int, int]:
    """The same for a picture that came as it is."""
    if len(content) > limits.most_bytes:
        raise UnreadableError(f"must not be larger than {limits.most_bytes} bytes")
    width, height = _measured(content, limits.formats)
    if min(width, height) < limits.shortest_side:
        raise UnreadableError(f"must be at least {limits.shortest_side}px on each side, is {width}x{height}")
    if max(width, height) > limits.longest_ratio * min(width, height):
        raise UnreadableError(f"aspect ratio must be within 1:{limits.longest_ratio:g} and {limits.longest_ratio:g}:1")
    return width, height


def _decoded(encoded: str) -> bytes:
    if encoded.startswith("data:"):
        raise UnreadableError("must be base64 without a data: prefix")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableError("is neither an http(s) URL nor valid base64") from error


def _measured(content: bytes, formats: tuple[str, ...]) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            size = image.size
            image.verify()
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(f"is not a readable {' or '.join(formats)} picture") from error
    return size
