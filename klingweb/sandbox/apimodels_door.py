"""apimodels.app's door: the key, its envelope, and what a refusal looks like.

Some refusals come with HTTP 200 and tell their status in the body's `code` alone: here a lack of credits and an invalid
model, as its users saw them. All others have both.
"""

import math
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from klingweb.sandbox import keys
from klingweb.sandbox.serving import Endpoint, NotJsonError, View, read_json, recorded
from klingweb.sandbox.store import Visit

DIALECT = "apimodels"
RETRY_AFTER = 10
"""Seconds that a client is asked to wait, at the pace of the settings."""


class RefusedError(Exception):
    """A request is refused with this code, by default also the HTTP status."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or code


def resource(**endpoints: Endpoint) -> View:
    """One address and its endpoints by method; what they refuse becomes apimodels' envelope."""

    @recorded(DIALECT)
    def view(request: HttpRequest, visit: Visit, **parts: str) -> HttpResponseBase:
        try:
            return _admitted(endpoints, request)(request, visit, **parts)
        except RefusedError as refused:
            visit.code = refused.code
            answer = JsonResponse({"code": refused.code, "msg": str(refused)}, status=refused.status)
            if refused.status == 429:
                answer["Retry-After"] = str(max(1, math.ceil(RETRY_AFTER * settings.SANDBOX_PACE)))
            return answer

    return view


def _admitted(endpoints: dict[str, Endpoint], request: HttpRequest) -> Endpoint:
    if not keys.is_api_key(request.headers.get("Authorization", ""), keys.APIMODELS_KEY):
        raise RefusedError(401, "Invalid API key")
    method = request.method or ""
    if method not in endpoints:
        raise RefusedError(405, "Method not allowed")
    return endpoints[method]


def envelope(visit: Visit, **data: object) -> JsonResponse:
    """An answer that is no refusal."""
    visit.code = 200
    return JsonResponse({"code": 200, "msg": "success", "data": data})


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object."""
    try:
        return read_json(request)
    except NotJsonError as error:
        raise RefusedError(400, str(error)) from error
