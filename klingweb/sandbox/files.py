"""Everything that has an address of its own which nobody can guess: pictures that tasks give, and clients' files.

Pictures are drawn when someone asks for them.
"""

import re
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from klingweb.sandbox import scenarios, store, uploads, useapi_faces
from klingweb.sandbox.pictures import Sketch, draw
from klingweb.sandbox.serving import Endpoint, View, recorded
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import SLOW_FILES_MS, Task, dawdle, now_ms
from klingweb.sandbox.uploads import Upload

ENDINGS = {"image/jpeg": "jpg"}
"""Of file names, where it is not the second half of the content type."""
FOR_BROWSERS = {"apimodels"}
"""Dialects whose files are only for a User-Agent that looks like a browser's (measured by a user of apimodels)."""
WITH_FACES = {"useapi"}
"""Dialects that look for faces in their clients' pictures."""
UPLOAD_ADDRESS = re.compile(r"/sandbox/files/uploads/([0-9a-f]{32})\.\w+$")


def address(request: HttpRequest, task: Task, index: int, *, marked: bool = False) -> str:
    """The full URL of a task's picture on the host that was asked; `index` counts from 0."""
    name = "sandbox:marked-picture" if marked else "sandbox:picture"
    return request.build_absolute_uri(reverse(name, kwargs={"token": task.token, "index": index}))


def upload_name(upload: Upload) -> str:
    """The name of a client's file."""
    kind = upload.content_type.partition("/")[2]
    return f"{upload.token}.{ENDINGS.get(upload.content_type, kind)}"


def upload_address(request: HttpRequest, upload: Upload) -> str:
    """The full URL of a client's file."""
    return request.build_absolute_uri(reverse("sandbox:upload", kwargs={"name": upload_name(upload)}))


def face_address(request: HttpRequest, upload: Upload, number: int) -> str:
    """The full URL of a face in a client's picture, counted from 0."""
    return request.build_absolute_uri(reverse("sandbox:face", kwargs={"token": upload.token, "number": number}))


def find_upload(request: HttpRequest, url: str) -> Upload | None:
    """The client's file at this URL, if it is one of this host's and has arrived."""
    named = UPLOAD_ADDRESS.search(url)
    upload = uploads.find(named[1], now_ms()) if named else None
    return upload if upload and upload.content is not None and upload_address(request, upload) == url else None


def public(endpoint: Endpoint) -> View:
    """A view of files. An Authorization header is refused: a key has no business on a host for files."""

    @recorded("files")
    def view(request: HttpRequest, visit: Visit, **parts: object) -> HttpResponseBase:
        if "Authorization" in request.headers:
            return sentence("Files are public: send no Authorization header.", status=400)
        return endpoint(request, visit, **parts)

    return view


@public
def picture(request: HttpRequest, visit: Visit, token: str, index: int, marked: bool = False) -> HttpResponseBase:
    """One picture of a task, as PNG."""
    task = store.find_by_token(token)
    if task is None:
        return _missing()
    visit.task_id, visit.external_task_id = task.id, task.external_id
    if _is_shut_out(request, task.dialect):
        return _forbidden()
    if not task.shows_pictures(now_ms()) or index >= task.arrived or (marked and not task.marked):
        return _missing()
    content = _drawn(task, index, marked=marked)
    if task.plays(scenarios.SLOW_FILES):
        length = {"Content-Length": str(len(content))}
        return StreamingHttpResponse(_in_halves(content), content_type="image/png", headers=length)
    return HttpResponse(content, content_type="image/png")


@public
def client_file(request: HttpRequest, _visit: Visit, name: str) -> HttpResponseBase:
    """A client's file, as it was sent."""
    upload = uploads.find(name.partition(".")[0], now_ms())
    if upload is None or upload.content is None or upload_name(upload) != name:
        return _missing()
    if _is_shut_out(request, upload.dialect):
        return _forbidden()
    return HttpResponse(upload.content, content_type=upload.content_type)


@public
def face(_request: HttpRequest, _visit: Visit, token: str, number: int) -> HttpResponseBase:
    """A face cut out of a client's picture, as JPEG."""
    upload = uploads.find(token, now_ms())
    if upload is None or upload.content is None or upload.dialect not in WITH_FACES:
        return _missing()
    content = useapi_faces.crop(upload.content, number)
    return HttpResponse(content, content_type="image/jpeg") if content else _missing()


def _is_shut_out(request: HttpRequest, dialect: str) -> bool:
    return dialect in FOR_BROWSERS and not request.headers.get("User-Agent", "").startswith("Mozilla/")


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


def _missing() -> HttpResponse:
    return sentence("No such file.", status=404)


def _forbidden() -> HttpResponse:
    return sentence("Forbidden.", status=403)


def sentence(text: str, status: int) -> HttpResponse:
    """An answer for people."""
    return HttpResponse(text, status=status, content_type="text/plain")
