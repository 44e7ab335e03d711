"""Kling's own API: image generation from text, one picture or several, and image expansion.

Pages: "Image Generation", "Multi-Image to Image", "Omni Image", "Image Expansion" (create task, query task single and
list) and "Account" of Kling's API documentation, its capability map of 19 May 2026 and its error codes; all checked on
20 November 2026. Prices: the list price of an image unit, seen in two clients. Where sources disagree (which models
take a reference type and strengths), each is believed: the map for kling-v2-1, the older page for kling-v1 and
kling-v1-5.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

import httpx

from generations.providers import errors, signatures
from generations.providers.exchange import Account, Checkup, Listed, Order, Progress, Submission, Task
from generations.providers.fields import ALWAYS, Field, Mark, Ours, Source, Switch, When, equals
from generations.providers.kling_family import (
    ANSWERS,
    address_of,
    body_of,
    listed,
    progress_of,
    read_code,
    read_envelope,
    read_task,
    sign,
)
from generations.providers.kling_fields import (
    CANVAS,
    COUNT,
    ELEMENTS,
    EXPAND_IMAGE,
    EXPAND_PAGE,
    EXPAND_PROMPT,
    EXPANSIONS,
    FROM_IMAGE_MODELS,
    FROM_TEXT_MODELS,
    HUMAN_FIDELITY,
    IMAGE,
    IMAGE_FIDELITY,
    IMAGE_REFERENCE,
    MAP,
    MODEL,
    MULTI_PAGE,
    NEGATIVE,
    OLD_MAP,
    OMNI_COUNT,
    OMNI_IMAGES,
    OMNI_MODEL,
    OMNI_PAGE,
    OMNI_PROMPT,
    OMNI_RESOLUTION,
    OMNI_RULES,
    OMNI_SHAPE,
    OPTIONAL_PROMPT,
    PAGE,
    PROMPT,
    RESOLUTION,
    RESULT_TYPE,
    RETIREMENT,
    SCENE,
    SERIES,
    SHAPE,
    STYLE,
    SUBJECTS,
)
from generations.providers.spec import (
    Capability,
    CredentialWay,
    Deadlines,
    Listing,
    Operation,
    Price,
    Provider,
    SecretField,
)

PRICE_LIST = Source("Kling API: image units at $0.0035", "2026-11-20")

# CREDENTIAL
API_KEY = SecretField(name="api_key", label="API key", help="From Kling's developer console. It belongs to one region.")
WEBHOOK_SECRET = SecretField(
    name="webhook_secret",
    label="Webhook secret",
    help="Only if one was made in Kling's console: Kling then signs what it tells.",
    optional=True,
    refuses=signatures.refuses,
)
CREDENTIAL_WAYS = (
    CredentialWay("API key", (API_KEY, WEBHOOK_SECRET)),
    CredentialWay(
        "Access key and secret key (older accounts)",
        (
            SecretField(name="access_key", label="Access key", help="The shorter half of the pair."),
            SecretField(name="secret_key", label="Secret key", help="Signs each request; it is never sent itself."),
            WEBHOOK_SECRET,
        ),
    ),
)

# OPERATIONS
WATERMARK = Switch(
    name="watermark_info",
    label="Also make a copy with Kling's watermark",
    help="The pictures themselves stay without one.",
    advanced=True,
    source=PAGE,
)
OURS = (
    Ours(name="external_task_id", label="Our id", source=PAGE),
    Ours(name="callback_url", label="Webhook", meaning="webhook", source=PAGE),
)


def _on(page: Source, *fields: Field, mark: Mark = "") -> tuple[Field, ...]:
    return tuple(replace(each, source=page, mark=mark) for each in fields)


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
FROM_SEVERAL: tuple[Field, ...] = (
    replace(MODEL, options=("kling-v2-1", "kling-v2"), default="kling-v2-1", source=MULTI_PAGE),
    OPTIONAL_PROMPT,
    *SUBJECTS,
    SCENE,
    STYLE,
    *_on(MULTI_PAGE, replace(SHAPE, when=ALWAYS), COUNT, WATERMARK, *OURS),
)
OMNI: tuple[Field, ...] = (
    OMNI_MODEL,
    OMNI_PROMPT,
    *OMNI_IMAGES,
    replace(ELEMENTS, source=OMNI_PAGE),
    RESULT_TYPE,
    SERIES,
    OMNI_COUNT,
    OMNI_SHAPE,
    OMNI_RESOLUTION,
    *_on(OMNI_PAGE, WATERMARK, *OURS),
)
EXPANSION: tuple[Field, ...] = (
    EXPAND_IMAGE,
    *EXPANSIONS,
    EXPAND_PROMPT,
    *_on(EXPAND_PAGE, COUNT),
    # Seen in one client alone. Our id is sent all the same: without it a lost request could never be found.
    *_on(EXPAND_PAGE, WATERMARK, *OURS, mark="unverified"),
)

# CAPABILITIES
MULTI_MODELS = (
    Capability(model_name="kling-v2-1", source=MAP),
    Capability(model_name="kling-v2", retired=RETIREMENT, source=OLD_MAP),
)
OMNI_MODELS = (
    Capability(
        model_name="kling-image-o1",
        options={"resolution": ("1k", "2k")},
        lacks=frozenset({"result_type", "series_amount"}),
        source=MAP,
    ),
    Capability(model_name="kling-v3-omni", source=MAP),
)

# PRICES
UNIT = Decimal("0.0035")


def _price(units: int, when: When = ALWAYS) -> Price:
    return Price(per_picture=Decimal(units), unit="unit", usd=units * UNIT, when=when, source=PRICE_LIST)


def _prices(**units: int) -> tuple[Price, ...]:
    return tuple(
        _price(count, equals("model_name", f"kling-{model.replace('_', '-')}")) for model, count in units.items()
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
    capabilities=FROM_TEXT_MODELS,
    prices=_prices(v3=8, v2_1=4),
)
IMAGE_TO_IMAGE = Operation(
    slug="image-to-image",
    label="Image to image",
    path=PATH,
    source=PAGE,
    fields=FROM_IMAGE,
    capabilities=FROM_IMAGE_MODELS,
    prices=_prices(v3=8, v2_1=8),
    follows=ALWAYS,
)
MULTI_IMAGE = Operation(
    slug="multi-image",
    label="Several pictures",
    path="/v1/images/multi-image2image",
    source=MULTI_PAGE,
    fields=FROM_SEVERAL,
    capabilities=MULTI_MODELS,
    prices=_prices(v2_1=16),
)
OMNI_IMAGE = Operation(
    slug="omni",
    label="Omni",
    path="/v1/images/omni-image",
    source=OMNI_PAGE,
    fields=OMNI,
    capabilities=OMNI_MODELS,
    prices=(_price(16, equals("resolution", "4k")), *_prices(image_o1=8, v3_omni=8)),
    rules=OMNI_RULES,
)
EXPAND = Operation(
    slug="expand",
    label="Expand",
    path="/v1/images/editing/expand",
    source=EXPAND_PAGE,
    fields=EXPANSION,
    capabilities=(),  # no model is chosen
    prices=(_price(8),),
    rules=(CANVAS,),
    resends=False,  # nobody has verified that its tasks are found by external_task_id
)


def build_create(operation: Operation, order: Order, account: Account, now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not."""
    body = body_of(operation, order) | {"external_task_id": str(UUID(order.external_id))}
    return httpx.Request("POST", account.base_url + operation.path, json=body, headers=_headers(account, now))


def parse_create(response: httpx.Response) -> Submission:
    """The task's id, or the error that Kling's code stands for."""
    try:
        return Submission(str(read_task(read_envelope(response))["task_id"]))
    except errors.NotFound as error:  # on create, "the resource does not exist" means the model
        raise errors.ModelUnavailable(code=error.code, details=error.details) from error


def build_query(operation: Operation, task: Task, account: Account, now: datetime) -> httpx.Request:
    """GET one task, by Kling's id or, where that never reached us, by ours."""
    url = address_of(operation, task.task_id or task.external_id, account)
    return httpx.Request("GET", url, headers=_headers(account, now))


def parse_query(response: httpx.Response) -> Progress:
    """Where the task is."""
    data = read_envelope(response)
    if isinstance(data, dict) and data.get("task_status"):  # who asked knows the id
        return progress_of(data)
    return progress_of(read_task(data))


def build_list(operation: Operation, account: Account, page: int, now: datetime) -> httpx.Request:
    """GET tasks of this operation's path, the newest first, 500 on a page."""
    url = f"{account.base_url}{operation.path}?pageNum={page}&pageSize={NEWEST}"
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


def _headers(account: Account, now: datetime) -> dict[str, str]:
    secrets = account.secrets
    token = secrets["api_key"] if "api_key" in secrets else sign(secrets["access_key"], secrets["secret_key"], now)
    return {"Authorization": f"Bearer {token}"}


PROVIDER = Provider(
    slug="kling",
    label="Kling official",
    base_urls=("https://api-singapore.klingai.com", "https://api-beijing.klingai.com", "https://api.klingai.com"),
    credential_ways=CREDENTIAL_WAYS,
    operations=(TEXT_TO_IMAGE, IMAGE_TO_IMAGE, MULTI_IMAGE, OMNI_IMAGE, EXPAND),
    slot_unit=SLOT_UNIT,
    default_slots=9,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
    listing=Listing(build=build_list, parse=parse_list, per_page=NEWEST, most_pages=1000),
    finds_by_external_id=True,
    signs_with=WEBHOOK_SECRET.name,
    answers=ANSWERS,
)
