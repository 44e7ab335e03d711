"""Reference images on their way: asked for, made ready while the generation waits, sent, kept and deleted."""

import base64
import uuid
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image as Pillow

from generations import assets, follower, lifecycle, tasks
from generations.catalogue import offers
from generations.models import Asset, AssetCopy, Deletion, Generation, Reference, Status
from generations.providers.fields import PictureBounds
from generations.services import asking, deleting, readying
from klingweb.accounts.models import Membership, Team, User
from tests.cast import sign_in
from tests.road import Ask, Follow, finish, forget_messages, messages

pytestmark = pytest.mark.django_db(transaction=True)

BOUNDS = PictureBounds()


@pytest.fixture
def asset(halden: Team, bob: User) -> Asset:
    content = BytesIO()
    Pillow.linear_gradient("L").resize((400, 600)).convert("RGB").save(content, "PNG")
    return assets.keep(halden, bob, BytesIO(content.getvalue()), "grey.png", BOUNDS)


def test_a_reference_is_made_ready_sent_and_gives_the_new_picture_its_shape(
    ask: Ask, follow: Follow, asset: Asset, sandbox: str
) -> None:
    generation = ask(
        "A vase", operation="image-to-image", image=asset.pk, model_name="kling-v2-1", image_reference="subject"
    )
    assert not generation.ready
    follower.Turn(0.2).run()
    generation.refresh_from_db()
    assert generation.status == Status.QUEUED
    assert "generations.tasks.make_ready" in messages()
    tasks.make_ready(str(generation.pk))
    generation = follow(generation)
    assert generation.status == Status.SUCCEEDED
    picture = generation.images.get()
    assert (picture.width or 0) / (picture.height or 1) == pytest.approx(400 / 600, rel=0.03)
    assert str(generation.references.get()) == f"image of {generation.pk}"


def test_making_ready_twice_or_too_early_makes_one_copy(ask: Ask, asset: Asset) -> None:
    generation = ask("A vase", operation="image-to-image", image=asset.pk)
    for _ in range(2):
        readying.make_ready(generation.pk)
    readying.make_ready(uuid.uuid4())
    assert AssetCopy.objects.count() == 1
    generation.refresh_from_db()
    assert generation.ready


def test_two_at_once_do_not_work_on_the_same_generation(ask: Ask, asset: Asset) -> None:
    generation = ask("A vase", operation="image-to-image", image=asset.pk)
    assert readying.due_generations(timezone.now()) == [generation.pk]
    Generation.objects.update(due_at=timezone.now() + timedelta(seconds=30))
    readying.make_ready(generation.pk)
    assert readying.due_generations(timezone.now()) == []
    assert not AssetCopy.objects.exists()


def test_the_sweep_asks_again_for_what_is_not_ready(ask: Ask, asset: Asset) -> None:
    ask("A vase", operation="image-to-image", image=asset.pk)
    forget_messages()
    tasks.sweep()
    assert "generations.tasks.make_ready" in messages()


def test_a_reference_that_cannot_be_used_any_more_ends_the_generation_before_it_is_paid(
    ask: Ask, asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = ask("A vase", operation="image-to-image", image=asset.pk)
    Asset.objects.update(width=10, height=10)
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert generation.status == Status.FAILED
    assert "Nothing was charged" in generation.problem


def test_a_picture_of_another_team_or_of_nobody_is_refused_at_its_field(
    alice: User, charlie: User, ask: Ask, asset: Asset
) -> None:
    other = Membership.objects.get(user=charlie).team
    with default_storage.open(asset.file) as file:
        theirs = assets.keep(other, charlie, file, "theirs.png", BOUNDS)
    member = Membership.objects.select_related("team", "user").get(user=alice)
    offer = offers(member.team)[0]
    for pk in (theirs.pk, uuid.uuid4()):
        raw = {"prompt": "A vase", "image": str(pk)}
        asked = asking.ask(member, offer, offer.operation("image-to-image"), offer.credentials[0], raw, "key")
        assert asked.generation is None
        assert asked.errors == {"image": "This picture is not here any more. Choose another."}


def test_a_picture_that_goes_while_the_form_is_sent_is_said_at_its_field(
    ask: Ask, asset: Asset, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(generation: Generation, reason: str) -> None:
        Asset.objects.filter(pk=asset.pk).delete()
        lifecycle.begin(generation, reason)

    monkeypatch.setattr("generations.services.asking.begin", begin)
    with pytest.raises(AssertionError, match="not here any more"):
        ask("A vase", operation="image-to-image", image=asset.pk)
    assert not Generation.objects.exists()


def test_a_reference_goes_with_its_last_generation(ask: Ask, asset: Asset, bob: User) -> None:
    first = ask("one", operation="image-to-image", image=asset.pk)
    second = ask("two", operation="image-to-image", image=asset.pk)
    for generation in (first, second):
        assert asking.cancel(generation, bob)
        assert deleting.delete(generation, bob)
    assert [each.references for each in Deletion.objects.order_by("pk")] == [0, 1]
    assert not Asset.objects.exists()
    assert not Reference.objects.exists()
    assert not default_storage.exists(asset.file)


def test_what_is_sent_is_the_kept_picture_as_bare_base64(asset: Asset, ask: Ask) -> None:
    generation = ask("A vase", operation="image-to-image", image=asset.pk)
    readying.make_ready(generation.pk)
    text = assets.base64_of(generation.references.get().copy)  # type: ignore[arg-type]
    with default_storage.open(asset.file) as file:
        assert base64.b64decode(text) == file.read()


# The form -------------------------------------------------------------------------------------------------------------


def png(size: tuple[int, int] = (400, 600)) -> SimpleUploadedFile:
    content = BytesIO()
    Pillow.new("RGB", size, "olive").save(content, "PNG")
    return SimpleUploadedFile("vase.png", content.getvalue(), "image/png")


def form(**values: object) -> dict[str, object]:
    return {"provider": "kling", "operation": "image-to-image", "prompt": "A vase", "key": "key"} | values


def test_a_picture_is_kept_with_the_form_and_named_by_it_from_then_on(client: Client, bob: User, ask: Ask) -> None:
    sign_in(client, bob)
    page = client.post("/", form(image=png(), refresh="1"))
    asset = Asset.objects.get()
    assert f'name="image__asset" value="{asset.pk}"' in page.content.decode()
    response = client.post("/", form(image__asset=str(asset.pk)))
    assert response.status_code == 302
    assert Reference.objects.get().asset == asset


def test_a_picture_survives_an_error_elsewhere_and_can_be_removed(client: Client, bob: User, ask: Ask) -> None:
    sign_in(client, bob)
    page = client.post("/", form(image=png(), n="99"))
    asset = Asset.objects.get()
    assert page.status_code == 422
    assert f'value="{asset.pk}"' in page.content.decode()
    page = client.post("/", form(image__asset=str(asset.pk), without="image"))
    assert page.status_code == 200
    assert str(asset.pk) not in page.content.decode()


@pytest.mark.parametrize(
    ("upload", "sentence"),
    [
        (png((100, 100)), "Each side needs at least 300"),
        (png((300, 900)), "too narrow"),
        (SimpleUploadedFile("a.png", b"<html>"), "picture"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_at_its_field(
    client: Client, bob: User, ask: Ask, upload: SimpleUploadedFile, sentence: str
) -> None:
    upload.seek(0)
    page = sign_in(client, bob).post("/", form(image=upload))
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert 'id="id-image-error"' in page.content.decode()
    assert not Asset.objects.exists()


def test_an_address_that_cannot_be_fetched_is_an_error_at_its_field(client: Client, bob: User, ask: Ask) -> None:
    page = sign_in(client, bob).post("/", form(image__address="http://127.0.0.1/a.png"))
    assert page.status_code == 422
    assert "https" in page.content.decode()


def test_a_viewer_may_look_at_the_form_but_bring_no_pictures(client: Client, victor: User, ask: Ask) -> None:
    sign_in(client, victor)
    assert client.post("/", form(refresh="1")).status_code == 200
    assert client.post("/", form(image=png(), refresh="1")).status_code == 403


def test_a_picture_made_here_becomes_a_reference(client: Client, bob: User, charlie: User, ask: Ask) -> None:
    [image] = finish(ask(), size=(600, 400))
    response = sign_in(client, bob).post(f"/images/{image.pk}/reference/")
    asset = Asset.objects.get()
    assert response.status_code == 302
    assert f"operation=image-to-image&image__asset={asset.pk}" in response["Location"]
    assert f'value="{asset.pk}"' in client.get(response["Location"]).content.decode()
    assert sign_in(client, charlie).post(f"/images/{image.pk}/reference/").status_code == 404


def test_a_picture_made_here_is_taken_into_the_open_form(client: Client, bob: User, ask: Ask) -> None:
    [image] = finish(ask(), size=(600, 400))
    sign_in(client, bob)
    page = client.post("/", form(refresh="1", image__image=str(image.pk)), headers={"HX-Request": "true"})
    assert f'value="{Asset.objects.get().pk}"' in page.content.decode()
    page = client.post("/", form(refresh="1", image__image="not an id"), headers={"HX-Request": "true"})
    assert "Choose the picture again." in page.content.decode()


def test_a_picture_too_small_for_a_reference_is_said(client: Client, bob: User, ask: Ask) -> None:
    [image] = finish(ask())
    page = sign_in(client, bob).post(f"/images/{image.pk}/reference/", follow=True)
    assert "Each side needs at least 300" in page.content.decode()


def test_the_settings_of_an_earlier_generation_bring_its_reference(
    client: Client, bob: User, ask: Ask, asset: Asset
) -> None:
    generation = ask("A vase", operation="image-to-image", image=asset.pk)
    page = sign_in(client, bob).get(f"/?settings={generation.pk}")
    assert f'name="image__asset" value="{asset.pk}"' in page.content.decode()


def test_a_form_that_names_no_real_asset_shows_an_empty_slot(client: Client, bob: User, ask: Ask) -> None:
    page = sign_in(client, bob).post("/", form(image__asset="not an id"))
    assert page.status_code == 422
    assert "Choose the picture again." in page.content.decode()
