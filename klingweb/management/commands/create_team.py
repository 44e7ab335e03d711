"""`manage.py create_team NAME --admin EMAIL`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from klingweb.accounts import services
from klingweb.accounts.arguments import email_address, team_name
from klingweb.accounts.models import Role


class Command(BaseCommand):
    """Makes a team and its first admin; what exists already stays as it is."""

    help = (
        "Make a team and its admin. The admin's password comes from KLINGWEB_ADMIN_PASSWORD; "
        "without it a link to choose one is printed. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """NAME and --admin."""
        parser.add_argument("name", help="the team's name")
        parser.add_argument("--admin", required=True, metavar="EMAIL", help="the admin's address")

    def handle(self, *, name: str, admin: str, **_options: Any) -> None:
        """Make what is missing and say so."""
        called, email = team_name(name), email_address(admin)
        was_there = services.find_team(called) is not None
        team = services.ensure_team(called)
        self.stdout.write(f"The team {team} {'exists already' if was_there else 'is made'}.")
        person = services.ensure_person(email, settings.ADMIN_PASSWORD)
        services.ensure_membership(team, person, Role.ADMIN)
        self.stdout.write(f"{person.email} is an admin of it.")
        if not person.has_usable_password():
            self.stdout.write(f"They choose a password here (works once, {services.RESET_DAYS} days at most):")
            self.stdout.write(services.reset_link(person))
