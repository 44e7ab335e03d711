"""What the verbs share."""

import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from generations import credentials, deliveries
from generations.lifecycle import advance
from generations.models import Credential, Generation, Reading, Status
from generations.providers import client, errors
from generations.providers.exchange import Account, Task
from generations.providers.registry import PROVIDERS, find
from generations.providers.spec import Deadlines

log = logging.getLogger(__name__)

NO_PROBLEM: dict[str, Any] = {"problem": "", "problem_code": "", "problem_details": ""}
LONGEST_REST = 600  # seconds, whatever a provider asks for
FREE = "Nothing was charged."
TWICE_SENT = "Whether its first request was charged is not known."
KEPT = 2**16  # characters of an answer; the largest known to be about one request has a tenth
RULES = Reading.objects.filter(team=OuterRef("team"), provider=OuterRef("provider"))
WHOLE = Generation.objects.select_related("credential").annotate(has_rules=Exists(RULES))
"""Generations with their credential, and with whether their answers are read by rules of the team's own."""
KEY_OF = "klingweb.key_of"  # in a request's extensions: since when the credential had the key that it was made with


def load(pk: uuid.UUID) -> Generation | None:
    """The generation as it is now, whole."""
    return WHOLE.filter(pk=pk).first()


def lane(generation: Generation) -> str:
    """Connections are shared by what is sent with one credential, and with nothing else."""
    return str(generation.credential_id)


def paced(seconds: float) -> timedelta:
    """So many seconds at the pace of this installation."""
    return timedelta(seconds=seconds * settings.PACE)


def deadlines(generation: Generation) -> Deadlines:
    """Those of its provider, at the pace of this installation."""
    return find(generation.provider, generation.operation)[0].deadlines.paced(settings.PACE)


def deadlines_of(provider: str) -> Deadlines:
    """Those of a provider, at the pace of this installation."""
    return PROVIDERS[provider].deadlines.paced(settings.PACE)


def kept_answer(generation: Generation, response: httpx.Response) -> str:
    """What an event keeps of an answer: without secrets, and not too long. Its charset is not believed."""
    text = response.content.decode("utf-8", "replace")
    return client.redact(f"HTTP {response.status_code}\n{text}", deliveries.secrets_of(generation), KEPT)


def fail(
    generation: Generation, sentence: str, *, code: str = "", details: str = "", answer: str = "", **fields: Any
) -> bool:
    """End a generation with a sentence for people, the provider's code and its own words, which hold no secret.

    Where it was sent again in doubt, that the last request cost nothing does not say so of the first.
    """
    again = {"before": Status.UNCONFIRMED, "after": Status.QUEUED}
    if generation.doubts and sentence.endswith(FREE) and generation.events.filter(**again).exists():
        sentence = sentence.removesuffix(FREE) + TWICE_SENT
    if details:
        details = client.redact(details, deliveries.secrets_of(generation), cap=400)
    return advance(
        generation,
        Status.FAILED,
        reason=sentence,
        answer=answer,
        problem=sentence,
        problem_code=code[:60],
        problem_details=details,
        **fields,
    )


def poll_pause(age: timedelta) -> timedelta:
    """How long to wait before asking again: quick while most requests end, slower for the long ones."""
    for younger, pause in ((90, 2), (600, 5), (3600, 30)):
        if age < paced(younger):
            return paced(pause)
    return paced(300)


def account_of(generation: Generation) -> Account:
    """As whom it is asked for. Raises Undecryptable where no key opens the credential."""
    return credentials.account(generation.credential, generation.account)


def free_call(credential: Credential, request: httpx.Request, deadline: float, purpose: str = "") -> client.Call:
    """A call with this credential that costs nothing. Calls of another purpose have connections of their own."""
    return client.Call(request, deadline, credentials.api_policy(credential), lane=f"{credential.pk}{purpose}")


def query(generation: Generation, task_id: str) -> client.Call:
    """The free call that asks for a task by the provider's id or, where that is empty, by our own."""
    provider, operation = find(generation.provider, generation.operation)
    task = Task(task_id, str(generation.pk))
    request = provider.build_query(operation, task, account_of(generation), timezone.now())
    request.extensions[KEY_OF] = generation.credential.changed_at
    return free_call(generation.credential, request, deadlines(generation).query)


def heed(generation: Generation, error: errors.ProviderError, response: httpx.Response) -> None:
    """A look-up was refused. That says nothing of the generation, but perhaps something of the key it was made with."""
    if error.waits and error.retry_after:
        leave_alone(generation, (Status.RUNNING, Status.UNCONFIRMED), timedelta(seconds=error.retry_after))
    if error.pauses_credential and response.request.extensions.get(KEY_OF) == generation.credential.changed_at:
        credentials.pause(generation.credential, error.sentence)
    log.info("%s: %s %s %s", generation.pk, generation.credential.last_four, type(error).__name__, error.code)


def leave_alone(generation: Generation, statuses: Sequence[Status], pause: timedelta) -> None:
    """The provider has too much to do: this one and all of the same key and account are not due before then."""
    until = timezone.now() + min(pause, paced(LONGEST_REST))
    siblings = Generation.objects.filter(credential=generation.credential_id, account=generation.account)
    siblings.filter(status__in=statuses, due_at__lt=until).update(due_at=until)
