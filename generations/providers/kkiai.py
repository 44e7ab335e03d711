"""kkiai.com, a relay that offers Kling's API under its own keys: image generation and image expansion.

Pages: "Image Generation", "Image Expansion", "Asynchronous task callback protocol" (parameters are those of Kling's own
API) and the token pages of docs.kkiai.com, checked on 20 November 2026.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

import httpx

from generations.providers.exchange import Account, Order, Task
from generations.providers.fields import ALWAYS, Field, Ours, Source
from generations.providers.kkiai_answers import ANSWERS, parse_checkup, parse_create, parse_query
from generations.providers.kling_family import address_of, body_of
from generations.providers.kling_fields import (
    CANVAS,
    COUNT,
    EXPAND_IMAGE,
    EXPAND_PROMPT,
    EXPANSIONS,
    FROM_IMAGE_MODELS,
    FROM_TEXT_MODELS,
    HUMAN_FIDELITY,
    IMAGE,
    IMAGE_FIDELITY,
    IMAGE_REFERENCE,
    MODEL,
    NEGATIVE,
    NO_ELEMENTS,
    PROMPT,
    RESOLUTION,
    SHAPE,
)
from generations.providers.spec import Capability, CredentialWay, Deadlines, Operation, Price, Provider, SecretField

PAGE = Source("kkiai: Image Generation", "2026-11-20")
EXPAND_PAGE = Source("kkiai: Image Expansion", "2026-11-20")
AS_KLING = Source("kkiai: Asynchronous task callback protocol (parameters as in Kling's own API)", "2026-11-20")

# CREDENTIAL
API_KEY = SecretField(name="api_key", label="API key", help="A token from kkiai's console.")
CREDENTIAL_WAYS = (CredentialWay("API key", (API_KEY,)),)

# OPERATIONS
WEBHOOK = Ours(name="callback_url", label="Webhook", meaning="webhook", source=AS_KLING)


def _on(page: Source, *fields: Field) -> tuple[Field, ...]:
    return tuple(replace(each, source=page) for each in fields)


FROM_TEXT = (*_on(PAGE, MODEL, PROMPT, SHAPE, COUNT, RESOLUTION, NEGATIVE), WEBHOOK)
FROM_IMAGE = (
    *_on(PAGE, MODEL, PROMPT),
    *_on(AS_KLING, IMAGE),
    *_on(PAGE, IMAGE_REFERENCE, IMAGE_FIDELITY, HUMAN_FIDELITY, SHAPE, COUNT, RESOLUTION),
    *_on(AS_KLING, NEGATIVE),  # not beside a picture
    WEBHOOK,
)
EXPANSION = (*_on(EXPAND_PAGE, EXPAND_IMAGE, *EXPANSIONS, EXPAND_PROMPT, COUNT), WEBHOOK)


# CAPABILITIES: those of Kling's models, which have no elements here
def _without_elements(models: tuple[Capability, ...]) -> tuple[Capability, ...]:
    return tuple(replace(each, lacks=each.lacks - NO_ELEMENTS) for each in models)


# PRICES
PRICES: tuple[Price, ...] = ()  # none is published

# SLOT_UNIT AND DEADLINES: a relay that waits for the pictures inside the POST was seen to take up to three minutes
SLOT_UNIT: Literal["requests"] = "requests"
DEADLINES = Deadlines(create=200, query=20, download=120, retention=timedelta(days=7))

TEXT_TO_IMAGE = Operation(
    slug="text-to-image",
    label="Text to image",
    path="/kling/v1/images/generations",
    source=PAGE,
    fields=FROM_TEXT,
    capabilities=_without_elements(FROM_TEXT_MODELS),
    prices=PRICES,
)
IMAGE_TO_IMAGE = replace(
    TEXT_TO_IMAGE,
    slug="image-to-image",
    label="Image to image",
    fields=FROM_IMAGE,
    capabilities=_without_elements(FROM_IMAGE_MODELS),
    follows=ALWAYS,
)
EXPAND = Operation(
    slug="expand",
    label="Expand",
    path="/kling/v1/images/editing/expand",
    source=EXPAND_PAGE,
    fields=EXPANSION,
    capabilities=(),  # no model is chosen
    prices=PRICES,
    rules=(CANVAS,),
)


def build_create(operation: Operation, order: Order, account: Account, _now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not."""
    url = account.base_url + operation.path
    return httpx.Request("POST", url, json=body_of(operation, order), headers=_headers(account))


def build_query(operation: Operation, task: Task, account: Account, _now: datetime) -> httpx.Request:
    """GET one task by the relay's id; ours it does not know."""
    return httpx.Request("GET", address_of(operation, task.task_id, account), headers=_headers(account))


def build_checkup(account: Account, _now: datetime) -> httpx.Request:
    """GET what the token may still use. Free."""
    return httpx.Request("GET", f"{account.base_url}/api/usage/token/", headers=_headers(account))


def _headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.secrets['api_key']}"}


PROVIDER = Provider(
    slug="kkiai",
    label="kkiai",
    base_urls=("https://www.kkiai.com",),
    credential_ways=CREDENTIAL_WAYS,
    operations=(TEXT_TO_IMAGE, IMAGE_TO_IMAGE, EXPAND),
    slot_unit=SLOT_UNIT,
    default_slots=2,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
    balance_unit="point",
    answers=ANSWERS,
)
