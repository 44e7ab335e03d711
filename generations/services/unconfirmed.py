"""Clearing up a request of unknown fate: by looking for it under our name, or by a person.

A provider that finds tasks by our own name is asked a few times. Found: it goes on. Clearly unknown well after the
request could have arrived: it is sent once more under the same name, so that a late first one makes the second refused.
Where the provider cannot tell, or still cannot after that, a person decides; each decision is an event.
"""

import re
import uuid
from datetime import datetime, timedelta

import httpx
from django.utils import timezone

from generations.lifecycle import advance
from generations.models import Generation, Status
from generations.providers import client, errors
from generations.providers.exchange import Progress, Reply
from generations.providers.registry import PROVIDERS, find
from generations.services.common import deadlines, fail, heed, load, paced, query

UNKNOWN_AFTER = 360  # seconds after the POST's deadline; a look-up may lag behind by minutes
LOOKS = ((60, 5), (600, 30), (86_400, 600))  # while younger than seconds: look every so many seconds
RARELY = 3600
GIVEN_UP = "Given up"
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class CannotTell(Exception):
    """The provider did not confirm what a person says. The text is a sentence that says what to do."""


def findable() -> list[str]:
    """Slugs of the providers that find a task by our own name for it."""
    return [provider.slug for provider in PROVIDERS.values() if provider.finds_by_external_id]


def pause(generation: Generation, now: datetime) -> timedelta:
    """How long to wait before looking again."""
    age = now - (generation.submitted_at or now)
    return paced(next((every for younger, every in LOOKS if age < paced(younger)), RARELY))


def begin(generation: Generation, task_id: str = "") -> client.Call:
    """The free call that asks for the task by our name, or by the id that a person pasted."""
    return query(generation, task_id)


def finish(pk: uuid.UUID, reply: Reply) -> None:
    """Note what the provider says about our name. No answer, or an unclear one, changes nothing."""
    generation = load(pk)
    if not generation or generation.status != Status.UNCONFIRMED or not isinstance(reply, httpx.Response):
        return
    try:
        progress = find(generation.provider, generation.operation)[0].parse_query(reply)
    except errors.NotFound:
        _not_found(generation, timezone.now())
    except errors.ProviderError as error:
        heed(generation, error)
    else:
        _found(generation, progress.task_id, "The provider has it after all")


def look_again(generation: Generation) -> None:
    """Ask now. The wait is the provider's deadline for a query at most. Nothing happens where nothing is in doubt."""
    if generation.status != Status.UNCONFIRMED:
        return
    finish(generation.pk, client.shared().send(begin(generation)).result())


def it_was_made(generation: Generation, task_id: str, person: str) -> None:
    """A person has found it at the provider. Raises CannotTell unless the provider knows this id."""
    if generation.status not in (Status.UNCONFIRMED, Status.FAILED) or not generation.doubts:
        raise CannotTell("This generation is not waiting for a decision any more.")
    if generation.credential.erased_at:
        raise CannotTell("Its key has been removed, so the provider cannot be asked any more.")
    if not TASK_ID.fullmatch(task_id):
        raise CannotTell("Paste the id of the task as the provider shows it: letters, digits, - and _ only.")
    progress = _ask(generation, task_id)
    if Generation.objects.filter(provider=generation.provider, provider_task_id=progress.task_id).exists():
        raise CannotTell("That task belongs to another generation. Check the id and paste it again.")
    _found(generation, progress.task_id, f"{person} found it at the provider")


def send_again(generation: Generation, person: str) -> bool:
    """A person takes the risk of paying twice. Our name for it stays the same."""
    return _resend(generation, f"{person} sends it again, which may cost twice")


def give_up(generation: Generation, person: str) -> bool:
    """A person believes that it never arrived. It can be corrected later."""
    if generation.status != Status.UNCONFIRMED:
        return False
    return fail(generation, f"{GIVEN_UP} by {person}: nobody knows whether the provider made and charged it.")


def _ask(generation: Generation, task_id: str) -> Progress:
    reply = client.shared().send(begin(generation, task_id)).result()
    if not isinstance(reply, httpx.Response):
        raise CannotTell(f"The provider does not answer just now. {reply.reason} Try again in a minute.")
    try:
        return find(generation.provider, generation.operation)[0].parse_query(reply)
    except errors.NotFound:
        raise CannotTell("The provider knows no task of that id. Check it and paste it again.") from None
    except errors.ProviderError as error:
        raise CannotTell(f"{error.sentence} Try again when that is mended.") from None


def _found(generation: Generation, task_id: str, reason: str) -> None:
    blank = {"problem": "", "problem_code": "", "problem_details": ""}
    moment = timezone.now()
    advance(generation, Status.RUNNING, reason=reason, provider_task_id=task_id, due_at=moment, **blank)


def _not_found(generation: Generation, now: datetime) -> None:
    provider, _ = find(generation.provider, generation.operation)
    sent = generation.submitted_at or now
    certain = sent + timedelta(seconds=deadlines(generation).create) + paced(UNKNOWN_AFTER) < now
    if certain and generation.doubts == 1 and not generation.credential.changed_since(sent):
        _resend(generation, f"{provider.label} has never heard of it: it is sent again under the same name")
        return
    details = f"{provider.label} did not know it at {now:%H:%M} UTC."
    Generation.objects.filter(pk=generation.pk, status=Status.UNCONFIRMED).update(problem_details=details)


def _resend(generation: Generation, reason: str) -> bool:
    if generation.status != Status.UNCONFIRMED:
        return False
    return advance(generation, Status.QUEUED, reason=reason, due_at=timezone.now(), token="", problem="")
