"""Declarations against the sandbox, which is written from the documents: neither has seen the other.

Whatever the form accepts builds a request that the sandbox accepts; whatever is outside the documented bounds is
refused by the form, naming the field.
"""

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import uuid4

import httpx
import pytest
from django.test import Client
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from PIL import Image
from pytest_django import Settings

from generations.intent import entered
from generations.providers.exchange import Account, Order, Upload
from generations.providers.fields import (
    AccountName,
    Choice,
    Elements,
    Face,
    Field,
    Integer,
    Number,
    Picture,
    Switch,
    Text,
    Value,
)
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation, Provider
from klingweb.demo import SANDBOX_SECRETS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
LETTERS = "abc XYZ 019 äß漢字🎨\n\t\"'<>&{}@_-"
EMAIL = "anna@sandbox.example"
EACH = {f"{one.slug}-{each.slug}": (one, each) for one in PROVIDERS.values() for each in one.operations}
each_operation = pytest.mark.parametrize("case", EACH)
several = effort(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def room(settings: Settings, tmp_path: Path) -> None:
    settings.ROOT_URLCONF = "tests.sandbox.urls"
    settings.SANDBOX_FILE = tmp_path / "sandbox.sqlite3"
    settings.SANDBOX_SLOTS = 10**6
    settings.SANDBOX_PACE = 0.0


def send(request: httpx.Request) -> httpx.Response:
    """Through Django's test client instead of a socket."""
    headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
    answer = Client().generic(
        request.method,
        request.url.raw_path.decode(),
        request.read(),
        content_type=headers.pop("content-type", ""),
        headers=headers,
    )
    return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content, request=request)


def account(provider: Provider) -> Account:
    path = httpx.URL(provider.base_urls[0]).path.rstrip("/")
    name = EMAIL if provider.accounts else ""
    return Account(f"http://testserver/sandbox/{provider.slug}{path}", SANDBOX_SECRETS[provider.slug], name)


@pytest.fixture(scope="module")
def content() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (400, 300), "teal").save(file, "PNG")
    return file.getvalue()


def delivered(provider: Provider, content: bytes) -> str:
    """A picture in the form in which the provider takes it."""
    if not provider.uploads:
        return base64.b64encode(content).decode()
    upload = Upload(content, "image/png", "teal.png")
    return provider.uploads.parse(send(provider.uploads.build(upload, account(provider), NOW))).address


def order(operation: Operation, values: dict[str, Value], address: str) -> Order:
    pictures = {each.name: address for each in operation.references if each.name in values}
    return Order(values, str(uuid4()), pictures)


def inside(declared: Field, dice: Random) -> str:
    """A value that the field may have."""
    if isinstance(declared, Choice):
        return dice.choice(declared.options)
    if isinstance(declared, Face):
        return "1"  # how many there are, the picture says
    if isinstance(declared, Integer):
        return str(dice.randint(declared.at_least, min(declared.at_most, 9)))
    if isinstance(declared, Number):
        return f"{dice.randint(0, int(declared.at_most * 20)) / 20:g}"
    if isinstance(declared, Elements):
        return ",".join(str(dice.randint(1, 10**17)) for _ in range(dice.randint(1, declared.at_most)))
    if isinstance(declared, Text):
        cited = declared.citation.format(dice.randint(1, 3)) if dice.random() < 0.3 else ""
        letters = "".join(dice.choice(LETTERS) for _ in range(dice.randint(1, 40)))
        return f"{letters} {cited}"
    return {Picture: ASSET, Switch: "true", AccountName: EMAIL}[type(declared)]


def filled(operation: Operation, dice: Random) -> dict[str, str]:
    """A form in which something is filled in, as a person might who sees every field at once."""
    chosen = {}
    for each in entered(operation):
        likely = not isinstance(each, Picture) or not each.series or each.name[-1] in "12"
        if dice.random() < (0.6 if likely else 0.1):
            chosen[each.name] = inside(each, dice)
    return chosen


@pytest.fixture
def picture(case: str, content: bytes, room: None) -> str:
    return delivered(EACH[case][0], content)


@each_operation
@several
@given(seed=st.integers(0, 2**32))
def test_whatever_the_form_accepts_the_sandbox_accepts(case: str, picture: str, seed: int) -> None:
    provider, operation = EACH[case]
    cleaned = operation.clean(filled(operation, Random(seed)))  # noqa: S311 - nothing depends on it
    assume(not cleaned.errors)
    request = provider.build_create(operation, order(operation, cleaned.values, picture), account(provider), NOW)
    assert provider.parse_create(send(request)).task_id


@each_operation
@several
@given(seed=st.integers(0, 2**32))
def test_whatever_is_out_of_bounds_is_refused_at_its_field(case: str, seed: int) -> None:
    _, operation = EACH[case]
    dice = Random(seed)  # noqa: S311 - nothing depends on it
    raw = filled(operation, dice)
    cleaned = operation.clean(raw)
    declared = dice.choice([each.field for each in operation.asked(cleaned.values) if outside(each.field)])
    wrong = operation.clean(raw | {declared.name: dice.choice(outside(declared))})
    assert declared.name in wrong.errors, (declared.name, raw)


def outside(declared: Field) -> list[str]:
    """Values that the field may not have."""
    if isinstance(declared, Choice):
        return ["8k", "kling-v99", "1k,2k"]
    if isinstance(declared, Integer):
        return [str(declared.at_least - 1), str(declared.at_most + 1), "1.5", "many", "9" * 30, "٣"]
    if isinstance(declared, Number):
        return [f"{declared.at_least - 0.01}", f"{declared.at_most + 0.01}", "inf", "nan", "close"]
    if isinstance(declared, Elements):
        return ["x", "1;2", "-1", ",".join(map(str, range(1, declared.at_most + 2)))]
    if isinstance(declared, Picture):
        return ["no-id", "../../etc"]
    return ["x" * (declared.max_length + 1), "null\x00"] if isinstance(declared, Text) else []
