"""`manage.py invite TEAM EMAIL --role ROLE`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from klingweb.accounts import services
from klingweb.accounts.arguments import email_address, existing_team
from klingweb.accounts.models import INVITATION_DAYS, Membership, Role


class Command(BaseCommand):
    """Prints a single-use link into a team."""

    help = "Print a link that lets one person into a team, once. It replaces an earlier link for the same address."

    def add_arguments(self, parser: CommandParser) -> None:
        """TEAM, EMAIL and --role."""
        parser.add_argument("team", help="the team's name or slug")
        parser.add_argument("email", help="the address of the person, who must sign in with it")
        parser.add_argument("--role", choices=Role.values, default=Role.MEMBER, help="default: %(default)s")

    def handle(self, *, team: str, email: str, role: str, **_options: Any) -> None:
        """Invite, unless the person is in the team."""
        into, address = existing_team(team), email_address(email)
        own = Membership.objects.filter(team=into, user__email=address).first()
        if own:
            self.stdout.write(f"{address} is in {into} already, as {own.role}. Nothing was changed.")
            return
        link = services.invite(into, address, role)
        self.stdout.write(f"{address} joins {into} as {role} here (works once, {INVITATION_DAYS} days at most):")
        self.stdout.write(link)
