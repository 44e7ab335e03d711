"""What every page of a team says at its top: how much of one's own runs, and why less is sent than could be."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from generations import access, images, queries
from generations.models import Credential, SendingPause
from klingweb.accounts.access import current_membership
from klingweb.accounts.models import Membership


@dataclass(frozen=True)
class Notices:
    """What holds up the team's work. Reasons and details are for admins alone."""

    team_id: int
    is_admin: bool
    paused: list[Credential]
    sending_pause: SendingPause | None
    silent_since: datetime | None
    obstacle: str

    def __bool__(self) -> bool:
        return bool(self.paused or self.sending_pause or self.silent_since or self.obstacle)


def bar(request: HttpRequest) -> dict[str, object]:
    """`counts` of the person's own and `notices`, both of the current team, None for people without any; and `hurry`.

    One query for each, three at most for the notices, where a template asks for it.
    """

    def lazily(ask: Callable[[Membership], object]) -> object:
        def current() -> object:
            own = current_membership(request)
            return ask(own) if own else None

        return SimpleLazyObject(current)

    return {"counts": lazily(_counts), "notices": lazily(_notices), "hurry": queries.hurry}


def _counts(own: Membership) -> queries.Counts:
    return queries.counts(access.visible_to(own.user).filter(team=own.team, person=own.user))


def _notices(own: Membership) -> Notices:
    found = queries.credentials_of(own.team)
    return Notices(
        team_id=own.team_id,
        is_admin=own.is_admin,
        paused=[each for each in found if each.paused_at],
        sending_pause=getattr(found[0].team, "sending_pause", None) if found else None,
        silent_since=queries.silent_since(own.team, timezone.now()),
        obstacle=images.obstacle(),
    )
