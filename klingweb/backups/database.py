"""The database as one file: SQLite's own copy while it is in use, PostgreSQL's by the programs that come with it."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.postgresql.client import DatabaseClient

from klingweb.backups import BackupError

Copy = Callable[[Path], None]
LABELS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@contextmanager
def one_moment() -> Iterator[Copy]:
    """Inside, all that is read is of the same moment, and so is what the function copies. Nobody is held up by it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                cursor.execute("SELECT 1 FROM sqlite_master")  # the moment is that of the first read
                yield _copy_sqlite
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            (moment,) = cursor.fetchone()
            yield partial(_copy_postgresql, moment)


def load(copy: Path) -> None:
    """Put a copy in the place of all that is there. It is there as a whole, or not at all."""
    if connection.vendor == "sqlite":
        _load_sqlite(copy)
    else:
        _load_postgresql(copy)
    connection.close()


def _copy_sqlite(to: Path) -> None:
    with closing(sqlite3.connect(to)) as copy:
        _raw().backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _load_sqlite(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as source:
        if not _is_sound(source):
            raise BackupError("The database in this backup is damaged. Take another backup.")
        source.backup(_raw())


def _is_sound(source: sqlite3.Connection) -> bool:
    try:
        return bool(source.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _raw() -> sqlite3.Connection:
    connection.ensure_connection()
    return cast("sqlite3.Connection", connection.connection)


def _copy_postgresql(moment: str, to: Path) -> None:
    _run("pg_dump", f"--snapshot={moment}", "--no-owner", "--no-privileges", "--clean", "--if-exists", f"--file={to}")


def _load_postgresql(copy: Path) -> None:
    """What is there goes first, in the same transaction: a newer version may have tables that the copy does not."""
    quote = connection.ops.quote_name
    cache = [] if settings.REDIS_URL else [settings.PLACE]
    ours = [*connection.introspection.django_table_names(), "django_migrations", *cache]
    gone = f"DROP TABLE IF EXISTS {', '.join(map(quote, ours))} CASCADE"
    connection.close()
    whole = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
    _run("psql", *whole, f"--command={gone}", f"--file={copy}")


def _run(program: str, *parameters: str) -> None:
    """Run it upon our database. The password goes by its environment, which nobody else can see."""
    (_, *arguments), environ = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, list(parameters))
    try:
        ended = subprocess.run(  # noqa: S603 - a program and settings of our own
            [program, *arguments],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise BackupError(
            f"PostgreSQL's own program {program} is needed and is not here. Install PostgreSQL's client programs, for "
            "example by apt-get install postgresql-client, of the server's version or newer."
        ) from None
    if ended.returncode:
        raise BackupError(f"{program} did not succeed: {' '.join(ended.stderr.split())[:600]}")
