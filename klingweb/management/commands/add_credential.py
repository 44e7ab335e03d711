"""`manage.py add_credential TEAM PROVIDER --name NAME`, with the secret values on standard input."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations import credentials
from generations.providers.registry import PROVIDERS
from generations.providers.spec import CredentialWay
from klingweb.accounts.arguments import existing_team

DONE = {
    "added": "Added {} for {}",
    "replaced": "Replaced the key of {} for {}",
    "kept": "{} of {} has this key already",
}


def examples(provider: str) -> str:
    """What to write for a provider, whichever way one signs in to it."""
    ways = PROVIDERS[provider].credential_ways if provider in PROVIDERS else ()
    return " or ".join(map(_example, ways))


def _example(way: CredentialWay) -> str:
    needed = json.dumps({each.name: "…" for each in way.fields if not each.optional}, ensure_ascii=False)
    optional = ", ".join(each.name for each in way.fields if each.optional)
    return f"{needed} (with {optional}, if wanted)" if optional else needed


class Command(BaseCommand):
    """Secrets come on standard input, because arguments are seen by everybody on the machine."""

    help = "Add a credential, or give one another key. Its secret values are read as JSON from standard input. " + (
        " ".join(f"For {provider}: {examples(provider)}." for provider in PROVIDERS)
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """TEAM, PROVIDER and where and how much."""
        parser.add_argument("team", help="the team's name or slug")
        parser.add_argument("provider", help=", ".join(PROVIDERS))
        parser.add_argument("--name", required=True, help="what people call it; the same name again replaces its key")
        parser.add_argument("--base-url", default="", help="default: as before, or the provider's first address")
        parser.add_argument("--slots", type=int, help="how much may run at once; default: as before, or as usual")

    def handle(self, *, team: str, provider: str, name: str, **options: Any) -> None:
        """Read, check, store."""
        try:
            credential, done = credentials.ensure(
                team=existing_team(team),
                provider=provider,
                name=name,
                secrets=read_secrets(provider),
                base_url=options["base_url"],
                slots=options["slots"],
            )
        except credentials.BadCredential as error:
            raise CommandError(str(error)) from None
        what = DONE[done].format(credential, credential.team)
        self.stdout.write(f"{what}, {credential.slots} slots, at {credential.base_url}")
        if credential.paused_at:
            self.stdout.write(f"It stays paused until an admin resumes it: {credential.paused_reason}")


def read_secrets(provider: str) -> dict[str, str]:
    """An object of texts from standard input. What was read is never repeated."""
    try:
        found = json.load(sys.stdin)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        wanted = examples(provider) or "an object of texts"
        raise CommandError(f"The secret values must come on standard input as JSON: {wanted}")
    return found
