"""apimodels.app: Kling's pictures behind one endpoint, chosen by `model`.

Pages: "Kling Image API", "Files" and "Account" of apimodels.app and its own published client, checked on 20 November
2026. What only Kling states about the pictures and the negative prompt is a precaution here. Prices are in credits as
the page lists them; what a task did cost in the end is in its record.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from urllib.parse import quote

import httpx

from generations.providers import kling_fields
from generations.providers.apimodels_answers import (
    ANSWERS,
    parse_checkup,
    parse_costs,
    parse_create,
    parse_query,
    parse_upload,
)
from generations.providers.exchange import Account, Order, Task, Upload
from generations.providers.fields import (
    ALWAYS,
    NEVER,
    Choice,
    Clause,
    Field,
    Fixed,
    Ours,
    Source,
    When,
    empty,
    equals,
    filled,
)
from generations.providers.kling_family import body_of
from generations.providers.rules import Rule
from generations.providers.spec import (
    Capability,
    Costs,
    CredentialWay,
    Deadlines,
    Operation,
    Price,
    Provider,
    SecretField,
    Uploads,
)

PAGE = Source("apimodels.app: Kling Image API", "2026-11-20")
KLINGS = Source("apimodels.app: Kling Image API; its bounds from Kling API: Image Generation", "2026-11-20")
OTHERS = Source("apimodels.app: image_urls of its other image models", "2026-11-20")

# CREDENTIAL
API_KEY = SecretField(name="api_key", label="API key", help="From the console of apimodels.app. It begins with sk_.")
CREDENTIAL_WAYS = (CredentialWay("API key", (API_KEY,)),)


# OPERATIONS: their fields
def _model(*names: str) -> Choice:
    return replace(kling_fields.MODEL, name="model", options=names, default=names[0], source=PAGE)


HAS_IMAGE, NO_IMAGE = filled("image_url"), empty("image_url")
PROMPT = replace(kling_fields.PROMPT, source=PAGE)
IMAGE = replace(kling_fields.IMAGE, name="image_url", mark="precaution", source=KLINGS)
REFERENCE: tuple[Field, ...] = (
    IMAGE,
    replace(kling_fields.IMAGE_REFERENCE, required=NEVER, when=HAS_IMAGE, source=PAGE),
    replace(kling_fields.IMAGE_FIDELITY, when=HAS_IMAGE, source=PAGE),
    replace(kling_fields.HUMAN_FIDELITY, mark="precaution", source=KLINGS),
)
SHAPE = replace(kling_fields.SHAPE, when=ALWAYS, source=PAGE)
IGNORED_SHAPE = replace(SHAPE, when=NO_IMAGE, mark="precaution", source=KLINGS)
COUNT = replace(kling_fields.COUNT, source=PAGE)
RESOLUTION = replace(kling_fields.RESOLUTION, source=PAGE)
NEGATIVE = replace(kling_fields.NEGATIVE, when=ALWAYS, mark="precaution", source=KLINGS)
NOT_BESIDE = replace(NEGATIVE, when=NO_IMAGE)
WEBHOOK = Ours(name="callback_url", label="Webhook", meaning="webhook", source=PAGE)

OPTIONAL_PROMPT = replace(kling_fields.OPTIONAL_PROMPT, source=PAGE)
SUBJECTS = tuple(replace(each, mark="precaution", source=KLINGS) for each in kling_fields.SUBJECTS)
SCENE = replace(kling_fields.SCENE, mark="precaution", source=KLINGS)
STYLE = replace(kling_fields.STYLE, mark="precaution", source=KLINGS)
ENLARGED = replace(kling_fields.EXPAND_IMAGE, name="image_url", mark="precaution", source=KLINGS)
AROUND = replace(kling_fields.EXPAND_PROMPT, source=PAGE)
EXPANSIONS = tuple(replace(each, source=PAGE) for each in kling_fields.EXPANSIONS)

# Several pictures: nothing says that Kling's models take them, so they are off until an admin switches them on. They
# come before the single picture, which is not sent beside them.
ROW = kling_fields.slots("image_urls-{}", "Picture", 10, OTHERS, parameter="image_urls")
IMAGES = tuple(replace(each, mark="unverified") for each in ROW)
NO_IMAGES = When((tuple(Clause(each.name, filled=False) for each in IMAGES),))
EDITED = replace(IMAGE, help="Left empty, the prompt alone counts.", required=NEVER, when=NO_IMAGES)
OMNI_SHAPE = replace(SHAPE, words={"": "Automatic"}, required=NO_IMAGES & NO_IMAGE)

FROM_TEXT = _model("kling-v3-image", "kling-v2-1", "kling-image-o1", "kling-v2")
FROM_IMAGE = _model("kling-v3-image", "kling-image-o1", "kling-v2")
FROM_SEVERAL = replace(_model("kling-v2-1", "kling-v2"), name="multi_model_name")
OMNI, RESTYLE = _model("kling-image-o1"), _model("kling-v2-new")
TO_SEVERAL = Fixed(name="model", label="Operation", value="kling-multi-image", source=PAGE)
TO_EXPAND = Fixed(name="model", label="Model", value="kling-expand", meaning="model", source=PAGE)


# CAPABILITIES: a model takes all that its operation has
RETIRED = {"kling-v2": kling_fields.RETIREMENT, "kling-v2-new": kling_fields.RETIREMENT}


def _capabilities(model: Field) -> tuple[Capability, ...]:
    names = model.options if isinstance(model, Choice) else ()
    return tuple(Capability(model_name=name, retired=RETIRED.get(name), source=PAGE) for name in names)


# PRICES: "90% off", in credits
def _prices(model: Field, listed: Mapping[str, str]) -> tuple[Price, ...]:
    return tuple(
        Price(per_picture=Decimal(each), unit="credit", usd=None, when=equals(model.name, name), source=PAGE)
        for name, each in listed.items()
    )


# SLOT_UNIT AND DEADLINES: no limit is published, one client keeps to two requests; after 100 s the line is cut
SLOT_UNIT: Literal["requests"] = "requests"
DEADLINES = Deadlines(create=100, query=20, download=120, retention=timedelta(days=7))


def _operation(
    slug: str,
    label: str,
    fields: tuple[Field, ...],
    prices: Mapping[str, str],
    rules: tuple[Rule, ...] = (),
    follows: When = NEVER,
) -> Operation:
    model = next(each for each in fields if each.meaning == "model")
    return Operation(
        slug=slug,
        label=label,
        path="/images/generations",
        source=PAGE,
        fields=(*fields, WEBHOOK),
        capabilities=_capabilities(model),
        prices=_prices(model, prices),
        rules=rules,
        follows=follows,
    )


OPERATIONS = (
    _operation(
        "text-to-image",
        "Text to image",
        (FROM_TEXT, PROMPT, SHAPE, COUNT, RESOLUTION, NEGATIVE),
        {"kling-v3-image": "0.151", "kling-v2-1": "0.076", "kling-image-o1": "1.80", "kling-v2": "0.076"},
    ),
    _operation(
        "image-to-image",
        "Image to image",
        (FROM_IMAGE, PROMPT, *REFERENCE, IGNORED_SHAPE, COUNT, RESOLUTION, NOT_BESIDE),
        {"kling-v3-image": "0.151", "kling-image-o1": "1.80", "kling-v2": "0.151"},
        follows=ALWAYS,
    ),
    _operation(
        "multi-image",
        "Several pictures",
        (TO_SEVERAL, FROM_SEVERAL, OPTIONAL_PROMPT, *SUBJECTS, SCENE, STYLE, SHAPE, COUNT),
        {"kling-v2-1": "0.302", "kling-v2": "0.302"},
    ),
    _operation(
        "omni",
        "Omni",
        (OMNI, PROMPT, *IMAGES, EDITED, OMNI_SHAPE, COUNT, RESOLUTION),
        {"kling-image-o1": "1.80"},
    ),
    _operation(
        "expand",
        "Expand",
        (TO_EXPAND, ENLARGED, *EXPANSIONS, AROUND, COUNT),
        {"kling-expand": "0.151"},
        rules=(kling_fields.CANVAS,),
    ),
    _operation(
        "style-transfer",
        "Style transfer",
        (RESTYLE, PROMPT, *REFERENCE, COUNT, NOT_BESIDE),
        {"kling-v2-new": "0.151"},
        follows=ALWAYS,
    ),
)


def build_create(operation: Operation, order: Order, account: Account, _now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not."""
    body = body_of(operation, order)
    return httpx.Request("POST", account.base_url + operation.path, json=body, headers=_headers(account))


def build_query(operation: Operation, task: Task, account: Account, _now: datetime) -> httpx.Request:
    """GET one task. Its id goes as `task_id`; in the path or as `taskId` it is not understood."""
    url = httpx.URL(account.base_url + operation.path, params={"task_id": task.task_id})
    return httpx.Request("GET", url, headers=_headers(account))


def build_upload(upload: Upload, account: Account, _now: datetime) -> httpx.Request:
    """POST a reference as a file: Kling's models take addresses only."""
    file = (upload.name, upload.content, upload.media_type)
    request = httpx.Request("POST", f"{account.base_url}/files", files={"file": file}, headers=_headers(account))
    request.read()
    return request


def build_costs(task: Task, account: Account, _now: datetime) -> httpx.Request:
    """GET the record of a task."""
    url = f"{account.base_url}/records/{quote(task.task_id, safe='')}"
    return httpx.Request("GET", url, headers=_headers(account))


def build_checkup(account: Account, _now: datetime) -> httpx.Request:
    """GET the balance, which is free."""
    return httpx.Request("GET", f"{account.base_url}/balance", headers=_headers(account))


def _headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.secrets['api_key']}"}


PROVIDER = Provider(
    slug="apimodels",
    label="apimodels.app",
    base_urls=("https://apimodels.app/api/v1", "https://api.apimodels.app/v1"),
    credential_ways=CREDENTIAL_WAYS,
    operations=OPERATIONS,
    slot_unit=SLOT_UNIT,
    default_slots=2,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
    uploads=Uploads(build=build_upload, parse=parse_upload, keeps=timedelta(days=7)),
    costs=Costs(build=build_costs, parse=parse_costs),
    balance_unit="USD",
    answers=ANSWERS,
)
