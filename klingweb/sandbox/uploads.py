"""Files that clients send for later use, such as references, kept for a week."""

from dataclasses import asdict, dataclass, fields

from klingweb.sandbox.database import opened, transaction

KEPT_MS = 7 * 24 * 3_600_000
"""apimodels documents a week; for useapi it is taken as the platform's usual."""


@dataclass(frozen=True)
class Upload:
    """A file; one row of the table `upload`, its fields in the order of the columns."""

    token: str
    """The unguessable part of its address."""
    dialect: str
    account: str
    """Whose it is, where one key opens several accounts."""
    content_type: str
    created_at: int
    content: bytes | None
    """None while it is announced and has not been sent."""


NAMED_VALUES = ", ".join(f":{field.name}" for field in fields(Upload))


def keep(upload: Upload) -> None:
    """Keep a file that was sent or is announced; what is too old goes."""
    with transaction() as db:
        db.execute("DELETE FROM upload WHERE created_at <= ?", [upload.created_at - KEPT_MS])
        db.execute(f"INSERT INTO upload VALUES ({NAMED_VALUES})", asdict(upload))  # noqa: S608 - our own names


def fill(token: str, content: bytes) -> bool:
    """Put the content into an announced file. False when it has one already."""
    with transaction() as db:
        cursor = db.execute("UPDATE upload SET content = ? WHERE token = ? AND content IS NULL", [content, token])
    return cursor.rowcount == 1


def find(token: str, now: int) -> Upload | None:
    """The file with this token, unless it is too old."""
    with opened() as db:
        row = db.execute("SELECT * FROM upload WHERE token = ? AND created_at > ?", [token, now - KEPT_MS]).fetchone()
    return Upload(**dict(row)) if row else None
