"""`manage.py reinterpret`."""

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations.models import Generation
from generations.providers.registry import PROVIDERS
from generations.services import rereading


class Command(BaseCommand):
    """Asks no provider and sends nothing: it reads what was kept, with the rules and the program of today."""

    help = (
        "Read kept answers of providers again, after klingweb or a rule for reading them was mended. "
        "Requests that wait because of one go on by it; one that failed does only where it is named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--provider, --generation and --dry-run."""
        parser.add_argument("--provider", choices=PROVIDERS, default="", help="only requests to this provider")
        parser.add_argument("--generation", type=uuid.UUID, help="only this one; it may have failed")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")

    def handle(self, *, provider: str, generation: uuid.UUID | None, dry_run: bool, **_options: Any) -> None:
        """Read them all, and tell what came of it."""
        chosen = [_named(generation)] if generation else list(rereading.riddles(provider=provider))
        moved = 0
        for each in chosen:
            verdict = rereading.judge(each)
            goes_on = verdict.told is not None if dry_run else rereading.act(each, verdict)
            moved += goes_on
            self.stdout.write(f"generation {each.pk}: {verdict.sentence}")
        self.stdout.write(f"{moved} of {len(chosen)} {'would go on' if dry_run else 'went on'}.")


def _named(pk: uuid.UUID) -> Generation:
    found = Generation.objects.select_related("credential", "team").filter(pk=pk).first()
    if not found:
        raise CommandError(f"There is no generation {pk}.")
    return found
