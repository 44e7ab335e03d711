"""Clearing up a request of unknown fate: by looking for it under our name, or by a person.

A provider that finds tasks by our own name is asked a few times. Found: it goes on. Clearly unknown well after the
request could have arrived: it is sent once more under the same name, so that a late first one makes the second refused.
Another may have lists to look in: a task that names us, or the only one that it can be, is taken.
Where the provider cannot tell, or still cannot after that, a person decides; each decision is an event and logged.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import IO

import httpx
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from generations import interpretation, ledger
from generations.lifecycle import advance
from generations.models import Generation, Status
from generations.providers import client, errors
from generations.providers.exchange import Listed, Progress, Reply
from generations.providers.registry import PROVIDERS, find
from generations.services import collecting, weighing
from generations.services.common import (
    KEY_OF,
    NO_PROBLEM,
    account_of,
    deadlines,
    fail,
    free_call,
    heed,
    load,
    paced,
    query,
)
from generations.services.restoring import sent_since
from klingweb.accounts.models import User

UNKNOWN_AFTER = 360  # seconds after the POST's deadline; a look-up may lag behind by minutes
LOOKS = ((60, 5), (600, 30), (86_400, 600))  # while younger than seconds: look every so many seconds
RARELY = 3600
EARLIER = timedelta(seconds=90)  # how far the provider's clock may be from ours
LOOKUP = "klingweb.lookup"  # in a request's extensions: which of the provider's lists it asks for
GIVEN_UP = "Given up"
MODERATED = "moderated again"
"""Why a second request was refused: most probably the first one was as well, unless it still arrives."""
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class CannotTell(Exception):
    """The provider did not confirm what a person says. The text is a sentence that says what to do."""


def findable() -> list[str]:
    """Slugs of the providers that can be asked for a task whose id never reached us."""
    return [each.slug for each in PROVIDERS.values() if each.finds_by_external_id or each.lookups]


def askable() -> Q:
    """Generations that their provider can be asked about like that, unless their operation is declared no more."""
    known = {slug: [each.slug for each in PROVIDERS[slug].operations] for slug in findable()}
    ways = (Q(provider=slug, operation__in=operations) for slug, operations in known.items())
    return reduce(or_, ways, Q(pk=None))


def pause(generation: Generation, now: datetime) -> timedelta:
    """How long to wait before looking again."""
    age = now - (generation.submitted_at or now)
    return paced(next((every for younger, every in LOOKS if age < paced(younger)), RARELY))


def begin(generation: Generation, task_id: str = "", turn: int | None = None) -> client.Call:
    """The free call that looks for the task: by the id that a person pasted, by our name, or in one list after another.

    Which list's `turn` it is follows from how many looks there have been by now.
    """
    provider, _ = find(generation.provider, generation.operation)
    if task_id or not provider.lookups:
        return query(generation, task_id)
    now, since = timezone.now(), sent_since(generation) - EARLIER
    turn = (now - (generation.submitted_at or now)) // pause(generation, now) if turn is None else turn
    number = turn % len(provider.lookups)
    request = provider.lookups[number].build(account_of(generation), since)
    request.extensions |= {LOOKUP: number, KEY_OF: generation.credential.changed_at}
    return free_call(generation.credential, request, deadlines(generation).query)


def finish(asked: Generation, reply: Reply) -> None:
    """Note what the provider says about our name. No answer, or an unclear one, changes nothing."""
    generation = load(asked.pk)
    if not generation or generation.status != Status.UNCONFIRMED or not isinstance(reply, httpx.Response):
        return
    provider, _ = find(generation.provider, generation.operation)
    try:
        number = reply.request.extensions.get(LOOKUP)
        if number is not None:
            _search(generation, interpretation.read_list(generation, provider.lookups[number].parse, reply))
            return
        progress = interpretation.read_query(generation, reply)
    except errors.NotFound:
        _not_found(generation, timezone.now())
    except errors.ProviderError as error:
        heed(generation, error, reply)
    else:
        _found(generation, progress.task_id, "The provider has it after all")


def look_again(generation: Generation) -> None:
    """Ask now, in each list; that takes the provider's deadline for a query at most, for each. Only what is in doubt.

    A provider that cannot be asked for what has no id is asked what is left instead, which is the only evidence.
    """
    if generation.status != Status.UNCONFIRMED:
        return
    if not Generation.objects.filter(askable(), pk=generation.pk).exists():
        weighing.read(generation.credential_id)
        return
    provider, _ = find(generation.provider, generation.operation)
    for turn in range(len(provider.lookups) or 1):
        finish(generation, client.shared().send(begin(generation, turn=turn)).result())


def it_was_made(generation: Generation, task_id: str, person: User) -> None:
    """A person has found it at the provider. Raises CannotTell unless the provider knows this id."""
    if generation.status not in (Status.UNCONFIRMED, Status.FAILED) or not generation.doubts:
        raise CannotTell("This generation is not waiting for a decision any more.")
    if not _is_declared(generation):
        raise CannotTell("klingweb does not offer this any more, so it cannot ask for it. Bring the pictures instead.")
    if generation.credential.erased_at:
        raise CannotTell("Its key has been removed, so the provider cannot be asked any more.")
    if not TASK_ID.fullmatch(task_id):
        raise CannotTell("Paste the id of the task as the provider shows it: letters, digits, - and _ only.")
    progress = _ask(generation, task_id)
    known = progress.task_id or task_id
    if owned([known], generation):
        raise CannotTell("That task belongs to another generation. Check the id and paste it again.")
    with transaction.atomic():
        if not _found(generation, known, f"{person.display_name} found it at the provider"):
            raise CannotTell("This generation is not waiting for a decision any more.")
        ledger.write(generation.team, person, "it was made", generation, f"Task {known} at the provider")


def here_they_are(generation: Generation, files: Sequence[IO[bytes]], person: User) -> None:
    """A person brings the pictures that the provider made. Raises CannotTell where they cannot be taken."""
    if generation.status != Status.UNCONFIRMED:
        raise CannotTell("This generation is not waiting for a decision any more.")
    if not files:
        raise CannotTell("Choose the files of the pictures that the provider made.")
    brought = collecting.brought(generation, files)
    if not brought:
        raise CannotTell("One of the files is not a whole PNG, JPEG or WebP picture. Choose them again.")
    if not collecting.take(generation, brought, person):
        raise CannotTell("This generation is not waiting for a decision any more.")


@transaction.atomic
def send_again(generation: Generation, person: User) -> bool:
    """A person takes the risk of paying twice. Our name for it stays the same."""
    sent = _resend(generation, f"{person.display_name} sends it again, which may cost twice")
    if sent:
        ledger.write(generation.team, person, "send again", generation, "It may cost twice")
    return sent


@transaction.atomic
def give_up(generation: Generation, person: User) -> bool:
    """A person believes that it never arrived. It can be corrected later."""
    if generation.status != Status.UNCONFIRMED:
        return False
    name = person.display_name
    given = fail(generation, f"{GIVEN_UP} by {name}: nobody knows whether the provider made and charged it.")
    if given:
        ledger.write(generation.team, person, "give up", generation)
    return given


def _is_declared(generation: Generation) -> bool:
    provider = PROVIDERS.get(generation.provider)
    return bool(provider and provider.operation(generation.operation))


def _ask(generation: Generation, task_id: str) -> Progress:
    reply = client.shared().send(begin(generation, task_id)).result()
    if not isinstance(reply, httpx.Response):
        raise CannotTell(f"The provider does not answer just now. {reply.reason} Try again in a minute.")
    try:
        return interpretation.read_query(generation, reply)
    except errors.NotFound:
        raise CannotTell("The provider knows no task of that id. Check it and paste it again.") from None
    except errors.ProviderError as error:
        raise CannotTell(f"{error.sentence} Try again when that is mended.") from None


def _found(generation: Generation, task_id: str, reason: str) -> bool:
    moment = timezone.now()
    return advance(generation, Status.RUNNING, reason=reason, provider_task_id=task_id, due_at=moment, **NO_PROBLEM)


def _search(generation: Generation, listed: tuple[Listed, ...]) -> None:
    """Take the task that names us, or else the only one that it can be. Anything else is for a person."""
    named = next((each for each in listed if each.external_id == str(generation.pk)), None)
    if named:
        _found(generation, named.task_id, "The provider has it after all, under our name")
        return
    alike = [each for each in listed if _is_like(each, generation)]
    taken = owned([each.task_id for each in alike], generation)
    free = [each for each in alike if each.task_id not in taken]
    if len(free) == 1 and not _rivals(generation):
        _found(generation, free[0].task_id, "The provider has exactly one task that it can be")
        return
    label, moment = find(generation.provider, generation.operation)[0].label, f"{timezone.now():%H:%M} UTC"
    details = f"{label} listed nothing that it could be at {moment}."
    if free:
        names = ", ".join(each.task_id for each in free[:5])
        count = "one task" if len(free) == 1 else f"{len(free)} tasks"
        details = f"{label} lists {count} that it could be: {names}. Look there, and paste the id of the right one."
    Generation.objects.filter(pk=generation.pk, status=Status.UNCONFIRMED).update(problem_details=details[:400])


def _is_like(listed: Listed, generation: Generation) -> bool:
    """Whether a task without a name of ours may be this request: the same prompt, made while it was on its way."""
    sent = generation.submitted_at or generation.created
    until = sent + timedelta(seconds=deadlines(generation).create) + EARLIER
    in_time = listed.created_at is not None and sent_since(generation) - EARLIER <= listed.created_at <= until
    return not listed.external_id and in_time and listed.prompt.strip() == generation.prompt.strip()


def owned(task_ids: list[str], generation: Generation) -> set[str]:
    """Those of the provider's tasks that other generations own."""
    others = Generation.objects.filter(provider=generation.provider, provider_task_id__in=task_ids)
    return set(others.exclude(pk=generation.pk).values_list("provider_task_id", flat=True))


def _rivals(generation: Generation) -> bool:
    """Whether another request of unknown fate could be the same task."""
    others = Generation.objects.filter(credential=generation.credential_id, status=Status.UNCONFIRMED)
    return others.filter(prompt=generation.prompt).exclude(pk=generation.pk).exists()


def _not_found(generation: Generation, now: datetime) -> None:
    provider, operation = find(generation.provider, generation.operation)
    if not provider.finds_by_external_id:
        return  # that a list cannot be had, or no task has no id, says nothing of this one
    sent = generation.submitted_at or now
    late = sent + timedelta(seconds=deadlines(generation).create) + paced(UNKNOWN_AFTER) < now
    certain = late and not generation.credential.changed_since(sent)  # another key may not open what this one made
    if certain and operation.resends and generation.doubts == 1:
        _resend(generation, f"{provider.label} has never heard of it: it is sent again under the same name")
        return
    if certain and generation.problem_code == MODERATED:
        fail(generation, errors.Moderated.default_sentence)
        return
    details = f"{provider.label} did not know it at {now:%H:%M} UTC."
    Generation.objects.filter(pk=generation.pk, status=Status.UNCONFIRMED).update(problem_details=details)


def _resend(generation: Generation, reason: str) -> bool:
    if generation.status != Status.UNCONFIRMED:
        return False
    return advance(generation, Status.QUEUED, reason=reason, due_at=timezone.now(), token="", problem="")
