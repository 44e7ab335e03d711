"""What an installation needs before it can be served: keys, tables, collected static files."""

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from klingweb.env import PREFIX, Env

KEYS = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "ENCRYPTION_KEYS": lambda: Fernet.generate_key().decode(),
}


def start_again(environ: Mapping[str, str] | None = None) -> None:
    """Begin this process anew, because settings are read once, at its start."""
    os.environ.update(environ or {})
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def start_on_port(port: int | None) -> None:
    """See to it that settings know the port that was asked for on the command line."""
    if port and port != settings.PORT:
        start_again({f"{PREFIX}PORT": str(port)})


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read: all of it or nothing."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def missing_keys() -> list[str]:
    """The keys that neither the environment nor a file in the data directory holds."""
    return [name for name in KEYS if not Env().secret(name, key_file(name))]


def key_file(name: str) -> Path:
    """Where the key is kept when its variable is empty."""
    return Path(settings.KEYS_DIR / name.lower())


def unfinished_restore() -> Path:
    """A file that is there while a backup is restored, and stays where that was interrupted."""
    return Path(settings.DATA_DIR / "restoring")


def make_keys() -> list[Path]:
    """Make the keys that are missing; returns their files."""
    made = [key_file(name) for name in missing_keys()]
    for file in made:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(file, KEYS[file.name.upper()]() + "\n")
    return made


def pending_migrations() -> int:
    """How many migrations the database still needs."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def static_fingerprint() -> str:
    """Changes whenever a static file does."""
    digest = hashlib.sha256()
    for line in sorted(_static_files()):
        digest.update(line.encode())
    return digest.hexdigest()


def _static_files() -> Iterator[str]:
    for finder in get_finders():
        for path, storage in finder.list(["CVS", ".*", "*~"]):
            state = Path(storage.path(path)).stat()
            yield f"{path} {state.st_size} {state.st_mtime_ns}\n"
