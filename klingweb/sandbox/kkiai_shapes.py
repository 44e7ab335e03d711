"""The shapes in which relays tell about one and the same task of Kling.

What kkiai.com answers is nowhere written. These were seen at relays of its kind for the very same paths; the sandbox
speaks each of them at an address of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from klingweb.sandbox import files, tasks
from klingweb.sandbox.kling_words import RISK, brief, envelope, whole
from klingweb.sandbox.tasks import Stage, Task

Body = dict[str, Any]
Teller = Callable[[HttpRequest, Task, int], Body]
"""Tells about a task at a moment, Unix milliseconds."""

PREFIX = "task_"
MOST_PICTURES = 9
DTO_STATUSES = {
    Stage.WAITING: "QUEUED",
    Stage.WORKING: "IN_PROGRESS",
    Stage.SUCCEEDED: "SUCCESS",
    Stage.FAILED: "FAILURE",
}
DTO_PROGRESS = {Stage.WAITING: "0%", Stage.WORKING: "50%", Stage.SUCCEEDED: "100%", Stage.FAILED: "100%"}
BARE_STATUSES = {
    Stage.WAITING: "queued",
    Stage.WORKING: "processing",
    Stage.SUCCEEDED: "succeeded",
    Stage.FAILED: "failed",
}
FLAT_STATUSES = {
    Stage.WAITING: "queued",
    Stage.WORKING: "in_progress",
    Stage.SUCCEEDED: "completed",
    Stage.FAILED: "failed",
}


def new_prefixed_id() -> str:
    """An id as the relay makes it itself, instead of passing Kling's on."""
    return PREFIX + tasks.new_task_id()


@dataclass(frozen=True)
class Shape:
    """How one relay answers."""

    created: Teller
    """To the request that made the task."""
    queried: Teller | None
    """To a query; None if there is no task to ask about, because the first answer waits for the pictures."""
    new_id: Callable[[], str] = tasks.new_task_id
    most_pictures: int = MOST_PICTURES
    """One, where an answer has room for one address: no picture that was paid for may get lost."""
    passes_refusals: bool = False
    """Whether Kling's refusals arrive as they are, else wrapped in the relay's own."""


def _native_brief(_request: HttpRequest, task: Task, now: int) -> Body:
    return envelope(0, "SUCCEED", data=brief(task, now))


def called(request: HttpRequest, task: Task, now: int) -> Body:
    """What a callback tells: Kling's own view without an envelope; the document's sample lacks two of its parts."""
    told: Body = _native(request, task, now)["data"]
    return {name: value for name, value in told.items() if name not in ("task_info", "final_unit_deduction")}


def _native(request: HttpRequest, task: Task, now: int) -> Body:
    kling_id = task.id.removeprefix(PREFIX)
    return envelope(0, "SUCCEED", data=whole(request, task, now) | {"task_id": kling_id})


def _video_object(status: str) -> Teller:
    def tell(_request: HttpRequest, task: Task, _now: int) -> Body:
        return {
            "id": task.id,
            "task_id": task.id,
            "object": "video",
            "model": task.told["model_name"],
            "status": status,
            "progress": 0,
            "created_at": _seconds(task.created_at),
        }

    return tell


def _dto(request: HttpRequest, task: Task, now: int) -> Body:
    stage = task.stage(now)
    over = stage in (Stage.SUCCEEDED, Stage.FAILED)
    told = {
        "task_id": task.id,
        "status": DTO_STATUSES[stage],
        "fail_reason": _reason(task, now),
        "result_url": _first_address(request, task, now),
        "progress": DTO_PROGRESS[stage],
        "submit_time": _seconds(task.created_at),
        "finish_time": _seconds(task.done_at) if over else 0,
        "data": _native(request, task, now),
    }
    return {"code": "success", "message": "", "data": told}


def _bare(request: HttpRequest, task: Task, now: int) -> Body:
    told = {
        "task_id": task.id,
        "status": BARE_STATUSES[task.stage(now)],
        "format": "png",
        "url": _first_address(request, task, now),
        "error": _reason(task, now) or None,
    }
    return {"code": "success", "message": "", "data": told}


def _flat(request: HttpRequest, task: Task, now: int) -> Body:
    reason = _reason(task, now)
    return {
        "task_id": task.id,
        "status": FLAT_STATUSES[task.stage(now)],
        "url": _first_address(request, task, now),
        "metadata": None,
        "error": {"message": reason, "code": "task_failed"} if reason else None,
    }


def _openai(request: HttpRequest, task: Task, now: int) -> Body:
    return {"created": _seconds(now), "data": [{"url": url} for url in _addresses(request, task, now)]}


def _addresses(request: HttpRequest, task: Task, now: int) -> list[str]:
    there = task.arrived if task.stage(now) is Stage.SUCCEEDED else 0
    return [files.address(request, task, index) for index in range(there)]


def _first_address(request: HttpRequest, task: Task, now: int) -> str:
    return next(iter(_addresses(request, task, now)), "")


def _reason(task: Task, now: int) -> str:
    return RISK if task.stage(now) is Stage.FAILED else ""


def _seconds(milliseconds: int) -> int:
    return milliseconds // 1000


SHAPES = {
    "kkiai": Shape(_native_brief, _native, passes_refusals=True),
    "kkiai-b": Shape(_video_object(status=""), _native, new_id=new_prefixed_id),
    "kkiai-c": Shape(_video_object(status="queued"), _dto, new_id=new_prefixed_id),
    "kkiai-d": Shape(_bare, _bare, most_pictures=1),
    "kkiai-e": Shape(_flat, _flat, most_pictures=1),
    "kkiai-f": Shape(_openai, None),
}
"""By dialect, in the order in which the facts list them."""
