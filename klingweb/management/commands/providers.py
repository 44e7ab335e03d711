"""`manage.py providers --format json|markdown`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generations.providers import matrix
from generations.providers.registry import PROVIDERS

FORMATS = {"markdown": matrix.as_markdown, "json": matrix.as_json}


class Command(BaseCommand):
    """Reads nothing but the declarations: no variable, no database, no key has to be there."""

    help = "Print every field of every provider's operations, with its bounds, its default and where that was read."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """--format."""
        parser.add_argument("--format", choices=FORMATS, default="markdown", help="a table, or a list for scripts")

    def handle(self, **options: Any) -> None:
        """Print."""
        self.stdout.write(FORMATS[options["format"]](matrix.rows(PROVIDERS.values())))
