"""How long requests take here is learned, and says when one is looked at for the first time."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import Settings

from generations import pace
from generations.models import Credential, Generation, Pace, Status
from generations.providers.exchange import Output, Progress, Submission
from generations.services import following, submission
from generations.templatetags.pictures import about
from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask

pytestmark = pytest.mark.django_db

DONE = Progress("succeeded", outputs=(Output(0, "https://p1.example.com/a.png"),))


@pytest.fixture(autouse=True)
def _at_the_pace_of_a_real_one(settings: Settings) -> None:
    settings.PACE = 1


def run(ask: Ask) -> Generation:
    """One that its provider has just accepted."""
    generation = ask()
    assert submission.begin(generation, "a turn")
    assert submission.accept(Generation.objects.get(pk=generation.pk), Submission("task"), "")
    return Generation.objects.get(pk=generation.pk)


def end(generation: Generation, after: float) -> None:
    """Its provider says that it is done, so many seconds after it was sent."""
    Generation.objects.filter(pk=generation.pk).update(submitted_at=timezone.now() - timedelta(seconds=after))
    following.apply(Generation.objects.get(pk=generation.pk), DONE, "")


def shown(client: Client, path: str) -> str:
    return " ".join(strip_tags(client.get(path).content.decode()).split())


def first_look(generation: Generation) -> float:
    assert generation.submitted_at
    return (generation.due_at - generation.submitted_at).total_seconds()


def test_of_a_model_that_nobody_knows_the_first_look_is_soon(ask: Ask) -> None:
    for _ in range(pace.ENOUGH - 1):
        end(run(ask), 40)
    assert first_look(run(ask)) == pytest.approx(2, abs=0.5)


def test_the_first_look_is_shortly_before_the_quickest_was_done(ask: Ask) -> None:
    for seconds in (40, 20, 30, 50, 60):
        end(run(ask), seconds)
    assert first_look(run(ask)) == pytest.approx(18, abs=0.5)
    known = Pace.objects.get()
    assert str(known) == "kling text-to-image kling-v3"
    assert pace.usual(known.seconds) == 40


def test_other_models_are_not_meant(ask: Ask) -> None:
    for _ in range(pace.ENOUGH):
        end(run(ask), 40)
    Pace.objects.update(model_name="another")
    assert first_look(run(ask)) == pytest.approx(2, abs=0.5)
    assert pace.usual([3]) is None


def test_a_provider_that_has_become_quicker_is_noticed(ask: Ask) -> None:
    for _ in range(pace.ENOUGH):
        end(run(ask), 40)
    looks = []
    for _ in range(6):
        generation = run(ask)
        looks.append(first_look(generation))
        end(generation, looks[-1])  # there already whenever it is looked at
    assert looks[0] == pytest.approx(36, abs=0.5)
    assert looks[-1] == pytest.approx(36 * 0.9**5, abs=1)


def test_nobody_waits_for_minutes_although_it_took_an_hour_so_far(ask: Ask) -> None:
    for _ in range(pace.ENOUGH):
        end(run(ask), 3600)
    assert first_look(run(ask)) == pytest.approx(120, abs=0.5)


def test_only_the_last_ones_count(ask: Ask) -> None:
    for _ in range(pace.KEPT):
        end(run(ask), 10)
    Pace.objects.update(seconds=[5.0] + [50.0] * (pace.KEPT - 1))
    end(run(ask), 50)
    assert first_look(run(ask)) == pytest.approx(45, abs=0.5)


def test_where_webhooks_prove_to_arrive_the_first_look_is_after_the_slowest(ask: Ask, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://pictures.example.com"
    for _ in range(pace.ENOUGH):
        generation = run(ask)
        Generation.objects.filter(pk=generation.pk).update(delivered=1)
        end(generation, 40)
    assert Credential.objects.get().arrivals
    assert first_look(run(ask)) == pytest.approx(50, abs=0.5)


def test_one_that_was_found_late_is_looked_at_soon(ask: Ask) -> None:
    for _ in range(pace.ENOUGH):
        end(run(ask), 40)
    generation = ask()
    assert submission.begin(generation, "a turn")
    Generation.objects.update(submitted_at=timezone.now() - timedelta(hours=1))
    assert submission.accept(Generation.objects.get(pk=generation.pk), Submission("task"), "")
    generation.refresh_from_db()
    assert generation.status == Status.RUNNING
    assert (generation.due_at - timezone.now()).total_seconds() == pytest.approx(2, abs=0.5)


def test_form_and_card_tell_the_usual_time_as_it_was_here(client: Client, bob: User, ask: Ask) -> None:
    sign_in(client, bob)
    run(ask)
    assert "usually about 30 s" in shown(client, "/")
    for _ in range(pace.ENOUGH):
        end(run(ask), 47)
    assert "usually about 45 s" in shown(client, "/")
    assert "kling-v3 · $0.028 · about 45 s" in shown(client, "/")


@pytest.mark.parametrize(("seconds", "words"), [(8, "8 s"), (47, "45 s"), (58, "1 min"), (76, "1 min 15 s")])
def test_a_usual_time_is_no_more_exact_than_it_can_be(seconds: int, words: str) -> None:
    assert about(seconds) == f"about {words}"


def test_what_nobody_looked_at_for_hours_and_a_clock_that_was_set_back_teach_nothing(ask: Ask) -> None:
    for _ in range(pace.ENOUGH):
        end(run(ask), 40)
    end(run(ask), 4000)
    end(run(ask), -4000)
    assert [round(each) for each in Pace.objects.get().seconds] == [40] * pace.ENOUGH
