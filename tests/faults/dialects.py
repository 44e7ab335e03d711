"""How each provider speaks when it is well: the few sentences that the stand-in needs, from their documents."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Json = dict[str, Any]
Query = Mapping[str, Sequence[str]]
Answer = tuple[int, Json]
ACCOUNT = "kling@example.com"


class Made(Protocol):
    id: str
    external_id: str
    prompt: str
    pictures: int
    made_at: int


class Books(Protocol):
    @property
    def tasks(self) -> Mapping[str, Made]: ...
    def accept(self, body: Json) -> Made | None: ...
    def find(self, name: str) -> Made | None: ...


Spoken = Callable[[Books, str, str, Query, Json, str], Answer]


def asks_for_a_task(path: str, query: Query) -> bool:
    """Whether a free request is about tasks, in whichever dialect."""
    return "/images/generations/" in path or path.startswith("tasks") or "task_id" in query


def addresses(task: Made, base: str) -> list[str]:
    return [f"{base}/pictures/{task.id}/{index}.png" for index in range(task.pictures)]


def kling(books: Books, method: str, path: str, query: Query, body: Json, base: str) -> Answer:
    if method == "POST":
        made = books.accept(body)
        if not made:
            return 400, {"code": 1201, "message": "external_task_id already exists", "request_id": "r-1"}
        return 200, _envelope(task_id=made.id, task_status="submitted")
    if not asks_for_a_task(path, query):
        return 200, _envelope(code=0, resource_pack_subscribe_infos=[])
    task = books.find(path.rpartition("/")[2])
    if not task:
        return 404, {"code": 1203, "message": "Task not found", "request_id": "r-1"}
    pictures = [{"index": index, "url": url} for index, url in enumerate(addresses(task, base))]
    return 200, _envelope(task_id=task.id, task_status="succeed", task_result={"images": pictures})


def _envelope(**data: Any) -> Json:
    return {"code": 0, "message": "SUCCEED", "request_id": "r-1", "data": data}


def kkiai(books: Books, method: str, path: str, query: Query, body: Json, base: str) -> Answer:
    if path.startswith("api/usage"):
        return 200, {"code": True, "message": "ok", "data": {"total_available": 500_000, "unlimited_quota": False}}
    return kling(books, method, path, query, body, base)


def useapi(books: Books, method: str, path: str, query: Query, body: Json, base: str) -> Answer:
    if method == "POST":
        made = books.accept(body)
        return 200, {**_task(made), "works": [], "status": 5, "status_name": "submitted", "status_final": False}
    if path == "scheduler/available":
        return 200, {"available": [{"email": ACCOUNT, "maxJobs": 5, "executing": 0, "available": 5}], "executing": []}
    if method == "DELETE":
        return 200, {}
    if path == "tasks":
        return 200, {"history": [_whole(each, base) for each in books.tasks.values()]}
    if path.startswith("tasks/"):
        task = books.find(path.rpartition("/")[2])
        return (200, _whole(task, base)) if task else (404, {"error": "Task not found"})
    return 200, {ACCOUNT: {"email": ACCOUNT, "maxJobs": 5}}


def _task(task: Made | None) -> Json:
    if not task:
        return {}
    arguments = [{"name": "prompt", "value": task.prompt}]
    return {"task": {"id": int(task.id), "taskInfo": {"arguments": arguments}, "createTime": task.made_at}}


def _whole(task: Made, base: str) -> Json:
    done = {"status": 99, "status_name": "succeed", "status_final": True}
    works = [{**done, "contentType": "image", "resource": {"resource": url}} for url in addresses(task, base)]
    return {**_task(task), "replyRef": task.external_id, **done, "works": works}


def apimodels(books: Books, method: str, path: str, query: Query, body: Json, base: str) -> Answer:
    if method == "POST":
        made = books.accept(body)
        return 200, {"code": 200, "data": {"taskId": made.id if made else ""}}
    if path == "balance":
        return 200, {"code": 200, "data": {"balance": 12.5}}
    if path.startswith("records/"):
        return 200, {"code": 200, "data": {"settled": True, "credits": 0.151, "state": "completed"}}
    task = books.find(query.get("task_id", [""])[0])
    if not task:
        return 404, {"code": 404, "msg": "Task not found"}
    return 200, {"code": 200, "data": {"taskId": task.id, "state": "completed", "resultUrls": addresses(task, base)}}


SPOKEN: Mapping[str, Spoken] = {"kling": kling, "kkiai": kkiai, "useapi": useapi, "apimodels": apimodels}
SECRETS: Mapping[str, Json] = {
    "kling": {"api_key": "stand-in-key"},
    "kkiai": {"api_key": "stand-in-key"},
    "useapi": {"api_token": "user:1-stand-in"},
    "apimodels": {"api_key": "sk_stand-in"},
}
