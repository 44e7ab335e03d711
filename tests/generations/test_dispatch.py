from datetime import timedelta

import pytest
from django.utils import timezone

from generations import dispatch
from generations.models import Credential, Generation, Status
from generations.services import submission
from klingweb.accounts.models import User
from tests.road import Ask

pytestmark = pytest.mark.django_db


def next_prompt(credential: Credential) -> str:
    chosen = dispatch.next_for(credential, timezone.now())
    if not chosen:
        return ""
    submission.begin(chosen, "turn")
    return chosen.prompt


def test_nothing_waits_so_nothing_goes(credential: Credential) -> None:
    assert dispatch.next_for(credential, timezone.now()) is None


def test_people_take_turns_and_each_ones_oldest_goes_first(
    ask: Ask, credential: Credential, alice: User, bob: User
) -> None:
    for prompt in ("a1", "a2", "a3"):
        ask(prompt, person=alice)
    for prompt in ("b1", "b2"):
        ask(prompt, person=bob)
    assert [next_prompt(credential) for _ in range(6)] == ["a1", "b1", "a2", "b2", "a3", ""]


def test_what_is_not_due_yet_waits_and_lets_others_pass(ask: Ask, credential: Credential, alice: User) -> None:
    Generation.objects.filter(pk=ask("later").pk).update(due_at=timezone.now() + timedelta(minutes=1))
    ask("now", person=alice)
    assert [next_prompt(credential), next_prompt(credential)] == ["now", ""]


def test_pictures_are_counted_and_a_large_request_is_not_overtaken(ask: Ask, credential: Credential) -> None:
    for prompt, count in (("six", 6), ("five", 5), ("one", 1)):
        ask(prompt, n=count)
    assert next_prompt(credential) == "six"
    assert next_prompt(credential) == ""
    Generation.objects.filter(prompt="six").update(status=Status.COLLECTING)
    assert next_prompt(credential) == "five"
    assert next_prompt(credential) == "one"


def test_what_needs_more_than_there_is_goes_alone(ask: Ask, credential: Credential) -> None:
    Credential.objects.update(slots=2)
    credential.refresh_from_db()
    ask("one", n=1)
    ask("nine", n=9)
    assert next_prompt(credential) == "one"
    assert next_prompt(credential) == ""
    Generation.objects.filter(prompt="one").update(status=Status.COLLECTING)
    assert next_prompt(credential) == "nine"
