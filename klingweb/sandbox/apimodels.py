"""apimodels.app's Kling image API: /images/generations, /files, /balance and /records, as its pages describe them.

Moderation accepts a request and lets its task fail. Where the pages are silent: the account has as many places as the
settings say, one for each request; an upstream failure may be tried again; a task is unknown a week after it was made.
"""

import json
import secrets
from functools import partial
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path

from klingweb.sandbox import apimodels_files, files, playing, scenarios, store, tasks
from klingweb.sandbox.apimodels_door import DIALECT, RefusedError, envelope, read_body, resource
from klingweb.sandbox.apimodels_rules import InvalidModelError, Order, read
from klingweb.sandbox.callbacks import END_ALONE, Caller
from klingweb.sandbox.fields import WrongValueError
from klingweb.sandbox.pictures import size_for
from klingweb.sandbox.playing import Place, Refusal, RefusalError, Wish
from klingweb.sandbox.serving import Endpoint
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import DAY_MS, Stage, Task

STATES = {
    Stage.WAITING: "pending",
    Stage.WORKING: "processing",
    Stage.SUCCEEDED: "completed",
    Stage.FAILED: "failed",
}
OVER = (Stage.SUCCEEDED, Stage.FAILED)
MODERATION = {"failCode": "CONTENT_MODERATION", "failMsg": "Content policy violation", "retryable": False}
UPSTREAM = {"failCode": "UPSTREAM_FAILED", "failMsg": "The upstream provider failed to generate", "retryable": True}
INNER_NAMES = {"kling-v3-image": "kling-v3"}
KEPT_MS = 7 * DAY_MS
THOUSANDTHS = 1000
FIRST_CREDITS = 1000 * THOUSANDTHS
"""What the account had in the beginning."""


def new_id() -> str:
    """An id in the form of the page's: letters and digits, beginning with "cl"."""
    return f"cl{secrets.token_hex(12)[:23]}"


PLACE = Place(DIALECT, "/images/generations", new_id=new_id, named_once=False, moderates_at_once=False)


# Create ---------------------------------------------------------------------------------------------------------------


def create(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST /images/generations."""
    wish = _wish(request, _order(read_body(request)))
    try:
        caller = Caller(partial(_whole, request), END_ALONE)
        return playing.accept(PLACE, wish, visit, lambda task: envelope(visit, **_brief(task, tasks.now_ms())), caller)
    except RefusalError as error:
        raise _refused(error.refusal) from error


def _order(body: dict[str, Any]) -> Order:
    try:
        return read(body)
    except WrongValueError as error:
        raise RefusedError(400, str(error)) from error
    except InvalidModelError as error:
        raise RefusedError(400, str(error), status=200) from error


def _refused(refusal: Refusal) -> RefusedError:
    if refusal is Refusal.NO_CREDIT:
        return RefusedError(402, "Insufficient credits", status=200)
    return RefusedError(429, "Too many requests")


def _wish(request: HttpRequest, order: Order) -> Wish:
    name = order.asked["model"]
    return Wish(
        prompt=order.asked["prompt"],
        pictures=order.asked["n"],
        size=_shape(request, order),
        units=order.price,
        callback=order.asked.get("callback_url", ""),
        details={"model": f"kling-image-gen/{INNER_NAMES.get(name, name)}"},
    )


def _shape(request: HttpRequest, order: Order) -> tuple[int, int]:
    size = apimodels_files.sizes(request, order.references).get(order.shaped_by)
    width, height = size or map(int, order.asked["aspect_ratio"].split(":"))
    wider, higher = order.growth
    return size_for(order.asked["resolution"], width * wider / (height * higher))


# Query ----------------------------------------------------------------------------------------------------------------


def query(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """GET /images/generations?task_id=."""
    task_id = request.GET.get("task_id")
    if not task_id:
        raise RefusedError(400, "task_id is required")
    task = _find(visit, task_id)
    now = tasks.now_ms()
    return playing.spoiled(envelope(visit, **_whole(request, task, now)), visit, [task], now)


def misplaced_query(_request: HttpRequest, _visit: Visit, **_parts: str) -> HttpResponseBase:
    """GET /images/generations/{id}, which other relays have."""
    raise RefusedError(404, "Not found. Check your base_url, and query with ?task_id=")


def _find(visit: Visit, task_id: str) -> Task:
    task = store.find_by_id(DIALECT, task_id)
    if task is None or tasks.now_ms() >= task.created_at + KEPT_MS:
        raise RefusedError(404, "Task not found")
    visit.task_id = task.id
    return task


def _brief(task: Task, now: int) -> dict[str, Any]:
    return {"taskId": task.id, "state": STATES[task.stage(now)], "model": task.told["model"]}


def _whole(request: HttpRequest, task: Task, now: int) -> dict[str, Any]:
    return {**_brief(task, now), **_end(request, task, now)}


def _end(request: HttpRequest, task: Task, now: int) -> dict[str, Any]:
    """What an answer tells besides once a task is over."""
    stage = task.stage(now)
    times = {"createTime": task.created_at, "completeTime": task.done_at}
    if stage is Stage.SUCCEEDED:
        urls = [files.address(request, task, index) for index in range(task.arrived)]
        return {"resultUrls": urls, "resultJson": json.dumps({"resultUrls": urls}), **times}
    if stage is Stage.FAILED:
        return {**(MODERATION if task.plays(scenarios.MODERATED) else UPSTREAM), **times}
    return {"createTime": task.created_at}


# Account --------------------------------------------------------------------------------------------------------------


def balance(_request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """GET /balance: what running tasks will cost is frozen."""
    total, frozen = FIRST_CREDITS - store.spent(DIALECT), store.reserved(DIALECT)
    shown = {"balance": total - frozen, "total": total, "frozen": frozen}
    return envelope(visit, **{name: value / THOUSANDTHS for name, value in shown.items()}, currency="USD")


def record(_request: HttpRequest, visit: Visit, task_id: str) -> HttpResponseBase:
    """GET /records/{task_id}: `credits` is what the task cost once it is settled, before that only what is frozen."""
    task = _find(visit, task_id)
    stage = task.stage(tasks.now_ms())
    return envelope(
        visit,
        task_id=task.id,
        model=task.told["model"],
        state=STATES[stage],
        settled=stage in OVER,
        credits=task.units / THOUSANDTHS,
        currency="USD",
        usage={"images": task.arrived if stage is Stage.SUCCEEDED else 0},
    )


def nowhere(_request: HttpRequest, _visit: Visit, **_parts: str) -> JsonResponse:
    """Any other address."""
    raise RefusedError(404, "Not found")


ANY: dict[str, Endpoint] = dict.fromkeys(("GET", "POST", "PUT", "DELETE"), nowhere)

urlpatterns = [
    path("images/generations", resource(POST=create, GET=query)),
    path("images/generations/<str:task_id>", resource(GET=misplaced_query)),
    path("files", resource(POST=apimodels_files.upload)),
    path("balance", resource(GET=balance)),
    path("records/<str:task_id>", resource(GET=record)),
    path("<path:rest>", resource(**ANY)),
]
