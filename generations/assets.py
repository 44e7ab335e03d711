"""Reference images: kept once per team and content, and handed to providers in the form in which they take them.

Files are written before their row and removed after it: a crash leaves at worst a file that nobody knows.
"""

import base64
import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

import httpx
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from generations import images, pictures
from generations.models import Asset, AssetCopy, Credential, Image
from generations.pictures import BadPicture
from generations.providers import client
from generations.providers.client import Call, HostPolicy, NotFetched
from generations.providers.fields import PictureBounds
from klingweb.accounts.models import Team, User

SPARE = timedelta(hours=6)  # a copy that goes sooner is sent anew
UPLOAD_CAP = 40 * 2**20  # bytes
ADDRESS_DEADLINE = 10.0  # seconds; a person waits for it
PUBLIC_ONLY = HostPolicy()  # for whatever a person typed
INSTEAD = "Use another public https address, or save the picture and choose its file."
NAME_LENGTH = 120


# Keeping --------------------------------------------------------------------------------------------------------------


def keep(team: Team, person: User | None, file: IO[bytes], name: str, bounds: PictureBounds) -> Asset:
    """Keep what a person uploaded, in a form that fits the bounds; `name` as their device calls it. Raises BadPicture.

    The same picture again gives the same asset, also when two requests bring it at once.
    """
    return _keep(team, person, file, PurePosixPath(name.replace("\\", "/")).name, bounds)


def keep_image(image: Image, person: User | None, bounds: PictureBounds) -> Asset:
    """Make a reference of a picture that was made here, for the same team. Raises BadPicture."""
    words = " ".join(image.generation.prompt.split()[:5])
    try:
        with images.open_original(image) as file:
            return _keep(image.generation.team, person, file, f"{words} {image.number}", bounds)
    except FileNotFoundError:
        raise BadPicture("The file of this picture is not there any more. Choose another picture.") from None


def keep_address(team: Team, person: User | None, address: str, bounds: PictureBounds) -> Asset:
    """Fetch a picture from a public https address and keep it. Takes ten seconds at most. Raises BadPicture."""
    try:
        url = httpx.URL(address.strip())
        request = httpx.Request("GET", url, headers={"Accept": "image/*"})
    except (httpx.InvalidURL, ValueError):
        raise BadPicture(f"This is not an address. {INSTEAD}") from None
    call = Call(request, ADDRESS_DEADLINE, PUBLIC_ONLY, "addresses")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        fetched = client.shared().fetch(call, path, UPLOAD_CAP).result()
        if isinstance(fetched, NotFetched):
            raise BadPicture(f"{fetched.reason} {INSTEAD}")
        with path.open("rb") as file:
            return _keep(team, person, file, PurePosixPath(url.path).name or url.host, bounds)


def is_used(asset: Asset) -> bool:
    """Whether a generation refers to it, or it shows an element."""
    return asset.references.exists() or asset.elements.exists()


def forget(asset: Asset) -> None:
    """Delete an asset, its copies and, once that is committed, its files.

    Raises ProtectedError while it is used.
    """
    copies = asset.copies.exclude(file="").values_list("file", flat=True)
    names = {asset.file, thumbnail_name(asset), *copies}
    with transaction.atomic():
        asset.delete()
        transaction.on_commit(lambda: _discard(names))


# Looking --------------------------------------------------------------------------------------------------------------


def thumbnail_name(asset: Asset) -> str:
    """The name in storage of its thumbnail."""
    return f"{asset.file.rpartition('.')[0]}-{pictures.THUMBNAIL}.webp"


def open_original(asset: Asset) -> IO[bytes]:
    """The picture itself. Raises FileNotFoundError."""
    return default_storage.open(asset.file)


def open_thumbnail(asset: Asset) -> IO[bytes]:
    """Its thumbnail. Raises FileNotFoundError."""
    return default_storage.open(thumbnail_name(asset))


# Delivering -----------------------------------------------------------------------------------------------------------


def check(asset: Asset, bounds: PictureBounds) -> None:
    """Raises BadPicture where the asset was kept for a provider that takes more."""
    if refusal := pictures.refuses(bounds, asset.width, asset.height, asset.size):
        raise BadPicture(refusal)


def copy_for(asset: Asset, credential: Credential) -> AssetCopy:
    """The copy for a provider that takes bytes: the kept file itself. Any number of callers get the same one."""
    copy, _ = AssetCopy.objects.get_or_create(
        asset=asset,
        credential=credential,
        account="",
        defaults={"file": asset.file, "sha256": asset.sha256, "size": asset.size},
    )
    return copy


def copy_at(asset: Asset, credential: Credential, account: str, now: datetime) -> AssetCopy | None:
    """The copy that lies at the provider already, where that is going to stay for a while."""
    fresh = Q(expires_at=None) | Q(expires_at__gt=now + SPARE)
    lying = AssetCopy.objects.filter(fresh, asset=asset, credential=credential, account=account)
    return lying.exclude(address="").first()


def keep_copy(
    asset: Asset, credential: Credential, account: str, address: str, expires_at: datetime | None
) -> AssetCopy:
    """Remember where the provider keeps an asset. An older copy that has expired is forgotten."""
    values = {"address": address, "expires_at": expires_at, "sha256": asset.sha256, "size": asset.size}
    copy, _ = AssetCopy.objects.update_or_create(
        asset=asset, credential=credential, account=account, defaults=values | {"created": timezone.now()}
    )
    return copy


def delivered(copy: AssetCopy) -> str:
    """What a request holds of a copy: its address at the provider, or its bytes. Raises FileNotFoundError."""
    return copy.address or base64_of(copy)


def base64_of(copy: AssetCopy) -> str:
    """Its bytes as plain base64: no `data:` prefix, no line breaks. Raises FileNotFoundError."""
    with default_storage.open(copy.file) as file:
        return base64.b64encode(file.read()).decode("ascii")


# Files and rows -------------------------------------------------------------------------------------------------------


def _keep(team: Team, person: User | None, file: IO[bytes], name: str, bounds: PictureBounds) -> Asset:
    prepared = pictures.prepare(_read(file), bounds)
    sha256 = hashlib.sha256(prepared.content).hexdigest()
    if known := Asset.objects.filter(team=team, sha256=sha256).first():
        return known
    pk = uuid.uuid4()
    asset = Asset(
        pk=pk,
        team=team,
        person=person,
        name=_clean(name),
        said=prepared.said,
        file=f"assets/{pk}.{images.EXTENSIONS[prepared.media_type]}",
        media_type=prepared.media_type,
        sha256=sha256,
        size=len(prepared.content),
        width=prepared.width,
        height=prepared.height,
    )
    default_storage.save(asset.file, ContentFile(prepared.content))
    default_storage.save(thumbnail_name(asset), ContentFile(prepared.thumbnail))
    return _insert(asset)


def _insert(asset: Asset) -> Asset:
    """Write the row, or return that of whoever was first."""
    try:
        with transaction.atomic():
            asset.save(force_insert=True)
    except IntegrityError:
        _discard([asset.file, thumbnail_name(asset)])
        return Asset.objects.get(team=asset.team_id, sha256=asset.sha256)
    return asset


def _read(file: IO[bytes]) -> bytes:
    content = file.read(UPLOAD_CAP + 1)
    if len(content) > UPLOAD_CAP:
        raise BadPicture(f"The file is larger than {UPLOAD_CAP // 2**20} MB. Make the picture smaller and try again.")
    return content


def _clean(name: str) -> str:
    """As it can be shown: one line, without characters that hide or turn others around."""
    printable = "".join(each if each.isprintable() else " " for each in name)
    return " ".join(printable.split())[:NAME_LENGTH] or "picture"


def _discard(names: Iterable[str]) -> None:
    for name in names:
        default_storage.delete(name)
