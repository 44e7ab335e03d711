"""The whole road over real HTTP: form values → database → follower → sandbox → picture on disk."""

from datetime import timedelta
from decimal import Decimal
from io import BytesIO

import httpx
import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from PIL import Image as Pillow

from generations import assets, credentials, follower, images, tasks
from generations.models import Credential, Generation, Image, Status
from generations.providers import client, kling
from generations.providers.exchange import Output, Progress
from generations.providers.fields import PictureBounds
from generations.services import collecting, following, readying, submission
from klingweb.accounts.models import Team, User
from tests.cast import sign_in
from tests.road import Ask, Follow, hollow, messages
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)


def posts(sandbox: str, generation: Generation) -> int:
    told = httpx.get(f"{sandbox}/requests", params={"external_task_id": str(generation.pk)}).json()
    return sum(each["method"] == "POST" for each in told["requests"])


def reasons(generation: Generation) -> list[str]:
    return [each.after for each in generation.events.all()]


def test_a_prompt_becomes_pictures_of_the_asked_shape(ask: Ask, follow: Follow, sandbox: str) -> None:
    generation = follow(ask("A vase on a plinth", n=2, aspect_ratio="3:4", resolution="1k"))
    assert generation.status == Status.SUCCEEDED
    assert reasons(generation) == ["queued", "submitting", "running", "collecting", "succeeded"]
    assert posts(sandbox, generation) == 1
    first, second = generation.images.all()
    assert first.sha256 != second.sha256
    for image in (first, second):
        with default_storage.open(image.file) as file, Pillow.open(file) as picture:
            assert picture.size == (image.width, image.height)
            assert picture.width / picture.height == pytest.approx(3 / 4, rel=0.02)
        assert image.media_type == "image/png"
        assert default_storage.size(image.file) == image.size
        assert default_storage.exists(f"thumbnails/{image.pk}-320.webp")
        assert default_storage.exists(f"thumbnails/{image.pk}-1280.webp")
    assert generation.cost == Decimal(16)
    assert generation.cost_unit == "unit"
    assert generation.estimate_usd == Decimal("0.056")
    assert generation.finished_at


def test_the_newest_tasks_are_listed_by_the_provider_under_both_names(
    ask: Ask, follow: Follow, credential: Credential
) -> None:
    made = [follow(ask(f"number {number}")) for number in range(2)]
    account, policy = credentials.account(credential), credentials.api_policy(credential)
    request = kling.build_list(kling.TEXT_TO_IMAGE, account, 1, timezone.now())
    reply = client.shared().send(client.Call(request, 10, policy, lane="list")).result()
    assert isinstance(reply, httpx.Response)
    listed = {each.external_id: each for each in kling.parse_list(reply)}
    for generation in made:
        assert listed[str(generation.pk)].task_id == generation.provider_task_id
        assert listed[str(generation.pk)].progress.state == "succeeded"


def test_a_moderated_prompt_fails_with_a_sentence_and_klings_words(ask: Ask, follow: Follow) -> None:
    generation = follow(ask("[moderated] a vase"))
    assert generation.status == Status.FAILED
    assert "content rules" in generation.problem
    assert generation.problem_code == "1301"
    assert generation.problem_details


def test_a_failed_task_fails_with_klings_reason(ask: Ask, follow: Follow) -> None:
    generation = follow(ask("[failed] a vase"))
    assert generation.status == Status.FAILED
    assert generation.problem_details == "Failure to pass the risk control system"
    assert generation.cost is None


def test_what_a_provider_could_not_finish_is_not_put_down_to_the_settings(ask: Ask) -> None:
    generation = put(ask(), Status.RUNNING)
    following.apply(generation, Progress("failed", reason="UPSTREAM_FAILED"), "")
    generation.refresh_from_db()
    assert generation.problem.startswith("The provider began and could not finish.")
    assert generation.problem_details == "UPSTREAM_FAILED"


def test_a_busy_provider_is_asked_again_and_the_request_keeps_its_name(
    ask: Ask, follow: Follow, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "RETRY_AFTER", 0.05)
    generation = follow(ask("[busy] a vase"))
    assert generation.status == Status.SUCCEEDED
    assert reasons(generation)[:4] == ["queued", "submitting", "queued", "submitting"]
    assert generation.events.get(before=Status.SUBMITTING, after=Status.QUEUED).times == 2
    assert posts(sandbox, generation) == 3


def test_an_account_without_credit_pauses_the_credential_and_the_work_waits(
    ask: Ask, credential: Credential, sandbox: str
) -> None:
    generation = ask("[no-credit] a vase")
    follower.Turn(30).run(until=lambda: Credential.objects.filter(pk=credential.pk, paused_at__isnull=False).exists())
    generation.refresh_from_db()
    credential.refresh_from_db()
    assert generation.status == Status.QUEUED
    assert "resource pack" in credential.paused_reason
    follower.Turn(0.3).run()
    assert posts(sandbox, generation) == 1


def test_a_wrong_key_pauses_the_credential(ask: Ask, credential: Credential, sandbox: str) -> None:
    credential.secrets = {"api_key": "some-other-key-entirely"}
    credential.save()
    generation = ask()
    follower.Turn(30).run(until=lambda: bool(Credential.objects.get(pk=credential.pk).paused_at))
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    credentials.resume(credential)
    assert Credential.objects.get(pk=credential.pk).paused_reason == ""


@pytest.mark.parametrize("scenario", ["[broken-json]", "[html-502]"])
def test_a_failed_look_up_means_not_yet(ask: Ask, follow: Follow, scenario: str) -> None:
    assert follow(ask(f"{scenario} a vase")).status == Status.SUCCEEDED


def test_a_lost_answer_is_unconfirmed_and_says_so(ask: Ask, follow: Follow, sandbox: str) -> None:
    generation = follow(ask("[lost-answer] a vase"))
    assert generation.status == Status.UNCONFIRMED
    assert "not simply sent again" in generation.problem
    assert posts(sandbox, generation) == 1


def test_pictures_that_are_gone_fail_the_generation_after_a_few_looks(
    ask: Ask, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = follow(ask("[gone] a vase", n=2), to=frozenset({Status.COLLECTING}))
    with time_machine.travel(timezone.now(), tick=False) as clock:
        while Image.objects.filter(state=Image.State.LOST).count() != 2:
            clock.shift(timedelta(hours=1))
            for pk in collecting.due_images(timezone.now()):
                collecting.collect(pk)
    generation.refresh_from_db()
    assert generation.status == Status.FAILED
    assert "could be brought home" in generation.problem
    assert Image.objects.first().attempts == collecting.GONE_AFTER  # type: ignore[union-attr]


def test_one_picture_that_is_lost_does_not_lose_its_sibling(ask: Ask, follow: Follow) -> None:
    generation = follow(ask("A vase", n=2), to=frozenset({Status.COLLECTING}))
    lost = generation.images.last()
    assert lost
    Image.objects.filter(pk=lost.pk).update(state=Image.State.LOST)
    generation = follow(generation)
    assert generation.status == Status.SUCCEEDED
    assert generation.events.last().reason == "1 of 2 pictures kept"  # type: ignore[union-attr]


def test_what_is_no_picture_is_not_kept_and_tried_again_until_retention_ends(
    ask: Ask, follow: Follow, sandbox: str
) -> None:
    generation = follow(ask("A vase"), to=frozenset({Status.COLLECTING}))
    Image.objects.update(source_url=f"{sandbox}/requests")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        collecting.collect(Image.objects.get().pk)
        image = Image.objects.get()
        assert image.state == Image.State.PENDING
        assert "not a whole picture" in image.problem
        clock.shift(timedelta(days=31))
        collecting.collect(image.pk)
    generation.refresh_from_db()
    assert generation.status == Status.FAILED


def test_a_picture_is_fetched_by_one_at_a_time(ask: Ask, follow: Follow) -> None:
    follow(ask("A vase"), to=frozenset({Status.COLLECTING}))
    Image.objects.update(due_at=timezone.now() + timedelta(seconds=collecting.LEASE))
    image = Image.objects.get()
    collecting.collect(image.pk)
    image.refresh_from_db()
    assert (image.state, image.attempts) == (Image.State.PENDING, 0)


@pytest.fixture
def arrived(ask: Ask, follow: Follow) -> Image:
    """A picture that is here and has been seen by nobody but its checksums."""
    follow(ask("A vase"), to=frozenset({Status.COLLECTING}))
    collecting.collect(Image.objects.get().pk)
    return Image.objects.get()


def test_a_picture_is_shown_as_soon_as_it_is_here_and_its_thumbnails_follow(
    arrived: Image, client: Client, bob: User
) -> None:
    sign_in(client, bob)
    original, small = f'<img src="/images/{arrived.pk}/original"', f'<img src="/images/{arrived.pk}/320" srcset='
    assert arrived.state == Image.State.ARRIVED
    assert messages().count("generations.tasks.collect") == 2
    card = client.get("/").text
    assert (original in card, small in card) == (True, False)
    assert "1 of 1</b><span>here, making small copies" in card
    assert f'{original} width="{arrived.width}"' in client.get(f"/g/{arrived.generation_id}/").text
    assert client.get(f"/images/{arrived.pk}/original").getvalue()
    assert client.get(f"/images/{arrived.pk}/320").status_code == 404
    collecting.collect(arrived.pk)
    card = client.get("/").text
    assert (original in card, small in card) == (False, True)
    assert client.get(f"/images/{arrived.pk}/320").getvalue()
    assert Generation.objects.get().status == Status.SUCCEEDED


def test_what_proves_to_be_no_picture_after_all_is_fetched_again(arrived: Image, follow: Follow) -> None:
    default_storage.delete(arrived.file)
    default_storage.save(arrived.file, ContentFile(hollow()))
    collecting.collect(arrived.pk)
    arrived.refresh_from_db()
    assert arrived.state == Image.State.PENDING
    assert "not a whole picture" in arrived.problem
    Image.objects.update(due_at=timezone.now())
    assert follow(arrived.generation).status == Status.SUCCEEDED


def test_a_file_that_is_gone_before_its_thumbnails_are_made_is_fetched_again(arrived: Image, follow: Follow) -> None:
    default_storage.delete(arrived.file)
    collecting.collect(arrived.pk)
    arrived.refresh_from_db()
    assert (arrived.state, arrived.problem) == (Image.State.PENDING, "Its file is gone.")
    Image.objects.update(due_at=timezone.now())
    assert follow(arrived.generation).status == Status.SUCCEEDED


def test_a_picture_whose_thumbnails_cannot_be_made_stays_and_is_never_lost(
    arrived: Image, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> str:
        raise OSError("No space left on device")

    with time_machine.travel(timezone.now() + timedelta(days=60), tick=False), monkeypatch.context() as patched:
        patched.setattr(default_storage, "save", full)
        collecting.collect(arrived.pk)
    arrived.refresh_from_db()
    assert arrived.state == Image.State.ARRIVED
    assert "could not be kept" in arrived.problem
    Image.objects.update(due_at=timezone.now())
    assert follow(arrived.generation).status == Status.SUCCEEDED


def test_those_that_nobody_has_seen_yet_come_first(arrived: Image) -> None:
    later = Image.objects.create(generation=arrived.generation, index=1, source_url=arrived.source_url)
    assert collecting.due_images(timezone.now()) == [later.pk, arrived.pk]
    before = messages().count("generations.tasks.collect")
    collecting.collect(arrived.pk)
    assert set(Image.objects.values_list("state", flat=True)) == {Image.State.ARRIVED}
    assert messages().count("generations.tasks.collect") == before + 2  # each for its next step
    collecting.collect(arrived.pk)
    arrived.refresh_from_db()
    assert arrived.state == Image.State.KEPT


def test_requests_wait_for_slots_and_pictures_are_what_is_counted(
    ask: Ask, follow: Follow, credential: Credential, sandbox: str
) -> None:
    Credential.objects.update(slots=4)
    first, second = ask("[slow] one", n=3), ask("two", n=2)
    follow(first, to=frozenset({Status.RUNNING}))
    second.refresh_from_db()
    assert second.status == Status.QUEUED
    Generation.objects.filter(pk=first.pk).delete()
    assert follow(second).status == Status.SUCCEEDED


def test_a_provider_that_cannot_be_reached_has_not_been_sent_anything(
    ask: Ask, credential: Credential, sandbox: str
) -> None:
    Credential.objects.update(base_url="http://127.0.0.1:1")
    generation = ask()
    follower.Turn(30).run(until=lambda: generation.events.count() >= 3)
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    assert "could not be sent" in generation.events.last().reason  # type: ignore[union-attr]


def test_trying_for_days_keeps_the_record_short(
    client: Client, bob: User, ask: Ask, credential: Credential, sandbox: str
) -> None:
    Credential.objects.update(base_url="http://127.0.0.1:1")
    generation = ask()

    def tried() -> bool:
        Generation.objects.update(due_at=timezone.now())
        last = generation.events.last()
        return last is not None and last.times == 3

    follower.Turn(30).run(until=tried)
    assert reasons(generation) == ["queued", "submitting", "queued"]
    page = sign_in(client, bob).get(f"/g/{generation.pk}/").content.decode()
    assert "3 times, until" in page
    Credential.objects.update(base_url="sandbox:", name="Other")
    follower.Turn(30).run(until=lambda: generation.events.filter(after=Status.RUNNING).exists())
    assert reasons(generation) == ["queued", "submitting", "queued", "submitting", "running"]


def test_a_task_that_the_provider_no_longer_knows_under_a_new_key_frees_its_slots(
    ask: Ask, follow: Follow, credential: Credential
) -> None:
    generation = follow(ask("[slow] a vase"), to=frozenset({Status.RUNNING}))
    Generation.objects.update(provider_task_id="123")
    Credential.objects.filter(pk=credential.pk).update(changed_at=timezone.now())
    assert follow(generation).status == Status.FAILED
    assert "key was replaced" in generation.problem
    assert generation.doubts == 1


def test_what_never_ends_is_given_up_when_the_providers_retention_does(ask: Ask, follow: Follow) -> None:
    generation = follow(ask("[slow] a vase"), to=frozenset({Status.RUNNING}))
    Generation.objects.update(submitted_at=timezone.now() - timedelta(days=31))
    assert follow(generation).status == Status.FAILED
    assert "no longer than this" in generation.problem


def test_a_reference_that_is_gone_when_it_should_be_sent_ends_the_generation(
    ask: Ask, follow: Follow, halden: Team
) -> None:
    content = BytesIO()
    Pillow.new("RGB", (400, 400), "olive").save(content, "PNG")
    content.seek(0)
    asset = assets.keep(halden, None, content, "a.png", PictureBounds())
    generation = ask("A vase", operation="image-to-image", image=asset.pk)
    readying.make_ready(generation.pk)
    default_storage.delete(asset.file)
    assert follow(generation).status == Status.FAILED
    assert "Nothing was charged" in generation.problem


def test_a_picture_that_cannot_be_stored_is_tried_again(
    ask: Ask, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = follow(ask("A vase"), to=frozenset({Status.COLLECTING}))

    def full(*_arguments: object) -> str:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(images, "store", full)
        collecting.collect(generation.images.get().pk)
    image = generation.images.get()
    assert image.state == Image.State.PENDING
    assert "could not be kept" in image.problem
    Image.objects.update(due_at=timezone.now())
    assert follow(generation).status == Status.SUCCEEDED


def test_a_database_that_is_away_while_a_picture_is_kept_loses_nothing(
    ask: Ask, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = follow(ask("A vase"), to=frozenset({Status.COLLECTING}))

    def locked(*_arguments: object) -> str:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(images, "store", locked)
        with pytest.raises(OperationalError):
            collecting.collect(generation.images.get().pk)
    Image.objects.update(due_at=timezone.now())
    assert follow(generation).status == Status.SUCCEEDED


DONE = Progress("succeeded", outputs=(Output(0, "https://p1.example.com/a.png"),))


def collected(ask: Ask, **fields: object) -> Generation:
    """One whose provider has just said that it is done."""
    generation = ask()
    now = timezone.now()
    Generation.objects.update(status=Status.RUNNING, submitted_at=now, provider_task_id="task", **fields)
    generation.refresh_from_db()
    assert collecting.begin_collecting(generation, DONE, "")
    return generation


def test_one_whose_pictures_were_lost_can_be_brought_home_when_a_person_finds_it_again(ask: Ask) -> None:
    generation = collected(ask, doubts=1)
    Image.objects.update(state=Image.State.LOST)
    collecting.settle(generation)
    assert generation.status == Status.FAILED
    Generation.objects.update(status=Status.RUNNING, finished_at=None)
    generation.refresh_from_db()
    assert collecting.begin_collecting(generation, DONE, "")
    assert [each.state for each in generation.images.all()] == [Image.State.PENDING]


def test_thumbnails_that_can_never_be_made_do_not_keep_a_request_open_for_ever(ask: Ask) -> None:
    long_ago = timezone.now() - timedelta(days=60)
    generation = collected(ask)
    Image.objects.update(state=Image.State.ARRIVED)
    collecting.settle(generation)
    assert generation.status == Status.COLLECTING
    generation.created = long_ago
    collecting.settle(generation)
    assert generation.status == Status.SUCCEEDED


def test_the_sweep_goes_on_behind_one_whose_operation_is_not_offered_any_more(ask: Ask, credential: Credential) -> None:
    generation = collected(ask)
    Image.objects.update(state=Image.State.LOST)
    Generation.objects.update(operation="gone")
    Credential.objects.update(removed_at=timezone.now())
    tasks.sweep()
    generation.refresh_from_db()
    credential.refresh_from_db()
    assert generation.status == Status.FAILED
    assert credential.erased_at
