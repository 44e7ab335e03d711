"""What Kling allows in the body of POST /v1/images/multi-image2image ("Multi-Image to Image").

The document lists kling-v2-1 alone; kling-v2, retired on 15 September 2026, could do it before (capability map of
December 2025) and is known. The document's own example sends an empty `negative_prompt`, which its table of fields does
not have: it is refused.
"""

from klingweb.sandbox import fields, kling_fields
from klingweb.sandbox.kling_fields import MOST_LETTERS, RATIOS, Body, known_model, shape_of, wish_for
from klingweb.sandbox.pictures import size_for
from klingweb.sandbox.playing import Wish

MODELS = {"kling-v2-1": 16, "kling-v2": 16}
"""Image units per picture; the price of kling-v2 is not known and taken as kling-v2-1's."""
MOST_SUBJECTS = 4
RESOLUTION = "1k"
"""There is no choice of one."""
DEFAULTS: Body = {"model_name": "kling-v2-1", "n": 1, "aspect_ratio": "16:9"}
FIELDS: dict[str, fields.Check] = {
    "model_name": fields.text(),
    "prompt": fields.text(most=MOST_LETTERS),
    "subject_image_list": fields.several(fields.shape(subject_image=kling_fields.image), most=MOST_SUBJECTS, least=1),
    "scene_image": fields.empty_or(kling_fields.image),
    "style_image": fields.empty_or(kling_fields.image),
    "aspect_ratio": fields.choice(RATIOS),
    **kling_fields.COMMON,
}


def read(body: Body) -> Wish:
    """Understand a body. Raises WrongValueError whose text names the field, or UnknownModelError."""
    fields.check_all(body, FIELDS, required=("subject_image_list",))
    asked = DEFAULTS | body
    size = size_for(RESOLUTION, shape_of(asked["aspect_ratio"]))
    return wish_for(asked, size=size, units=known_model(MODELS, asked), pictures=asked["n"])
