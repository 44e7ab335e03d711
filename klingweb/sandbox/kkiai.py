"""kkiai.com: a relay, made with new-api, in front of Kling's image generation and expansion.

Its document gives the fields of the requests and the answer about a token's quota. The errors are new-api's: the gate
(key, quota, channels) and the tasks have a form each, and a refusal of Kling's passes through as text. Where all texts
are silent: a busy relay answers 429 "rate_limit_exceeded", a missing field 400 "invalid_request", a picture that fails
while the request waits for it 400 "task_failed", and 500 000 points of quota are a dollar.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from klingweb.sandbox import keys, kling_expand_rules, kling_rules, playing, store, tasks
from klingweb.sandbox.callbacks import EVERY_CHANGE, Caller
from klingweb.sandbox.kkiai_shapes import SHAPES, Shape, called
from klingweb.sandbox.kling_fields import Body
from klingweb.sandbox.kling_words import HTTP_STATUS, REFUSALS, RISK, RefusedError, envelope, understood
from klingweb.sandbox.playing import Place, Refusal, RefusalError, Wish
from klingweb.sandbox.serving import Endpoint, NotJsonError, View, read_json, recorded
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import Stage, Task

ABSENT = ("element_list", "watermark_info", "external_task_id")
"""Fields of Kling's that the relay's document does not have."""
GATE_REFUSALS = {
    Refusal.NO_CREDIT: (403, "insufficient_user_quota", "The user's quota is not enough"),
    Refusal.BUSY: (429, "rate_limit_exceeded", "Too many requests are running in this group"),
}
UNKNOWN_MODEL = 1203
GRANTED = 175_000_000
POINTS_PER_UNIT = 1750
"""A unit of Kling's costs $0.0035."""


@dataclass(frozen=True)
class Operation:
    """One of Kling's ways to make pictures, as the relay offers it."""

    path: str
    read: Callable[[Body], Wish]
    required: tuple[str, ...]
    """What the relay asks for besides what Kling does."""


OPERATIONS = (
    Operation("kling/v1/images/generations", kling_rules.read, required=("model_name", "n")),
    Operation("kling/v1/images/editing/expand", kling_expand_rules.read, required=("n",)),
)


@dataclass(frozen=True)
class Relay:
    """One relay: its dialect, and the shape of its answers."""

    dialect: str
    shape: Shape

    def place(self, operation: Operation) -> Place:
        """Where the tasks of an operation are."""
        return Place(self.dialect, f"/{operation.path}", new_id=self.shape.new_id)


class AnsweredError(Exception):
    """The relay itself answers with an error."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def gate_error(status: int, code: str, message: str, *, kind: str = "new_api_error") -> AnsweredError:
    """An error from before any task."""
    text = f"{message} (request id: {uuid.uuid4().hex})"
    return AnsweredError(status, {"error": {"message": text, "type": kind, "code": code}})


def task_error(code: str, message: str) -> AnsweredError:
    """An error of the endpoints for tasks."""
    return AnsweredError(400, {"code": code, "message": message, "data": None})


def resource(relay: Relay, **endpoints: Endpoint) -> View:
    """One address and its endpoints by method; what they refuse becomes the relay's errors."""

    @recorded(relay.dialect)
    def view(request: HttpRequest, visit: Visit, **parts: str) -> HttpResponseBase:
        try:
            _check_key(request)
            return endpoints.get(request.method or "", nowhere)(request, visit, **parts)
        except RefusedError as refused:
            visit.code = refused.code
            return _passed_on(relay, refused)
        except AnsweredError as error:
            return JsonResponse(error.body, status=error.status)

    return view


def _check_key(request: HttpRequest) -> None:
    given = request.headers.get("Authorization", "")
    if not given:
        raise gate_error(401, "", "No token was provided")
    if not keys.is_api_key(given):
        raise gate_error(401, "", "Invalid token")


def _passed_on(relay: Relay, refused: RefusedError) -> JsonResponse:
    """Kling's refusal, as it is or as the text of an error of the relay's."""
    said = envelope(refused.code, str(refused))
    body = said if relay.shape.passes_refusals else task_error("fail_to_fetch_task", json.dumps(said)).body
    return JsonResponse(body, status=HTTP_STATUS[refused.code])


# Create ---------------------------------------------------------------------------------------------------------------


def create(relay: Relay, operation: Operation, request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST to an operation's path."""
    wish = _read_wish(relay, operation, request)

    def tell(task: Task) -> HttpResponseBase:
        now = tasks.now_ms() if relay.shape.queried else _when_over(task)
        return JsonResponse(relay.shape.created(request, task, now))

    try:
        return playing.accept(relay.place(operation), wish, visit, tell, Caller(partial(called, request), EVERY_CHANGE))
    except RefusalError as error:
        if error.refusal in GATE_REFUSALS:
            raise gate_error(*GATE_REFUSALS[error.refusal]) from error
        raise RefusedError(*REFUSALS[error.refusal]) from error


def _read_wish(relay: Relay, operation: Operation, request: HttpRequest) -> Wish:
    body = _read_body(operation, request)
    try:
        wish = understood(body, operation.read)
    except RefusedError as refused:
        if refused.code == UNKNOWN_MODEL:  # the relay looks for a channel by the model, and never asks Kling
            text = f"No available channel for model {body['model_name']} under group default"
            raise gate_error(503, "model_not_found", text) from refused
        raise
    most = relay.shape.most_pictures
    if wish.pictures > most:
        raise task_error("invalid_request", f"n must not be larger than {most}")
    return replace(wish, slots=1, details={"model_name": body.get("model_name", "")})


def _read_body(operation: Operation, request: HttpRequest) -> Body:
    try:
        body = read_json(request)
    except NotJsonError as error:
        raise task_error("invalid_request", str(error)) from error
    for name in operation.required:
        if name not in body:
            raise task_error("invalid_request", f"field {name} is required")
    for name in ABSENT:
        if name in body:
            raise RefusedError(1201, f"{name} is not a known parameter")
    return body


def _when_over(task: Task) -> int:
    """Wait for a task's end, and tell when that was."""
    time.sleep(max(0, task.done_at - tasks.now_ms()) / 1000)
    if task.stage(task.done_at) is Stage.FAILED:
        raise gate_error(400, "task_failed", RISK)
    return task.done_at


# Query ----------------------------------------------------------------------------------------------------------------


def query(relay: Relay, operation: Operation, request: HttpRequest, visit: Visit, name: str) -> HttpResponseBase:
    """GET below an operation's path, by the id that the relay gave."""
    place, tell = relay.place(operation), relay.shape.queried
    task = store.find(place.dialect, place.endpoint, name)
    if task is None or tell is None:
        raise task_error("task_not_exist", "task_not_exist")
    visit.task_id = task.id
    now = tasks.now_ms()
    return playing.spoiled(JsonResponse(tell(request, task, now)), visit, [task], now)


# Account --------------------------------------------------------------------------------------------------------------


def token_usage(relay: Relay, _request: HttpRequest, _visit: Visit) -> HttpResponseBase:
    """GET /api/usage/token/, the quota of the key."""
    used = POINTS_PER_UNIT * store.spent(relay.dialect)
    usage = {
        "object": "token_usage",
        "name": "sandbox",
        "total_granted": GRANTED,
        "total_used": used,
        "total_available": GRANTED - used,
        "unlimited_quota": False,
        "model_limits": {},
        "model_limits_enabled": False,
        "expires_at": 0,
    }
    return JsonResponse({"code": True, "message": "ok", "data": usage})


def nowhere(request: HttpRequest, _visit: Visit, **_parts: str) -> HttpResponseBase:
    """Any other address or method."""
    raise gate_error(404, "", f"Invalid URL ({request.method} {request.path})", kind="invalid_request_error")


def _addresses(relay: Relay) -> list[URLPattern]:
    addresses = [path("api/usage/token/", resource(relay, GET=partial(token_usage, relay)))]
    for operation in OPERATIONS:
        making = resource(relay, POST=partial(create, relay, operation))
        asking = resource(relay, GET=partial(query, relay, operation))
        addresses += [path(operation.path, making), path(f"{operation.path}/<str:name>", asking)]
    return [*addresses, path("<path:rest>", resource(relay))]


RELAYS = {dialect: _addresses(Relay(dialect, shape)) for dialect, shape in SHAPES.items()}
"""The addresses of each relay, by its dialect."""
