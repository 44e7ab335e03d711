"""`manage.py add_credential TEAM PROVIDER --name NAME`, with the secret values on standard input."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations import credentials
from generations.providers.registry import PROVIDERS
from klingweb.accounts.arguments import existing_team

EXAMPLE = '{"api_key": "…"}'


class Command(BaseCommand):
    """Secrets come on standard input, because arguments are seen by everybody on the machine."""

    help = f"Add a credential or bring one up to date. Its secret values are read as JSON, for example {EXAMPLE}"

    def add_arguments(self, parser: CommandParser) -> None:
        """TEAM, PROVIDER and where and how much."""
        parser.add_argument("team", help="the team's name or slug")
        parser.add_argument("provider", help=", ".join(PROVIDERS))
        parser.add_argument("--name", required=True, help="what people call it; the same name again replaces it")
        parser.add_argument("--base-url", default="", help="default: the provider's first address")
        parser.add_argument("--slots", type=int, help="how much may run at once; default: the provider's usual")

    def handle(self, *, team: str, provider: str, name: str, **options: Any) -> None:
        """Read, check, store."""
        try:
            credential, new = credentials.ensure(
                team=existing_team(team),
                provider=provider,
                name=name,
                secrets=read_secrets(),
                base_url=options["base_url"],
                slots=options["slots"],
            )
        except credentials.BadCredential as error:
            raise CommandError(str(error)) from None
        what = "Added" if new else "Brought up to date:"
        self.stdout.write(f"{what} {credential} for {credential.team}, {credential.slots} slots.")


def read_secrets() -> dict[str, str]:
    """An object of texts from standard input. What was read is never repeated."""
    try:
        found = json.load(sys.stdin)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CommandError(f"The secret values must come on standard input as JSON, for example {EXAMPLE}")
    return found
