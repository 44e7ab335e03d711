"""Money: reserved with the request, then settled or released, once; and the log of who did what."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import OperationalError
from django.utils import timezone

from generations import ledger
from generations.lifecycle import advance
from generations.models import AuditEntry, Charge, Generation, Image, SendingPause, Status
from generations.services import asking, collecting, deleting, keys, unconfirmed
from klingweb.accounts.models import Team, User
from tests.road import Ask, Follow, finish
from tests.states import put

pytestmark = pytest.mark.django_db

State = Charge.State


def charge(generation: Generation) -> Charge:
    return Charge.objects.get(generation_id=generation.pk)


def test_the_estimate_is_reserved_with_the_request(ask: Ask, bob: User) -> None:
    generation = ask("A vase", n=2)
    kept = charge(generation)
    assert (kept.state, kept.reserved, kept.unit, kept.reserved_usd) == (
        State.RESERVED,
        Decimal(16),
        "unit",
        Decimal("0.056"),
    )
    assert (kept.person, kept.model_name, kept.operation) == (bob, "kling-v3", "text-to-image")
    assert str(kept) == f"{generation.pk} reserved"


@pytest.mark.django_db(transaction=True)
def test_what_the_provider_says_is_settled_once(ask: Ask, follow: Follow) -> None:
    generation = follow(ask("A vase", n=2))
    kept = charge(generation)
    assert (kept.state, kept.settled, kept.settled_usd, kept.told) == (
        State.SETTLED,
        Decimal(16),
        Decimal("0.056"),
        True,
    )
    collecting.settle(generation)
    ledger.follow(generation.pk, Status.COLLECTING, Status.FAILED)
    assert charge(generation).settled == Decimal(16)


def test_without_a_word_of_the_provider_the_price_of_what_was_made_is_settled(ask: Ask) -> None:
    generation = put(ask("A vase", n=4), Status.COLLECTING)
    Image.objects.bulk_create(
        Image(generation=generation, index=index, state=Image.State.KEPT, source_url="") for index in range(3)
    )
    collecting.settle(generation)
    kept = charge(generation)
    assert (kept.state, kept.settled, kept.settled_usd, kept.told, kept.pictures) == (
        State.SETTLED,
        Decimal(24),
        Decimal("0.084"),
        False,
        3,
    )


def test_pictures_that_were_made_and_could_not_be_brought_home_are_settled_all_the_same(ask: Ask) -> None:
    generation = put(ask(), Status.COLLECTING)
    Image.objects.create(generation=generation, index=0, state=Image.State.LOST, source_url="")
    collecting.settle(generation)
    assert (generation.status, charge(generation).state) == (Status.FAILED, State.SETTLED)


def test_an_unknown_price_stays_unknown(ask: Ask) -> None:
    generation = ask()
    Generation.objects.filter(pk=generation.pk).update(estimate=None, estimate_usd=None, status=Status.COLLECTING)
    generation.refresh_from_db()
    Image.objects.create(generation=generation, index=0, state=Image.State.KEPT, source_url="")
    collecting.settle(generation)
    assert (charge(generation).settled, charge(generation).settled_usd) == (None, None)


def test_a_cost_in_dollars_or_in_another_unit_is_what_it_is(ask: Ask) -> None:
    for amount, unit, usd in (("0.15", "USD", Decimal("0.15")), ("3", "point", None)):
        generation = put(ask(), Status.COLLECTING, cost=Decimal(amount), cost_unit=unit)
        Image.objects.create(generation=generation, index=0, state=Image.State.KEPT, source_url="")
        collecting.settle(generation)
        assert (charge(generation).settled, charge(generation).unit, charge(generation).settled_usd) == (
            Decimal(amount),
            unit,
            usd,
        )


def test_failure_and_cancelling_release_and_a_correction_reserves_again(ask: Ask, bob: User) -> None:
    canceled, lost = ask("one"), put(ask("two"), Status.UNCONFIRMED, doubts=1)
    assert asking.cancel(canceled, bob)
    assert unconfirmed.give_up(lost, bob)
    assert [charge(each).state for each in (canceled, lost)] == [State.RELEASED, State.RELEASED]
    assert charge(lost).closed_at
    assert advance(lost, Status.RUNNING)
    assert (charge(lost).state, charge(lost).closed_at) == (State.RESERVED, None)


def test_a_charge_outlives_its_generation(ask: Ask, alice: User) -> None:
    generation = ask()
    finish(generation)
    Charge.objects.update(state=State.SETTLED)
    assert deleting.delete(generation, alice)
    assert charge(generation).state == State.SETTLED


# Deeds ----------------------------------------------------------------------------------------------------------------


def test_what_people_do_is_written_down(ask: Ask, bob: User, halden: Team) -> None:
    canceled, lost = ask("one"), put(ask("two"), Status.UNCONFIRMED, doubts=1)
    asking.cancel(canceled, bob)
    unconfirmed.send_again(lost, bob)
    assert [(each.verb, each.person, each.subject) for each in AuditEntry.objects.filter(team=halden)] == [
        ("send again", bob, f"generation {lost.pk}"),
        ("cancel", bob, f"generation {canceled.pk}"),
    ]


def test_the_log_is_never_changed(halden: Team, bob: User) -> None:
    ledger.write(halden, bob, "cancel", "something", "because")
    [entry] = AuditEntry.objects.all()
    assert str(entry) == "cancel something"
    with pytest.raises(TypeError, match="not changed"):
        entry.save()
    with pytest.raises(TypeError, match="not changed"):
        AuditEntry.objects.update(at=timezone.now())
    with pytest.raises(TypeError, match="not changed"):
        AuditEntry.objects.all().delete()
    with pytest.raises(TypeError, match="not changed"):
        entry.delete()
    assert AuditEntry.objects.count() == 1


DECISIONS: dict[str, tuple[Status, Callable[[Generation, User], object]]] = {
    "cancel": (Status.QUEUED, asking.cancel),
    "send again": (Status.UNCONFIRMED, unconfirmed.send_again),
    "give up": (Status.UNCONFIRMED, unconfirmed.give_up),
    "pause key": (Status.QUEUED, lambda it, by: keys.pause(it.credential, by, "A pause.")),
    "pause sending": (Status.QUEUED, lambda it, by: keys.pause_team(it.team, by)),
    "remove key": (Status.QUEUED, lambda it, by: keys.remove(it.credential, by)),
}


@pytest.mark.parametrize("verb", DECISIONS)
def test_what_cannot_be_written_into_the_log_is_not_done(
    ask: Ask, bob: User, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("disk full")

    status, decide = DECISIONS[verb]
    generation = put(ask("A vase"), status)
    before = state_of(generation)
    with monkeypatch.context() as patched:
        patched.setattr(AuditEntry.objects, "create", refuse)
        with pytest.raises(OperationalError):
            decide(Generation.objects.get(pk=generation.pk), bob)
    assert state_of(generation) == before
    decide(Generation.objects.get(pk=generation.pk), bob)
    assert state_of(generation) != before
    assert AuditEntry.objects.get().verb == verb


def state_of(generation: Generation) -> tuple[object, ...]:
    fresh = Generation.objects.get(pk=generation.pk)
    key, events = fresh.credential, fresh.events.count()
    return fresh.status, events, key.paused_at, key.removed_at, SendingPause.objects.filter(team=fresh.team).exists()
