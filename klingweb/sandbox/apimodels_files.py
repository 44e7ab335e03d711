"""apimodels.app's POST /files, and what becomes of the addresses of pictures in a request.

A file comes in a form, or is announced in JSON and then sent to a presigned address with PUT, without a key, within ten
minutes and with the same Content-Type; it is there for a week. Where its pages are silent: only pictures and videos are
taken; `expiresAt` is when the file goes.
"""

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import reverse

from klingweb.sandbox import fields, files, tasks, uploads
from klingweb.sandbox.apimodels_door import DIALECT, RefusedError, envelope, read_body
from klingweb.sandbox.fields import WrongValueError
from klingweb.sandbox.references import Limits, UnreadableError, measure
from klingweb.sandbox.store import Visit
from klingweb.sandbox.uploads import Upload

MOST_BYTES = 50 * 1024 * 1024
PRESIGNED_MS = 10 * 60_000
KINDS = re.compile(r"(image|video)/\w+")
ANNOUNCEMENT: dict[str, fields.Check] = {
    "filename": fields.text(least=1),
    "contentType": fields.text(least=1),
    "fileSize": fields.whole(1, MOST_BYTES),
}
PICTURES = Limits(most_bytes=MOST_BYTES, shortest_side=1, longest_ratio=1000, formats=("PNG", "JPEG", "WEBP", "GIF"))
PRIVATE = "private/reserved IP addresses not allowed"
PRIVATE_NAMES = ("localhost", ".localhost", ".local", ".internal")


def upload(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST /files: a form with the field `file`, or JSON with filename, contentType and fileSize."""
    is_form = request.content_type == "multipart/form-data"
    return _keep(request, visit) if is_form else _announce(request, visit)


def _keep(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    sent = _sent(request)
    if sent.size is None or sent.size > MOST_BYTES:
        raise RefusedError(400, "file must not be larger than 50 MB")
    kept = _new(sent.content_type or "", sent.read())
    uploads.keep(kept)
    return envelope(visit, publicUrl=files.upload_address(request, kept))


def _sent(request: HttpRequest) -> UploadedFile[bytes]:
    try:
        sent = request.FILES.get("file")
    except MultiPartParserError as error:
        raise RefusedError(400, str(error)) from error
    if not isinstance(sent, UploadedFile):
        raise RefusedError(400, "file is required")
    return sent


def _announce(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    body = read_body(request)
    try:
        fields.check_all(body, ANNOUNCEMENT, required=tuple(ANNOUNCEMENT))
    except WrongValueError as error:
        raise RefusedError(400, str(error)) from error
    announced = _new(body["contentType"], None)
    uploads.keep(announced)
    ends = datetime.fromtimestamp((announced.created_at + uploads.KEPT_MS) / 1000, UTC)
    return envelope(
        visit,
        uploadUrl=request.build_absolute_uri(reverse("sandbox:presigned", kwargs={"token": announced.token})),
        publicUrl=files.upload_address(request, announced),
        expiresAt=ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _new(content_type: str, content: bytes | None) -> Upload:
    if not KINDS.fullmatch(content_type):
        raise RefusedError(400, f"contentType {content_type!r} is not supported")
    return Upload(tasks.new_token(), DIALECT, "", content_type, tasks.now_ms(), content)


@files.public
def presigned(request: HttpRequest, _visit: Visit, token: str) -> HttpResponseBase:
    """PUT of an announced file, as it is."""
    announced = uploads.find(token, tasks.now_ms())
    if request.method != "PUT" or announced is None or tasks.now_ms() >= announced.created_at + PRESIGNED_MS:
        return files.sentence("Request has expired.", status=403)
    if request.headers.get("Content-Type") != announced.content_type:
        return files.sentence("SignatureDoesNotMatch: Content-Type is another.", status=403)
    content = request.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return files.sentence("EntityTooLarge.", status=400)
    if not uploads.fill(token, content):
        return files.sentence("It is there already.", status=403)
    return HttpResponse()


# Addresses in a request -----------------------------------------------------------------------------------------------


def sizes(request: HttpRequest, urls: Mapping[str, str]) -> dict[str, tuple[int, int] | None]:
    """Width and height of each picture, pixels; None for one elsewhere, because the sandbox fetches nothing.

    Only public https addresses and the sandbox's own files are allowed.
    """
    return {name: _size(request, name, url) for name, url in urls.items()}


def _size(request: HttpRequest, name: str, url: str) -> tuple[int, int] | None:
    if not fields.is_address(url):
        raise RefusedError(400, f"{name} must be a public http(s) URL")
    kept = files.find_upload(request, url)
    if kept is None:
        _check_public(name, url)
        return None
    try:
        return measure(kept.content or b"", PICTURES)
    except UnreadableError as error:
        raise RefusedError(400, f"{name} {error}") from error


def _check_public(name: str, url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_private(host):
        raise RefusedError(400, f"{name}: {PRIVATE}")
    if parts.scheme != "https":
        raise RefusedError(400, f"{name} must be an https URL")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith(PRIVATE_NAMES) or "." not in host
