"""Kling's official API: the image endpoints and /account/costs, as its documents describe them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from klingweb.sandbox import (
    keys,
    kling_expand_rules,
    kling_multi_rules,
    kling_omni_rules,
    kling_rules,
    playing,
    store,
    tasks,
)
from klingweb.sandbox.callbacks import EVERY_CHANGE, Caller
from klingweb.sandbox.keys import Standing
from klingweb.sandbox.kling_fields import Body
from klingweb.sandbox.kling_words import HTTP_STATUS, REFUSALS, RefusedError, brief, envelope, understood, whole
from klingweb.sandbox.playing import Place, RefusalError, Wish
from klingweb.sandbox.serving import Endpoint, NotJsonError, View, read_json, recorded
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import Task

DIALECT = "kling"

STANDINGS = {
    Standing.MISSING: (1001, "Authorization is empty"),
    Standing.WRONG: (1002, "api key not found"),
    Standing.EARLY: (1003, "Authorization is not valid yet"),
    Standing.EXPIRED: (1004, "Authorization has expired"),
}
"""The first two were seen in real answers."""

PAGE_NUMBERS = (1, 1000)
PAGE_SIZES = (1, 500)
FIRST_PAGE, USUAL_PAGE_SIZE = 1, 30
TIMES = (0, 2**63 - 1)

PACK: dict[str, Any] = {
    "resource_pack_name": "Sandbox images",
    "resource_pack_id": "sandbox-pack",
    "resource_pack_type": "decreasing_total",
    "total_quantity": 100_000.0,
    "purchase_time": 1_767_225_600_000,
    "effective_time": 1_767_225_600_000,
    "invalid_time": 4_102_444_800_000,
}
"""The account's only resource pack, from 2026 to 2100; fields of "Account usage"."""


@dataclass(frozen=True)
class Operation:
    """A way to make pictures: its path, at which tasks are made, listed and found, and the rules for its bodies."""

    path: str
    read: Callable[[Body], Wish]

    @property
    def place(self) -> Place:
        """Where its tasks are."""
        return Place(DIALECT, f"/{self.path}")


OPERATIONS = (
    Operation("v1/images/generations", kling_rules.read),
    Operation("v1/images/multi-image2image", kling_multi_rules.read),
    Operation("v1/images/omni-image", kling_omni_rules.read),
    Operation("v1/images/editing/expand", kling_expand_rules.read),
)


def resource(**endpoints: Endpoint) -> View:
    """One address and its endpoints by method; what they refuse becomes Kling's envelope."""

    @recorded(DIALECT)
    def view(request: HttpRequest, visit: Visit, **parts: str) -> HttpResponseBase:
        try:
            _check_key(request)
            return _chosen(endpoints, request.method or "")(request, visit, **parts)
        except RefusedError as refused:
            return _answer(visit, refused.code, str(refused))

    return view


def _chosen(endpoints: Mapping[str, Endpoint], method: str) -> Endpoint:
    if method not in endpoints:
        raise RefusedError(1202, f"method {method} is not supported")
    return endpoints[method]


def _check_key(request: HttpRequest) -> None:
    standing = keys.standing(request.headers.get("Authorization", ""), tasks.now_ms())
    if standing is not Standing.RIGHT:
        raise RefusedError(*STANDINGS[standing])


def _answer(visit: Visit, code: int, message: str, **data: object) -> JsonResponse:
    visit.code = code
    return JsonResponse(envelope(code, message, **data), status=HTTP_STATUS[code])


# Create ---------------------------------------------------------------------------------------------------------------


def create(operation: Operation, request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST to an operation's path."""
    wish = _read_wish(operation, request, visit)

    def tell(task: Task) -> HttpResponseBase:
        return _answer(visit, 0, "SUCCEED", data=brief(task, tasks.now_ms()))

    try:
        caller = Caller(partial(whole, request), EVERY_CHANGE, keys.WEBHOOK_SECRET)
        return playing.accept(operation.place, wish, visit, tell, caller)
    except RefusalError as error:
        code, message = REFUSALS[error.refusal]
        raise RefusedError(code, message.format(wish.external_id)) from error


def _read_wish(operation: Operation, request: HttpRequest, visit: Visit) -> Wish:
    try:
        body = read_json(request)
    except NotJsonError as error:
        raise RefusedError(1200, str(error)) from error
    visit.external_task_id = str(body.get("external_task_id", ""))
    return understood(body, operation.read)


# Query ----------------------------------------------------------------------------------------------------------------


def query(operation: Operation, request: HttpRequest, visit: Visit, name: str) -> HttpResponseBase:
    """GET below an operation's path, by task_id or external_task_id."""
    task = store.find(operation.place.dialect, operation.place.endpoint, name)
    if task is None:
        raise RefusedError(1203, f"task {name!r} does not exist")
    visit.task_id, visit.external_task_id = task.id, task.external_id
    now = tasks.now_ms()
    answer = _answer(visit, 0, "SUCCEED", data=whole(request, task, now))
    return playing.spoiled(answer, visit, [task], now)


def query_list(operation: Operation, request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """GET an operation's path with ?pageNum=&pageSize=, newest first."""
    _check_query(request, {"pageNum": PAGE_NUMBERS, "pageSize": PAGE_SIZES})
    number = int(request.GET.get("pageNum", FIRST_PAGE))
    size = int(request.GET.get("pageSize", USUAL_PAGE_SIZE))
    found = store.page(operation.place.dialect, operation.place.endpoint, size=size, skip=(number - 1) * size)
    now = tasks.now_ms()
    answer = _answer(visit, 0, "SUCCEED", data=[whole(request, task, now) for task in found])
    return playing.spoiled(answer, visit, found, now)


def _check_query(request: HttpRequest, ranges: Mapping[str, tuple[int, int]], texts: Sequence[str] = ()) -> None:
    """Every parameter must be a known one, and its whole number in range."""
    for name, value in request.GET.dict().items():
        if name in texts:
            continue
        least, most = ranges.get(name, (0, -1))
        if name not in ranges:
            raise RefusedError(1201, f"{name} is not a known parameter")
        if not (value.isascii() and value.isdecimal() and least <= int(value[:20]) <= most):
            raise RefusedError(1201, f"{name} must be an integer in [{least}, {most}]")


# Account --------------------------------------------------------------------------------------------------------------


def costs(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """GET /account/costs?start_time=&end_time=[&resource_pack_name=], times in Unix milliseconds, both required."""
    _check_query(request, {"start_time": TIMES, "end_time": TIMES}, texts=["resource_pack_name"])
    for name in ("start_time", "end_time"):
        if name not in request.GET:
            raise RefusedError(1201, f"{name} is required")
    packs = [_pack()] if request.GET.get("resource_pack_name") in (None, "", PACK["resource_pack_name"]) else []
    # Without a pack the key is missing rather than empty (seen in a real answer).
    listed = {"resource_pack_subscribe_infos": packs} if packs else {}
    return _answer(visit, 0, "SUCCEED", data={"code": 0, "msg": "success", **listed})


def _pack() -> dict[str, Any]:
    left = max(0, PACK["total_quantity"] - store.spent(DIALECT))
    return PACK | {"remaining_quantity": left, "status": "online" if left else "runOut"}


def nowhere(request: HttpRequest, _visit: Visit, **_parts: str) -> HttpResponseBase:
    """Any other address."""
    raise RefusedError(1203, f"{request.path} does not exist")


def _addresses(operation: Operation) -> list[URLPattern]:
    everything = resource(POST=partial(create, operation), GET=partial(query_list, operation))
    return [
        path(operation.path, everything),
        path(f"{operation.path}/<str:name>", resource(GET=partial(query, operation))),
    ]


urlpatterns = [
    *(address for operation in OPERATIONS for address in _addresses(operation)),
    path("account/costs", resource(GET=costs)),
    path("<path:rest>", resource(GET=nowhere, POST=nowhere)),
]
