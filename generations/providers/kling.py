"""Kling's own API: image generation.

Pages: "Image Generation" (create task, query task) of Kling's API documentation, its capability map of 19 May 2026 and
its error codes; all checked on 20 November 2026. Prices: the list price of an image unit, seen in two clients.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

import httpx

from generations.providers import errors
from generations.providers.exchange import Account, Order, Progress, Submission, Task
from generations.providers.fields import ALWAYS, Choice, Integer, Ours, Source, Switch, Text, equals
from generations.providers.kling_family import progress_of, read_envelope, read_task
from generations.providers.spec import Capability, Deadlines, Operation, Price, Provider, SecretField

PAGE = Source("Kling API: Image Generation", "2026-11-20")
MAP = Source("Kling API: Capability map of 19 May 2026", "2026-11-20")
OLD_MAP = Source("Kling API: Capability map of December 2025", "2026-11-20")
RETIREMENT = Source("Kling's announcement for 15 September 2026", "2026-11-20")
PRICE_LIST = Source("Kling API: image units at $0.0035", "2026-11-20")

# CREDENTIAL
CREDENTIAL = (
    SecretField(name="api_key", label="API key", help="From Kling's developer console. It belongs to one region."),
)

# OPERATIONS
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
MODELS = ("kling-v3", "kling-v2-1", "kling-v2-new", "kling-v2", "kling-v1-5", "kling-v1")
FIELDS = (
    Choice(
        name="model_name",
        label="Model",
        options=MODELS,
        default="kling-v3",
        required=ALWAYS,
        meaning="model",
        source=PAGE,
    ),
    Text(
        name="prompt",
        label="Prompt",
        help="What should be in the picture?",
        max_length=2500,
        required=ALWAYS,
        meaning="prompt",
        source=PAGE,
    ),
    Choice(
        name="aspect_ratio",
        label="Shape",
        options=RATIOS,
        default="16:9",
        required=ALWAYS,
        meaning="shape",
        source=PAGE,
    ),
    Integer(
        name="n",
        label="Pictures",
        help="Each picture takes a slot and is charged by itself.",
        at_least=1,
        at_most=9,
        default=1,
        required=ALWAYS,
        meaning="count",
        source=PAGE,
    ),
    Choice(
        name="resolution",
        label="Resolution",
        options=("1k", "2k"),
        default="1k",
        required=ALWAYS,
        meaning="resolution",
        source=PAGE,
    ),
    Text(
        name="negative_prompt",
        label="Negative prompt",
        help="What should not be in the picture?",
        max_length=2500,
        meaning="negative",
        advanced=True,
        source=PAGE,
    ),
    Switch(
        name="watermark_info",
        label="Also make a copy with Kling's watermark",
        help="The pictures themselves stay without one.",
        advanced=True,
        source=PAGE,
    ),
    Ours(name="external_task_id", label="Our id", source=PAGE),
    Ours(name="callback_url", label="Webhook", source=PAGE),
)

# CAPABILITIES
NOT_WIDEST = RATIOS[:-1]
CAPABILITIES = (
    Capability(model_name="kling-v3", usual_seconds=32, source=MAP),
    Capability(model_name="kling-v2-1", usual_seconds=32, source=MAP),
    Capability(model_name="kling-v2-new", options={"resolution": ("1k",)}, retired=RETIREMENT, source=OLD_MAP),
    Capability(model_name="kling-v2", retired=RETIREMENT, source=OLD_MAP),
    Capability(model_name="kling-v1-5", options={"resolution": ("1k",)}, retired=RETIREMENT, source=OLD_MAP),
    Capability(
        model_name="kling-v1",
        options={"resolution": ("1k",), "aspect_ratio": NOT_WIDEST},
        retired=RETIREMENT,
        source=OLD_MAP,
    ),
)

# PRICES
UNIT = Decimal("0.0035")
PRICES = tuple(
    Price(per_picture=units, unit="unit", usd=units * UNIT, when=equals("model_name", model), source=PRICE_LIST)
    for model, units in (("kling-v3", Decimal(8)), ("kling-v2-1", Decimal(4)))
)

# SLOT_UNIT AND DEADLINES: a request takes one slot for each of its pictures, nine in the standard pack
SLOT_UNIT: Literal["pictures"] = "pictures"
DEADLINES = Deadlines(create=60, query=20, download=120, retention=timedelta(days=30))

TEXT_TO_IMAGE = Operation(
    slug="text-to-image",
    label="Text to image",
    path="/v1/images/generations",
    source=PAGE,
    fields=FIELDS,
    capabilities=CAPABILITIES,
    prices=PRICES,
)


def build_create(operation: Operation, order: Order, account: Account, now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not."""
    body: dict[str, object] = {name: value for name, value in order.values.items() if name != "watermark_info"}
    body["watermark_info"] = {"enabled": bool(order.values.get("watermark_info"))}
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


def _headers(account: Account, now: datetime) -> dict[str, str]:  # noqa: ARG001 - signed keys will need the moment
    return {"Authorization": f"Bearer {account.secrets['api_key']}"}


PROVIDER = Provider(
    slug="kling",
    label="Kling official",
    base_urls=("https://api-singapore.klingai.com", "https://api-beijing.klingai.com"),
    credential_fields=CREDENTIAL,
    operations=(TEXT_TO_IMAGE,),
    slot_unit=SLOT_UNIT,
    default_slots=9,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
)
