"""What Kling allows in the body of POST /v1/images/omni-image.

Fields, enumerations, ranges and defaults: "Image Generation" of Kling's O1 pages. What each model can do: the
capability map of 19 May 2026. Where they are silent: a citation of a picture that is not there is refused; "auto" gives
the first picture's shape, else 16:9; kling-v3-omni refuses "auto" for text alone only if it was asked for, as it is the
default, too; a series of "auto" pictures has four.
"""

import re
from dataclasses import dataclass

from klingweb.sandbox import fields, kling_fields
from klingweb.sandbox.fields import require
from klingweb.sandbox.kling_fields import MOST_LETTERS, MOST_REFERENCES, RATIOS, Body, known_model, shape_of, wish_for
from klingweb.sandbox.pictures import size_for
from klingweb.sandbox.playing import Wish

AUTO = "auto"
AUTO_RATIO, AUTO_AMOUNT = "16:9", 4
CITATION = re.compile(r"<<<image_(\d+)>>>")
UNITS = {"1k": 8, "2k": 8, "4k": 16}
"""Image units per picture."""
DEFAULTS: Body = {
    "model_name": "kling-image-o1",
    "image_list": [],
    "element_list": [],
    "resolution": "1k",
    "result_type": "single",
    "n": 1,
    "series_amount": 4,
    "aspect_ratio": AUTO,
}
FIELDS: dict[str, fields.Check] = {
    "model_name": fields.text(),
    "prompt": fields.text(least=1, most=MOST_LETTERS),
    "image_list": fields.several(fields.shape(image=kling_fields.image), most=MOST_REFERENCES),
    "element_list": kling_fields.ELEMENTS,
    "resolution": fields.choice(tuple(UNITS)),
    "result_type": fields.choice(("single", "series")),
    "series_amount": fields.word_or(AUTO, fields.whole(2, 9)),
    "aspect_ratio": fields.choice((*RATIOS, AUTO)),
    **kling_fields.COMMON,
}


@dataclass(frozen=True)
class Model:
    """What one model can do."""

    resolutions: tuple[str, ...]
    series: bool
    auto_from_text: bool


MODELS = {
    "kling-image-o1": Model(("1k", "2k"), series=False, auto_from_text=True),
    "kling-v3-omni": Model(("1k", "2k", "4k"), series=True, auto_from_text=False),
}


def read(body: Body) -> Wish:
    """Understand a body. Raises WrongValueError whose text names the field, or UnknownModelError."""
    fields.check_all(body, FIELDS, required=("prompt",))
    asked = DEFAULTS | body
    model = known_model(MODELS, asked)
    _check_references(asked)
    _check_model(asked, model)
    _check_ratio(body, asked, model)
    return wish_for(
        asked,
        size=size_for(asked["resolution"], _ratio(asked)),
        units=UNITS[asked["resolution"]],
        pictures=_amount(asked),
        result_type=asked["result_type"],
    )


def _check_references(asked: Body) -> None:
    images = len(asked["image_list"])
    together = images + len(asked["element_list"])
    require(together <= MOST_REFERENCES, f"element_list and image_list must not exceed {MOST_REFERENCES} together")
    for number in CITATION.findall(asked["prompt"]):
        require(1 <= int(number[:20]) <= images, f"prompt cites image_{number}, which image_list does not have")


def _check_model(asked: Body, model: Model) -> None:
    name, resolution = asked["model_name"], asked["resolution"]
    require(resolution in model.resolutions, f"resolution value '{resolution}' is not supported by {name}")
    series = asked["result_type"] == "series"
    require(model.series or not series, f"result_type value 'series' is not supported by {name}")


def _check_ratio(body: Body, asked: Body, model: Model) -> None:
    pure_text = not asked["image_list"] and not asked["element_list"]
    refused = body.get("aspect_ratio") == AUTO and pure_text and not model.auto_from_text
    require(not refused, f"aspect_ratio value 'auto' is not supported by {asked['model_name']} for text alone")


def _amount(asked: Body) -> int:
    """How many pictures: each kind of result has a field of its own, and the other's is ignored."""
    if asked["result_type"] == "single":
        single: int = asked["n"]
        return single
    return AUTO_AMOUNT if asked["series_amount"] == AUTO else int(asked["series_amount"])


def _ratio(asked: Body) -> float:
    if asked["aspect_ratio"] != AUTO:
        return shape_of(asked["aspect_ratio"])
    size = kling_fields.reference_size(asked["image_list"][0]["image"]) if asked["image_list"] else None
    return size[0] / size[1] if size else shape_of(AUTO_RATIO)
