"""What the verbs share."""

import uuid
from datetime import timedelta

import httpx

from generations.lifecycle import advance
from generations.models import Generation, Status
from generations.providers import client


def load(pk: uuid.UUID) -> Generation | None:
    """The generation with its credential, as it is now."""
    return Generation.objects.select_related("credential").filter(pk=pk).first()


def lane(generation: Generation) -> str:
    """Connections are shared by what is sent with one credential, and with nothing else."""
    return str(generation.credential_id)


def kept_answer(generation: Generation, response: httpx.Response) -> str:
    """What an event keeps of an answer: without secrets, and not too long."""
    return client.redact(f"HTTP {response.status_code}\n{response.text}", generation.credential.secrets.values())


def fail(generation: Generation, sentence: str, *, code: str = "", details: str = "", answer: str = "") -> bool:
    """End a generation with a sentence for people, the provider's code and its own words."""
    return advance(
        generation,
        Status.FAILED,
        reason=sentence,
        answer=answer,
        problem=sentence,
        problem_code=code,
        problem_details=details,
    )


def poll_pause(age: timedelta) -> timedelta:
    """How long to wait before asking again: quick while most requests end, slower for the long ones."""
    for younger, pause in ((90, 2), (600, 5), (3600, 30)):
        if age.total_seconds() < younger:
            return timedelta(seconds=pause)
    return timedelta(minutes=5)
