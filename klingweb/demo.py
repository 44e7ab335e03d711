"""What `prepare --demo` makes: a team, three people with passwords in a file, and a sandbox key for each provider."""

import secrets

from django.conf import settings

from generations import credentials
from klingweb.accounts import services
from klingweb.accounts.models import Role
from klingweb.env import Env
from klingweb.installation import write_private

TEAM = "Demo Studio"
PEOPLE = {f"{role}@demo.example": role for role in Role.values}
FILE = settings.DATA_DIR / "demo.txt"
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
SANDBOX_SECRETS = {  # by provider, as the sandbox's own page tells them
    "kling": {"api_key": "sandbox-key"},
    "useapi": {"api_token": "user:1-sandbox-key"},
    "kkiai": {"api_key": "sandbox-key"},
    "apimodels": {"api_key": "sk_sandbox-key"},
}


class NotHereError(Exception):
    """A demo does not belong here. The text is a sentence that says what to do."""


def check_allowed() -> None:
    """Raises NotHereError where the demo's pictures could not be drawn, or would be drawn for anybody."""
    if settings.HTTPS and settings.SANDBOX != "public":
        raise NotHereError(
            "The demo is for one's own machine. To show it at an https address, set KLINGWEB_SANDBOX=public."
        )
    if Env().text("SANDBOX").lower() == "off":
        raise NotHereError(
            "The sandbox draws the demo's pictures, but KLINGWEB_SANDBOX is off. Unset it or set it to on."
        )


def switch_sandbox_on() -> bool:
    """Have later processes find the sandbox on where their environment does not say. False if it was done before."""
    if settings.SANDBOX_SWITCH.exists():
        return False
    write_private(settings.SANDBOX_SWITCH, "on\n")
    return True


def ensure() -> str:
    """Make whatever of the demo is missing; returns the text that says who can sign in."""
    team = services.ensure_team(TEAM)
    for provider, values in SANDBOX_SECRETS.items():
        credentials.ensure(
            team=team,
            provider=provider,
            name="Sandbox",
            base_url=credentials.SANDBOX,
            secrets=values,
            slots=settings.SANDBOX_SLOTS,
        )
    known = _known_passwords()
    passwords = {email: known.get(email) or _password() for email in PEOPLE}
    for email, role in PEOPLE.items():
        person = services.ensure_person(email, name=f"Demo {role}")
        services.ensure_membership(team, person, role)
        if email not in known or not person.has_usable_password():
            person.set_password(passwords[email])
            person.save(update_fields=["password"])
    if passwords != known:
        write_private(FILE, _text(passwords))
    return FILE.read_text(encoding="utf-8")


def _known_passwords() -> dict[str, str]:
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    found = [line.split() for line in lines]
    return {words[1]: words[2] for words in found if len(words) == 3 and words[1] in PEOPLE}


def _password() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def _text(passwords: dict[str, str]) -> str:
    people = "".join(f"{PEOPLE[email]:8} {email:22} {password}\n" for email, password in passwords.items())
    return f"{TEAM}: three people can sign in.\n\n{people}"
