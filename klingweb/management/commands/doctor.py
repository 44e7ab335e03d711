"""`manage.py doctor`."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from generations import diagnosis
from klingweb import installation


class Command(BaseCommand):
    """Ends with 0 when all is well, or has been mended, and with 1 when something is left to do."""

    help = "List what is stuck, waits for a person, is missing or left over. The exit code is 1 if there is anything."

    def add_arguments(self, parser: CommandParser) -> None:
        """--mend and --json."""
        parser.add_argument("--mend", action="store_true", help="do what is safe about it; nothing is paid by that")
        parser.add_argument("--json", action="store_true", help="print a list for scripts")

    def handle(self, *, mend: bool, **options: Any) -> None:
        """Examine, mend, tell."""
        if installation.pending_migrations():
            raise CommandError("The database is not up to date. Run `manage.py prepare` first.")
        told = [_treat(finding, mend=mend) for finding in list(diagnosis.examine(timezone.now()))]
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=1))
        else:
            self._tell(told)
        if not all(each["mended"] for each in told):
            sys.exit(1)

    def _tell(self, told: list[dict[str, Any]]) -> None:
        for each in told:
            state = "mended: " if each["mended"] else ""
            self.stdout.write(f"{state}{each['kind']}: {each['subject']}: {each['sentence']}")
        if not told:
            self.stdout.write("All is well.")
        elif safe := sum(each["mendable"] and not each["mended"] for each in told):
            self.stdout.write(f"{safe} of {len(told)} can be mended: manage.py doctor --mend")


def _treat(finding: diagnosis.Finding, *, mend: bool) -> dict[str, Any]:
    mended = bool(mend and finding.mend)
    if mend and finding.mend:
        finding.mend()
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "sentence": finding.sentence,
        "mendable": finding.mend is not None,
        "mended": mended,
    }
