"""Making a backup while everything runs.

Files exist before the rows that name them and never change, so the database is copied first and its files after it.
What somebody deletes in between is not in the backup, and said.
"""

import io
import json
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from generations import files
from klingweb import installation
from klingweb.backups import database
from klingweb.env import Env

FORMAT = 1
MANIFEST = "manifest.json"  # the first
DATABASE = "database"
KEYS = "keys/"
FILES = "files/"
END = "complete.json"  # the last: a backup without it was cut off


def write(out: IO[bytes], *, with_keys: bool) -> list[str]:
    """Write a backup as tar. Returns the names of files that were deleted meanwhile, and so are not in it."""
    with (
        TemporaryDirectory(dir=settings.DATA_DIR, prefix="backup-") as folder,
        tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        copied = Path(folder) / DATABASE
        with database.one_moment() as copy:
            copy(copied)
            manifest, names = _manifest(), sorted(files.relied_on())
        _add_json(archive, MANIFEST, manifest)
        with copied.open("rb") as content:
            _add(archive, DATABASE, content, copied.stat().st_size)
        if with_keys:
            _add_keys(archive)
        gone = [name for name in names if not _add_file(archive, name)]
        _add_json(archive, END, {"files": len(names) - len(gone), "gone": gone})
    return gone


def _manifest() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made": timezone.now().isoformat(timespec="seconds"),
        "database": connection.vendor,
        "migrations": sorted(MigrationRecorder(connection).applied_migrations()),
    }


def _add_keys(archive: tarfile.TarFile) -> None:
    for name in installation.KEYS:
        key = Env().secret(name, installation.key_file(name)).encode()
        _add(archive, KEYS + name.lower(), io.BytesIO(key), len(key))


def _add_file(archive: tarfile.TarFile, name: str) -> bool:
    try:
        with default_storage.open(name) as content:
            _add(archive, FILES + name, content, content.size)
    except FileNotFoundError:
        return False
    return True


def _add_json(archive: tarfile.TarFile, name: str, value: object) -> None:
    text = json.dumps(value, indent=1).encode()
    _add(archive, name, io.BytesIO(text), len(text))


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(timezone.now().timestamp())
    archive.addfile(member, content)
