"""A provider that has too much to do is left alone for as long as it asks, by all that one key sends."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from generations.models import Credential, Generation, Status
from generations.providers.exchange import Submission
from generations.services import following, submission
from tests.road import Ask

pytestmark = pytest.mark.django_db


def busy(seconds: int | None = None) -> httpx.Response:
    """What Kling says where too much is asked of it, to a request of ours."""
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    request = httpx.Request("GET", "https://api.example.com/")
    return httpx.Response(429, headers=headers, json={"code": 1302, "message": "too many"}, request=request)


def run(ask: Ask) -> Generation:
    generation = ask()
    assert submission.begin(generation, "a turn")
    assert submission.accept(Generation.objects.get(pk=generation.pk), Submission(f"task {generation.pk}"), "")
    return generation


def pause_of(generation: Generation) -> float:
    generation.refresh_from_db()
    return (generation.due_at - timezone.now()).total_seconds()


def test_a_look_up_that_is_told_to_wait_holds_for_all_that_run_with_this_key(ask: Ask) -> None:
    asked, sibling, waiting = run(ask), run(ask), ask()
    Generation.objects.update(due_at=timezone.now())
    following.finish(asked, busy(60))
    assert [pause_of(asked), pause_of(sibling)] == pytest.approx([60, 60], abs=2)
    assert pause_of(waiting) < 1
    assert asked.status == Status.RUNNING


def test_one_that_names_no_time_is_asked_again_as_usual(ask: Ask) -> None:
    asked = run(ask)
    Generation.objects.update(due_at=timezone.now())
    following.finish(asked, busy())
    assert pause_of(asked) < 1


def test_no_provider_silences_us_for_more_than_ten_minutes(ask: Ask) -> None:
    asked = run(ask)
    following.finish(asked, busy(86_400))
    assert pause_of(asked) == pytest.approx(600, abs=2)


@pytest.mark.parametrize(("told", "pause"), [(60, 60), (None, 10)])
def test_where_a_request_is_refused_for_now_those_behind_it_wait_too(
    ask: Ask, credential: Credential, told: int | None, pause: int
) -> None:
    refused, behind, follows = ask(), ask(), run(ask)
    elsewhere = ask()
    other = Credential.objects.create(team=credential.team, provider="kling", name="Other", secrets={}, slots=5)
    Generation.objects.filter(pk=elsewhere.pk).update(credential=other)
    soon = timezone.now() + timedelta(seconds=1)
    Generation.objects.update(due_at=soon)
    assert submission.begin(refused, "a turn")
    submission.finish(refused.pk, "a turn", busy(told))
    assert [pause_of(refused), pause_of(behind)] == pytest.approx([pause, pause], abs=2)
    assert refused.status == Status.QUEUED
    assert max(pause_of(follows), pause_of(elsewhere)) < 1
