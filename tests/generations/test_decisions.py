"""The pages where a person decides: about requests of unknown fate, and about what is deleted for good."""

import pytest
from django.test import Client

from generations.models import Deletion, Generation, Status
from generations.providers.exchange import FateUnknown
from generations.services import submission, unconfirmed
from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask, Follow, finish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lost(ask: Ask) -> Generation:
    generation = ask("A vase")
    assert submission.begin(generation, "gone")
    submission.finish(generation.pk, "gone", FateUnknown("The line dropped."))
    generation.refresh_from_db()
    return generation


@pytest.fixture
def as_bob(client: Client, bob: User) -> Client:
    return sign_in(client, bob)


def decide(client: Client, generation: Generation, action: str, **values: str) -> str:
    address = f"/g/{generation.pk}/decide/"
    page = client.post(address, {"action": action} | values, follow=True).content.decode()
    generation.refresh_from_db()
    return page


def test_the_page_shows_the_evidence_and_every_way_out(as_bob: Client, lost: Generation) -> None:
    page = as_bob.get(f"/g/{lost.pk}/").content.decode()
    for words in (
        "No clear answer came",
        "The line dropped.",
        "Look again",
        "It was made",
        "may cost another",
        "Give up",
    ):
        assert words in page


def test_a_viewer_sees_the_evidence_but_no_buttons(client: Client, victor: User, lost: Generation) -> None:
    page = sign_in(client, victor).get(f"/g/{lost.pk}/").content.decode()
    assert "No clear answer came" in page
    assert "Give up" not in page


def test_looking_again_says_what_the_provider_said(as_bob: Client, lost: Generation, sandbox: str) -> None:
    assert "did not know it" in decide(as_bob, lost, "look")
    assert lost.status == Status.UNCONFIRMED


def test_looking_again_may_find_it(as_bob: Client, ask: Ask, follow: Follow) -> None:
    generation = follow(ask("[lost-answer] a vase"))
    assert "it goes on" in decide(as_bob, generation, "look")
    assert generation.status == Status.RUNNING


def test_giving_up_can_be_corrected_with_the_id_from_the_console(
    as_bob: Client, ask: Ask, follow: Follow, lost: Generation
) -> None:
    other = follow(ask("made elsewhere"))
    task_id = other.provider_task_id
    Generation.objects.filter(pk=other.pk).delete()
    page = decide(as_bob, lost, "give_up")
    assert lost.status == Status.FAILED
    assert "It was made after all" in page
    assert "decided already" in decide(as_bob, lost, "give_up")
    assert "knows no task of that id" in decide(as_bob, lost, "made", task_id="123")
    assert "Its pictures are brought home" in decide(as_bob, lost, "made", task_id=f" {task_id} ")
    assert follow(lost).status == Status.SUCCEEDED


def test_it_can_be_sent_again_on_ones_own_risk(as_bob: Client, lost: Generation) -> None:
    decide(as_bob, lost, "again")
    assert lost.status == Status.QUEUED
    assert "decided already" in decide(as_bob, lost, "again")
    assert lost.events.last().reason == "Bob sends it again, which may cost twice"  # type: ignore[union-attr]


def test_an_unknown_decision_changes_nothing(as_bob: Client, lost: Generation) -> None:
    decide(as_bob, lost, "shrug")
    assert lost.status == Status.UNCONFIRMED


def test_deleting_is_asked_once_and_recorded(as_bob: Client, ask: Ask, bob: User) -> None:
    generation = ask("A vase")
    finish(generation, count=2)
    assert "Its 2 pictures" in as_bob.get(f"/g/{generation.pk}/delete/").content.decode()
    page = as_bob.post(f"/g/{generation.pk}/delete/", follow=True)
    assert page.redirect_chain == [("/history/", 302)]
    assert Deletion.objects.get().by == bob
    assert as_bob.get(f"/g/{generation.pk}/").status_code == 404


def test_what_has_not_ended_says_why_it_stays(bob: User, as_bob: Client, lost: Generation) -> None:
    assert "has not ended yet" in as_bob.get(f"/g/{lost.pk}/delete/").content.decode()
    assert "has not ended yet" in as_bob.post(f"/g/{lost.pk}/delete/", follow=True).content.decode()
    assert unconfirmed.give_up(lost, bob)
