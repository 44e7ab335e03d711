"""Which files there should be, which there are, and whether they are what they were."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from generations import assets, images
from generations.models import Asset, AssetCopy, Image

FOLDERS = ("assets", "originals", "thumbnails")
STRAY = timedelta(days=1)  # a file comes before its row, but not by so much


def relied_on() -> set[str]:
    """The names in storage of all files that must be there."""
    return {*_of_images(Image.objects.filter(state__in=Image.HERE)), *_of_assets()}


def present() -> set[str]:
    """The names of all files in storage that are of our making."""
    return {f"{folder}/{name}" for folder in FOLDERS for name in _listed(folder)}


def missing(here: set[str]) -> set[str]:
    """Files that must be there and are not, of which `present` said before what is."""
    return {name for name in relied_on() - here if not default_storage.exists(name)}


def stray(here: set[str], now: datetime) -> set[str]:
    """Files that have belonged to no row for a day, of which `present` said before what is."""
    known = {*_of_images(Image.objects.exclude(file="")), *_of_assets()}
    return {name for name in here - known if _is_older(name, now - STRAY)}


def damaged() -> Iterator[str]:
    """The names of pictures that are there, but not as they were. Reads all of them."""
    pictures = Image.objects.filter(state__in=Image.HERE).values_list("file", "sha256")
    for name, sha256 in [*pictures, *Asset.objects.values_list("file", "sha256")]:
        try:
            with default_storage.open(name) as file:
                same = _sha256(file) == sha256
        except FileNotFoundError:
            continue
        if not same:
            yield name


def of_image(image: Image) -> list[str]:
    """The names of a picture's files, with thumbnails where they are made already."""
    widths = images.THUMBNAILS if image.has_thumbnails else ()
    return [image.file, *(images.thumbnail_name(image, width) for width in widths)]


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def _of_images(found: QuerySet[Image]) -> Iterator[str]:
    for image in found.only("file", "state").iterator():
        yield from of_image(image)


def _of_assets() -> Iterator[str]:
    for asset in Asset.objects.only("file").iterator():
        yield asset.file
        yield assets.thumbnail_name(asset)
    yield from AssetCopy.objects.exclude(file="").values_list("file", flat=True)


def _listed(folder: str) -> list[str]:
    try:
        return default_storage.listdir(folder)[1]
    except FileNotFoundError:
        return []


def _is_older(name: str, moment: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < moment
    except FileNotFoundError:
        return False
