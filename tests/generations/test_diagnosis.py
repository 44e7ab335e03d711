"""What is wrong is named, and what can be mended safely is."""

import io
import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import Failure
from pytest_django import Settings

from generations import assets, credentials, diagnosis, files, images, ledger, lifecycle
from generations.models import Asset, Charge, Credential, Event, Generation, Image, Lease, Status
from generations.providers.fields import PictureBounds
from generations.services import collecting
from klingweb import installation
from klingweb.accounts.models import Team, User
from klingweb.secrets import Undecryptable
from tests.road import Ask, Follow, finish, forget_messages, messages
from tests.site.processes import ROOT
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)

PHOTO = ROOT / "tests" / "fixtures" / "photos" / "rocket.jpg"
LONG_AGO = timedelta(hours=3)


def doctor(*arguments: str) -> tuple[int, str]:
    """Its exit code and what it says."""
    said = io.StringIO()
    try:
        call_command("doctor", *arguments, stdout=said)
    except SystemExit as end:
        return int(str(end.code)), said.getvalue()
    return 0, said.getvalue()


def found() -> list[tuple[str, str]]:
    """Kind and subject of each finding."""
    return [(each.kind, each.subject) for each in diagnosis.examine(timezone.now())]


def waiting(generation: Generation, status: Status, **fields: Any) -> Generation:
    """It has been in this status for hours, and due."""
    put(generation, status, sent=LONG_AGO.total_seconds())
    moment = timezone.now() - LONG_AGO
    Generation.objects.filter(pk=generation.pk).update(due_at=moment, changed=moment, **fields)
    Lease.objects.all().delete()  # nobody has followed for as long
    forget_messages()
    return generation


def ended(generation: Generation, count: int = 1) -> list[Image]:
    """It has succeeded, and is paid for."""
    pictures = finish(generation, count)
    Event.objects.create(generation=generation, before=Status.COLLECTING, after=Status.SUCCEEDED)
    ledger.follow(generation.pk, Status.COLLECTING, Status.SUCCEEDED)
    return pictures


def age(name: str) -> None:
    """The file has been there for two days."""
    moment = time.time() - 2 * 86_400
    os.utime(default_storage.path(name), (moment, moment))


@pytest.fixture
def reference(halden: Team, bob: User) -> Asset:
    with PHOTO.open("rb") as file:
        return assets.keep(halden, bob, file, "rocket.jpg", PictureBounds())


def test_where_nothing_is_wrong_it_says_so(ask: Ask, reference: Asset) -> None:
    ended(ask())
    ask()
    assert doctor() == (0, "All is well.\n")
    assert doctor("--json") == (0, "[]\n")


def test_a_database_that_is_not_up_to_date_is_not_examined(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(installation, "pending_migrations", lambda: 1)
    with pytest.raises(CommandError, match="prepare"):
        doctor()


def test_findings_are_told_and_the_exit_code_is_one(ask: Ask) -> None:
    generation = waiting(ask(), Status.QUEUED)
    code, said = doctor()
    assert code == 1
    assert f"stuck: generation {generation.pk}: It could be sent" in said
    assert "1 of 1 can be mended: manage.py doctor --mend" in said
    assert messages() == []


def test_json_is_for_scripts(ask: Ask) -> None:
    generation = waiting(ask(), Status.QUEUED)
    ((code, said), (mended_code, mended)) = (doctor("--json"), doctor("--json", "--mend"))
    (finding,) = json.loads(said)
    assert (code, finding["kind"], finding["subject"]) == (1, "stuck", f"generation {generation.pk}")
    assert (finding["mendable"], finding["mended"]) == (True, False)
    assert (mended_code, json.loads(mended)[0]["mended"]) == (0, True)


# On the way -----------------------------------------------------------------------------------------------------------


def test_what_nobody_sends_is_stuck_and_a_follower_is_asked_for(ask: Ask) -> None:
    waiting(ask(), Status.QUEUED)
    code, said = doctor("--mend")
    assert (code, said.startswith("mended: stuck")) == (0, True)
    assert messages() == ["generations.tasks.follow"]


def test_what_waits_for_a_slot_a_key_or_its_team_is_not_stuck(
    ask: Ask, alice: User, credential: Credential, halden: Team
) -> None:
    waiting(ask(), Status.QUEUED)
    credentials.pause(credential, "for now", alice)
    assert found() == []
    credentials.resume(credential)
    credentials.pause_team(halden, alice)
    assert found() == []
    credentials.resume_team(halden)
    assert len(found()) == 1
    Lease.objects.create(name="follower", token="x", expires_at=timezone.now() + timedelta(seconds=3))
    assert found() == []


def test_references_that_nobody_delivers_are_asked_for_again(ask: Ask) -> None:
    generation = waiting(ask(), Status.QUEUED, ready=False)
    assert found() == [("stuck", f"generation {generation.pk}")]
    doctor("--mend")
    assert messages() == ["generations.tasks.make_ready"]


def test_a_paid_request_without_an_answer_becomes_unconfirmed(ask: Ask) -> None:
    fresh = put(ask(), Status.SUBMITTING)
    old = waiting(ask(), Status.SUBMITTING)
    assert found() == [("stuck", f"generation {old.pk}")]
    doctor("--mend")
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.status, fresh.status) == (Status.UNCONFIRMED, Status.SUBMITTING)
    assert found() == [("unconfirmed", f"generation {old.pk}")]


def test_what_a_person_has_to_decide_is_not_mended(ask: Ask) -> None:
    put(ask(), Status.UNCONFIRMED, problem_details="The line was dropped.")
    code, said = doctor("--mend")
    assert code == 1
    assert "The line was dropped. Somebody has to decide" in said
    assert "can be mended" not in said


def test_what_nobody_asks_about_is_stuck_and_what_runs_for_hours_is_late(ask: Ask) -> None:
    put(ask(), Status.RUNNING)
    silent = waiting(ask(), Status.RUNNING)
    late = put(ask(), Status.RUNNING, sent=LONG_AGO.total_seconds())
    assert sorted(found()) == [("late", f"generation {late.pk}"), ("stuck", f"generation {silent.pk}")]
    doctor("--mend")
    assert "generations.tasks.follow" in messages()


def test_what_is_collecting_with_nothing_to_come_is_ended(ask: Ask) -> None:
    generation = ask()
    finish(generation)
    waiting(generation, Status.COLLECTING)
    assert found() == [("stuck", f"generation {generation.pk}")]
    doctor("--mend")
    generation.refresh_from_db()
    assert generation.status == Status.SUCCEEDED
    assert found() == []


def test_pictures_that_nobody_fetches_are_asked_for_again(ask: Ask) -> None:
    generation = put(ask(), Status.COLLECTING)
    image = Image.objects.create(
        generation=generation, index=0, source_url="https://p1.example.com/a", due_at=timezone.now() - LONG_AGO
    )
    forget_messages()
    assert found() == [("stuck", f"picture {image.pk}")]
    doctor("--mend")
    assert messages() == ["generations.tasks.collect"]


def test_money_that_is_set_aside_for_what_has_ended_is_settled(ask: Ask) -> None:
    generation = ask()
    finish(generation)
    Event.objects.create(generation=generation, before=Status.COLLECTING, after=Status.SUCCEEDED)
    assert found() == [("over-reserved", f"generation {generation.pk}")]
    doctor("--mend")
    assert Charge.objects.get().state == Charge.State.SETTLED
    assert found() == []


def test_what_is_older_than_the_ledger_is_written_into_it(ask: Ask) -> None:
    done, gone, open_one = ask("done", n=2), ask("gone"), ask("open")
    ended(done, count=1)
    lifecycle.advance(gone, Status.FAILED)
    Charge.objects.all().delete()
    assert found() == [("unaccounted", "ledger")]
    assert doctor("--mend")[0] == 0
    states = {each.generation_id: each for each in Charge.objects.all()}
    assert [states[each.pk].state for each in (done, gone, open_one)] == ["settled", "released", "reserved"]
    assert states[done.pk].settled == (done.estimate or 0) / 2  # one of two was made
    assert states[gone.pk].closed_at == gone.events.get(after=Status.FAILED).at
    assert (states[done.pk].at, states[open_one.pk].closed_at) == (done.created, None)
    assert found() == []
    assert lifecycle.advance(open_one, Status.CANCELED)
    assert Charge.objects.get(generation_id=open_one.pk).state == Charge.State.RELEASED


def test_money_of_what_is_gone_is_told_also_where_nobody_knows_how_much(ask: Ask) -> None:
    ask().delete()
    Charge.objects.update(reserved=None)
    code, said = doctor("--mend")
    assert code == 1
    assert "An unknown amount is still set aside" in said


def test_too_little_room_is_told(settings: Settings, db: None) -> None:
    settings.FREE_SPACE = 2**60
    assert found() == [("no room", "data directory")]


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_picture_whose_file_is_gone_is_fetched_again_from_its_provider(
    ask: Ask, follow: Follow, reference: Asset
) -> None:
    generation = follow(ask())
    assert generation.status == Status.SUCCEEDED
    image = generation.images.get()
    default_storage.delete(image.file)
    assert found() == [("missing", f"picture {image.pk}")]
    doctor("--mend")
    image.refresh_from_db()
    assert image.state == Image.State.PENDING
    assert "generations.tasks.collect" in messages()
    collecting.collect(image.pk)
    assert found() == []
    collecting.collect(image.pk)
    image.refresh_from_db()
    generation.refresh_from_db()
    assert (image.state, generation.status) == (Image.State.KEPT, Status.SUCCEEDED)
    assert found() == []


@pytest.mark.parametrize("gone", [{"created": timezone.now() - timedelta(days=60)}, {"provider": "no-more"}])
def test_a_picture_that_no_provider_has_any_more_stays_missing(
    ask: Ask, reference: Asset, gone: dict[str, Any]
) -> None:
    generation = ask()
    image = ended(generation, 2)[0]
    Generation.objects.update(**gone)
    default_storage.delete(image.file)
    code, said = doctor("--mend")
    assert code == 1
    assert "Only a backup has the picture." in said
    image.refresh_from_db()
    assert image.state == Image.State.KEPT


def test_a_thumbnail_is_made_again(ask: Ask) -> None:
    image = ended(ask())[0]
    default_storage.delete(images.thumbnail_name(image, 320))
    assert found() == [("missing", f"picture {image.pk}")]
    doctor("--mend")
    assert found() == []


def test_a_picture_that_has_just_arrived_is_relied_on_without_thumbnails(ask: Ask) -> None:
    image = ended(ask())[0]
    Image.objects.update(state=Image.State.ARRIVED)
    for width in images.THUMBNAILS:
        default_storage.delete(images.thumbnail_name(image, width))
    assert found() == []
    default_storage.delete(image.file)
    assert found()[-1] == ("missing", f"picture {image.pk}")


def test_the_file_of_a_reference_is_only_told(ask: Ask, reference: Asset) -> None:
    ended(ask(), 2)
    default_storage.delete(reference.file)
    code, said = doctor("--mend")
    assert (code, f"missing: {reference.file}" in said) == (1, True)


def test_where_most_files_are_missing_nothing_is_mended(ask: Ask) -> None:
    image = ended(ask())[0]
    for name in files.of_image(image):
        default_storage.delete(name)
    code, said = doctor("--mend")
    image.refresh_from_db()
    assert (code, image.state) == (1, Image.State.KEPT)
    assert "3 of 3 files are missing. Is the disk there?" in said


def test_files_that_belong_to_nothing_go_after_a_day(ask: Ask) -> None:
    ended(ask(), 2)
    for name in ("originals/old.png", "originals/new.png"):
        default_storage.save(name, ContentFile(b"x"))
    age("originals/old.png")
    assert found() == [("stray", "originals/old.png")]
    doctor("--mend")
    assert not default_storage.exists("originals/old.png")
    assert default_storage.exists("originals/new.png")


def test_where_most_files_belong_to_nothing_none_is_removed(ask: Ask) -> None:
    default_storage.save("originals/old.png", ContentFile(b"x"))
    age("originals/old.png")
    code, said = doctor("--mend")
    assert (code, default_storage.exists("originals/old.png")) == (1, True)
    assert "Is this the right database?" in said


def test_a_file_that_goes_while_it_is_looked_at_is_no_finding(ask: Ask) -> None:
    assert files.stray({"originals/gone.png"}, timezone.now()) == set()


def test_half_a_picture_goes_after_a_day(settings: Settings, db: None) -> None:
    folder = Path(settings.DATA_DIR) / "incoming"
    folder.mkdir()
    for name in ("old.part", "new.part"):
        (folder / name).touch()
    moment = time.time() - 2 * 86_400
    os.utime(folder / "old.part", (moment, moment))
    assert found() == [("stray", "incoming/old.part")]
    doctor("--mend")
    assert [each.name for each in folder.iterdir()] == ["new.part"]


def test_a_picture_that_is_not_as_it_was_is_damaged(ask: Ask, reference: Asset) -> None:
    whole, spoilt = ended(ask(), 2)
    Path(default_storage.path(spoilt.file)).write_bytes(b"something else")
    assert list(files.damaged()) == [spoilt.file]
    default_storage.delete(whole.file)
    assert list(files.damaged()) == [spoilt.file]


# What should work -----------------------------------------------------------------------------------------------------


def test_a_key_that_nobody_can_read_is_named(credential: Credential, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = ["MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="]
    with pytest.raises(Undecryptable):
        len(Credential.objects.get().secrets)
    assert found() == [("unreadable", f"credential {credential.pk}")]


def test_tasks_that_fail_are_counted_for_a_day(db: None) -> None:
    now = timezone.now()
    for number, hours in enumerate((1, 2, 30)):
        Failure.objects.create(
            id=f"{number}",
            name="x",
            func="generations.tasks.sweep",
            started=now,
            stopped=now - timedelta(hours=hours),
            success=False,
        )
    assert found() == [("failing", "generations.tasks.sweep")]
    assert "has failed 2 times within a day" in doctor()[1]
