"""The queue: what needs a person, runs, waits, and has just ended. A page, and a panel in every other page."""

from dataclasses import dataclass, field

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from generations import access, queries
from generations.lifecycle import UNFINISHED
from generations.models import Generation, Status
from klingweb.accounts.access import SignedIn, membership, team_required
from klingweb.accounts.models import Membership

MINE, TEAM = "mine", "team"


@dataclass
class Section:
    """Generations that are in the same situation. `kind` is the class of their rows."""

    name: str
    kind: str
    generations: list[Generation] = field(default_factory=list)


@require_safe
@gzip_page
@never_cache
@team_required
def page(request: SignedIn) -> HttpResponse:
    """The whole page, or for HTMX what the panel shows; `?queue=team` is everybody's."""
    context = context_of(request, membership(request), request.GET.get("queue", ""))
    if not request.htmx:
        return render(request, "generations/queue.html", context)
    return render(request, "generations/_queue_panel.html", context | {"moving": True})  # the page around it may be


def context_of(request: SignedIn, member: Membership, whose: str) -> dict[str, object]:
    """What the queue shows: the person's own or the team's. A viewer, who has none, sees the team's."""
    whose = TEAM if whose == TEAM or not member.may_act else MINE
    team = access.visible_to(request.user).filter(team=member.team)
    shown = team if whose == TEAM else team.filter(person=request.user)
    now = timezone.now()
    found = queries.on_their_way(shown)
    sections = _sections(found[: queries.LONGEST_QUEUE])
    sections.append(Section("Just finished", "", queries.just_ended(shown, now)))
    return {
        "member": member,
        "whose": whose,
        "sections": [each for each in sections if each.generations],
        "more": len(found) > queries.LONGEST_QUEUE,
        "moving": any(queries.may_change(each, now) for each in found),
        "under_way": any(each.status in UNFINISHED for each in found),
        "now": now,
        "page": request.GET.get("page", "") if request.htmx else "queue",
    }


def _sections(found: list[Generation]) -> list[Section]:
    decide, running = Section("Needs a decision", "is-need"), Section("Running", "is-running")
    waiting, resting = Section("Waiting", "is-queued"), Section("Waiting, a key is paused", "is-queued")
    for each in found:
        if each.status == Status.QUEUED:
            (resting if each.credential.paused_at else waiting).generations.append(each)
        else:
            (decide if each.status in queries.NEEDS_PERSON else running).generations.append(each)
    return [decide, running, waiting, resting]
