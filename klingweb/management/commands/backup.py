"""`manage.py backup FILE`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from klingweb.backups import BackupError, writing

WITHOUT_KEYS = (
    "The keys are not in it. Keep a copy of them elsewhere: without the encryption keys nobody can read the API keys "
    "in this backup. --with-keys puts them in."
)
WITH_KEYS = "The keys are in it: whoever has this file can read everything. Keep it where only you can."


class Command(BaseCommand):
    """Says on standard error what it did, because the backup itself may go to standard output."""

    help = "Write the database and all pictures into one tar file, while klingweb runs. It may be restored elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE and --with-keys."""
        parser.add_argument("file", help="a file that does not exist yet; - is standard output")
        parser.add_argument("--with-keys", action="store_true", help="put the secret key and the encryption keys in")

    def handle(self, *, file: str, with_keys: bool, **_options: Any) -> None:
        """Write all of it or nothing."""
        try:
            if file == "-":
                gone = writing.write(sys.stdout.buffer, with_keys=with_keys)
            else:
                with new_private_file(Path(file)) as out:
                    gone = writing.write(out, with_keys=with_keys)
        except BackupError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The backup could not be written: {error}.") from None
        self._say(f"Backed up. {WITH_KEYS if with_keys else WITHOUT_KEYS}")
        for name in gone:
            self._say(f"Deleted meanwhile, so not in it: {name}")

    def _say(self, sentence: str) -> None:
        self.stderr.write(sentence, self.style.SUCCESS)


@contextmanager
def new_private_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner may read, and that is there under its name only once it is whole."""
    if path.exists():
        raise CommandError(f"{path} exists, and no backup is written over. Choose another name.")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
