"""Who is let in."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
import time_machine
from django.test import Client

from tests.sandbox.conftest import GENERATIONS, START

NOW = int(START.timestamp())
SECRET = "sandbox-secret"
CLAIMS = {"iss": "sandbox-access", "exp": NOW + 1800, "nbf": NOW - 5}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(claims: object, secret: str = SECRET, alg: str = "HS256") -> str:
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": alg, "typ": "JWT"}, claims)]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), hashlib.sha256)
    return "Bearer " + ".".join([*parts, encoded(signature)])


def ask(authorization: str | None) -> tuple[int, dict[str, Any]]:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = Client().get(GENERATIONS, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("authorization", ["Bearer sandbox-key", token(CLAIMS)])
def test_the_api_key_and_a_signed_token_are_right(clock: time_machine.Traveller, authorization: str) -> None:
    status, body = ask(authorization)
    assert (status, body["code"]) == (200, 0)


@pytest.mark.parametrize("authorization", [None, "", "  "])
def test_without_authorization_it_is_1001(authorization: str | None) -> None:
    status, body = ask(authorization)
    assert (status, body["code"], body["message"]) == (401, 1001, "Authorization is empty")


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer other",
        "Bearer ",
        "sandbox-key",
        "Basic sandbox-key",
        "Bearer schlüssel".encode().decode("latin-1"),
        "Bearer a.b.c",
        "Bearer a.b.c.d",
        token(CLAIMS, secret="other"),
        token(CLAIMS, alg="none"),
        token(CLAIMS | {"iss": "other"}),
        token({"iss": "sandbox-access"}),
        token(CLAIMS | {"exp": None}),
        token([]),
    ],
)
def test_anything_else_is_1002(clock: time_machine.Traveller, authorization: str) -> None:
    status, body = ask(authorization)
    assert (status, body["code"], body["message"]) == (401, 1002, "api key not found")


@pytest.mark.parametrize(("claim", "value", "code"), [("nbf", NOW + 1, 1003), ("exp", NOW, 1004)])
def test_a_token_out_of_its_time_is_1003_or_1004(
    clock: time_machine.Traveller, claim: str, value: int, code: int
) -> None:
    status, body = ask(token(CLAIMS | {claim: value}))
    assert (status, body["code"]) == (401, code)


def test_a_refused_key_makes_nothing_and_is_not_written_down() -> None:
    body = {"prompt": "A fox", "external_task_id": "mine"}
    Client().post(GENERATIONS, body, content_type="application/json", headers={"Authorization": "Bearer secret"})
    log = Client().get("/sandbox/requests").content
    assert b"secret" not in log
    assert json.loads(log)["posts"] == 1
    assert json.loads(log)["accepted"] == 0
