"""useapi.net's POST /assets and POST /images/recognize-faces, after its pages of 8 August and 1 October 2025.

An asset is there for a week and only for the account that it was uploaded with. Videos and sound, which the page
allows, too, are refused here: no image endpoint takes them.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from klingweb.sandbox import files, tasks, uploads
from klingweb.sandbox.fields import is_address
from klingweb.sandbox.references import Limits, UnreadableError, measure
from klingweb.sandbox.store import Visit
from klingweb.sandbox.uploads import Upload
from klingweb.sandbox.useapi_door import DIALECT, NO_SUCH_ASSET, Account, RefusedError, account, bad_request, read_body
from klingweb.sandbox.useapi_faces import Bound, faces_in

MOST_BYTES = 10 * 1024 * 1024
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
GOOD_IMAGE = 3


def upload(request: HttpRequest, _visit: Visit) -> HttpResponseBase:
    """POST /assets?email=, the picture as it is."""
    owner = account(request.GET.get("email"))
    kind = request.content_type or ""
    if kind not in FORMATS:
        raise bad_request(f"Content-Type {kind} is not supported. Valid values: {','.join(FORMATS)}")
    content = request.read(MOST_BYTES + 1)
    _size(content, FORMATS[kind])
    kept = Upload(tasks.new_token(), DIALECT, owner.email, kind, tasks.now_ms(), content)
    uploads.keep(kept)
    url = files.upload_address(request, kept)
    return JsonResponse({"status": GOOD_IMAGE, "url": url, "message": "", "fileName": files.upload_name(kept)})


def recognize_faces(request: HttpRequest, _visit: Visit) -> HttpResponseBase:
    """POST /images/recognize-faces, free of charge."""
    body = read_body(request)
    owner = account(body.get("email"))
    url = body.get("imageReference")
    if not url:
        raise bad_request("Parameter imageReference is required")
    if not isinstance(url, str) or not is_address(url):
        raise bad_request("imageReference must be an http(s) URL")
    asset = find(request, owner, url)
    width, height = size(asset)
    return JsonResponse(
        {
            "status": 0,
            "message": "",
            "faceItems": [_face(request, asset, *face) for face in enumerate(faces_in(width, height))],
            "mediaInfo": {"type": "image", "width": width, "height": height, "duration": 0},
        }
    )


def _face(request: HttpRequest, asset: Upload, number: int, bound: Bound) -> dict[str, Any]:
    crop = {"type": "image", "url": files.face_address(request, asset, number)}
    return {
        "name": f"face_{number}",
        "resources": [{"name": "face", **crop}, {"name": "face_feature", **crop}],
        "arguments": [{"name": "face_bound", "value": json.dumps(asdict(bound), separators=(",", ":"))}],
    }


def find(request: HttpRequest, owner: Account, url: str) -> Upload:
    """The account's asset at this address. Nobody else's will do, and no address outside."""
    asset = files.find_upload(request, url)
    if asset is None or (asset.dialect, asset.account) != (DIALECT, owner.email):
        raise RefusedError(404, NO_SUCH_ASSET)
    return asset


def find_all(request: HttpRequest, owner: Account, urls: Mapping[str, str]) -> dict[str, Upload]:
    """The same for several, by the names of their fields."""
    return {name: find(request, owner, url) for name, url in urls.items()}


def size(asset: Upload) -> tuple[int, int]:
    """Width and height of an asset, pixels."""
    return _size(asset.content or b"", FORMATS[asset.content_type])


def _size(content: bytes, expected: str) -> tuple[int, int]:
    limits = Limits(most_bytes=MOST_BYTES, shortest_side=300, longest_ratio=math.inf, formats=(expected,))
    try:
        return measure(content, limits)
    except UnreadableError as error:
        raise bad_request(f"The file {error}") from error
