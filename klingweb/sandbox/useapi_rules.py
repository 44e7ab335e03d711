"""What useapi.net allows in the bodies of POST /images/kolors and POST /images/kolors-elements.

Fields, ranges and defaults: its pages of 1 October 2025, and for KOLORS that of 9 February 2026, which adds `version`
(kling-v3-0 by default), `resolution` and `image_1` … `image_10`. `reference` and what belongs to it are the older
page's, hence of kling-v2-1. Versions before that are "retired, still accepted": as kling-v2-1 here.

Where the pages are silent: `reference` "none" is fine with every version, since it asks for nothing; images may have
gaps in their numbers; a picture cited twice is one picture. Unknown fields are refused, because it finds mistakes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from klingweb.sandbox import fields
from klingweb.sandbox.fields import Check, require

Body = dict[str, Any]

V3, V21 = "kling-v3-0", "kling-v2-1"
OLD_VERSIONS = ("kling-v1-5", "kling-v1-6", "kling-v2-0")
RATIOS = ("1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9")
AUTO = "auto"
REFERENCES = ("none", "subject", "face", "restyle")
MOST_LETTERS = 2500
IMAGES = tuple(f"image_{number}" for number in range(1, 11))
CITATION = re.compile(r"@(image_\d+)")
SUBJECTS = tuple(f"subjectImage{number}" for number in range(1, 5))
ELEMENTS = (*SUBJECTS, "sceneImage", "styleImage")
FEWEST_ELEMENTS = 2
WHOLE_NUMBERS = ("imageCount", "faceStrength", "subjectStrength", "faceNo", "maxJobs")
"""What a form sends as digits and JSON as a number."""

OWN_ARGUMENTS = {
    "none": (),
    "subject": ("imageReference", "faceStrength", "subjectStrength"),
    "face": ("imageReference", "faceStrength", "faceNo"),
    "restyle": ("imageReference",),
}
"""What each reference type takes besides the fields that all share."""
OF_REFERENCES = ("imageReference", "faceStrength", "subjectStrength", "faceNo")
KOLORS_VERSIONS = {"none": "2.1", "subject": "1.5", "face": "1.5", "restyle": "2.0"}
POINTS = {V3: 200, V21: 100}
ELEMENTS_POINTS = 100
"""Hundredths of a credit for each picture. No page tells them; these are the sandbox's own."""


@dataclass(frozen=True)
class Order:
    """A body that is allowed, with defaults filled in; nobody has looked yet whether its references exist."""

    type: str
    """Kling's name for the kind of task."""
    asked: Body
    references: dict[str, str]
    """The addresses of pictures by the name of their field."""
    points: int
    """The price of all pictures."""
    resolution: str
    shaped_by: str = ""
    """The reference whose shape the pictures take; else aspect_ratio tells it."""
    arguments: tuple[tuple[str, str], ...] = ()
    """What the answer tells of it in `taskInfo.arguments` besides what all tasks have."""

    @property
    def face(self) -> int | None:
        """Which face of imageReference is meant, counted from 1."""
        return int(self.asked["faceNo"]) if self.asked.get("reference") == "face" else None


SHARED: dict[str, Check] = {
    "email": fields.text(least=1),
    "imageCount": fields.whole(1, 9),
    "maxJobs": fields.whole(1, 50),
    "replyUrl": fields.address,
    "replyRef": fields.text(),
}
KOLORS: dict[str, Check] = SHARED | {
    "prompt": fields.text(least=1, most=MOST_LETTERS),
    "version": fields.choice((V3, V21, *OLD_VERSIONS)),
    "resolution": fields.choice(("1k", "2k")),
    "aspect_ratio": fields.choice((*RATIOS, AUTO)),
    "reference": fields.choice(REFERENCES),
    "imageReference": fields.address,
    "faceStrength": fields.whole(1, 100),
    "subjectStrength": fields.whole(1, 100),
    "faceNo": fields.whole(1, 2**31 - 1),
    **dict.fromkeys(IMAGES, fields.address),
}
KOLORS_ELEMENTS: dict[str, Check] = SHARED | {
    "prompt": fields.text(most=MOST_LETTERS),
    "aspect_ratio": fields.choice(RATIOS),
    **dict.fromkeys(ELEMENTS, fields.address),
}
DEFAULTS: Body = {"aspect_ratio": "16:9", "reference": "none", "faceStrength": 65, "subjectStrength": 50, "faceNo": 1}


def read_kolors(body: Body) -> Order:
    """Understand a body of POST /images/kolors. Raises WrongValueError with the text of the answer."""
    _require(body, "prompt")
    fields.check_all(body, KOLORS)
    is_v3 = body.get("version", V3) == V3
    for rule in V3_RULES if is_v3 else V21_RULES:
        rule(body)
    return _read_v3(body) if is_v3 else _read_v21(body)


def read_elements(body: Body) -> Order:
    """Understand a body of POST /images/kolors-elements. Raises WrongValueError with the text of the answer."""
    fields.check_all(body, KOLORS_ELEMENTS)
    references = _given(body, ELEMENTS)
    require(len(references) >= FEWEST_ELEMENTS, "At least two images must be provided")
    asked = DEFAULTS | {"prompt": "", "imageCount": 1} | body
    return Order(
        type="mmu_multi_img2img_aiweb",
        asked=asked,
        references=references,
        points=ELEMENTS_POINTS * asked["imageCount"],
        resolution="2k",
        arguments=(("kolors_version", "2.0"), ("img_resolution", "2k")),
    )


def _read_v3(body: Body) -> Order:
    asked = DEFAULTS | {"imageCount": 2, "resolution": "2k"} | body
    references = _given(body, IMAGES)
    return Order(
        type="mmu_img2img_aiweb" if references else "mmu_txt2img_aiweb",
        asked=asked,
        references=references,
        points=POINTS[V3] * asked["imageCount"],
        resolution=asked["resolution"],
        shaped_by=next(iter(references)) if asked["aspect_ratio"] == AUTO else "",
        arguments=(("kolors_version", "3.0"), ("img_resolution", asked["resolution"])),
    )


def _read_v21(body: Body) -> Order:
    asked = DEFAULTS | {"imageCount": 1} | body
    kind = asked["reference"]
    from_text = kind == "none"
    return Order(
        type="mmu_txt2img_aiweb" if from_text else "mmu_img2img_aiweb",
        asked=asked,
        references=_given(body, ("imageReference",)),
        points=POINTS[V21] * asked["imageCount"],
        resolution=asked.get("resolution", "2k") if from_text else "1k",
        shaped_by="imageReference" if kind == "restyle" else "",
        arguments=(("kolors_version", KOLORS_VERSIONS[kind]), *_strengths(asked)),
    )


def _strengths(asked: Body) -> Iterator[tuple[str, str]]:
    own = OWN_ARGUMENTS[asked["reference"]]
    if "faceStrength" in own:
        yield "fidelity", f"{asked['faceStrength'] / 100:g}"
    if "subjectStrength" in own:
        yield "subject_fidelity", f"{asked['subjectStrength'] / 100:g}"


def _given(body: Body, names: tuple[str, ...]) -> dict[str, str]:
    return {name: body[name] for name in names if name in body}


def _require(body: Body, name: str) -> None:
    require(name in body, f"Parameter {name} is required")


# Rules between fields -------------------------------------------------------------------------------------------------


def _v3_knows_no_reference_types(body: Body) -> None:
    for name in OF_REFERENCES:
        require(name not in body, f'version "{V3}" does not support {name}')
    require(body.get("reference", "none") == "none", f'version "{V3}" does not support reference')


def _auto_ratio_needs_images(body: Body) -> None:
    require(body.get("aspect_ratio") != AUTO or _given(body, IMAGES), 'aspect_ratio "auto" requires at least one image')


def _citations_have_pictures(body: Body) -> None:
    for name in CITATION.findall(body["prompt"]):
        require(name in body, f"prompt refers to @{name}, but {name} is not provided")


def _only_v3_takes_images(body: Body) -> None:
    for name in _given(body, IMAGES):
        require(False, f'version "{body["version"]}" does not support {name}')


def _reference_takes_its_own(body: Body) -> None:
    kind = body.get("reference", "none")
    for name in OF_REFERENCES:
        require(name not in body or name in OWN_ARGUMENTS[kind], f'reference "{kind}" does not support {name}')
    if kind != "none":
        _require(body, "imageReference")


def _shape_fits_reference(body: Body) -> None:
    kind = body.get("reference", "none")
    require(body.get("aspect_ratio") != AUTO, f'version "{body["version"]}" does not support aspect_ratio "auto"')
    require(kind != "restyle" or "aspect_ratio" not in body, 'reference "restyle" does not support aspect_ratio')
    require(kind == "none" or "resolution" not in body, f'reference "{kind}" does not support resolution')


V3_RULES = (_v3_knows_no_reference_types, _auto_ratio_needs_images, _citations_have_pictures)
V21_RULES = (_only_v3_takes_images, _reference_takes_its_own, _shape_fits_reference)
