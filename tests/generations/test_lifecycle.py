from datetime import UTC, datetime

import pytest
import time_machine
from django.db import IntegrityError

from generations.lifecycle import ALLOWED, TERMINAL, UNFINISHED, NotAllowed, advance, begin
from generations.models import Event, Generation, Status
from tests.road import Ask

EVERY_MOVE = [(before, after) for before in Status for after in Status]


def put(generation: Generation, status: Status) -> Generation:
    Generation.objects.filter(pk=generation.pk).update(status=status)
    generation.status = status
    return generation


@pytest.mark.parametrize(("before", "after"), [move for move in EVERY_MOVE if move[1] in ALLOWED[move[0]]])
def test_an_allowed_move_is_made_once_and_leaves_an_event(ask: Ask, before: Status, after: Status) -> None:
    mine = put(ask(), before)
    theirs = Generation.objects.get(pk=mine.pk)
    assert advance(mine, after, reason="because")
    assert not advance(theirs, after)
    assert theirs.status == before
    event = Event.objects.filter(generation=mine).last()
    assert event
    assert (event.before, event.after, event.reason) == (before, after, "because")
    assert str(event) == f"{before} → {after}"


@pytest.mark.parametrize(("before", "after"), [move for move in EVERY_MOVE if move[1] not in ALLOWED[move[0]]])
def test_any_other_move_is_refused_and_writes_nothing(ask: Ask, before: Status, after: Status) -> None:
    generation = put(ask(), before)
    with pytest.raises(NotAllowed):
        advance(generation, after)
    assert Event.objects.filter(generation=generation).count() == 1


def test_fields_are_written_with_the_move_or_not_at_all(ask: Ask) -> None:
    mine = ask()
    theirs = Generation.objects.get(pk=mine.pk)
    assert advance(mine, Status.SUBMITTING, token="mine")
    assert not advance(theirs, Status.SUBMITTING, token="theirs")
    assert mine.token == Generation.objects.get(pk=mine.pk).token == "mine"
    assert theirs.token == ""


def test_a_move_says_when_it_was_made_and_an_end_when_it_was_reached(ask: Ask) -> None:
    generation = ask()
    with time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC), tick=False):
        assert advance(generation, Status.CANCELED)
    generation.refresh_from_db()
    assert generation.changed == generation.finished_at == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_generation_begins_with_an_event_and_its_key_is_taken_once(ask: Ask) -> None:
    generation = ask(key="once")
    assert [(each.before, each.after) for each in generation.events.all()] == [("", "queued")]
    again = Generation.objects.get(pk=generation.pk)
    again.pk = None
    again.id = Generation._meta.pk.get_default()
    with pytest.raises(IntegrityError):
        begin(again, "twice")
    assert str(generation) == f"{generation.id} queued"


def test_every_status_is_either_terminal_unfinished_or_waits_for_a_person() -> None:
    assert set(Status) == TERMINAL | UNFINISHED | {Status.UNCONFIRMED}
