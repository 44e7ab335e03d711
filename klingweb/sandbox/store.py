"""What the sandbox remembers, in an SQLite file of its own: every request it was asked, every task it made.

Many threads and processes may use it at once. Each call opens the file, does one transaction and closes it.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from django.conf import settings

from klingweb.sandbox.tasks import Task, now_ms

QUERIES_KEPT_MS = 24 * 3_600_000
"""Followers ask often; what they asked is forgotten after a day. What was posted is kept."""

SCHEMA = """
PRAGMA journal_mode = WAL;
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
"""
VISITS = """
SELECT visit.id, at, visit.dialect, method, path,
    coalesce(task.external_id, external_task_id) AS external_task_id, coalesce(task.id, task_id) AS task_id,
    task.id IS NOT NULL AS accepted, status, code
FROM visit LEFT JOIN task ON task.visit = visit.id
WHERE :name IN ('', coalesce(task.external_id, external_task_id)) AND :dialect IN ('', visit.dialect)
ORDER BY visit.id
"""
NAMED_VALUES = ", ".join(f":{field.name}" for field in fields(Task))


class NameTakenError(Exception):
    """A task with this external id exists already."""


class NoSlotError(Exception):
    """The account's concurrency has no room for this task."""


@dataclass
class Visit:
    """One request. What is learned on the way is filled in until it is answered; never a secret, never a prompt."""

    id: int
    external_task_id: str = ""
    task_id: str = ""
    status: int | None = None
    """The HTTP status of the answer; None when nothing was answered, because the line went dead."""
    code: int | None = None
    """The provider's own code in the answer; None where the answer has none."""


def open_visit(dialect: str, method: str, path: str) -> Visit:
    """Write down that a request arrived, before anything is done about it."""
    now = now_ms()
    with _transaction() as db:
        db.execute("DELETE FROM visit WHERE method = 'GET' AND at < ?", [now - QUERIES_KEPT_MS])
        cursor = db.execute(
            "INSERT INTO visit (at, dialect, method, path) VALUES (?, ?, ?, ?)", [now, dialect, method, path]
        )
    return Visit(id=cursor.lastrowid or 0)


def close_visit(visit: Visit) -> None:
    """Write down how it was answered."""
    with _transaction() as db:
        db.execute(
            "UPDATE visit SET external_task_id = :external_task_id, task_id = :task_id, status = :status, code = :code "
            "WHERE id = :id",
            asdict(visit),
        )


def visits(*, external_task_id: str = "", dialect: str = "") -> list[dict[str, object]]:
    """All requests, oldest first, as JSON-ready dicts.

    `accepted` says whether the request made a task. The names come from that task where there is one, so that they are
    right even if the process died before it answered.
    """
    with _opened() as db:
        rows = db.execute(VISITS, {"name": external_task_id, "dialect": dialect}).fetchall()
    return [dict(row) | {"accepted": bool(row["accepted"])} for row in rows]


def add(task: Task) -> None:
    """Keep a new task. Raises NameTakenError, or NoSlotError when the tasks of its dialect hold too many slots."""
    with _transaction() as db:
        held = db.execute(
            "SELECT coalesce(sum(slots), 0) FROM task WHERE dialect = ? AND done_at > ?",
            [task.dialect, task.created_at],
        ).fetchone()[0]
        if task.external_id and _one(db, "dialect = ? AND external_id = ?", task.dialect, task.external_id):
            raise NameTakenError
        if held + task.slots > settings.SANDBOX_SLOTS:
            raise NoSlotError
        db.execute(f"INSERT INTO task VALUES ({NAMED_VALUES})", asdict(task))  # noqa: S608 - our own field names


def find(dialect: str, endpoint: str, name: str) -> Task | None:
    """The task with this id, else with this external id, if it was made at this endpoint."""
    there = "dialect = ? AND endpoint = ?"
    with _opened() as db:
        by_id = _one(db, f"id = ? AND {there}", name, dialect, endpoint)
        return by_id or _one(db, f"external_id = ? AND {there}", name, dialect, endpoint)


def find_by_token(token: str) -> Task | None:
    """The task that the address of a picture belongs to."""
    with _opened() as db:
        return _one(db, "token = ?", token)


def page(dialect: str, endpoint: str, *, size: int, skip: int) -> list[Task]:
    """A page of the tasks made at this endpoint, newest first."""
    with _opened() as db:
        rows = db.execute(
            "SELECT * FROM task WHERE dialect = ? AND endpoint = ? ORDER BY visit DESC LIMIT ? OFFSET ?",
            [dialect, endpoint, size, skip],
        ).fetchall()
    return [_task(row) for row in rows]


def spent(dialect: str) -> int:
    """What all finished tasks of this dialect cost, in its units."""
    with _opened() as db:
        total = db.execute(
            "SELECT coalesce(sum(units), 0) FROM task WHERE dialect = ? AND done_at <= ?", [dialect, now_ms()]
        ).fetchone()[0]
    return int(total)


def times(name: str) -> int:
    """How often this has been called with this name, this time included."""
    with _transaction() as db:
        count = db.execute(
            "INSERT INTO tally VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1 RETURNING count", [name]
        ).fetchone()[0]
    return int(count)


def _one(db: sqlite3.Connection, where: str, *values: str) -> Task | None:
    row = db.execute(f"SELECT * FROM task WHERE {where}", values).fetchone()  # noqa: S608 - conditions of this module
    return _task(row) if row else None


def _task(row: sqlite3.Row) -> Task:
    return Task(**dict(row) | {"marked": bool(row["marked"])})


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    file = settings.SANDBOX_FILE
    if not file.exists():
        _make(file)
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = NORMAL")
        yield db


@contextmanager
def _transaction() -> Iterator[sqlite3.Connection]:
    with _opened() as db, db:
        db.execute("BEGIN IMMEDIATE")
        yield db


def _make(file: Path) -> None:
    """Make the file aside and link it into place: whoever comes second finds a whole one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    with closing(sqlite3.connect(draft)) as db:
        db.executescript(SCHEMA)
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
