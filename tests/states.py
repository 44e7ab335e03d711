"""A generation in each of its states, without a provider."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from generations import credentials, ledger
from generations.models import Generation, Image, Status
from tests.road import Ask, finish

PROMPT = "Hand-thrown ceramic vase on a pale plinth"
REFUSED = "The content rules of the provider refused this. Change the prompt and try again. Nothing was charged."


def put(generation: Generation, status: Status, sent: float | None = 5, **fields: Any) -> Generation:
    """The same generation in this status, `sent` seconds ago."""
    now = timezone.now()
    fields |= {"status": status, "changed": now, "due_at": now + timedelta(days=1)}
    if sent is not None:
        fields["submitted_at"] = now - timedelta(seconds=sent)
    before = generation.status
    Generation.objects.filter(pk=generation.pk).update(**fields)
    generation.refresh_from_db()
    ledger.follow(generation.pk, before, status)
    return generation


def lose(generation: Generation, number: int, state: Image.State = Image.State.LOST) -> None:
    """The picture of this number did not come home, or not yet."""
    generation.images.filter(index=number - 1).update(state=state, problem="The address answers HTTP 404.")


def every_state(ask: Ask) -> dict[str, Generation]:
    """One generation of each kind that a card knows, by what it is called here."""
    made = {"succeeded": ask(PROMPT, n=4, aspect_ratio="3:4"), "in part": ask(PROMPT, n=2)}
    for each in made.values():
        finish(each, each.asked)
    lose(made["in part"], 2)
    made["collecting"] = ask(PROMPT, n=2)
    finish(made["collecting"], 2)
    lose(made["collecting"], 2, Image.State.PENDING)
    put(made["collecting"], Status.COLLECTING, finished_at=None)
    made |= {
        "queued": put(ask(PROMPT, n=4), Status.QUEUED, sent=None),
        "submitting": put(ask(PROMPT), Status.SUBMITTING, sent=1),
        "running": put(ask(PROMPT, n=3), Status.RUNNING, sent=14),
        "late": put(ask(PROMPT), Status.RUNNING, sent=200),
        "failed": put(ask(PROMPT), Status.FAILED, problem=REFUSED, problem_code="1301", problem_details="risk control"),
        "unconfirmed": put(
            ask(PROMPT),
            Status.UNCONFIRMED,
            token="a turn",
            problem="Nobody knows whether this request arrived.",
            problem_details="The line was dropped before an answer came.",
        ),
        "canceled": put(ask(PROMPT), Status.CANCELED, sent=None),
    }
    return made


def pause_key(generation: Generation) -> None:
    """Its key rests."""
    credentials.pause(generation.credential, "The account has run out of credit.")
