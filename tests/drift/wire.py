"""The four providers as their documents have them, behind the real client: it sends, and this answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from generations.providers import client
from tests.providers.fixtures import FOLDER

Body = Any  # JSON


@dataclass(frozen=True)
class Answer:
    """What comes back over the line."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


def told(body: Body, status: int = 200) -> Answer:
    return Answer(json.dumps(body).encode(), status)


@dataclass(frozen=True)
class Dialect:
    """One provider's documented answers, and where in them the things stand that may drift."""

    slug: str
    operation: str
    secret: str
    created: str
    done: str
    id: str
    word: str
    list: str
    url: str  # within an entry of the list; empty where that is the address itself
    count: str = "n"
    frame: str = "data"

    @property
    def outputs(self) -> str:
        return f"{self.list}[].{self.url}" if self.url else f"{self.list}[]"

    def create(self) -> Body:
        return _kept(f"{self.slug}/{self.created}")

    def query(self) -> Body:
        return _kept(f"{self.slug}/{self.done}")


def _kept(name: str) -> Body:
    return json.loads((FOLDER / f"{name}.json").read_text())["body"]


KLINGS = {
    "id": "data.task_id",
    "word": "data.task_status",
    "list": "data.task_result.images",
    "url": "url",
}
DIALECTS = {
    each.slug: each
    for each in (
        Dialect("kling", "text-to-image", "api_key", "text-to-image__submitted", "text-to-image__succeed", **KLINGS),
        Dialect(
            "useapi",
            "kolors",
            "api_token",
            "kolors__submitted",
            "kolors__succeed",
            id="task.id",
            word="status_name",
            list="works",
            url="resource.resource",
            count="imageCount",
            frame="",
        ),
        Dialect(
            "kkiai", "text-to-image", "api_key", "text-to-image__a-submitted", "text-to-image__a-succeed", **KLINGS
        ),
        Dialect(
            "apimodels",
            "text-to-image",
            "api_key",
            "text-to-image__submitted",
            "text-to-image__completed",
            id="data.taskId",
            word="data.state",
            list="data.resultUrls",
            url="",
        ),
    )
}


class Wire(client.Client):
    """The real client on a line of ours. `posts` counts the paid requests that arrived."""

    def __init__(self, dialect: Dialect, create: Callable[[], Answer], query: Callable[[], Answer]) -> None:
        super().__init__()
        self.dialect, self.on_create, self.on_query = dialect, create, query
        self.posts = 0
        self.line = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))

    def _client(self, key: client.Lane) -> httpx.AsyncClient:
        return self.line

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if trace := request.extensions.get("trace"):  # as httpcore would tell that it began to leave
            await trace("http11.send_request_headers.started", {})
        answer = self._answer(request)
        return httpx.Response(answer.status, headers=answer.headers, stream=httpx.ByteStream(answer.content))

    def _answer(self, request: httpx.Request) -> Answer:
        path = request.url.path
        if path.endswith(".png"):
            return Answer(PICTURE, headers={"content-type": "image/png"})
        if request.method == "POST":
            self.posts += 1
            return self.on_create()
        if path.endswith("/scheduler/available"):
            free = {"email": "studio@example.com", "maxJobs": 5, "executing": 0, "available": 5}
            return told({"executing": [], "available": [free]})
        if path.endswith("/tasks"):
            return told({"history": []})
        if "/records/" in path or _is_ours(path):
            return told({"code": 1203, "message": "not found"}, 404)
        return self.on_query()


def _is_ours(path: str) -> bool:
    """Whether a task is asked for by our own name, which is a UUID: the provider has not noted it yet."""
    return path.rpartition("/")[2].count("-") == 4


def _picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


PICTURE = _picture()
