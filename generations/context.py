"""What every page of a team says at its top: why nothing is sent, or less than could be."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from generations import images, queries
from generations.models import Credential, SendingPause
from klingweb.accounts.access import current_membership


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


def notices(request: HttpRequest) -> dict[str, object]:
    """`notices` of the current team. Three queries at most, where a template asks for it; none for anonymous people."""

    def current() -> Notices | None:
        own = current_membership(request)
        if own is None:
            return None
        found = queries.credentials_of(own.team)
        return Notices(
            team_id=own.team_id,
            is_admin=own.is_admin,
            paused=[each for each in found if each.paused_at],
            sending_pause=getattr(found[0].team, "sending_pause", None) if found else None,
            silent_since=queries.silent_since(own.team, timezone.now()),
            obstacle=images.obstacle(),
        )

    return {"notices": SimpleLazyObject(current)}
