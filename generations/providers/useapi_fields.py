"""The fields of useapi.net's two operations, under its own parameter names.

What they share with Kling's comes from `kling_fields`; of the two pages of "POST images/kolors" the newer one holds.
"""

from dataclasses import replace

from generations.providers.fields import (
    ALWAYS,
    AccountName,
    Choice,
    Face,
    Field,
    Ours,
    Percent,
    Picture,
    Source,
    empty,
    equals,
    filled,
)
from generations.providers.kling_fields import (
    COUNT,
    OPTIONAL_PROMPT,
    PROMPT,
    RATIOS,
    RESOLUTION,
    SCENE,
    SHAPE,
    STYLE,
    slots,
)

PAGE = Source("useapi.net: POST images/kolors, 9 February 2026", "2026-11-20")
OLD_PAGE = Source("useapi.net: POST images/kolors, 1 October 2025", "2026-11-20")
ELEMENTS_PAGE = Source("useapi.net: POST images/kolors-elements, 1 October 2025", "2026-11-20")

NO_REFERENCE = equals("reference", "none")
REFERENCE = equals("reference", "subject", "face", "restyle")
SUBJECT = equals("reference", "subject")
FACE = equals("reference", "face")
RESTYLE = equals("reference", "restyle")

WHO = AccountName(name="email", label="Account", help="Left empty, the one with most room is taken.", source=PAGE)
KIND = Choice(
    name="reference",
    label="Use a picture as",
    help="With none of these, up to ten pictures can be cited in the prompt.",
    options=("none", "subject", "face", "restyle"),
    words={"none": "None", "subject": "Subject", "face": "Face", "restyle": "New style"},
    blank="none",
    default="none",
    required=ALWAYS,
    meaning="reference",
    source=PAGE,
)
# 10 MB and 300 px are stated for POST assets; how long and narrow a picture may be, Kling alone says.
IMAGE = Picture(
    name="imageReference",
    label="Reference picture",
    required=REFERENCE,
    when=REFERENCE,
    meaning="picture",
    mark="precaution",
    source=PAGE,
)
IMAGES = tuple(replace(each, mark="precaution") for each in slots("image_{}", "Picture", 10, PAGE, when=NO_REFERENCE))
VERSION = Choice(
    name="version",
    label="Model",
    options=("kling-v3-0", "kling-v2-1", "kling-v2-0", "kling-v1-5"),
    only=(
        (RESTYLE, ("kling-v2-1", "kling-v2-0")),
        (REFERENCE, ("kling-v2-1", "kling-v1-5")),
        (filled("image_1"), ("kling-v3-0",)),
        (ALWAYS, ("kling-v3-0", "kling-v2-1")),
    ),
    default="kling-v3-0",
    required=ALWAYS,
    meaning="model",
    source=PAGE,
)
RATIO = replace(
    SHAPE,
    options=(*RATIOS, "auto"),
    words={"auto": "Automatic"},
    only=((empty("image_1"), RATIOS),),
    when=equals("reference", "none", "subject", "face"),
    source=PAGE,
)
FACE_STRENGTH = Percent(
    name="faceStrength",
    label="Closeness of the face",
    help="From 1, loose, to 100, close.",
    at_least=1,
    at_most=100,
    default=65,
    when=FACE | SUBJECT,
    meaning="face strength",
    source=PAGE,
)
SUBJECT_STRENGTH = replace(
    FACE_STRENGTH,
    name="subjectStrength",
    label="Closeness of the subject",
    default=50,
    when=SUBJECT,
    meaning="subject strength",
)
FACE_NUMBER = Face(
    name="faceNo",
    label="Which face",
    help="They are counted from 1.",
    of="imageReference",
    at_least=1,
    at_most=20,  # nobody documents a most
    default=1,
    required=FACE,
    when=FACE,
    source=PAGE,
)
OURS = (
    Ours(name="maxJobs", label="Most jobs at once", source=PAGE),
    Ours(name="replyUrl", label="Webhook", meaning="webhook", source=PAGE),
    Ours(name="replyRef", label="Our id", source=PAGE),
)
CITATION = "@image_{}"
KOLORS_FIELDS: tuple[Field, ...] = (
    WHO,
    replace(PROMPT, citation=CITATION, source=PAGE),
    KIND,
    IMAGE,
    *IMAGES,
    VERSION,
    replace(RESOLUTION, default="2k", when=NO_REFERENCE, source=PAGE),
    RATIO,
    replace(COUNT, name="imageCount", source=PAGE),
    FACE_STRENGTH,
    SUBJECT_STRENGTH,
    FACE_NUMBER,
    *OURS,
)
PARTS = tuple(
    replace(each, mark="precaution")
    for each in (
        *slots("subjectImage{}", "Subject", 4, ELEMENTS_PAGE),
        replace(SCENE, name="sceneImage"),
        replace(STYLE, name="styleImage"),
    )
)
ELEMENTS_FIELDS: tuple[Field, ...] = tuple(
    replace(each, source=ELEMENTS_PAGE)
    for each in (WHO, OPTIONAL_PROMPT, *PARTS, SHAPE, replace(COUNT, name="imageCount"), *OURS)
)
