"""Who stands where in the line for a credential, and that they go in that order."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import credentials, dispatch, waiting
from generations.models import Credential, Generation, Status
from generations.services import submission
from klingweb.accounts.models import User
from tests.road import Ask, finish
from tests.states import put

pytestmark = pytest.mark.django_db


def line(credential: Credential) -> list[str]:
    """The prompts in the order of their places."""
    places = waiting.places(credential.team_id, timezone.now())
    prompts = dict(Generation.objects.filter(credential=credential).values_list("pk", "prompt"))
    mine = {place: prompts[pk] for pk, place in places.items() if pk in prompts}
    assert sorted(mine) == list(range(1, len(mine) + 1))
    return [mine[place] for place in sorted(mine)]


def test_people_stand_in_the_order_in_which_they_really_go(
    ask: Ask, credential: Credential, alice: User, bob: User, victor: User
) -> None:
    put(ask("b0"), Status.RUNNING, sent=60)
    put(ask("a0", person=alice), Status.RUNNING, sent=90)
    for prompt in ("a1", "a2", "a3"):
        ask(prompt, person=alice)
    for prompt in ("b1", "b2"):
        ask(prompt, person=bob)
    told = line(credential)
    went = []
    while chosen := dispatch.next_for(credential, timezone.now()):
        submission.begin(chosen, "turn")
        went.append(chosen.prompt)
    assert told == went == ["a1", "b1", "a2", "b2", "a3"]


def test_whoever_is_new_goes_first(ask: Ask, credential: Credential, alice: User) -> None:
    put(ask("b0"), Status.RUNNING, sent=3600)
    ask("b1")
    ask("b2")
    ask("a1", person=alice)
    assert line(credential) == ["a1", "b1", "b2"]


def test_each_key_has_a_line_of_its_own(ask: Ask, credential: Credential) -> None:
    other, _ = credentials.ensure(
        team=credential.team, provider="kling", name="Other", base_url="sandbox:", secrets={"api_key": "sandbox-key"}
    )
    Generation.objects.filter(pk=ask("one").pk).update(credential=credential)
    Generation.objects.filter(pk=ask("another").pk).update(credential=other)
    assert (line(credential), line(other)) == (["one"], ["another"])


def test_what_could_not_be_sent_now_stands_in_no_line(ask: Ask, credential: Credential) -> None:
    soon = timezone.now() + timedelta(minutes=1)
    Generation.objects.filter(pk=ask("later").pk).update(due_at=soon)
    Generation.objects.filter(pk=ask("not ready").pk).update(ready=False)
    finish(ask("over"))
    ask("now")
    assert line(credential) == ["now"]
    credentials.pause(credential, "Out of credit.")
    assert line(credential) == []


def test_what_is_more_than_the_day_leaves_lets_others_pass(ask: Ask, credential: Credential) -> None:
    Credential.objects.update(daily_pictures=5)
    put(ask("sent", n=3), Status.RUNNING, sent=0)
    ask("three", n=3)
    ask("two", n=2)
    assert line(credential) == ["two"]


def test_a_thousand_waiting_cost_few_queries(ask: Ask, credential: Credential, alice: User, bob: User) -> None:
    first = ask("first")
    copies = [
        Generation(
            team=first.team, person=(alice, bob)[number % 2], credential=credential, key=str(number),
            provider="kling", operation="text-to-image", asked=1, values={},
        )
        for number in range(1200)
    ]  # fmt: skip
    Generation.objects.bulk_create(copies)
    with CaptureQueriesContext(connection) as asked:
        found = waiting.places(first.team_id, timezone.now())
    assert len(asked) == 2
    assert len(found) == waiting.LONGEST_LINE
