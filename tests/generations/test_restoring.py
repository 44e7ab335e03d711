"""After a restore nothing is sent that may have been sent since the backup, and what was made is found."""

from datetime import timedelta

import httpx
import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from generations import credentials, dispatch, lifecycle
from generations.catalogue import offers
from generations.models import BalanceReading, Charge, Credential, Generation, Status
from generations.services import asking, restoring, submission, unconfirmed, weighing
from klingweb.accounts.models import Membership, Team, User
from klingweb.demo import SANDBOX_SECRETS
from tests.cast import sign_in
from tests.generations.test_unconfirmed import WAITING, lost, posts
from tests.road import Ask, Follow

pytestmark = pytest.mark.django_db(transaction=True)


def as_in_the_backup(generation: Generation, status: Status) -> Generation:
    """The row as it was before it went on."""
    generation.images.all().delete()
    Charge.objects.filter(generation_id=generation.pk).update(state=Charge.State.RESERVED, closed_at=None)
    Generation.objects.filter(pk=generation.pk).update(
        status=status, provider_task_id="", submitted_at=None if status == Status.QUEUED else generation.submitted_at
    )
    generation.refresh_from_db()
    return generation


def restore(generation: Generation) -> Generation:
    assert restoring.doubt_what_may_have_been_sent(timezone.now()) == 1
    generation.refresh_from_db()
    return generation


def time_passes() -> None:
    """So much that the provider would know what it was sent before the restore."""
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=8))


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SUBMITTING, Status.UNCONFIRMED])
def test_what_was_sent_since_is_found_under_its_name_and_paid_once(
    ask: Ask, follow: Follow, sandbox: str, status: Status
) -> None:
    generation = restore(as_in_the_backup(follow(ask()), status))
    assert (generation.status, generation.doubts) == (Status.UNCONFIRMED, 1)
    assert follow(generation, to=lifecycle.TERMINAL).status == Status.SUCCEEDED
    assert posts(sandbox, generation) == (1, 1)


def test_what_was_never_sent_is_sent_once_when_that_is_certain(ask: Ask, follow: Follow, sandbox: str) -> None:
    generation = restore(ask())
    unconfirmed.look_again(generation)
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED
    time_passes()
    assert follow(generation, to=lifecycle.TERMINAL).status == Status.SUCCEEDED
    assert posts(sandbox, generation) == (1, 1)


def test_certainty_counts_from_the_restore_because_it_may_have_been_sent_until_then(ask: Ask, sandbox: str) -> None:
    generation = lost(ask)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(days=1))
    generation = restore(generation)
    assert generation.doubts == 2
    unconfirmed.look_again(generation)
    time_passes()
    unconfirmed.look_again(Generation.objects.get())
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED  # two requests may be on their way: a person decides


def test_useapi_finds_what_was_sent_long_before_the_restore(
    bob: User, halden: Team, follow: Follow, sandbox: str
) -> None:
    secrets = SANDBOX_SECRETS["useapi"]
    key, _ = credentials.ensure(team=halden, provider="useapi", name="Relay", base_url="sandbox:", secrets=secrets)
    member = Membership.objects.select_related("team", "user").get(user=bob)
    offer = next(each for each in offers(halden) if each.provider.slug == "useapi")
    generation = asking.ask(member, offer, offer.operation(""), key, {"prompt": "A vase"}, "form").generation
    assert generation
    generation = as_in_the_backup(follow(generation), Status.QUEUED)
    with time_machine.travel(timezone.now() + timedelta(hours=6)):
        generation = restore(generation)
        assert follow(generation, to=lifecycle.TERMINAL).status == Status.SUCCEEDED
    told = httpx.get(f"{sandbox}/requests").json()["requests"]
    assert [each["accepted"] for each in told].count(True) == 1


def test_where_a_provider_cannot_tell_a_person_decides(ask: Ask, credential: Credential) -> None:
    Credential.objects.update(provider="kkiai")
    generation = ask()
    Generation.objects.update(provider="kkiai")
    generation = restore(generation)
    assert generation.problem_details == restoring.REASON
    assert dispatch.next_for(credential, timezone.now()) is None
    assert generation.status in WAITING


def test_the_balance_is_weighed_since_it_was_asked_for_because_nobody_knows_when_it_was_sent(
    client: Client, bob: User, ask: Ask, credential: Credential
) -> None:
    Credential.objects.update(provider="kkiai")
    generation = ask()
    asked = timezone.now() - timedelta(days=1)
    Generation.objects.update(provider="kkiai", created=asked, estimate=None, estimate_unit="")
    generation = restore(generation)
    for at, left in ((asked - timedelta(minutes=1), 500_000), (asked + timedelta(hours=1), 430_000)):
        BalanceReading.objects.create(credential=credential, at=at, left=left)
    BalanceReading.objects.create(credential=credential, at=timezone.now() + timedelta(minutes=1), left=430_000)
    page = sign_in(client, bob).get(f"/g/{generation.pk}/").content.decode()
    assert "The balance fell by 70,000 points between" in page
    assert "What else was sent before the backup was restored is not known here." in page
    assert "at any time since" in page
    assert "Sent at" not in page
    BalanceReading.objects.update(left=430_000)
    assert "did not fall" in weighing.evidence(generation)


def test_what_runs_is_followed_and_what_has_ended_stays(ask: Ask, follow: Follow, sandbox: str) -> None:
    done = follow(ask())
    running = follow(ask("[slow] a vase"), to=frozenset({Status.RUNNING}))
    assert restoring.doubt_what_may_have_been_sent(timezone.now()) == 0
    for each, status in ((done, Status.SUCCEEDED), (running, Status.RUNNING)):
        each.refresh_from_db()
        assert each.status == status
    assert follow(running).status == Status.SUCCEEDED
    assert posts(sandbox, running) == (1, 1)


def test_an_answer_to_the_old_installation_moves_nothing_here(ask: Ask) -> None:
    generation = restore(ask())
    assert submission.give_up_silent("mine") == 0
    assert generation.token == ""
