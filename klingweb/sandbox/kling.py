"""Kling's official API: /v1/images/generations and /account/costs, as its document describes them.

The envelope, the status words and the error codes are those of "Image Generation" and "Error codes"; the texts of
1001, 1002, 1102, 1201 and 1303 were seen in real answers. Where the document is silent: a refusal has no `data`;
an external_task_id that exists already is refused with 1201; a task tells `final_unit_deduction` once it is over.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path

from klingweb.sandbox import files, keys, scenarios, store, tasks
from klingweb.sandbox.fields import WrongValueError
from klingweb.sandbox.keys import Standing
from klingweb.sandbox.kling_rules import UnknownModelError, Wish, read
from klingweb.sandbox.serving import Endpoint, NotJsonError, View, cut, html_page, lost_line, read_json, recorded
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import Stage, Task

DIALECT = "kling"
GENERATIONS = "/v1/images/generations"

HTTP_STATUS = {
    0: 200,
    1001: 401,
    1002: 401,
    1003: 401,
    1004: 401,
    1102: 429,
    1200: 400,
    1201: 400,
    1202: 404,
    1203: 404,
    1301: 400,
    1303: 429,
}
"""The HTTP status of each code that is used here ("Error codes")."""
STANDINGS = {
    Standing.MISSING: (1001, "Authorization is empty"),
    Standing.WRONG: (1002, "api key not found"),
    Standing.EARLY: (1003, "Authorization is not valid yet"),
    Standing.EXPIRED: (1004, "Authorization has expired"),
}
STATUSES = {
    Stage.WAITING: "submitted",
    Stage.WORKING: "processing",
    Stage.SUCCEEDED: "succeed",
    Stage.FAILED: "failed",
}
RISK = "Failure to pass the risk control system"
OVER_LIMIT = "parallel task over resource pack limit"
BUSY_TIMES = 2

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


class RefusedError(Exception):
    """A request is refused with one of Kling's codes."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def resource(**endpoints: Endpoint) -> View:
    """One address and its endpoints by method; what they refuse becomes Kling's envelope."""

    @recorded(DIALECT)
    def view(request: HttpRequest, visit: Visit, **parts: str) -> HttpResponseBase:
        try:
            _check_key(request)
            return _chosen(endpoints, request.method or "")(request, visit, **parts)
        except RefusedError as refused:
            return _envelope(visit, refused.code, str(refused))

    return view


def _chosen(endpoints: Mapping[str, Endpoint], method: str) -> Endpoint:
    if method not in endpoints:
        raise RefusedError(1202, f"method {method} is not supported")
    return endpoints[method]


def _check_key(request: HttpRequest) -> None:
    standing = keys.standing(request.headers.get("Authorization", ""), tasks.now_ms())
    if standing is not Standing.RIGHT:
        raise RefusedError(*STANDINGS[standing])


def _envelope(visit: Visit, code: int, message: str, **data: object) -> JsonResponse:
    visit.code = code
    body = {"code": code, "message": message, "request_id": str(uuid.uuid4()), **data}
    return JsonResponse(body, status=HTTP_STATUS[code])


# Create ---------------------------------------------------------------------------------------------------------------


def create(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST /v1/images/generations."""
    wish = _read_wish(request, visit)
    _play_refusals(wish)
    if scenarios.LOST_REQUEST in wish.prompt and store.times(_attempt(scenarios.LOST_REQUEST, wish)) == 1:
        return lost_line()
    task = _new_task(wish, visit)
    _keep(task)
    visit.task_id = task.id
    if task.plays(scenarios.LOST_ANSWER):
        return lost_line()
    if task.plays(scenarios.SLOW_ANSWER):
        tasks.dawdle(tasks.SLOW_ANSWER_MS)
    return _envelope(visit, 0, "SUCCEED", data=_brief(task, tasks.now_ms()))


def _read_wish(request: HttpRequest, visit: Visit) -> Wish:
    try:
        body = read_json(request)
        visit.external_task_id = str(body.get("external_task_id", ""))
        return read(body)
    except NotJsonError as error:
        raise RefusedError(1200, str(error)) from error
    except WrongValueError as error:
        raise RefusedError(1201, str(error)) from error
    except UnknownModelError as error:
        raise RefusedError(1203, str(error)) from error


def _play_refusals(wish: Wish) -> None:
    if scenarios.MODERATED in wish.prompt:
        raise RefusedError(1301, RISK)
    if scenarios.NO_CREDIT in wish.prompt:
        raise RefusedError(1102, "Account balance not enough")
    if scenarios.BUSY in wish.prompt and store.times(_attempt(scenarios.BUSY, wish)) <= BUSY_TIMES:
        raise RefusedError(1303, OVER_LIMIT)


def _attempt(scenario: str, wish: Wish) -> str:
    """A name that further attempts at the same thing share."""
    name = wish.external_id or hashlib.sha256(wish.prompt.encode()).hexdigest()
    return f"{scenario} {DIALECT} {name}"


def _new_task(wish: Wish, visit: Visit) -> Task:
    width, height = wish.size
    now = tasks.now_ms()
    return Task(
        id=tasks.new_task_id(),
        dialect=DIALECT,
        endpoint=GENERATIONS,
        external_id=wish.external_id,
        visit=visit.id,
        created_at=now,
        done_at=now + tasks.duration_ms(wish.prompt),
        prompt=wish.prompt,
        pictures=wish.pictures,
        width=width,
        height=height,
        marked=wish.marked,
        slots=wish.pictures,  # an image task takes n places ("Concurrency")
        units=0 if scenarios.FAILED in wish.prompt else wish.units,
        token=tasks.new_token(),
    )


def _keep(task: Task) -> None:
    try:
        store.add(task)
    except store.NameTakenError as error:
        raise RefusedError(1201, f"external_task_id {task.external_id!r} already exists") from error
    except store.NoSlotError as error:
        raise RefusedError(1303, OVER_LIMIT) from error


# Query ----------------------------------------------------------------------------------------------------------------


def query(request: HttpRequest, visit: Visit, name: str) -> HttpResponseBase:
    """GET /v1/images/generations/{task_id or external_task_id}."""
    task = store.find(DIALECT, GENERATIONS, name)
    if task is None:
        raise RefusedError(1203, f"task {name!r} does not exist")
    visit.task_id, visit.external_task_id = task.id, task.external_id
    now = tasks.now_ms()
    answer = _envelope(visit, 0, "SUCCEED", data=_whole(request, task, now))
    return _spoiled(answer, visit, [task], now)


def query_list(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """GET /v1/images/generations?pageNum=&pageSize=, newest first."""
    _check_query(request, {"pageNum": PAGE_NUMBERS, "pageSize": PAGE_SIZES})
    number = int(request.GET.get("pageNum", FIRST_PAGE))
    size = int(request.GET.get("pageSize", USUAL_PAGE_SIZE))
    found = store.page(DIALECT, GENERATIONS, size=size, skip=(number - 1) * size)
    now = tasks.now_ms()
    answer = _envelope(visit, 0, "SUCCEED", data=[_whole(request, task, now) for task in found])
    return _spoiled(answer, visit, found, now)


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


def _spoiled(answer: JsonResponse, visit: Visit, shown: list[Task], now: int) -> HttpResponseBase:
    """The answer, or what a scenario of one of the tasks in it makes of it, once for each task."""
    for task in shown:
        if task.plays(scenarios.HTML_502) and store.times(f"{scenarios.HTML_502} {task.id}") == 1:
            visit.code = None
            return html_page()
        over = task.plays(scenarios.BROKEN_JSON) and task.stage(now) is Stage.SUCCEEDED
        if over and store.times(f"{scenarios.BROKEN_JSON} {task.id}") == 1:
            visit.code = None
            return cut(answer)
    return answer


def _brief(task: Task, now: int) -> dict[str, Any]:
    """A task as the answer to its creation tells it."""
    return {
        "task_id": task.id,
        "task_status": STATUSES[task.stage(now)],
        "task_info": {"external_task_id": task.external_id},
        "created_at": task.created_at,
        "updated_at": task.changed_at(now),
    }


def _whole(request: HttpRequest, task: Task, now: int) -> dict[str, Any]:
    """A task as queries tell it."""
    stage = task.stage(now)
    failed, succeeded = stage is Stage.FAILED, stage is Stage.SUCCEEDED
    deduction = {"final_unit_deduction": str(task.units)} if failed or succeeded else {}
    return {
        **_brief(task, now),
        "task_status_msg": RISK if failed else "",
        **deduction,
        "watermark_info": {"enabled": task.marked},
        "task_result": {"images": _images(request, task)} if succeeded else {},
    }


def _images(request: HttpRequest, task: Task) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "url": files.address(request, task, index),
            "watermark_url": files.address(request, task, index, marked=True) if task.marked else "",
        }
        for index in range(task.pictures)
    ]


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
    return _envelope(visit, 0, "SUCCEED", data={"code": 0, "msg": "success", **listed})


def _pack() -> dict[str, Any]:
    left = max(0, PACK["total_quantity"] - store.spent(DIALECT))
    return PACK | {"remaining_quantity": left, "status": "online" if left else "runOut"}


def nowhere(request: HttpRequest, _visit: Visit, **_parts: str) -> HttpResponseBase:
    """Any other address."""
    raise RefusedError(1203, f"{request.path} does not exist")


urlpatterns = [
    path("v1/images/generations", resource(POST=create, GET=query_list)),
    path("v1/images/generations/<str:name>", resource(GET=query)),
    path("account/costs", resource(GET=costs)),
    path("<path:rest>", resource(GET=nowhere, POST=nowhere)),
]
