"""What Kling allows in the body of POST /v1/images/editing/expand ("Outpainting").

Where the document is silent: a reference that is an address counts as a square of 1024 pixels, because the sandbox
fetches nothing; a canvas larger than a 4k picture is made smaller in its own shape.
"""

import math

from klingweb.sandbox import fields, kling_fields
from klingweb.sandbox.fields import require
from klingweb.sandbox.kling_fields import MOST_LETTERS, Body, wish_for
from klingweb.sandbox.playing import Wish

UNITS = 8
"""Image units per picture."""
MOST_AREA = 3
"""The new picture's area ÷ the old one's."""
ROUNDING = 1e-9
USUAL_SIZE = (1024, 1024)
MOST_PIXELS = 4096**2
RATIOS = ("up_expansion_ratio", "down_expansion_ratio", "left_expansion_ratio", "right_expansion_ratio")
FIELDS: dict[str, fields.Check] = {
    "image": kling_fields.image,
    **dict.fromkeys(RATIOS, fields.number(0, 2)),
    "prompt": fields.text(most=MOST_LETTERS),
    **kling_fields.COMMON,
}


def read(body: Body) -> Wish:
    """Understand a body. Raises WrongValueError whose text names the field."""
    fields.check_all(body, FIELDS, required=("image", *RATIOS))
    up, down, left, right = (body[name] for name in RATIOS)
    wider, higher = 1 + left + right, 1 + up + down
    bound = MOST_AREA * (1 + ROUNDING)
    require(wider * higher <= bound, f"expansion ratios must not make the area larger than {MOST_AREA} times")
    width, height = kling_fields.reference_size(body["image"]) or USUAL_SIZE
    return wish_for(body, size=_canvas(width * wider, height * higher), units=UNITS, pictures=body.get("n", 1))


def _canvas(width: float, height: float) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(MOST_PIXELS / (width * height)))
    return round(width * scale), round(height * scale)
