"""Finding faces without looking: the width of a picture tells how many there are, so that a test can choose.

A picture 404 pixels wide shows nobody, one 333 pixels wide three people side by side, any other one person.
"""

import io
from dataclasses import dataclass

from PIL import Image

FACES_BY_WIDTH = {404: 0, 333: 3}
USUAL_FACES = 1


@dataclass(frozen=True)
class Bound:
    """Where a face is, pixels from the upper left corner; the names are those of `face_bound`."""

    x: int
    y: int
    width: int
    height: int


def faces_in(width: int, height: int) -> list[Bound]:
    """The faces in a picture of this size, from left to right."""
    count = FACES_BY_WIDTH.get(width, USUAL_FACES)
    column = width // max(1, count)
    return [
        Bound(x=number * column + column // 4, y=height // 6, width=column // 2, height=height // 2)
        for number in range(count)
    ]


def crop(content: bytes, number: int) -> bytes | None:
    """A face of this picture as JPEG, counted from 0; None when there is none of this number."""
    with Image.open(io.BytesIO(content)) as image:
        found = faces_in(*image.size)
        if number >= len(found):
            return None
        bound = found[number]
        face = image.crop((bound.x, bound.y, bound.x + bound.width, bound.y + bound.height))
    file = io.BytesIO()
    face.convert("RGB").save(file, "JPEG")
    return file.getvalue()
