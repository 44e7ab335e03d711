"""How commands read what they are given about people. A bad value ends them with a sentence."""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email

from klingweb.accounts import services
from klingweb.accounts.models import TEAM_NAME_LENGTH, Team


def email_address(text: str) -> str:
    """An e-mail address, in lower case."""
    address = text.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise CommandError(f"{text} is not an e-mail address.") from None
    return address


def team_name(text: str) -> str:
    """A name for a team."""
    name = text.strip()
    if not 0 < len(name) <= TEAM_NAME_LENGTH:
        raise CommandError(f"A team's name has 1 to {TEAM_NAME_LENGTH} characters.")
    return name


def existing_team(name_or_slug: str) -> Team:
    """A team by its name or slug."""
    team = services.find_team(name_or_slug)
    if team is None:
        names = ", ".join(Team.objects.values_list("name", flat=True)) or "none yet"
        raise CommandError(f"There is no team {name_or_slug}. The teams are: {names}.")
    return team
