"""What the views of all dialects share: requests are written down, bodies are read, answers are spoiled on purpose."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from klingweb.sandbox import store

Endpoint = Callable[..., HttpResponseBase]
"""Called with the request, its Visit and the parts of the path by name."""
View = Callable[..., HttpResponseBase]

MOST_BYTES = 64 * 1024 * 1024
"""Several references of 10 MB in base64 fit; the limit on forms in the settings is not meant for these bodies."""
FIRST_REAL_STATUS = 200


class NotJsonError(ValueError):
    """The body is no JSON object, or is not declared as JSON. The text says which."""


def recorded(dialect: str) -> Callable[[Endpoint], View]:
    """Make a view of an endpoint: each request is written down before it is handled, its answer after."""

    def decorate(endpoint: Endpoint) -> View:
        @csrf_exempt
        @wraps(endpoint)
        def view(request: HttpRequest, **parts: object) -> HttpResponseBase:
            visit = store.open_visit(dialect, request.method or "", request.path)
            response = endpoint(request, visit, **parts)
            visit.status = response.status_code if response.status_code >= FIRST_REAL_STATUS else None
            store.close_visit(visit)
            return response

        return view

    return decorate


def read_json(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object. Raises NotJsonError."""
    if request.content_type != "application/json":
        raise NotJsonError("Content-Type must be application/json")
    raw = request.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise NotJsonError("request body is too large")
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
        json.dumps(body, ensure_ascii=False).encode()  # fails on half a surrogate pair, which no database can keep
    except (ValueError, RecursionError) as error:
        raise NotJsonError("request body is not valid JSON") from error
    if not isinstance(body, dict):
        raise NotJsonError("request body must be a JSON object")
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python's json would let pass


def lost_line() -> HttpResponseBase:
    """No answer: a lone "100 Continue" and then the end of the connection.

    Without a Content-Length both waitress and Django's own server close the line after the view, and every client
    goes on waiting for the real answer after a 1xx. It sees a server that disconnected.
    """
    return StreamingHttpResponse([b""], status=100)


def html_page() -> HttpResponseBase:
    """What a gateway in front of a broken server says."""
    return HttpResponse("<html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1></html>", status=502)


def cut(response: HttpResponse) -> HttpResponse:
    """The first half of this answer, declared as if it were whole."""
    return HttpResponse(response.content[: len(response.content) // 2], content_type=response["Content-Type"])
