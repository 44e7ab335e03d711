"""`manage.py first_contact PROVIDER --credential NAME --max-cost X`."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from generations import first_contact
from generations.first_contact import UNKNOWN, Meeting, NotNow, Plan
from generations.models import Credential, Image, Status
from generations.providers.registry import PROVIDERS
from klingweb.accounts.arguments import existing_team
from klingweb.installation import write_private

SHOWN = 12  # places of an answer that are named on the screen; all of them are in the recording


class Command(BaseCommand):
    """Nothing is paid without --yes, and then one picture at most."""

    help = (
        "Meet a real provider for the first time: free questions, then with --yes one picture. What was sent and "
        "answered is written to a file without secrets, with what differs from klingweb's declaration."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """PROVIDER, the credential, what it may cost, and --yes."""
        parser.add_argument("provider", choices=PROVIDERS)
        parser.add_argument("--credential", required=True, help="its name on the Credentials page")
        parser.add_argument("--team", default="", help="needed where several teams have a credential of that name")
        parser.add_argument(
            "--max-cost",
            required=True,
            type=_most,
            help=f"the most that the picture may cost in US dollars; {UNKNOWN} where nobody knows its price",
        )
        parser.add_argument("--yes", action="store_true", help="make one picture, which is paid")

    def handle(self, *, provider: str, credential: str, **options: Any) -> None:
        """Ask, perhaps make a picture, write it all down, and say what is different."""
        meeting = Meeting(_credential(provider, credential, options["team"]))
        first_contact.ask_what_is_free(meeting)
        try:
            chosen = first_contact.plan(meeting.credential)
            self.stdout.write(_in_words(chosen))
            first_contact.check_cost(chosen.estimate, options["max_cost"])
            if options["yes"]:
                self._make(meeting, chosen)
            else:
                self.stdout.write("Nothing was sent that costs. Add --yes to make it.")
        except NotNow as reason:
            raise CommandError(str(reason)) from None
        finally:
            self._tell(meeting)

    def _make(self, meeting: Meeting, chosen: Plan) -> None:
        made = first_contact.make_one(meeting, chosen)
        self.stdout.write(f"generation {made.pk}: {made.status} {made.problem}".strip())
        for image in made.images.filter(state=Image.State.KEPT):
            self.stdout.write(f"picture {image.number}: {image.media_type}, {image.width} × {image.height}")
        if made.status != Status.SUCCEEDED:
            self.stdout.write("`manage.py serve` goes on with it, or somebody decides about it on its page.")

    def _tell(self, meeting: Meeting) -> None:
        for each in meeting.told:
            answered = f"HTTP {each.status}" if each.status else "no answer"
            self.stdout.write(f"{each.what}: {answered}, read as {meeting.shown(each.read)[:200]}")
            if each.words:
                self.stdout.write(f"  unknown status words: {', '.join(each.words)}")
            if each.unread:
                self.stdout.write(f"  not read: {', '.join(each.unread[:SHOWN])}{' …' * (len(each.unread) > SHOWN)}")
        if meeting.missing:
            self.stdout.write(f"documented, and in no answer: {', '.join(meeting.missing)}")
        self.stdout.write(f"Written to {_write(meeting)}")


def _most(text: str) -> str:
    """An amount in US dollars, or `unknown`."""
    try:
        fine = text == UNKNOWN or Decimal(text).is_finite()
    except InvalidOperation:
        fine = False
    if not fine:
        raise CommandError(f"--max-cost is an amount in US dollars such as 0.05, or {UNKNOWN}.")
    return text


def _credential(provider: str, name: str, team: str) -> Credential:
    found = Credential.objects.filter(provider=provider, name=name, removed_at=None).select_related("team")
    if team:
        found = found.filter(team=existing_team(team))
    if len(found) != 1:
        several = f"{len(found)} teams have one: say which with --team." if found else "Add it with add_credential."
        raise CommandError(f"There is no single credential {name} for {PROVIDERS[provider].label}. {several}")
    return found[0]


def _in_words(chosen: Plan) -> str:
    cost = f"costs {chosen.estimate}" if chosen.estimate else "costs nobody knows what"
    settings_ = ", ".join(f"{name} {value}" for name, value in chosen.values.items())
    return f"The cheapest picture {cost}: {chosen.operation.label.lower()}, {settings_}"


def _write(meeting: Meeting) -> Path:
    folder = settings.DATA_DIR / "first-contact"
    folder.mkdir(mode=0o700, exist_ok=True)
    path: Path = folder / f"{meeting.provider.slug}-{timezone.now():%Y%m%d-%H%M%S}.json"
    write_private(path, meeting.recording())
    return path
