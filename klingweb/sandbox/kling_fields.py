"""What the bodies of all of Kling's image endpoints share: single fields, reference pictures, the wish they come to.

Stricter than Kling on purpose, because it finds mistakes: unknown fields are refused, and so is the old field `model`,
which Kling ignores.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from klingweb.sandbox import fields
from klingweb.sandbox.playing import Wish
from klingweb.sandbox.references import Limits, UnreadableError, read_size

Body = dict[str, Any]
M = TypeVar("M")

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
MOST_LETTERS = 2500
MOST_REFERENCES = 10
"""Elements and reference pictures together."""
IMAGE_LIMITS = Limits(most_bytes=10 * 1024 * 1024, shortest_side=300, longest_ratio=2.5, formats=("PNG", "JPEG"))


class UnknownModelError(LookupError):
    """The document knows no model of this name."""


def image(value: object) -> None:
    """A reference picture: an http(s) URL, or base64 of a picture that Kling takes."""
    reference_size(fields.as_text(value))


def reference_size(reference: str) -> tuple[int, int] | None:
    """Width and height of a reference, pixels; None for an address, because the sandbox fetches nothing."""
    if fields.is_address(reference):
        return None
    try:
        return read_size(reference, IMAGE_LIMITS)
    except UnreadableError as error:
        raise fields.WrongValueError(str(error)) from error


ELEMENTS = fields.several(fields.shape(element_id=fields.whole(1, 2**63 - 1)), most=MOST_REFERENCES)
COMMON: dict[str, fields.Check] = {
    "n": fields.whole(1, 9),
    "watermark_info": fields.shape(enabled=fields.flag),
    "callback_url": fields.empty_or(fields.address),
    "external_task_id": fields.text(),
}
"""Fields of every endpoint."""


def known_model(models: Mapping[str, M], asked: Body) -> M:
    """The model that a body names. Raises UnknownModelError."""
    try:
        return models[asked["model_name"]]
    except KeyError as error:
        raise UnknownModelError(f"model_name {asked['model_name']!r} does not exist") from error


def shape_of(aspect_ratio: str) -> float:
    """Width ÷ height."""
    width, height = map(int, aspect_ratio.split(":"))
    return width / height


def wish_for(asked: Body, *, size: tuple[int, int], units: int, pictures: int, **details: object) -> Wish:
    """What a body comes to, defaults filled in; size in pixels, units for one picture."""
    return Wish(
        prompt=asked.get("prompt", ""),
        pictures=pictures,
        size=size,
        units=units * pictures,
        slots=pictures,  # an image task takes n places ("Concurrency")
        marked=asked.get("watermark_info", {}).get("enabled", False),
        external_id=asked.get("external_task_id", ""),
        callback=asked.get("callback_url", ""),
        details=details,
    )
