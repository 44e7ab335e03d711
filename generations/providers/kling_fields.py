"""The fields that Kling and those who resell it share, under Kling's own parameter names, and what its models can do.

Source: Kling's pages "Image Generation", "Multi-Image to Image", "Omni Image" and "Image Expansion", read on
20 November 2026. A provider that has a field under another name or with another source replaces that.
"""

from dataclasses import replace

from generations.providers.fields import (
    ALWAYS,
    NEVER,
    Choice,
    Elements,
    Integer,
    Number,
    Picture,
    Source,
    Text,
    When,
    empty,
    equals,
    filled,
)
from generations.providers.rules import AreaWithin, AtMostTogether, Cited, NoGaps
from generations.providers.spec import Capability

PAGE = Source("Kling API: Image Generation", "2026-11-20")
MULTI_PAGE = Source("Kling API: Multi-Image to Image", "2026-11-20")
OMNI_PAGE = Source("Kling API: Omni Image", "2026-11-20")
EXPAND_PAGE = Source("Kling API: Image Expansion", "2026-11-20")
MAP = Source("Kling API: Capability map of 19 May 2026", "2026-11-20")
OLD_MAP = Source("Kling API: Capability map of December 2025", "2026-11-20")
RETIREMENT = Source("Kling's announcement for 15 September 2026", "2026-11-20")
MEASURED = Source("2k with a reference is refused: measured by a user in July and August 2026", "2026-11-20")

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
MODELS = ("kling-v3", "kling-v2-1", "kling-v2-new", "kling-v2", "kling-v1-5", "kling-v1")

MODEL = Choice(
    name="model_name",
    label="Model",
    options=MODELS,
    default="kling-v3",
    required=ALWAYS,
    meaning="model",
    source=PAGE,
)
PROMPT = Text(
    name="prompt",
    label="Prompt",
    help="What should be in the picture?",
    max_length=2500,
    required=ALWAYS,
    meaning="prompt",
    source=PAGE,
)
IMAGE = Picture(
    name="image",
    label="Reference",
    help="The new pictures take its shape.",
    required=ALWAYS,
    meaning="picture",
    source=PAGE,
)
IMAGE_REFERENCE = Choice(
    name="image_reference",
    label="Use it as",
    help="For a face, the picture must show exactly one.",
    options=("subject", "face"),
    words={"": "Whole picture", "subject": "Subject", "face": "Face"},
    required=equals("model_name", "kling-v1-5"),
    when=filled("image"),
    meaning="reference",
    source=PAGE,
)
# With a face, Kling's only strength is image_fidelity; what useapi.net calls faceStrength means the same.
IMAGE_FIDELITY = Number(
    name="image_fidelity",
    label="Closeness to the reference",
    help="From 0, loose, to 1, close. Left empty, Kling decides: 0.5.",
    at_least=0,
    at_most=1,
    step=0.05,
    when=filled("image"),
    meaning="subject strength",
    means=((equals("image_reference", "face"), "face strength"),),
    source=PAGE,
)
HUMAN_FIDELITY = Number(
    name="human_fidelity",
    label="Closeness of the face",
    help="From 0, loose, to 1, close. Left empty, Kling decides: 0.45.",
    at_least=0,
    at_most=1,
    step=0.05,
    when=equals("image_reference", "subject"),
    meaning="face strength",
    source=PAGE,
)
SHAPE = Choice(
    name="aspect_ratio",
    label="Shape",
    options=RATIOS,
    default="16:9",
    required=ALWAYS,
    when=empty("image"),
    meaning="shape",
    source=PAGE,
)
COUNT = Integer(
    name="n",
    label="Pictures",
    help="Each picture is charged by itself.",
    at_least=1,
    at_most=9,
    default=1,
    required=ALWAYS,
    meaning="count",
    source=PAGE,
)
RESOLUTION = Choice(
    name="resolution",
    label="Resolution",
    options=("1k", "2k"),
    default="1k",
    required=ALWAYS,
    meaning="resolution",
    source=PAGE,
)
NEGATIVE = Text(
    name="negative_prompt",
    label="Negative prompt",
    help="What should not be in the picture?",
    max_length=2500,
    when=empty("image"),
    meaning="negative",
    advanced=True,
    source=PAGE,
)
ELEMENTS = Elements(
    name="element_list",
    label="Elements",
    help="From Kling's element library.",
    at_most=10,
    advanced=True,
    source=PAGE,
)

# Several pictures -----------------------------------------------------------------------------------------------------

SCENE = Picture(
    name="scene_image",
    label="Scene",
    help="Where it takes place.",
    meaning="scene",
    source=MULTI_PAGE,
)
STYLE = Picture(
    name="style_image",
    label="Style",
    help="How it should look.",
    meaning="style",
    source=MULTI_PAGE,
)


def slots(
    pattern: str, label: str, count: int, source: Source, *, parameter: str = "", key: str = "", when: When = ALWAYS
) -> tuple[Picture, ...]:
    """A row of numbered slots, `{}` standing for the number; of a list where `parameter` names one.

    The first means the same as a single reference elsewhere.
    """
    return tuple(
        Picture(
            name=pattern.format(number),
            label=f"{label} {number}",
            meaning="picture" if number == 1 else f"picture {number}",
            series=pattern,
            parameter=parameter,
            key=key,
            when=when,
            source=source,
        )
        for number in range(1, count + 1)
    )


SUBJECTS = slots("subject_image_list-{}", "Subject", 4, MULTI_PAGE, parameter="subject_image_list", key="subject_image")
SUBJECTS = (replace(SUBJECTS[0], required=ALWAYS), *SUBJECTS[1:])
OPTIONAL_PROMPT = replace(PROMPT, required=NEVER, source=MULTI_PAGE)

# Pictures that the prompt cites ---------------------------------------------------------------------------------------

CITATION = "<<<image_{}>>>"
OMNI_MODEL = replace(MODEL, options=("kling-image-o1", "kling-v3-omni"), default="kling-image-o1", source=OMNI_PAGE)
OMNI_PROMPT = replace(
    PROMPT,
    help="What should be in the picture? <<<image_1>>> names the first reference.",
    citation=CITATION,
    source=OMNI_PAGE,
)
OMNI_IMAGES = slots("image_list-{}", "Picture", 10, OMNI_PAGE, parameter="image_list", key="image")
OMNI_RESOLUTION = replace(RESOLUTION, options=("1k", "2k", "4k"), source=OMNI_PAGE)
RESULT_TYPE = Choice(
    name="result_type",
    label="Result",
    help="A series tells one story in several pictures.",
    options=("single", "series"),
    words={"single": "Single pictures", "series": "A series"},
    default="single",
    required=ALWAYS,
    source=OMNI_PAGE,
)
SERIES = Choice(
    name="series_amount",
    label="Pictures in the series",
    help="Each picture is charged by itself.",
    options=("auto", *map(str, range(2, 10))),
    words={"auto": "As many as it takes"},
    default="4",
    required=ALWAYS,
    when=equals("result_type", "series"),
    meaning="series",
    source=OMNI_PAGE,
)
OMNI_COUNT = replace(COUNT, when=equals("result_type", "single", None), source=OMNI_PAGE)
OMNI_SHAPE = replace(
    SHAPE,
    options=(*RATIOS, "auto"),
    words={"auto": "Automatic"},
    default="auto",
    when=ALWAYS,
    only=(
        (equals("model_name", "kling-image-o1"), (*RATIOS, "auto")),
        (empty(OMNI_IMAGES[0].name), RATIOS),  # nothing to take a shape from
    ),
    source=OMNI_PAGE,
)
OMNI_RULES = (
    NoGaps(tuple(each.name for each in OMNI_IMAGES)),
    AtMostTogether(10, tuple(each.name for each in OMNI_IMAGES), ELEMENTS.name),
    Cited(PROMPT.name, CITATION, tuple(each.name for each in OMNI_IMAGES)),
)

# A larger canvas ------------------------------------------------------------------------------------------------------


def _expansion(side: str, words: str) -> Number:
    return Number(
        name=f"{side}_expansion_ratio",
        label=side.capitalize(),
        help=f"How much is added {words}: 0.5 is half of it, 2 is twice.",
        at_least=0,
        at_most=2,
        step=0.05,
        default=0,
        required=ALWAYS,
        meaning=f"expand {side}",
        source=EXPAND_PAGE,
    )


EXPANSIONS = (
    _expansion("up", "above, in heights of the picture"),
    _expansion("down", "below, in heights of the picture"),
    _expansion("left", "on the left, in widths of the picture"),
    _expansion("right", "on the right, in widths of the picture"),
)
CANVAS = AreaWithin(3, *(each.name for each in EXPANSIONS))
EXPAND_IMAGE = replace(IMAGE, label="Picture", help="It gets a larger canvas.", source=EXPAND_PAGE)
EXPAND_PROMPT = replace(OPTIONAL_PROMPT, help="What should be around the picture?", source=EXPAND_PAGE)

# What the models can do -----------------------------------------------------------------------------------------------

ONLY_1K = {"resolution": ("1k",)}
NO_ELEMENTS = frozenset({"element_list"})
NO_TYPE = frozenset({"image_reference", "image_fidelity", "human_fidelity"})
FROM_TEXT_MODELS = (
    Capability(model_name="kling-v3", usual_seconds=32, source=MAP),
    Capability(model_name="kling-v2-1", lacks=NO_ELEMENTS, usual_seconds=32, source=MAP),
    Capability(model_name="kling-v2", lacks=NO_ELEMENTS, retired=RETIREMENT, source=OLD_MAP),
    Capability(model_name="kling-v1-5", options=ONLY_1K, lacks=NO_ELEMENTS, retired=RETIREMENT, source=OLD_MAP),
    Capability(
        model_name="kling-v1",
        options={**ONLY_1K, "aspect_ratio": RATIOS[:-1]},
        lacks=NO_ELEMENTS,
        retired=RETIREMENT,
        source=OLD_MAP,
    ),
)
FROM_IMAGE_MODELS = (
    Capability(model_name="kling-v3", lacks=NO_TYPE, usual_seconds=32, source=MAP),
    Capability(model_name="kling-v2-1", options=ONLY_1K, lacks=NO_ELEMENTS, usual_seconds=32, source=MEASURED),
    Capability(
        model_name="kling-v2-new",
        options=ONLY_1K,
        lacks=NO_ELEMENTS | NO_TYPE,
        retired=RETIREMENT,
        source=OLD_MAP,
    ),
    Capability(model_name="kling-v2", lacks=NO_ELEMENTS | NO_TYPE, retired=RETIREMENT, source=OLD_MAP),
    Capability(model_name="kling-v1-5", options=ONLY_1K, lacks=NO_ELEMENTS, retired=RETIREMENT, source=PAGE),
    Capability(
        model_name="kling-v1",
        options=ONLY_1K,
        lacks=NO_ELEMENTS | {"image_reference", "human_fidelity"},
        retired=RETIREMENT,
        source=PAGE,
    ),
)
