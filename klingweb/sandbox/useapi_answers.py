"""How useapi.net tells of tasks: the shapes of its pages on KOLORS, on a specific task and on the scheduler."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from klingweb.sandbox import files
from klingweb.sandbox.tasks import Stage, Task
from klingweb.sandbox.uploads import Upload
from klingweb.sandbox.useapi_assets import size
from klingweb.sandbox.useapi_door import ACCOUNTS, iso
from klingweb.sandbox.useapi_faces import Bound
from klingweb.sandbox.useapi_rules import Order

Json = dict[str, Any]

STATUSES: dict[Stage, Json] = {
    Stage.WAITING: {"status": 5, "status_name": "submitted", "status_final": False},
    Stage.WORKING: {"status": 10, "status_name": "processing", "status_final": False},
    Stage.SUCCEEDED: {"status": 99, "status_name": "succeed", "status_final": True},
    Stage.FAILED: {"status": 50, "status_name": "failed", "status_final": True},
}
MESSAGES = {Stage.SUCCEEDED: "success", Stage.FAILED: "Generation failed. Please adjust your input and try again."}
SCENE = "NORMAL_CREATION"
MOST_TASKS = 10_000


def remembered(order: Order, assets: Mapping[str, Upload], urls: Mapping[str, str], face: Bound | None) -> Json:
    """What a task must keep for all answers about it."""
    bound = {"faceBound": json.dumps(vars(face), separators=(",", ":"))} if face else {}
    arguments = {
        "prompt": order.asked["prompt"],
        "aspect_ratio": order.asked["aspect_ratio"],
        "imageCount": str(order.asked["imageCount"]),
        **dict(order.arguments),
        "style": "默认",
        **bound,
        "biz": "klingai",
    }
    return {
        "type": order.type,
        "inputs": [_input(name, url) for name, url in urls.items()],
        "arguments": [{"name": name, "value": value} for name, value in arguments.items()],
        "callbackPayloads": _payloads(assets),
        "replyUrl": order.asked.get("replyUrl", ""),
    }


def _input(name: str, url: str) -> Json:
    common = {"inputType": "URL", "token": None, "blobStorage": None, "cover": None, "fromWorkId": None}
    return {"name": "input" if name == "imageReference" else name, "url": url, **common}


def _payloads(assets: Mapping[str, Upload]) -> list[Json]:
    if "imageReference" not in assets:
        return []
    width, height = size(assets["imageReference"])
    payloads = {"referenceImageWidth": width, "referenceImageHeight": height}
    return [{"name": name, "value": str(value)} for name, value in payloads.items()]


def created(task: Task, now: int) -> Json:
    """The answer to a creation."""
    return {
        "task": _task(task, now),
        "works": [],
        **STATUSES[task.stage(now)],
        "message": "",
        "limitation": {"type": task.told["type"], "remaining": MOST_TASKS, "limit": MOST_TASKS},
        "userPoints": {"points": [], "total": 0},
        "userTickets": {"ticket": []},
        "editProject": None,
    }


def whole(request: HttpRequest, task: Task, now: int) -> Json:
    """The answer to a query for one task."""
    left = max(0, task.done_at - now)
    stage = task.stage(now)
    return {
        **STATUSES[stage],
        "etaTime": left,
        "etaTimeOverSla": False,
        "queuingEtaTime": left if stage is Stage.WAITING else 0,
        "originEtaTime": task.done_at - task.created_at,
        "originQueuingEtaTime": 0,
        "message": MESSAGES.get(stage, ""),
        **listed(request, task, now),
    }


def called(request: HttpRequest, task: Task, now: int) -> Json:
    """What is told at its `replyUrl`: the same, and the client's own name for it. Where that stands no page says."""
    return {**whole(request, task, now), "replyRef": task.external_id}


def listed(request: HttpRequest, task: Task, now: int) -> Json:
    """A task as an entry of a list."""
    return {"task": _task(task, now), "works": works(request, task, now)}


def _task(task: Task, now: int) -> Json:
    told = task.told
    info = {name: told[name] for name in ("type", "inputs", "arguments", "callbackPayloads")}
    return {
        "id": int(task.id),
        "userId": ACCOUNTS[task.account].user_id,
        "type": told["type"],
        "scene": SCENE,
        **STATUSES[task.stage(now)],
        "taskInfo": {**info, "extraArgs": {}, "scene": SCENE},
        "favored": False,
        "deleted": False,
        "viewed": False,
        "createTime": task.created_at,
        "updateTime": task.changed_at(now),
    }


def works(request: HttpRequest, task: Task, now: int) -> list[Json]:
    """One entry for each picture of a task that succeeded; what did not come out has failed and has no address."""
    if task.stage(now) is not Stage.SUCCEEDED:
        return []
    return [_work(request, task, index) for index in range(task.pictures)]


def _work(request: HttpRequest, task: Task, index: int) -> Json:
    came_out = index < task.arrived
    url = files.address(request, task, index) if came_out else ""
    resource = {"resource": url, "height": task.height, "width": task.width, "duration": 0, "resourceKey": ""}
    return {
        "workId": work_id(task, index),
        "workItemId": 0,
        "taskId": int(task.id),
        "userId": ACCOUNTS[task.account].user_id,
        "type": task.told["type"],
        **STATUSES[Stage.SUCCEEDED if came_out else Stage.FAILED],
        "contentType": "image",
        "resource": resource,
        "cover": resource,
        "createTime": task.done_at,
    }


def work_id(task: Task, index: int) -> int:
    """The number of a picture; there are nine at most."""
    return int(task.id) * 10 + index


def job(task: Task, now: int) -> Json:
    """A task as an entry of the scheduler."""
    minutes, seconds = divmod((now - task.created_at) // 1000, 60)
    return {
        "id": int(task.id),
        "email": task.account,
        "started": iso(task.created_at),
        "elapsed": f"{minutes:02}:{seconds:02}",
        "replyUrl": task.told["replyUrl"],
        "replyRef": task.external_id,
    }
