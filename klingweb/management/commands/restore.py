"""`manage.py restore FILE`."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations import diagnosis
from klingweb import installation
from klingweb.backups import BackupError, reading
from klingweb.management.commands.serve import only_one

NAMED = 20  # of what is not as it was


class Command(BaseCommand):
    """Nothing is sent by it, and nothing that the old installation may have sent is sent again by itself."""

    help = "Restore a backup into an empty installation: a new data directory and, with PostgreSQL, a new database."
    requires_system_checks = ()  # there may be no keys yet

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE."""
        parser.add_argument("file", type=Path, help="what `manage.py backup` has written")

    def handle(self, *, file: Path, **_options: Any) -> None:
        """Restore, and say what a person has to know now."""
        settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with reading.opened(file) as backup:
                if reading.adopt_keys(backup):
                    installation.start_again()
                with only_one(settings.DATA_DIR / "serve.lock"):
                    restored = reading.restore(backup, file)
        except BackupError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error}. When that is mended, restore again: it begins anew.") from None
        self._tell(restored)

    def _tell(self, restored: reading.Restored) -> None:
        say = self.stdout.write
        say(f"Restored the backup of {restored.made}: {restored.generations} generations.")
        for what, names in (("missing", restored.missing), ("damaged", restored.damaged)):
            if names:
                more = ", …" if len(names) > NAMED else "."
                say(f"Files that are {what}: {len(names)}. {', '.join(names[:NAMED])}{more}")
        for finding in diagnosis.secrets():
            say(finding.sentence)
        if restored.doubtful:
            say(
                f"{restored.doubtful} requests may have been sent since the backup was made, so none of them is simply "
                "sent now: each is looked up at its provider, or waits for a person to decide."
            )
        say("The old installation must not run any more. Now run `manage.py prepare`, then `manage.py doctor`.")
