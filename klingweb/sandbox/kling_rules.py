"""What Kling allows in the body of POST /v1/images/generations.

Fields, enumerations, ranges and defaults: "Image Generation", Request Body, of Kling's API document (the page lists
kling-v1 … kling-v3, default kling-v1). What each model can do: Kling's capability map of 19 May 2026 for kling-v2-1 and
kling-v3, the map of December 2025 for the older ones, which were retired on 15 September 2026 but are in the document.
"""

from dataclasses import dataclass

from klingweb.sandbox import fields, kling_fields
from klingweb.sandbox.fields import require
from klingweb.sandbox.kling_fields import MOST_LETTERS, MOST_REFERENCES, RATIOS, Body, known_model, wish_for
from klingweb.sandbox.pictures import size_for
from klingweb.sandbox.playing import Wish

RESOLUTIONS = ("1k", "2k")
REFERENCE_TYPES = ("subject", "face")
DEFAULTS: Body = {"model_name": "kling-v1", "resolution": "1k", "n": 1, "aspect_ratio": "16:9"}


@dataclass(frozen=True)
class Model:
    """What one model can do. Prices in image units per picture, $0.0035 each (Kling's price list)."""

    resolutions: tuple[str, ...]
    """From text alone."""
    image_resolutions: tuple[str, ...]
    """With a reference image."""
    ratios: tuple[str, ...] = RATIOS
    from_text: bool = True
    reference_types: tuple[str, ...] = ()
    needs_reference_type: bool = False
    strengths: tuple[str, ...] = ()
    """Of image_fidelity and human_fidelity, those that it takes."""
    elements: bool = False
    text_units: int = 4
    image_units: int = 8


# Sources disagree on the strengths: the document gives them to kling-v1 and kling-v1-5, a later page of Kling's to
# kling-v2-1. Each is believed. Prices of the retired models are not known; they are taken as kling-v2-1's.
MODELS: dict[str, Model] = {
    "kling-v1": Model(("1k",), ("1k",), ratios=RATIOS[:-1], strengths=("image_fidelity",)),
    "kling-v1-5": Model(
        ("1k",),
        ("1k",),
        reference_types=REFERENCE_TYPES,
        needs_reference_type=True,  # the document, image_reference
        strengths=("image_fidelity", "human_fidelity"),
    ),
    "kling-v2": Model(("1k", "2k"), ("1k", "2k")),
    "kling-v2-new": Model(("1k",), ("1k",), from_text=False),  # restyles a picture, nothing else
    "kling-v2-1": Model(
        ("1k", "2k"),
        ("1k",),  # 2k with a reference is refused, which no page says (measured by a user, July and August 2026)
        reference_types=REFERENCE_TYPES,
        strengths=("image_fidelity", "human_fidelity"),
    ),
    "kling-v3": Model(("1k", "2k"), ("1k", "2k"), elements=True, text_units=8),
}


FIELDS: dict[str, fields.Check] = {
    "model_name": fields.text(),
    "prompt": fields.text(least=1, most=MOST_LETTERS),
    "negative_prompt": fields.text(most=MOST_LETTERS),
    "image": fields.empty_or(kling_fields.image),
    "image_reference": fields.choice(REFERENCE_TYPES),
    "image_fidelity": fields.number(0, 1),
    "human_fidelity": fields.number(0, 1),
    "element_list": kling_fields.ELEMENTS,
    "resolution": fields.choice(RESOLUTIONS),
    "aspect_ratio": fields.choice(RATIOS),
    **kling_fields.COMMON,
}


def read(body: Body) -> Wish:
    """Understand a body. Raises WrongValueError whose text names the field, or UnknownModelError."""
    fields.check_all(body, FIELDS, required=("prompt",))
    asked = DEFAULTS | body
    model = known_model(MODELS, asked)
    for rule in RULES:
        rule(asked, model)
    units = model.image_units if asked.get("image") else model.text_units
    return wish_for(asked, size=size_for(asked["resolution"], _ratio(asked)), units=units, pictures=asked["n"])


# Rules between fields -------------------------------------------------------------------------------------------------


def _image_excludes_negative_prompt(asked: Body, _model: Model) -> None:
    conflict = asked.get("image") and asked.get("negative_prompt")
    require(not conflict, "negative_prompt is not supported when image is given")


def _model_may_need_image(asked: Body, model: Model) -> None:
    require(model.from_text or asked.get("image"), f"image is required by {asked['model_name']}")


def _resolution_fits_model(asked: Body, model: Model) -> None:
    allowed = model.image_resolutions if asked.get("image") else model.resolutions
    require(asked["resolution"] in allowed, f"resolution value '{asked['resolution']}' is not supported")


def _ratio_fits_model(asked: Body, model: Model) -> None:
    require(asked["aspect_ratio"] in model.ratios, f"aspect_ratio value '{asked['aspect_ratio']}' is not supported")


def _reference_type_fits(asked: Body, model: Model) -> None:
    kind, image = asked.get("image_reference"), asked.get("image")
    require(kind is None or image, "image is required when image_reference is given")
    require(kind is None or kind in model.reference_types, f"image_reference is not supported by {asked['model_name']}")
    missing = model.needs_reference_type and image and kind is None
    require(not missing, f"image_reference is required by {asked['model_name']} when image is given")


def _strengths_fit(asked: Body, model: Model) -> None:
    for name in ("image_fidelity", "human_fidelity"):
        given = name in asked
        require(not given or name in model.strengths, f"{name} is not supported by {asked['model_name']}")
        require(not given or asked.get("image"), f"{name} needs image")
    subject = asked.get("image_reference") == "subject"
    require("human_fidelity" not in asked or subject, "human_fidelity needs image_reference subject")


def _elements_fit(asked: Body, model: Model) -> None:
    elements = asked.get("element_list", [])
    require(not elements or model.elements, f"element_list is not supported by {asked['model_name']}")
    together = len(elements) + bool(asked.get("image"))
    require(together <= MOST_REFERENCES, f"element_list and image must not exceed {MOST_REFERENCES} together")


RULES = (
    _image_excludes_negative_prompt,
    _model_may_need_image,
    _resolution_fits_model,
    _ratio_fits_model,
    _reference_type_fits,
    _strengths_fit,
    _elements_fit,
)


# The shape of the pictures --------------------------------------------------------------------------------------------


def _ratio(asked: Body) -> float:
    """Width ÷ height. With a reference image the shape follows it, whatever aspect_ratio says (measured, July 2026)."""
    size = kling_fields.reference_size(asked["image"]) if asked.get("image") else None
    return size[0] / size[1] if size else kling_fields.shape_of(asked["aspect_ratio"])
