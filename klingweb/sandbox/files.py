"""The pictures that tasks give: addresses that nobody can guess, drawn when someone asks for them."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from klingweb.sandbox import scenarios, store
from klingweb.sandbox.pictures import Sketch, draw
from klingweb.sandbox.serving import recorded
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import SLOW_FILES_MS, Task, dawdle, now_ms


def address(request: HttpRequest, task: Task, index: int, *, marked: bool = False) -> str:
    """The full URL of a task's picture on the host that was asked; `index` counts from 0."""
    name = "sandbox:marked-picture" if marked else "sandbox:picture"
    return request.build_absolute_uri(reverse(name, kwargs={"token": task.token, "index": index}))


@recorded("files")
def picture(request: HttpRequest, visit: Visit, token: str, index: int, marked: bool = False) -> HttpResponseBase:
    """One picture as PNG. An Authorization header is refused: a key has no business on a host for files."""
    if "Authorization" in request.headers:
        return _sentence("Files are public: send no Authorization header.", status=400)
    task = store.find_by_token(token)
    if task is None:
        return _sentence("No such file.", status=404)
    visit.task_id, visit.external_task_id = task.id, task.external_id
    if not task.shows_pictures(now_ms()) or index >= task.pictures or (marked and not task.marked):
        return _sentence("No such file.", status=404)
    content = _drawn(task, index, marked=marked)
    if task.plays(scenarios.SLOW_FILES):
        length = {"Content-Length": str(len(content))}
        return StreamingHttpResponse(_in_halves(content), content_type="image/png", headers=length)
    return HttpResponse(content, content_type="image/png")


def _in_halves(content: bytes) -> Iterator[bytes]:
    yield content[: len(content) // 2]
    dawdle(SLOW_FILES_MS)
    yield content[len(content) // 2 :]


def _drawn(task: Task, index: int, *, marked: bool) -> bytes:
    sketch = Sketch(
        prompt=task.prompt,
        seed=f"{task.id} {index}",
        number=index + 1,
        total=task.pictures,
        width=task.width,
        height=task.height,
        marked=marked,
    )
    return draw(sketch)


def _sentence(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain")
