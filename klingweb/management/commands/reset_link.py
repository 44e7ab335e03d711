"""`manage.py reset_link EMAIL`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from klingweb.accounts import services
from klingweb.accounts.arguments import email_address


class Command(BaseCommand):
    """Prints a single-use link to choose a new password."""

    help = "Print a link where a person chooses a new password. The old password works until then."

    def add_arguments(self, parser: CommandParser) -> None:
        """EMAIL."""
        parser.add_argument("email", help="the address the person signs in with")

    def handle(self, *, email: str, **_options: Any) -> None:
        """Print the link."""
        address = email_address(email)
        person = services.find_person(address)
        if person is None:
            raise CommandError(f"Nobody signs in as {address}. Let them in with: manage.py invite TEAM {address}")
        self.stdout.write(f"{address} chooses a new password here (works once, {services.RESET_DAYS} days at most):")
        self.stdout.write(services.reset_link(person))
