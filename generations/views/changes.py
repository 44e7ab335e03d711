"""The news for an open page: of what it shows unfinished, of the person's own, and of the queue while that is open."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from generations import access, queries, queue
from generations.models import Status
from generations.queries import News
from generations.views import detail
from generations.views import queue as queue_page
from klingweb.accounts.access import SignedIn, membership, sign_in_required
from klingweb.accounts.models import User

LONGEST_AGO = timedelta(days=1)
TOLD_ANEW = timedelta(seconds=5)  # places in the queue move without anything having changed that a page shows


@require_GET
@gzip_page
@never_cache
@sign_in_required
def changes(request: SignedIn) -> HttpResponse:
    """Whatever changed since the page was last told; 204, after three queries, where nothing did."""
    open_page = OpenPage.of(request, timezone.now())
    rows = queries.news(access.visible_to(request.user), open_page.named, request.user, open_page.since)
    if not rows or not queue.held(rows[0].followed_until, open_page.now):
        queue.nudge_follower()
    heard = open_page.heard(rows, request.user)
    if heard.nothing:
        return HttpResponse(status=204)
    return render(request, "generations/_changes.html", _context(request, open_page, heard))


def _context(request: SignedIn, open_page: "OpenPage", heard: "Heard") -> dict[str, object]:
    told = access.visible_to(request.user).filter(pk__in=[*heard.changed, *heard.queued]).order_by("created")
    found = list(queries.with_images(told))
    changed = [each for each in found if each.pk in heard.changed]
    context: dict[str, object] = {
        "member": membership(request),
        "changed": changed,
        "waiting": [each for each in found if each.pk not in heard.changed],
        "gone": heard.gone,
        "moving": heard.moving,
        "seen": heard.seen,
        "now": open_page.now,
        "page": open_page.page,
    }
    if open_page.page == "generation" and changed:
        context |= detail.context_of(request, changed[0])
    if open_page.queue:
        listed = queue_page.context_of(request, membership(request), open_page.queue)
        context = listed | context | {"queue_member": listed["member"], "moving": heard.moving or listed["moving"]}
    return context


@dataclass(frozen=True)
class Heard:
    """What the rows say to a page: which of its cards to draw anew, and whether it should ask again."""

    changed: list[uuid.UUID]
    queued: list[uuid.UUID]
    gone: list[uuid.UUID]
    seen: str
    moving: bool
    nothing: bool


@dataclass(frozen=True)
class OpenPage:
    """What a page knows when it asks: each unfinished generation that it shows, at the version it was told last.

    `seen` stands for the changes of the person's own that it was told of when it was told anything, at `since`.
    """

    now: datetime
    page: str
    named: dict[uuid.UUID, str]
    since: datetime
    seen: str
    own: bool
    queue: str

    @classmethod
    def of(cls, request: SignedIn, now: datetime) -> "OpenPage":
        """As its request says. Raises Http404 for what is no id."""
        asked = request.GET
        named = [each.partition(".") for each in asked.getlist("g") if each]
        return cls(
            now=now,
            page=asked.get("page", ""),
            named={_uuid(pk): version for pk, _, version in named},
            since=_moment(asked.get("since", ""), now),
            seen=asked.get("seen", ""),
            own=asked.get("own", "0") != "0",
            queue=asked.get("queue", ""),
        )

    def heard(self, rows: list[News], person: User) -> Heard:
        """What is new in the rows that were found for it."""
        here = {each.pk: each for each in rows if each.pk in self.named}
        changed = [pk for pk, each in here.items() if each.version != self.named[pk]]
        queued = [pk for pk, each in here.items() if each.status == Status.QUEUED]
        gone = [pk for pk in self.named if pk not in here]
        moving = any(queries.may_change(each, self.now) for each in here.values())
        old = self.now - self.since > TOLD_ANEW and bool(queued or self.queue)
        news = changed or gone or old or _seen(rows, person, self.since) != self.seen
        goes_on = moving or self.own or bool(self.queue)
        seen = _seen(rows, person, self.now)
        return Heard(changed, queued, gone, seen, moving, nothing=goes_on and not news)


def _seen(rows: list[News], person: User, since: datetime) -> str:
    """Stands for the person's own changes since then and a little before: another one makes it another text."""
    own = [each.version for each in rows if each.person == person.pk and each.changed > since - queries.OVERLAP]
    return f"{len(own)}-{max(own)}" if own else ""


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404 from None


def _moment(text: str, now: datetime) -> datetime:
    try:
        since = datetime.fromtimestamp(float(text), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return now - LONGEST_AGO
    return min(max(since, now - LONGEST_AGO), now)
