"""What apimodels.app allows in the body of POST /images/generations, which it routes by `model`.

Fields, enumerations, ranges and prices: its page "Kling Image API". Which model makes pictures from pictures is read
from the table of models: kling-v2, kling-v3-image and kling-image-o1, and kling-v2-new for style transfer alone.

Where the page is silent: `image_reference` and the strengths need a picture; either resolution is fine with every
model; several pictures for kling-image-o1 go as `image_urls`, which is how other models of this relay take them, ten at
most. Unknown fields are refused, because it finds mistakes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from klingweb.sandbox import fields
from klingweb.sandbox.fields import Check, require

Body = dict[str, Any]

MULTI_IMAGE, EXPAND = "kling-multi-image", "kling-expand"
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
MOST_LETTERS = 2500
MOST_SUBJECTS = 4
MOST_PICTURES = 10
LARGEST_AREA = 3
"""How many times as large as its source an expanded picture may be."""
EDGES = ("up_expansion_ratio", "down_expansion_ratio", "left_expansion_ratio", "right_expansion_ratio")


@dataclass(frozen=True)
class Model:
    """What a model makes, by its prices in thousandths of a credit for each picture; None for what it does not make."""

    from_text: int | None = None
    from_picture: int | None = None
    takes_several: bool = False


MODELS = {
    "kling-v2": Model(from_text=76, from_picture=151),
    "kling-v2-new": Model(from_picture=151),
    "kling-v2-1": Model(from_text=76),
    "kling-v3-image": Model(from_text=151, from_picture=151),
    "kling-image-o1": Model(from_text=1800, from_picture=1800, takes_several=True),
}
MULTI_IMAGE_PRICE = 302
EXPAND_PRICE = 151


class InvalidModelError(LookupError):
    """The page knows no model of this name."""


@dataclass(frozen=True)
class Order:
    """A body that is allowed, with defaults filled in; nobody has looked yet whether its pictures exist."""

    asked: Body
    references: dict[str, str]
    """The addresses of pictures by what they are called in an error."""
    price: int
    """Of all pictures, thousandths of a credit."""
    shaped_by: str = ""
    """The reference whose shape the pictures take; else aspect_ratio tells it."""
    growth: tuple[float, float] = (1, 1)
    """How many times as wide and as high as that reference they are."""


SHARED: dict[str, Check] = {
    "model": fields.text(),
    "prompt": fields.text(most=MOST_LETTERS),
    "n": fields.whole(1, 9),
    "callback_url": fields.address,
}
GENERATION: dict[str, Check] = SHARED | {
    "image_url": fields.text(least=1),
    "image_urls": fields.several(fields.text(least=1), least=1, most=MOST_PICTURES),
    "negative_prompt": fields.text(most=MOST_LETTERS),
    "image_reference": fields.choice(("subject", "face")),
    "image_fidelity": fields.number(0, 1),
    "human_fidelity": fields.number(0, 1),
    "resolution": fields.choice(("1k", "2k")),
    "aspect_ratio": fields.choice(RATIOS),
}
MULTIPLE: dict[str, Check] = SHARED | {
    "multi_model_name": fields.choice(("kling-v2", "kling-v2-1")),
    "subject_image_list": fields.several(fields.shape(subject_image=fields.text(least=1)), least=1, most=MOST_SUBJECTS),
    "scene_image": fields.text(least=1),
    "style_image": fields.text(least=1),
    "aspect_ratio": fields.choice(RATIOS),
}
EXPANSION: dict[str, Check] = SHARED | {
    "image_url": fields.text(least=1),
    **dict.fromkeys(EDGES, fields.number(0, 2)),
}
DEFAULTS: Body = {"prompt": "", "n": 1, "aspect_ratio": "16:9", "resolution": "1k"}


def read(body: Body) -> Order:
    """Understand a body. Raises WrongValueError whose text names the field, or InvalidModelError."""
    require("model" in body, "model is required")
    model = body["model"]
    require(isinstance(model, str), "model must be a string")
    reader = READERS.get(model) or (_read_generation if model in MODELS else None)
    if reader is None:
        raise InvalidModelError(f"Invalid model: {model}")
    return reader(body)


def _read_generation(body: Body) -> Order:
    fields.check_all(body, GENERATION)
    model = MODELS[body["model"]]
    references = _pictures(body)
    for rule in RULES:
        rule(body, model, references)
    price = model.from_picture if references else model.from_text
    asked = DEFAULTS | body
    return Order(asked, references, price=(price or 0) * asked["n"], shaped_by=next(iter(references), ""))


def _read_multiple(body: Body) -> Order:
    fields.check_all(body, MULTIPLE, required=("subject_image_list",))
    subjects = enumerate(body["subject_image_list"])
    references = {f"subject_image_list[{number}]": subject["subject_image"] for number, subject in subjects}
    references |= {name: body[name] for name in ("scene_image", "style_image") if name in body}
    asked = DEFAULTS | body
    return Order(asked, references, price=MULTI_IMAGE_PRICE * asked["n"])


def _read_expansion(body: Body) -> Order:
    fields.check_all(body, EXPANSION, required=("image_url", *EDGES))
    up, down, left, right = (float(body[edge]) for edge in EDGES)
    growth = 1 + left + right, 1 + up + down
    require(growth[0] * growth[1] <= LARGEST_AREA, "total expansion area must not exceed 3x the original")
    asked = DEFAULTS | body
    references = {"image_url": body["image_url"]}
    return Order(asked, references, price=EXPAND_PRICE * asked["n"], shaped_by="image_url", growth=growth)


READERS: Mapping[str, Callable[[Body], Order]] = {MULTI_IMAGE: _read_multiple, EXPAND: _read_expansion}


def _pictures(body: Body) -> dict[str, str]:
    one = {"image_url": body["image_url"]} if "image_url" in body else {}
    return one | {f"image_urls[{number}]": url for number, url in enumerate(body.get("image_urls", []))}


# Rules between fields -------------------------------------------------------------------------------------------------


def _model_fits(body: Body, model: Model, references: Mapping[str, str]) -> None:
    name = body["model"]
    require("image_urls" not in body or model.takes_several, f"image_urls is not supported by {name}")
    require(not references or model.from_picture, f"image_url is not supported by {name}")
    require(references or model.from_text, f"image_url is required by {name}")


def _text_needs_a_prompt(body: Body, _model: Model, references: Mapping[str, str]) -> None:
    require(references or str(body.get("prompt", "")).strip(), "prompt is required")


def _references_need_a_picture(body: Body, _model: Model, references: Mapping[str, str]) -> None:
    for name in ("image_reference", "image_fidelity", "human_fidelity"):
        require(name not in body or references, f"{name} requires image_url")


RULES = (_model_fits, _text_needs_a_prompt, _references_need_a_picture)
