import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from generations import credentials, follower, images
from generations.models import Credential, Deletion, Generation, Image, SendingPause, Status
from generations.services import deleting
from klingweb.accounts.models import Team, User
from tests.road import Ask, finish

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_generation_goes_with_its_pictures_and_only_that_it_went_is_kept(ask: Ask, bob: User) -> None:
    generation = ask("A secret vase")
    [image] = finish(generation)
    names = [image.file, f"thumbnails/{image.pk}-320.webp", f"thumbnails/{image.pk}-1280.webp"]
    pk = generation.pk
    assert deleting.delete(generation, bob)
    assert not any(default_storage.exists(name) for name in names)
    assert not Generation.objects.exists()
    assert not Image.objects.exists()
    deletion = Deletion.objects.get()
    assert (deletion.generation_id, deletion.by, deletion.pictures) == (pk, bob, 1)
    assert str(deletion).startswith(str(pk))


def test_what_has_not_ended_is_not_deleted(ask: Ask, bob: User) -> None:
    generation = ask()
    assert "has not ended" in deleting.obstacle(generation)
    assert not deleting.delete(generation, bob)
    generation.status = Status.SUCCEEDED  # a stale page may believe so
    assert not deleting.delete(generation, bob)
    assert Generation.objects.exists()


def test_while_a_team_pauses_nothing_is_sent_for_it(ask: Ask, alice: User, halden: Team, sandbox: str) -> None:
    generation = ask()
    credentials.pause_team(halden, alice)
    credentials.pause_team(halden, alice)
    assert str(SendingPause.objects.get()).startswith("Halden Studio")
    follower.Turn(0.3).run()
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    credentials.resume_team(halden)
    follower.Turn(30).run(until=lambda: generation.events.count() > 1)


def test_nothing_is_paid_for_that_has_no_room(ask: Ask, settings: Settings, credential: Credential) -> None:
    generation = ask()
    settings.FREE_SPACE = 2**60
    assert "GB are free" in images.obstacle()
    follower.Turn(0.3).run()
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    settings.DATA_DIR = settings.DATA_DIR / "missing"
    assert "cannot be written to" in images.obstacle()
