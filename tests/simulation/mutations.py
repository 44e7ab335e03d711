"""Rules broken on purpose: each is a mistake that somebody has made elsewhere, and that the simulation has to find."""

import inspect
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import Any
from unittest.mock import patch

import httpx
from django.db import transaction
from django.utils import timezone

from generations import dispatch, follower, images, ledger, lifecycle
from generations.models import Credential, Event, Generation, Image, Status
from generations.providers import client, errors
from generations.providers.exchange import NotSent, Order, Reply
from generations.providers.registry import PROVIDERS, find
from generations.services import collecting, common, following, submission, unconfirmed
from klingweb.accounts.models import User

Make = Callable[[], dict[str, Any]]
MUTATIONS: dict[str, Make] = {}
NOT_FOUND = unconfirmed._not_found


def mutation(*rules: str) -> Callable[[Make], Make]:
    """What makes replacements by dotted name, `module.attribute`. One of the `rules` has to be seen broken then."""
    assert rules

    def known(make: Make) -> Make:
        MUTATIONS[make.__name__.replace("_", "-")] = make
        return make

    return known


@contextmanager
def applied(name: str) -> Iterator[None]:
    """With this rule broken; with none for the empty name. A function is replaced wherever it was imported."""
    replaced = MUTATIONS[name]() if name else {}
    patches = [each for target, new in replaced.items() for each in _everywhere(target, new)]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def _everywhere(target: str, new: Any) -> Iterator[Any]:
    module, _, name = target.rpartition(".")
    holder: Any = _inside(module)
    old = getattr(holder, name)
    yield patch.object(holder, name, new)
    for other in [each for key, each in sys.modules.items() if key.startswith("generations.")]:
        if isinstance(other, ModuleType) and other is not holder and other.__dict__.get(name) is old:
            yield patch.object(other, name, new)


def _inside(name: str) -> Any:
    """A module, or a class in one."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _, inner = name.rpartition(".")
        return getattr(import_module(module), inner)


# The state machine ----------------------------------------------------------------------------------------------------


@mutation("one step after the other", "nothing is paid twice")
def claim_without_compare_and_set() -> dict[str, Any]:
    """Whoever comes last wins."""
    advance = lifecycle.advance

    def overwriting(generation: Generation, to: Status, **fields: Any) -> bool:
        Generation.objects.filter(pk=generation.pk).update(status=generation.status)
        return advance(generation, to, **fields)

    return {"generations.lifecycle.advance": overwriting}


@mutation("money is closed once")
def money_before_the_move() -> dict[str, Any]:
    """The money moves although somebody else was first."""
    advance = lifecycle.advance

    def hasty(generation: Generation, to: Status, **fields: Any) -> bool:
        ledger.follow(generation.pk, generation.status, to)
        return advance(generation, to, **fields)

    return {"generations.lifecycle.advance": hasty}


@mutation("money is closed once")
def money_apart_from_the_move() -> dict[str, Any]:
    """The money moves in a transaction of its own, after the move."""
    advance, follow = lifecycle.advance, ledger.follow

    def apart(generation: Generation, to: Status, **fields: Any) -> bool:
        before = generation.status
        moved = advance(generation, to, **fields)
        if moved:
            follow(generation.pk, before, to)
        return moved

    return {"generations.lifecycle.advance": apart, "generations.ledger.follow": lambda *_: None}


@mutation("what the provider charged is settled")
def the_estimate_is_settled() -> dict[str, Any]:
    """What the provider told is not looked at."""
    settlement = ledger._settlement

    def estimated(generation: Generation, made: int) -> dict[str, Any]:
        generation.cost = None
        return settlement(generation, made)

    return {"generations.ledger._settlement": estimated}


@mutation("the same form makes one", "nothing is paid twice")
def the_same_form_makes_two() -> dict[str, Any]:
    """The key of a form is not looked at."""
    return {"generations.services.asking._fingerprint": lambda *_: uuid.uuid4().hex}


@mutation("one step after the other", "accepted is asked")
def cancel_what_was_sent() -> dict[str, Any]:
    """A running generation is simply called canceled."""

    def cancel(generation: Generation, person: User) -> bool:
        moving = Generation.objects.filter(pk=generation.pk).exclude(status__in=lifecycle.TERMINAL)
        if moving.update(status=Status.CANCELED, finished_at=timezone.now()):
            Event.objects.create(generation=generation, before=generation.status, after=Status.CANCELED)
            ledger.follow(generation.pk, generation.status, Status.CANCELED)
        return True

    return {"generations.services.asking.cancel": cancel}


@mutation("each decision is recorded")
def a_decision_is_logged_apart() -> dict[str, Any]:
    """What a person decided is committed, and then written into the log."""
    return {"generations.services.unconfirmed.send_again": inspect.unwrap(unconfirmed.send_again)}


# The paid call --------------------------------------------------------------------------------------------------------


@mutation("sent after it is written down")
def post_before_commit() -> dict[str, Any]:
    """The claim is written down once the request has left."""
    claims: list[tuple[Generation, Status, dict[str, Any]]] = []
    advance, send = lifecycle.advance, follower.Turn._send

    def later(generation: Generation, to: Status, **fields: Any) -> bool:
        if to != Status.SUBMITTING:
            return advance(generation, to, **fields)
        claims.append((generation, to, fields))
        return True

    def sent(self: follower.Turn, opened: follower.Open) -> None:
        send(self, opened)
        if opened.call.paid:
            generation, to, fields = claims.pop()
            advance(generation, to, **fields)

    return {"generations.lifecycle.advance": later, "generations.follower.Turn._send": sent}


@mutation("sent after it is written down")
def post_inside_the_transaction() -> dict[str, Any]:
    """The request leaves before its claim is committed."""
    submit = follower.Turn._submit

    def inside(self: follower.Turn, ids: Sequence[int]) -> None:
        with transaction.atomic():
            submit(self, ids)

    return {"generations.follower.Turn._submit": inside}


@mutation("nothing is paid twice")
def post_again_when_the_line_fails() -> dict[str, Any]:
    """What every other client does: no answer, so once more."""

    def again(generation: Generation, reason: str, answer: str = "") -> bool:
        submission._requeue(generation, reason, timedelta(seconds=10), answer)
        return True

    return {"generations.services.submission._unconfirm": again}


@mutation("nothing is paid twice", "what can be found is found")
def post_again_under_a_new_name() -> dict[str, Any]:
    """Each request has a name of its own, so that nobody finds the first."""

    def order(*values: Any) -> Order:
        return replace(Order(*values), external_id=str(uuid.uuid4()))

    return {"generations.services.submission.Order": order}


@mutation("nothing is paid twice")
def post_again_too_early() -> dict[str, Any]:
    """Not found once is believed, although a look-up lags behind."""
    return {"generations.services.unconfirmed.UNKNOWN_AFTER": -60}


@mutation("nothing is paid twice")
def a_list_that_is_gone_is_believed() -> dict[str, Any]:
    """Whatever is not found was never there: as well what nobody has asked for."""
    return {"generations.services.unconfirmed._not_found": _sent_again}


@mutation("nothing is paid twice")
def no_task_has_no_id() -> dict[str, Any]:
    """Who cannot be asked by our name is asked for a task without an id, and knows of none."""
    return {
        "generations.services.unconfirmed.findable": lambda: list(PROVIDERS),
        "generations.services.unconfirmed._not_found": _sent_again,
    }


def _sent_again(generation: Generation, now: datetime) -> None:
    if PROVIDERS[generation.provider].finds_by_external_id:
        NOT_FOUND(generation, now)
        return
    sent = generation.submitted_at or now
    late = timedelta(seconds=common.deadlines(generation).create + unconfirmed.UNKNOWN_AFTER)
    if sent + late < now and generation.doubts == 1:
        unconfirmed._resend(generation, "It was not found.")


@mutation("nothing fails by mistake")
def a_refusal_of_the_second_is_the_end() -> dict[str, Any]:
    """A second request of the same name is refused, because the first was accepted: that is no failure."""
    refuse = submission._refuse

    def hasty(generation: Generation, error: errors.ProviderError, answer: str) -> None:
        generation.doubts = 0
        refuse(generation, error, answer)

    return {"generations.services.submission._refuse": hasty}


@mutation(
    "nothing is paid twice",
    "nothing fails by mistake",
    "sent after it is written down",
    "no slot limit is exceeded",
)
def finish_ignores_the_token() -> dict[str, Any]:
    """A reply is applied to whatever request is open now."""
    finish = submission.finish

    def anyhow(pk: uuid.UUID, token: str, reply: Reply, **_: Any) -> None:
        generation = common.load(pk)
        finish(pk, generation.token if generation else token, reply)

    return {"generations.services.submission.finish": anyhow}


@mutation("nothing is paid twice", "nothing fails by mistake")
def unsent_is_believed_of_everything() -> dict[str, Any]:
    """A line that breaks is taken for one that was never there."""
    finish = submission.finish

    def believing(pk: uuid.UUID, token: str, reply: Reply, **more: Any) -> None:
        finish(pk, token, reply if isinstance(reply, httpx.Response) else NotSent(reply.reason), **more)

    return {"generations.services.submission.finish": believing}


# Whose turn it is -----------------------------------------------------------------------------------------------------


@mutation("no slot limit is exceeded")
def slots_are_not_counted() -> dict[str, Any]:
    """As many at once as there are."""
    return {"generations.dispatch.slots_taken": lambda *_: 0}


@mutation("nobody starves")
def first_names_first() -> dict[str, Any]:
    """Who comes first in the list of people always goes first."""

    def next_for(credential: Credential, now: Any) -> Generation | None:
        due = Generation.objects.filter(credential=credential, status=Status.QUEUED, ready=True, due_at__lte=now)
        chosen = due.select_related("credential").order_by("person_id", "created").first()
        return chosen if chosen and dispatch.fits(credential, chosen, dispatch.slots_taken(credential)) else None

    return {"generations.dispatch.next_for": next_for}


# Following and collecting ---------------------------------------------------------------------------------------------


@mutation("nothing fails by mistake")
def a_failed_look_up_fails_it() -> dict[str, Any]:
    """A poll that is refused ends what is still running."""
    finish = following.finish

    def strict(asked: Generation, reply: Reply) -> None:
        generation = common.load(asked.pk)
        if generation and generation.status == Status.RUNNING and isinstance(reply, httpx.Response):
            try:
                find(generation.provider, generation.operation)[0].parse_query(reply)
            except errors.ProviderError as error:
                common.fail(generation, error.sentence)
                return
        finish(asked, reply)

    return {"generations.services.following.finish": strict}


@mutation("what is kept is here")
def kept_before_the_file_is_there() -> dict[str, Any]:
    """The row says so first, and the process dies in between."""

    def bring_home(image: Image) -> None:
        fetched = client.shared().fetch(collecting._result_call(image), images.incoming(image)).result()
        if isinstance(fetched, client.NotFetched):
            collecting._postpone(image, fetched.reason, gone=fetched.gone)
            return
        try:
            verified = images.verify(fetched.path)
        except images.NotAPicture as error:
            collecting._postpone(image, str(error))
            return
        Image.objects.filter(pk=image.pk).update(state=Image.State.KEPT, file=f"originals/{image.pk}.png")
        collecting.settle(image.generation)
        images.store(image, fetched.path, verified)

    return {"generations.services.collecting._bring_home": bring_home}


@mutation("every finished picture is stored")
def whatever_came_is_kept() -> dict[str, Any]:
    """A page of a gateway is taken for a picture."""
    return {"generations.images.verify": lambda _path: images.Verified("image/png", 64, 64)}


@mutation("nothing fails by mistake", "every finished picture is stored")
def one_attempt_for_a_picture() -> dict[str, Any]:
    """A picture that does not come at once is lost."""
    return {"generations.services.collecting.GONE_AFTER": 1, "generations.services.collecting.GONE_AFTER_SECONDS": 0}


@mutation("each ends or visibly waits")
def messages_are_believed() -> dict[str, Any]:
    """No sweep: what a lost message named is never looked at again."""
    return {"generations.tasks.sweep": lambda: None}


@mutation("each ends or visibly waits")
def silent_ones_are_left() -> dict[str, Any]:
    """Nobody looks after requests whose sender has died."""
    return {"generations.services.submission.give_up_silent": lambda _token: 0}
