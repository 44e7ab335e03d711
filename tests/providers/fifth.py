"""Brushwork, a provider that does not exist: declared like the real ones, and unlike Kling in its wire and its words.

Page: "Brushwork: Paintings", invented on 20 November 2026.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from urllib.parse import quote

import httpx

from generations.providers import errors
from generations.providers.exchange import (
    Account,
    Checkup,
    Cost,
    Order,
    Output,
    Progress,
    Submission,
    Task,
    Upload,
    Uploaded,
)
from generations.providers.fields import ALWAYS, Choice, Integer, Ours, Percent, Picture, Source, Text, equals, filled
from generations.providers.kling_family import by_status, read_id, read_json, readable, retry_after
from generations.providers.spec import (
    Capability,
    CredentialWay,
    Deadlines,
    Operation,
    Price,
    Provider,
    SecretField,
    Uploads,
)

PAGE = Source("Brushwork: Paintings", "2026-11-20")

# CREDENTIAL
CREDENTIAL_WAYS = (CredentialWay("Studio pass", (SecretField(name="studio_pass", label="Studio pass"),)),)

# OPERATIONS: their fields
MEDIUM = Choice(
    name="medium",
    label="Medium",
    options=("ink", "gouache", "fresco"),
    default="ink",
    required=ALWAYS,
    meaning="model",
    source=PAGE,
)
SUBJECT = Text(name="subject", label="Subject", max_length=800, required=ALWAYS, meaning="prompt", source=PAGE)
SKETCH = Picture(name="sketch", label="Sketch", meaning="picture", source=PAGE)
LIKENESS = Percent(
    name="likeness",
    label="Likeness",
    at_least=1,
    at_most=100,
    default=50,
    when=filled("sketch"),
    meaning="subject strength",
    source=PAGE,
)
SHEET = Choice(
    name="sheet",
    label="Sheet",
    options=("1:1", "4:3", "16:9"),
    default="4:3",
    required=ALWAYS,
    meaning="shape",
    source=PAGE,
)
COPIES = Integer(
    name="copies", label="Copies", at_least=1, at_most=4, default=1, required=ALWAYS, meaning="count", source=PAGE
)
MARGIN = Text(name="margin_note", label="Note in the margin", max_length=80, advanced=True, source=PAGE)
ORDER_NUMBER = Ours(name="order_number", label="Our id", source=PAGE)

# CAPABILITIES
INK = Capability(model_name="ink", usual_seconds=5, source=PAGE)
GOUACHE = Capability(
    model_name="gouache", lacks=frozenset({"margin_note"}), options={"sheet": ("1:1", "4:3")}, source=PAGE
)
FRESCO = replace(INK, model_name="fresco", retired=PAGE)

# PRICES
PRICES = (
    Price(per_picture=Decimal("1.5"), unit="drop", usd=None, when=equals("medium", "ink"), source=PAGE),
    Price(per_picture=Decimal(4), unit="drop", usd=Decimal("0.08"), when=equals("medium", "gouache"), source=PAGE),
)

# SLOT_UNIT AND DEADLINES
SLOT_UNIT: Literal["requests"] = "requests"
DEADLINES = Deadlines(create=30, query=10, download=30, retention=timedelta(days=2))

PAINT = Operation(
    slug="paint",
    label="Paint",
    path="/paintings",
    source=PAGE,
    fields=(MEDIUM, SUBJECT, SKETCH, LIKENESS, SHEET, COPIES, MARGIN, ORDER_NUMBER),
    capabilities=(INK, GOUACHE, FRESCO),
    prices=PRICES,
)

# STATUSES: Brushwork's stage --> ours. Words that are not here mean "still running".
STATUSES: dict[object, Literal["succeeded", "failed"]] = {"dry": "succeeded", "torn": "failed"}

# ERRORS: Brushwork's word --> our error and the sentence for people
ERRORS: dict[object, tuple[type[errors.ProviderError], str]] = {
    "no_such_pass": (errors.AccountTrouble, "Brushwork does not know this pass. An admin has to check it."),
    "purse_empty": (errors.OutOfCredit, ""),
    "unseemly": (errors.Moderated, ""),
    "easels_taken": (errors.Busy, ""),
}


def build_create(operation: Operation, order: Order, account: Account, _now: datetime) -> httpx.Request:
    """POST the painting."""
    body = {**order.values, **order.pictures, "order_number": order.external_id}
    return httpx.Request("POST", account.base_url + operation.path, json=body, headers=_headers(account))


def parse_create(response: httpx.Response) -> Submission:
    """The painting's number."""
    if number := read_id(_accepted(response).get("painting")):
        return Submission(number)
    raise errors.Unreadable(details=readable(response.text))


def build_query(operation: Operation, task: Task, account: Account, _now: datetime) -> httpx.Request:
    """GET one painting."""
    url = f"{account.base_url}{operation.path}/{quote(task.task_id, safe='')}"
    return httpx.Request("GET", url, headers=_headers(account))


def parse_query(response: httpx.Response) -> Progress:
    """How far it is."""
    body = _accepted(response)
    number, sheets = read_id(body.get("painting")), body.get("sheets")
    if not number:
        raise errors.Unreadable(details=readable(response.text))
    state = STATUSES.get(str(body.get("stage")), "running")
    if state == "failed":
        return Progress("failed", number, reason=readable(body.get("why")))
    found = [each for each in sheets if isinstance(each, str)] if isinstance(sheets, list) else []
    if state == "running" or not found:
        return Progress("running", number)
    outputs = tuple(Output(index, url) for index, url in enumerate(found))
    return Progress("succeeded", number, outputs=outputs, cost=Cost(Decimal(len(found)), "drop"))


def build_upload(upload: Upload, account: Account, _now: datetime) -> httpx.Request:
    """POST what is to be painted from; it stays there."""
    headers = _headers(account) | {"Content-Type": upload.media_type}
    return httpx.Request("POST", f"{account.base_url}/sketches", content=upload.content, headers=headers)


def parse_upload(response: httpx.Response) -> Uploaded:
    """Its number."""
    if number := read_id(_accepted(response).get("sketch")):
        return Uploaded(number)
    raise errors.Unreadable(details=readable(response.text))


def build_checkup(account: Account, _now: datetime) -> httpx.Request:
    """GET the purse, which is free."""
    return httpx.Request("GET", f"{account.base_url}/purse", headers=_headers(account))


def parse_checkup(response: httpx.Response) -> Checkup:
    """What is left in it."""
    return Checkup(f"{read_id(_accepted(response).get('drops')) or 'no'} drops left")


def _accepted(response: httpx.Response) -> dict[str, object]:
    body = read_json(response)
    word = readable(body.get("error"))
    if response.is_success and not word:
        return body
    kind, sentence = ERRORS.get(word, (by_status(response.status_code), ""))
    raise kind(sentence, code=word[:60], details=readable(body.get("message")), retry_after=retry_after(response))


def _headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.secrets['studio_pass']}"}


PROVIDER = Provider(
    slug="brushwork",
    label="Brushwork",
    base_urls=("https://api.brushwork.example/v1",),
    credential_ways=CREDENTIAL_WAYS,
    operations=(PAINT,),
    slot_unit=SLOT_UNIT,
    default_slots=2,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
    uploads=Uploads(build=build_upload, parse=parse_upload, keeps=None),
)
