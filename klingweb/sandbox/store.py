"""What the sandbox remembers: every request it was asked, every task it made."""

import sqlite3
from dataclasses import asdict, dataclass, fields

from klingweb.sandbox.database import opened, transaction
from klingweb.sandbox.tasks import Task, now_ms

QUERIES_KEPT_MS = 24 * 3_600_000
"""Followers ask often; what they asked is forgotten after a day. What was posted is kept."""

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
    with transaction() as db:
        db.execute("DELETE FROM visit WHERE method = 'GET' AND at < ?", [now - QUERIES_KEPT_MS])
        cursor = db.execute(
            "INSERT INTO visit (at, dialect, method, path) VALUES (?, ?, ?, ?)", [now, dialect, method, path]
        )
    return Visit(id=cursor.lastrowid or 0)


def close_visit(visit: Visit) -> None:
    """Write down how it was answered."""
    with transaction() as db:
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
    with opened() as db:
        rows = db.execute(VISITS, {"name": external_task_id, "dialect": dialect}).fetchall()
    return [dict(row) | {"accepted": bool(row["accepted"])} for row in rows]


def add(task: Task, *, room: int, named_once: bool) -> None:
    """Keep a new task. Raises NoSlotError when its account's tasks would hold more slots than there is room for.

    `named_once` tells whether an external id belongs to the first that uses it: then NameTakenError may be raised.
    """
    with transaction() as db:
        held = db.execute(
            "SELECT coalesce(sum(slots), 0) FROM task WHERE dialect = ? AND account = ? AND done_at > ?",
            [task.dialect, task.account, task.created_at],
        ).fetchone()[0]
        named = named_once and task.external_id
        if named and _one(db, "dialect = ? AND external_id = ?", task.dialect, task.external_id):
            raise NameTakenError
        if held + task.slots > room:
            raise NoSlotError
        db.execute(f"INSERT INTO task VALUES ({NAMED_VALUES})", asdict(task))  # noqa: S608 - our own field names


def find(dialect: str, endpoint: str, name: str) -> Task | None:
    """The task with this id, else with this external id, if it was made at this endpoint."""
    there = "dialect = ? AND endpoint = ?"
    with opened() as db:
        by_id = _one(db, f"id = ? AND {there}", name, dialect, endpoint)
        return by_id or _one(db, f"external_id = ? AND {there}", name, dialect, endpoint)


def find_by_id(dialect: str, task_id: str, account: str = "") -> Task | None:
    """The account's task with this id, wherever it was made, unless it was removed."""
    with opened() as db:
        return _one(db, "id = ? AND dialect = ? AND account = ? AND NOT removed", task_id, dialect, account)


def find_by_token(token: str) -> Task | None:
    """The task that the address of a picture belongs to."""
    with opened() as db:
        return _one(db, "token = ?", token)


def page(dialect: str, endpoint: str, *, size: int, skip: int) -> list[Task]:
    """A page of the tasks made at this endpoint, newest first."""
    where = "dialect = ? AND endpoint = ? ORDER BY visit DESC LIMIT ? OFFSET ?"
    return _several(where, dialect, endpoint, size, skip)


def between(dialect: str, account: str, *, after: int, before: int, size: int) -> list[Task]:
    """The account's tasks created between two moments, newest first, without the removed ones."""
    where = (
        "dialect = ? AND account = ? AND created_at > ? AND created_at < ? AND NOT removed ORDER BY visit DESC LIMIT ?"
    )
    return _several(where, dialect, account, after, before, size)


def holding(dialect: str, now: int) -> list[Task]:
    """The tasks that hold a slot, oldest first."""
    return _several("dialect = ? AND slots > 0 AND done_at > ? ORDER BY visit", dialect, now)


def release(task: Task) -> None:
    """Give its slots back before it is done."""
    with transaction() as db:
        db.execute("UPDATE task SET slots = 0 WHERE id = ?", [task.id])


def remove(task: Task) -> None:
    """Find it no more; what it cost stays paid, and its request stays counted."""
    with transaction() as db:
        db.execute("UPDATE task SET removed = 1 WHERE id = ?", [task.id])


def spent(dialect: str, account: str = "") -> int:
    """What all finished tasks of this account cost, in its dialect's units."""
    return _units("done_at <= ?", dialect, account)


def reserved(dialect: str, account: str = "") -> int:
    """What the unfinished ones will cost."""
    return _units("done_at > ?", dialect, account)


def times(name: str) -> int:
    """How often this has been called with this name, this time included."""
    with transaction() as db:
        count = db.execute(
            "INSERT INTO tally VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1 RETURNING count", [name]
        ).fetchone()[0]
    return int(count)


def _units(when: str, dialect: str, account: str) -> int:
    with opened() as db:
        total = db.execute(
            f"SELECT coalesce(sum(units), 0) FROM task WHERE dialect = ? AND account = ? AND {when}",  # noqa: S608
            [dialect, account, now_ms()],
        ).fetchone()[0]
    return int(total)


def _one(db: sqlite3.Connection, where: str, *values: str) -> Task | None:
    row = db.execute(f"SELECT * FROM task WHERE {where}", values).fetchone()  # noqa: S608 - conditions of this module
    return _task(row) if row else None


def _several(where: str, *values: str | int) -> list[Task]:
    with opened() as db:
        rows = db.execute(f"SELECT * FROM task WHERE {where}", values).fetchall()  # noqa: S608 - as above
    return [_task(row) for row in rows]


def _task(row: sqlite3.Row) -> Task:
    return Task(**dict(row) | {"marked": bool(row["marked"]), "removed": bool(row["removed"])})
