"""The sandbox's memory: an SQLite file of its own.

Many threads and processes may use it at once. Each use opens the file, does one transaction and closes it.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from django.conf import settings

VERSIONS = (
    """
CREATE TABLE visit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    dialect TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    external_task_id TEXT NOT NULL DEFAULT '',
    task_id TEXT NOT NULL DEFAULT '',
    status INTEGER,
    code INTEGER
);
CREATE INDEX visit_queries ON visit (at) WHERE method = 'GET';
CREATE TABLE task (
    id TEXT PRIMARY KEY,
    dialect TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    external_id TEXT NOT NULL,
    visit INTEGER NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    done_at INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    pictures INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    marked INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    units INTEGER NOT NULL,
    token TEXT NOT NULL UNIQUE
);
CREATE INDEX task_external_id ON task (external_id);
CREATE INDEX task_done_at ON task (dialect, done_at);
CREATE TABLE tally (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
);
""",
    """
ALTER TABLE task ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE task ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
ALTER TABLE task ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE upload (
    token TEXT PRIMARY KEY,
    dialect TEXT NOT NULL,
    account TEXT NOT NULL,
    content_type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    content BLOB
);
CREATE INDEX upload_created_at ON upload (created_at);
""",
)
"""What was added to the file, step by step. `user_version` counts the steps; a file from before that has one."""


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    """The file, made or brought up to date if it is not yet what this version needs. Each statement stands alone."""
    file = settings.SANDBOX_FILE
    if not file.exists():
        _make(file)
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = NORMAL")
        if _version(db) < len(VERSIONS):
            _bring_up_to_date(db)
        yield db


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """The file in one transaction that nobody else can come between."""
    with opened() as db, db:
        db.execute("BEGIN IMMEDIATE")
        yield db


def _make(file: Path) -> None:
    """Make the file aside and link it into place: whoever comes second finds a whole one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(VERSIONS[0])
        _bring_up_to_date(db)
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """Take the steps that are missing, unless another process took them while this one waited."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        for step in VERSIONS[_version(db) :]:
            for statement in step.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(VERSIONS)}")


def _version(db: sqlite3.Connection) -> int:
    return max(1, int(db.execute("PRAGMA user_version").fetchone()[0]))
