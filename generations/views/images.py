"""The files themselves: only for those who may see them, unchanging, and as what they really are."""

import uuid
from collections.abc import Callable, Iterator
from typing import IO

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag
from django.utils.text import slugify
from django.views.decorators.http import require_safe
from zipstream import ZIP_STORED, ZipStream

from generations import access, assets, images, pictures, queries
from generations.models import Generation, Image
from klingweb.accounts.access import SignedIn, sign_in_required

CACHE = "private, max-age=31536000, immutable"
BLOCK = 65536


@require_safe
@sign_in_required
def original(request: SignedIn, pk: uuid.UUID) -> HttpResponseBase:
    """A picture as it came; `?download` offers it under a telling name."""
    image = access.image(request.user, pk)
    name = file_name(image)
    headers = {"Content-Disposition": content_disposition_header("download" in request.GET, name) or ""}
    return _file(request, image.sha256, image.media_type, lambda: images.open_original(image), headers)


@require_safe
@sign_in_required
def thumbnail(request: SignedIn, pk: uuid.UUID, width: int) -> HttpResponseBase:
    """A small copy of a picture, as WebP."""
    image = access.image(request.user, pk)
    if width not in images.THUMBNAILS:
        raise Http404
    return _file(request, f"{image.sha256}-{width}", "image/webp", lambda: images.open_thumbnail(image, width), {})


@require_safe
@sign_in_required
def asset(request: SignedIn, pk: uuid.UUID) -> HttpResponseBase:
    """A reference image as providers get it."""
    kept = access.asset(request.user, pk)
    headers = {"Content-Disposition": content_disposition_header("download" in request.GET, kept.file_name) or ""}
    return _file(request, kept.sha256, kept.media_type, lambda: assets.open_original(kept), headers)


@require_safe
@sign_in_required
def asset_thumbnail(request: SignedIn, pk: uuid.UUID, width: int) -> HttpResponseBase:
    """A small copy of a reference image, as WebP."""
    kept = access.asset(request.user, pk)
    if width != pictures.THUMBNAIL:
        raise Http404
    return _file(request, f"{kept.sha256}-{width}", "image/webp", lambda: assets.open_thumbnail(kept), {})


@require_safe
@sign_in_required
def archive(request: SignedIn, pk: uuid.UUID) -> HttpResponseBase:
    """All pictures of a generation in one ZIP, whose size is known from the start."""
    generation = access.generation(request.user, pk)
    kept = [each for each in queries.kept(generation) if images.exists(each)]
    if not kept:
        raise Http404("There is no picture to download yet.")
    stream = ZipStream(compress_type=ZIP_STORED, sized=True)
    for image in kept:
        stream.add(_chunks(image), file_name(image), size=image.size)
    response = StreamingHttpResponse(stream, content_type="application/zip")
    response["Content-Length"] = str(len(stream))
    response["Content-Disposition"] = content_disposition_header(True, f"{stem(generation)}.zip") or ""
    return response


def stem(generation: Generation) -> str:
    """`2026-11-21-1426-<first words of the prompt>-<model>`."""
    words = slugify(generation.prompt)[:48].strip("-")
    return "-".join(filter(None, [f"{generation.created:%Y-%m-%d-%H%M}", words, slugify(generation.model_name)]))


def file_name(image: Image) -> str:
    """What a downloaded picture is called."""
    return f"{stem(image.generation)}-{image.number}.{image.extension}"


def _chunks(image: Image) -> Iterator[bytes]:
    with images.open_original(image) as file:
        while chunk := file.read(BLOCK):
            yield chunk


def _file(
    request: SignedIn, tag: str, media_type: str, opened: Callable[[], IO[bytes]], headers: dict[str, str]
) -> HttpResponseBase:
    headers |= {"Cache-Control": CACHE, "ETag": quote_etag(tag), "X-Content-Type-Options": "nosniff"}
    if same := get_conditional_response(request, etag=headers["ETag"], response=None):
        return _with(same, headers)
    try:
        response = FileResponse(opened(), content_type=media_type)
    except FileNotFoundError:
        raise Http404("The file is not there any more.") from None
    response.block_size = BLOCK
    return _with(response, headers)


def _with(response: HttpResponse | FileResponse, headers: dict[str, str]) -> HttpResponseBase:
    for name, value in headers.items():
        response.headers[name] = value
    return response
