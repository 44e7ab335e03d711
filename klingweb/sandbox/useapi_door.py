"""useapi.net's door: the token, the Kling accounts behind it, bodies, and what a refusal looks like."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase

from klingweb.sandbox import keys
from klingweb.sandbox.serving import Endpoint, NotJsonError, View, read_json, recorded
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import now_ms
from klingweb.sandbox.useapi_rules import WHOLE_NUMBERS

DIALECT = "useapi"
UNAUTHORIZED = {"error": "Unauthorized", "code": 401}
NO_SUCH_ACCOUNT = {"error": "Account configuration not found. To create configuration use POST /accounts."}
NO_SUCH_ASSET = {
    "error": "Sorry, the requested resource was not found (VALID.ResourceNotFound)",
    "message": "Not Found",
}
NO_CREDIT = {"error": "The Kling account does not have enough credits", "code": 412}
MODERATED = {
    "error": "The content you uploaded appears to violate the community guidelines. (CM_EXT.POther)",
    "message": "Service busy (CM_EXT.POther)",
}
RETRY_AFTER = 10
"""Seconds that a client is asked to wait, at the pace of the settings: useapi's own script waits as long."""


@dataclass(frozen=True)
class Account:
    """A Kling account that was registered with useapi."""

    email: str
    user_id: int
    max_jobs: int
    points: int = 66_000
    """What it had in the beginning, hundredths of a credit."""


ACCOUNTS = {
    account.email: account
    for account in (
        Account("anna@sandbox.example", user_id=10_001, max_jobs=3),
        Account("ben@sandbox.example", user_id=10_002, max_jobs=2),
    )
}


class RefusedError(Exception):
    """A request is refused with this status and body."""

    def __init__(self, status: int, body: dict[str, Any], retry_after: int | None = None) -> None:
        super().__init__(body["error"])
        self.status = status
        self.body = body
        self.retry_after = retry_after


def bad_request(sentence: str) -> RefusedError:
    """Something in the request is wrong; the sentence says what."""
    return RefusedError(400, {"error": sentence})


def busy(email: str) -> RefusedError:
    """All places of the account are taken."""
    seconds = max(1, math.ceil(RETRY_AFTER * settings.SANDBOX_PACE))
    until = iso(now_ms() + 1000 * seconds)
    error = f"All job slots of {email} are busy. Try again later."
    return RefusedError(429, {"error": error, "code": 429, "retryAfter": until}, retry_after=seconds)


def resource(**endpoints: Endpoint) -> View:
    """One address and its endpoints by method; what they refuse becomes useapi's JSON."""

    @recorded(DIALECT)
    def view(request: HttpRequest, visit: Visit, **parts: str) -> HttpResponseBase:
        try:
            return _admitted(endpoints, request)(request, visit, **parts)
        except RefusedError as refused:
            visit.code = refused.body.get("code")
            answer = JsonResponse(refused.body, status=refused.status)
            if refused.retry_after is not None:
                answer["Retry-After"] = str(refused.retry_after)
            return answer

    return view


def _admitted(endpoints: dict[str, Endpoint], request: HttpRequest) -> Endpoint:
    if not keys.is_api_key(request.headers.get("Authorization", ""), keys.USEAPI_TOKEN):
        raise RefusedError(401, UNAUTHORIZED)
    method = request.method or ""
    if method not in endpoints:
        raise RefusedError(405, {"error": "Method Not Allowed"})
    return endpoints[method]


def account(email: object) -> Account:
    """The account that a request names. With several of them, each request must name one."""
    if email in (None, ""):
        raise bad_request("Parameter email is required")
    found = ACCOUNTS.get(email) if isinstance(email, str) else None
    if found is None:
        raise RefusedError(404, NO_SUCH_ACCOUNT)
    return found


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The fields of a body in JSON or of a form, whose digits are numbers where the document says so."""
    try:
        return _form(request) if request.content_type == "multipart/form-data" else read_json(request)
    except (NotJsonError, MultiPartParserError) as error:
        raise bad_request(f"Invalid request body: {error}") from error


def _form(request: HttpRequest) -> dict[str, Any]:
    typed: dict[str, Callable[[str], object]] = dict.fromkeys(WHOLE_NUMBERS, _number)
    return {name: typed.get(name, str)(str(value)) for name, value in request.POST.items()}


def _number(digits: str) -> object:
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < len(str(2**63)) else digits


def iso(moment: int) -> str:
    """A moment as useapi writes it: UTC with milliseconds."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
