"""Rules for reading a provider's answers, and reading again what was kept when there is a new one.

Nothing is sent by it. What ended stays so, unless somebody names a failed request that had been misread.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from generations import interpretation, ledger
from generations.lifecycle import advance, note
from generations.models import Event, Generation, Reading, Status
from generations.providers import errors
from generations.providers.exchange import Progress, Submission
from generations.providers.spec import Provider
from generations.services import following, submission
from generations.services.common import NO_PROBLEM, fail
from generations.services.unconfirmed import owned
from klingweb.accounts.models import Membership, Team, User

AGAIN = "What the provider answered was read again"
NOTHING_NEW = "Its kept answers still say nothing that klingweb understands."


Told = Submission | Progress | errors.Refused
CREATED, QUERIED = (Status.SUBMITTING, Status.UNCONFIRMED), (Status.RUNNING,)
ANSWERED_WHILE = {Status.RUNNING: QUERIED, Status.UNCONFIRMED: CREATED, Status.FAILED: (*CREATED, *QUERIED)}


@dataclass(frozen=True)
class Verdict:
    """What a kept answer says now. `told` is what was read; None where nothing came of it."""

    sentence: str
    event: Event | None = None
    told: Told | None = None


# Rules ----------------------------------------------------------------------------------------------------------------


def add_rule(member: Membership, provider: Provider, rule: Reading) -> int:
    """From now on the team's answers are read with this rule too. Returns how many that wait went on by it."""
    with transaction.atomic():
        Reading.objects.update_or_create(
            team=member.team,
            provider=provider.slug,
            kind=rule.kind,
            found=rule.found,
            defaults={"means": rule.means, "by": member.user, "since": timezone.now()},
        )
        ledger.write(member.team, member.user, "read differently", provider.label, str(rule))
    waiting = riddles(member.team, provider.slug)
    return sum(act(each, judge(each), member.user) for each in waiting)


@transaction.atomic
def remove_rule(member: Membership, provider: Provider, pk: int) -> bool:
    """Read the team's answers without this rule again. False where it is gone already."""
    rule = Reading.objects.filter(pk=pk, team=member.team, provider=provider.slug).first()
    if not rule:
        return False
    rule.delete()
    ledger.write(member.team, member.user, "read as before", provider.label, str(rule))
    return True


# Kept answers ---------------------------------------------------------------------------------------------------------


def riddles(team: Team | None = None, provider: str = "") -> QuerySet[Generation]:
    """What waits with an answer that was not understood: of one team, of one provider, or all."""
    waiting = Generation.objects.filter(status__in=[Status.RUNNING, Status.UNCONFIRMED], events__riddle=True)
    waiting = waiting.filter(team=team) if team else waiting
    waiting = waiting.filter(provider=provider) if provider else waiting
    return waiting.select_related("credential", "team").distinct()


def judge(generation: Generation) -> Verdict:
    """What the generation's kept answers say today. Nothing is written."""
    if generation.status not in ANSWERED_WHILE:
        return Verdict(f"It is {generation.status}: nothing waits to be read again.")
    for event in _kept(generation):
        told = _read(generation, event)
        if told and (verdict := _weighed(generation, event, told)):
            return verdict
    return Verdict(NOTHING_NEW)


def act(generation: Generation, verdict: Verdict, person: User | None = None) -> bool:
    """Move the generation to where its kept answer says that it is. False where nothing came of it."""
    told = verdict.told
    if told is None or verdict.event is None:
        return False
    with transaction.atomic():
        if not _moved(generation, told, verdict.event.answer):
            return False
        note(generation, AGAIN, "")
        ledger.write(generation.team, person, "read again", generation, verdict.sentence)
        return True


def _kept(generation: Generation) -> Iterator[Event]:
    """The events whose answer may be read again, the newest first."""
    at = ANSWERED_WHILE[Status(generation.status)]
    answered = generation.events.filter(Q(riddle=True) | Q(after=Status.FAILED), before__in=at).exclude(answer="")
    yield from answered.order_by("-at", "-id")


def _read(generation: Generation, event: Event) -> Told | None:
    head, _, text = event.answer.partition("\n")
    response = httpx.Response(int(head.removeprefix("HTTP ")), content=text.encode())
    try:
        if event.before in QUERIED:
            return interpretation.read_query(generation, response)
        return interpretation.read_create(generation, response)
    except errors.Refused as error:
        return error
    except errors.ProviderError:
        return None


def _weighed(generation: Generation, event: Event, told: Told) -> Verdict | None:
    """The verdict, or None where this answer decides nothing."""
    gone = generation.credential.erased_at is not None
    if isinstance(told, Submission):
        if (told.task_id and owned([told.task_id], generation)) or (gone and not told.progress):
            return None
        return Verdict(f"The provider has it: {told.task_id or 'its pictures came at once'}.", event, told)
    if isinstance(told, Progress) and told.state == "succeeded":
        return Verdict(f"The provider is done, with {len(told.outputs)} of {generation.asked} pictures.", event, told)
    if isinstance(told, errors.Refused):
        # another attempt may have been accepted, and where it runs a refusal says nothing of the request
        alone = generation.status == Status.UNCONFIRMED and generation.doubts == 1
        return Verdict(f"The provider refused it. {told.sentence}", event, told) if alone else None
    if generation.status == Status.FAILED:
        goes_on = told.state == "running" and event.after == Status.FAILED and not gone
        return Verdict("The provider had not ended it.", event, told) if goes_on else None
    return Verdict("The provider says that it failed.", event, told) if told.state == "failed" else None


def _moved(generation: Generation, told: Told, answer: str) -> bool:
    if isinstance(told, errors.Refused):
        return fail(generation, told.sentence, code=told.code, details=told.details, answer=answer)
    if generation.status == Status.UNCONFIRMED and isinstance(told, Submission):
        return submission.accept(generation, told, answer)
    if generation.status == Status.FAILED and not _goes_on(generation, told.task_id):
        return False
    progress = told.progress if isinstance(told, Submission) else told
    if progress:
        following.apply(generation, progress, answer)
    return True


def _goes_on(generation: Generation, task_id: str) -> bool:
    """It runs again, and is asked about at once. A task keeps the id that it had."""
    known = generation.provider_task_id or task_id
    return advance(
        generation, Status.RUNNING, reason=AGAIN, provider_task_id=known, due_at=timezone.now(), **NO_PROBLEM
    )
