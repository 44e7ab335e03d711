from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from generations import credentials, dispatch, follower, images
from generations.models import Credential, Deletion, Generation, Image, SendingPause, Status
from generations.services import deleting
from klingweb.accounts.models import Team, User
from tests.road import Ask, finish
from tests.states import put

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


def test_what_is_deleted_still_counts_for_the_day_it_was_sent_on(ask: Ask, bob: User, credential: Credential) -> None:
    Credential.objects.update(daily_pictures=5)
    credential.refresh_from_db()
    now = timezone.now()
    for count, sent in ((4, now), (9, dispatch.day_of(now) - timedelta(seconds=1)), (1, None)):
        generation = ask(n=count)
        put(generation, Status.CANCELED, submitted_at=sent, sent=None)
        assert deleting.delete(generation, bob)
    assert dispatch.sent_today(credential, now) == 4
    assert dispatch.loads(credential.team, now) == {credential.pk: dispatch.Load(today=4)}
    ask("too many", n=2)
    assert dispatch.next_for(credential, timezone.now()) is None
    put(ask("few enough"), Status.RUNNING, sent=0)
    load = dispatch.loads(credential.team, now)[credential.pk]
    assert (load.queued, load.followed, load.today) == (1, 1, 5)


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
