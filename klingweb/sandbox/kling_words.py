"""Kling's words: the envelope, the error codes, how a task is told; the relay passes some of them on.

The envelope, the status words and the error codes are those of "Image Generation" and "Error codes"; the texts of
1102, 1201, 1301 and 1303 were seen in real answers. Where the document is silent: a refusal has no `data`; an
external_task_id that exists already is refused with 1201; a task tells `final_unit_deduction` once it is over.
"""

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from klingweb.sandbox import files
from klingweb.sandbox.fields import WrongValueError
from klingweb.sandbox.kling_fields import Body, UnknownModelError
from klingweb.sandbox.playing import Refusal, Wish
from klingweb.sandbox.tasks import Stage, Task

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
STATUSES = {
    Stage.WAITING: "submitted",
    Stage.WORKING: "processing",
    Stage.SUCCEEDED: "succeed",
    Stage.FAILED: "failed",
}
RISK = "Failure to pass the risk control system"
REFUSALS = {
    Refusal.MODERATED: (1301, RISK),
    Refusal.NO_CREDIT: (1102, "Account balance not enough"),
    Refusal.BUSY: (1303, "parallel task over resource pack limit"),
    Refusal.NAME_TAKEN: (1201, "external_task_id {!r} already exists"),
}
"""Code and message, with room for the name that the client gave the task."""


class RefusedError(Exception):
    """A request is refused with one of Kling's codes."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def understood(body: Body, read: Callable[[Body], Wish]) -> Wish:
    """What a body asks for by the rules of `read`. Raises RefusedError."""
    try:
        return read(body)
    except WrongValueError as error:
        raise RefusedError(1201, str(error)) from error
    except UnknownModelError as error:
        raise RefusedError(1203, str(error)) from error


def envelope(code: int, message: str, **data: object) -> dict[str, Any]:
    """An answer's body."""
    return {"code": code, "message": message, "request_id": str(uuid.uuid4()), **data}


def brief(task: Task, now: int) -> dict[str, Any]:
    """A task as the answer to its creation tells it."""
    return {
        "task_id": task.id,
        "task_status": STATUSES[task.stage(now)],
        "task_info": {"external_task_id": task.external_id},
        "created_at": task.created_at,
        "updated_at": task.changed_at(now),
    }


def whole(request: HttpRequest, task: Task, now: int) -> dict[str, Any]:
    """A task as queries tell it."""
    stage = task.stage(now)
    failed, succeeded = stage is Stage.FAILED, stage is Stage.SUCCEEDED
    deduction = {"final_unit_deduction": str(task.units)} if failed or succeeded else {}
    return {
        **brief(task, now),
        "task_status_msg": RISK if failed else "",
        **deduction,
        "watermark_info": {"enabled": task.marked},
        "task_result": _result(request, task) if succeeded else {},
    }


def _result(request: HttpRequest, task: Task) -> dict[str, Any]:
    """The pictures; an endpoint that makes series as well names the kind, and each kind has its own list."""
    images = [
        {
            "index": index,
            "url": files.address(request, task, index),
            "watermark_url": files.address(request, task, index, marked=True) if task.marked else "",
        }
        for index in range(task.arrived)
    ]
    kind = task.told.get("result_type")
    if kind is None:
        return {"images": images}
    return {"result_type": kind, "series_images" if kind == "series" else "images": images}
