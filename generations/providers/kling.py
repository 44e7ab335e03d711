"""Kling's own API: image generation.

Pages: "Image Generation" (create task, query task single and list) and "Account" of Kling's API documentation, its
capability map of 19 May 2026 and its error codes; all checked on 20 November 2026. Prices: the list price of an image
unit, seen in two clients. Where sources disagree (which models take a reference type and strengths), each is believed:
the map for kling-v2-1, the older page for kling-v1 and kling-v1-5.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

import httpx

from generations.providers import errors
from generations.providers.exchange import Account, Checkup, Listed, Order, Progress, Submission, Task
from generations.providers.fields import (
    ALWAYS,
    Choice,
    Elements,
    Field,
    Integer,
    Number,
    Ours,
    Picture,
    Source,
    Switch,
    Text,
    empty,
    equals,
    filled,
)
from generations.providers.kling_family import listed, progress_of, read_code, read_envelope, read_task, sign
from generations.providers.spec import (
    Capability,
    CredentialWay,
    Deadlines,
    Operation,
    Price,
    Provider,
    SecretField,
)

PAGE = Source("Kling API: Image Generation", "2026-11-20")
MAP = Source("Kling API: Capability map of 19 May 2026", "2026-11-20")
OLD_MAP = Source("Kling API: Capability map of December 2025", "2026-11-20")
RETIREMENT = Source("Kling's announcement for 15 September 2026", "2026-11-20")
PRICE_LIST = Source("Kling API: image units at $0.0035", "2026-11-20")
MEASURED = Source("2k with a reference is refused: measured by a user in July and August 2026", "2026-11-20")

# CREDENTIAL
API_KEY = SecretField(name="api_key", label="API key", help="From Kling's developer console. It belongs to one region.")
CREDENTIAL_WAYS = (
    CredentialWay("API key", (API_KEY,)),
    CredentialWay(
        "Access key and secret key (older accounts)",
        (
            SecretField(name="access_key", label="Access key", help="The shorter half of the pair."),
            SecretField(name="secret_key", label="Secret key", help="Signs each request; it is never sent itself."),
        ),
    ),
)

# OPERATIONS
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
IMAGE_FIDELITY = Number(
    name="image_fidelity",
    label="Closeness to the reference",
    help="From 0, loose, to 1, close. Left empty, Kling decides: 0.5.",
    at_least=0,
    at_most=1,
    step=0.05,
    when=filled("image"),
    meaning="strength",
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
    meaning="strength",
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
    help="Each picture takes a slot and is charged by itself.",
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
    help="Numbers from Kling's element library, separated by commas.",
    at_most=10,
    advanced=True,
    source=PAGE,
)
WATERMARK = Switch(
    name="watermark_info",
    label="Also make a copy with Kling's watermark",
    help="The pictures themselves stay without one.",
    advanced=True,
    source=PAGE,
)
OURS = (
    Ours(name="external_task_id", label="Our id", source=PAGE),
    Ours(name="callback_url", label="Webhook", source=PAGE),
)
FROM_TEXT: tuple[Field, ...] = (MODEL, PROMPT, SHAPE, COUNT, RESOLUTION, NEGATIVE, ELEMENTS, WATERMARK, *OURS)
FROM_IMAGE: tuple[Field, ...] = (
    MODEL,
    PROMPT,
    IMAGE,
    IMAGE_REFERENCE,
    IMAGE_FIDELITY,
    HUMAN_FIDELITY,
    SHAPE,
    COUNT,
    RESOLUTION,
    NEGATIVE,
    replace(ELEMENTS, at_most=9),  # elements and the reference together may be ten
    WATERMARK,
    *OURS,
)

# CAPABILITIES
ONLY_1K = {"resolution": ("1k",)}
NO_ELEMENTS = frozenset({"element_list"})
NO_TYPE = frozenset({"image_reference", "image_fidelity", "human_fidelity"})
TEXT_CAPABILITIES = (
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
IMAGE_CAPABILITIES = (
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

# PRICES
UNIT = Decimal("0.0035")


def _prices(**units: int) -> tuple[Price, ...]:
    return tuple(
        Price(
            per_picture=Decimal(count),
            unit="unit",
            usd=count * UNIT,
            when=equals("model_name", f"kling-{model.replace('_', '-')}"),
            source=PRICE_LIST,
        )
        for model, count in units.items()
    )


# SLOT_UNIT AND DEADLINES: a request takes one slot for each of its pictures, nine in the standard pack
SLOT_UNIT: Literal["pictures"] = "pictures"
DEADLINES = Deadlines(create=60, query=20, download=120, retention=timedelta(days=30))
NEWEST = 500  # tasks in one list answer, Kling's most

PATH = "/v1/images/generations"
TEXT_TO_IMAGE = Operation(
    slug="text-to-image",
    label="Text to image",
    path=PATH,
    source=PAGE,
    fields=FROM_TEXT,
    capabilities=TEXT_CAPABILITIES,
    prices=_prices(v3=8, v2_1=4),
)
IMAGE_TO_IMAGE = Operation(
    slug="image-to-image",
    label="Image to image",
    path=PATH,
    source=PAGE,
    fields=FROM_IMAGE,
    capabilities=IMAGE_CAPABILITIES,
    prices=_prices(v3=8, v2_1=8),
)


def build_create(operation: Operation, order: Order, account: Account, now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not."""
    body: dict[str, object] = {
        each.name: _wire(each, order) for each in operation.fields if order.values.get(each.name) is not None
    }
    body["external_task_id"] = str(UUID(order.external_id))
    return httpx.Request("POST", account.base_url + operation.path, json=body, headers=_headers(account, now))


def parse_create(response: httpx.Response) -> Submission:
    """The task's id, or the error that Kling's code stands for."""
    try:
        return Submission(str(read_task(read_envelope(response))["task_id"]))
    except errors.NotFound as error:  # on create, "the resource does not exist" means the model
        raise errors.ModelUnavailable(code=error.code, details=error.details) from error


def build_query(operation: Operation, task: Task, account: Account, now: datetime) -> httpx.Request:
    """GET one task, by Kling's id or, where that never reached us, by ours."""
    url = f"{account.base_url}{operation.path}/{task.task_id or task.external_id}"
    return httpx.Request("GET", url, headers=_headers(account, now))


def parse_query(response: httpx.Response) -> Progress:
    """Where the task is."""
    return progress_of(read_task(read_envelope(response)))


def build_list(operation: Operation, account: Account, now: datetime) -> httpx.Request:
    """GET the newest tasks of this operation's path, 500 at once."""
    url = f"{account.base_url}{operation.path}?pageNum=1&pageSize={NEWEST}"
    return httpx.Request("GET", url, headers=_headers(account, now))


def parse_list(response: httpx.Response) -> tuple[Listed, ...]:
    """Where each of them is."""
    return listed(read_envelope(response))


def build_checkup(account: Account, now: datetime) -> httpx.Request:
    """GET the resource packs of the last month: free, at most once a second."""
    end = int(now.timestamp() * 1000)
    url = f"{account.base_url}/account/costs?start_time={end - 30 * 86_400_000}&end_time={end}"
    return httpx.Request("GET", url, headers=_headers(account, now))


def parse_checkup(response: httpx.Response) -> Checkup:
    """What is left in the packs. Kling leaves the list out where there is none, and its figures lag by 12 hours."""
    data = read_envelope(response)
    if not isinstance(data, dict) or read_code(data.get("code", 0)) != 0:
        raise errors.Unreadable(details=str(data)[:300])
    packs = data.get("resource_pack_subscribe_infos") or []
    try:
        online = [each for each in packs if isinstance(each, dict) and each.get("status") == "online"]
        left = sum(float(str(each.get("remaining_quantity") or 0)) for each in online)
    except (TypeError, ValueError):
        raise errors.Unreadable(details=str(data)[:300]) from None
    packs_named = "one pack" if len(online) == 1 else f"{len(online)} packs"
    return Checkup(f"{left:,.0f} units left in {packs_named}, as of 12 hours ago" if online else "")


def _wire(each: Field, order: Order) -> object:
    value = order.values[each.name]
    if isinstance(each, Picture):
        return order.pictures[each.name]
    if isinstance(each, Elements):
        return [{"element_id": int(part)} for part in str(value).split(",")]
    return {"enabled": value} if isinstance(each, Switch) else value


def _headers(account: Account, now: datetime) -> dict[str, str]:
    secrets = account.secrets
    token = secrets["api_key"] if "api_key" in secrets else sign(secrets["access_key"], secrets["secret_key"], now)
    return {"Authorization": f"Bearer {token}"}


PROVIDER = Provider(
    slug="kling",
    label="Kling official",
    base_urls=("https://api-singapore.klingai.com", "https://api-beijing.klingai.com", "https://api.klingai.com"),
    credential_ways=CREDENTIAL_WAYS,
    operations=(TEXT_TO_IMAGE, IMAGE_TO_IMAGE),
    slot_unit=SLOT_UNIT,
    default_slots=9,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
    build_list=build_list,
    parse_list=parse_list,
    finds_by_external_id=True,
)
