"""Restoring a backup into an installation that is empty.

Files first, then the database, then nothing is believed of what may have been sent since. A file in the data directory
tells until the end that this goes on: while it is there nothing starts, and restoring again begins anew.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from generations import files
from generations.models import Generation, Heartbeat
from generations.services import restoring
from klingweb import installation
from klingweb.accounts.models import Team, User
from klingweb.backups import BackupError, database
from klingweb.backups.writing import DATABASE, END, FILES, FORMAT, KEYS, MANIFEST

ENCRYPTION = "ENCRYPTION_KEYS"
NO_BACKUP = "{} is not a whole backup of klingweb. Take another, or copy it once more."


@dataclass(frozen=True)
class Backup:
    """A backup that is whole, opened for reading."""

    archive: tarfile.TarFile
    manifest: dict[str, Any]

    @property
    def keys(self) -> dict[str, str]:
        """The installation's keys by the name of their variable, if they are in it."""
        return {
            member.name.removeprefix(KEYS).upper(): self.open(member).read().decode()
            for member in self.archive
            if member.name.startswith(KEYS)
        }

    def open(self, member: tarfile.TarInfo | str) -> IO[bytes]:
        """The content of one of its parts."""
        content = self.archive.extractfile(member)
        if not content:
            raise tarfile.ReadError("a part of it is no file")
        return content


@dataclass(frozen=True)
class Restored:
    """What came of it: when the backup was made, requests that may have been sent since, and what is not as it was."""

    made: str
    generations: int
    doubtful: int
    missing: list[str]
    damaged: list[str]


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup. Raises BackupError unless it is whole and this version of klingweb can restore it here."""
    try:
        with tarfile.open(path, "r:") as archive:
            backup = _read(archive, path)
            _refuse_strange(backup.manifest)
            yield backup
    except (tarfile.TarError, SuspiciousFileOperation) as error:
        raise BackupError(NO_BACKUP.format(path)) from error


def _read(archive: tarfile.TarFile, path: Path) -> Backup:
    try:
        _json(archive, END)
        archive.getmember(DATABASE)
        return Backup(archive, _json(archive, MANIFEST))
    except (KeyError, ValueError) as error:
        raise BackupError(NO_BACKUP.format(path)) from error


def _json(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    content = archive.extractfile(name)
    found = json.load(content) if content else None
    if not isinstance(found, dict):
        raise KeyError(name)
    return found


def _refuse_strange(manifest: dict[str, Any]) -> None:
    known = set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)
    if manifest["format"] > FORMAT or not known.issuperset(map(tuple, manifest["migrations"])):
        raise BackupError("This backup was made by a newer klingweb. Install that version here first.")
    if manifest["database"] != connection.vendor:
        theirs, ours = database.LABELS[manifest["database"]], database.LABELS[connection.vendor]
        raise BackupError(
            f"This backup holds a {theirs} database, and klingweb uses {ours} here. Set KLINGWEB_DATABASE_URL."
        )


# Keys -----------------------------------------------------------------------------------------------------------------


def adopt_keys(backup: Backup) -> bool:
    """See to it that there are keys, from the backup if need be. True where they were written just now.

    Raises BackupError where there are none anywhere, or others than the backup's.
    """
    missing, brought = installation.missing_keys(), backup.keys
    for name in set(missing) & set(brought):
        installation.key_file(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        installation.write_private(installation.key_file(name), brought[name] + "\n")
    if ENCRYPTION in brought and ENCRYPTION not in missing and not _are_here(brought[ENCRYPTION]):
        raise BackupError(
            "The backup brings its own encryption keys, and there are others here, with which nothing is stored yet. "
            f"Remove {installation.key_file(ENCRYPTION)}, or unset KLINGWEB_{ENCRYPTION}, and restore again."
        )
    if missing and not brought:
        raise BackupError(
            f"The backup holds no keys, and there are none here. Put those of the old installation into "
            f"{settings.KEYS_DIR}. If they are lost, run `manage.py prepare`: then people sign in again, and admins "
            "enter each API key again."
        )
    return bool(missing)


def _are_here(keys: str) -> bool:
    return {each.strip() for each in keys.split(",")} <= set(settings.ENCRYPTION_KEYS)


# All else -------------------------------------------------------------------------------------------------------------


def restore(backup: Backup, path: Path) -> Restored:
    """Restore it. Raises BackupError where anything is here already."""
    unfinished = installation.unfinished_restore()
    if not unfinished.exists():
        _refuse_full()
        installation.write_private(unfinished, f"{path}\n")
    _store_files(backup)
    _load_database(backup)
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    doubtful = restoring.doubt_what_may_have_been_sent(timezone.now())
    os.sync()
    unfinished.unlink()
    return Restored(
        made=backup.manifest["made"],
        generations=Generation.objects.count(),
        doubtful=doubtful,
        missing=sorted(files.missing(files.present())),
        damaged=sorted(files.damaged()),
    )


def _refuse_full() -> None:
    if ("generations", "0001_initial") not in MigrationRecorder(connection).applied_migrations():
        return
    if User.objects.exists() or Team.objects.exists() or Generation.objects.exists():
        raise BackupError(
            "This installation is not empty, and nothing of it is thrown away. Restore into another: set "
            "KLINGWEB_DATA_DIR to a new directory and, with PostgreSQL, KLINGWEB_DATABASE_URL to a new database."
        )
    now = timezone.now()
    alive = Heartbeat.objects.filter(at__gt=now - timedelta(seconds=settings.HEARTBEAT_SILENCE)).order_by("at").last()
    if alive:
        left = settings.HEARTBEAT_SILENCE - (now - alive.at).total_seconds()
        raise BackupError(f"klingweb ran here a moment ago. Stop all of it, and restore in {left:.0f} s.")


def _store_files(backup: Backup) -> None:
    for member in backup.archive:
        if member.name.startswith(FILES):
            name = member.name.removeprefix(FILES)
            default_storage.delete(name)  # of an attempt that was interrupted
            default_storage.save(name, File(backup.open(member), name=name))


def _load_database(backup: Backup) -> None:
    with TemporaryDirectory(dir=settings.DATA_DIR, prefix="restore-") as folder:
        copy = Path(folder) / DATABASE
        with copy.open("wb") as out, backup.open(DATABASE) as content:
            shutil.copyfileobj(content, out)
        database.load(copy)
