"""Providers that take references as files of their own, and those with several accounts behind a credential."""

import io
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone
from PIL import Image as Pillow

from generations import assets, credentials, dispatch, follower
from generations.catalogue import offers
from generations.models import Asset, AssetCopy, Credential, Generation, Status
from generations.providers.fields import PictureBounds
from generations.services import asking, readying, submission
from klingweb.accounts.models import Membership, Team, User
from klingweb.demo import SANDBOX_SECRETS
from tests.road import Follow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asset(halden: Team, bob: User) -> Asset:
    file = io.BytesIO()
    Pillow.new("RGB", (400, 300), "teal").save(file, "PNG")
    file.seek(0)
    return assets.keep(halden, bob, file, "teal.png", PictureBounds())


def key(team: Team, provider: str, **secrets: str) -> Credential:
    made, _ = credentials.ensure(
        team=team, provider=provider, name="Sandbox", base_url="sandbox:", secrets=SANDBOX_SECRETS[provider] | secrets
    )
    return made


def asked(bob: User, credential: Credential, operation: str, **raw: object) -> Generation:
    member = Membership.objects.select_related("team", "user").get(user=bob)
    offer = next(each for each in offers(member.team) if each.provider.slug == credential.provider)
    made = asking.ask(
        member,
        offer,
        offer.operation(operation),
        credential,
        {"prompt": "A vase"} | raw,
        f"{Generation.objects.count()}",
    )
    assert made.generation, made.errors
    return made.generation


def uploads(sandbox: str) -> int:
    visits = httpx.get(f"{sandbox}/requests").json()["requests"]
    return sum(visit["path"].endswith(("/assets", "/files")) for visit in visits if visit["method"] == "POST")


def test_a_picture_is_uploaded_once_and_used_again_until_the_provider_forgets_it(
    halden: Team, bob: User, asset: Asset, sandbox: str, follow: Follow
) -> None:
    relay = key(halden, "apimodels")
    for _ in range(2):
        generation = asked(bob, relay, "image-to-image", image_url=asset.pk)
        assert not generation.ready
        readying.make_ready(generation.pk)
        assert follow(generation).status == Status.SUCCEEDED
    assert uploads(sandbox) == 1
    AssetCopy.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    readying.make_ready(asked(bob, relay, "image-to-image", image_url=asset.pk).pk)
    assert uploads(sandbox) == 2


def test_a_copy_that_expired_in_the_queue_is_sent_anew_before_anything_is_paid(
    halden: Team, bob: User, asset: Asset, sandbox: str, follow: Follow
) -> None:
    generation = asked(bob, key(halden, "apimodels"), "image-to-image", image_url=asset.pk)
    readying.make_ready(generation.pk)
    AssetCopy.objects.update(expires_at=timezone.now() - timedelta(hours=1), address="https://gone.example.com/a.png")
    assert follow(generation).status == Status.SUCCEEDED
    assert uploads(sandbox) == 2
    assert httpx.get(f"{sandbox}/requests").json()["accepted"] == 1


def test_a_picture_that_the_provider_lost_is_uploaded_anew_once(
    halden: Team, bob: User, asset: Asset, sandbox: str, follow: Follow
) -> None:
    generation = asked(bob, key(halden, "useapi"), "kolors", reference="restyle", imageReference=asset.pk)
    readying.make_ready(generation.pk)
    AssetCopy.objects.update(address=f"{sandbox}/files/uploads/unknown.png")
    assert follow(generation).status == Status.SUCCEEDED
    assert (generation.renewed, uploads(sandbox)) == (True, 2)
    reasons = [event.reason for event in generation.events.all()]
    assert "The provider could not find a reference picture: it is uploaded anew" in reasons


def test_the_free_account_is_chosen_before_the_upload_and_kept(
    halden: Team, bob: User, asset: Asset, sandbox: str, follow: Follow
) -> None:
    relay = key(halden, "useapi")
    generation = asked(bob, relay, "kolors", image_1=asset.pk)
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert generation.account == "anna@sandbox.example"
    assert [(each.name, each.slots) for each in relay.accounts.all()] == [
        ("anna@sandbox.example", 3),
        ("ben@sandbox.example", 2),
    ]
    assert AssetCopy.objects.get().account == "anna@sandbox.example"
    assert follow(generation).status == Status.SUCCEEDED


def test_requests_are_spread_over_the_accounts_by_their_room(halden: Team, bob: User, sandbox: str) -> None:
    relay = key(halden, "useapi")
    made = [asked(bob, relay, "kolors") for _ in range(5)]
    for each in made:
        readying.make_ready(each.pk)
    through = list(Generation.objects.order_by().values_list("account", flat=True))
    assert (through.count("anna@sandbox.example"), through.count("ben@sandbox.example")) == (3, 2)


def test_the_account_of_the_credential_or_of_the_person_is_taken_as_it_is(
    halden: Team, bob: User, sandbox: str, follow: Follow
) -> None:
    relay = key(halden, "useapi", email="ben@sandbox.example")
    generation = asked(bob, relay, "kolors")
    readying.make_ready(generation.pk)
    assert follow(generation).status == Status.SUCCEEDED
    assert generation.account == "ben@sandbox.example"
    credentials.note_accounts(relay, [])
    relay.accounts.create(name="anna@sandbox.example", slots=3)
    chosen = asked(bob, relay, "kolors", email="anna@sandbox.example")
    assert chosen.account == "anna@sandbox.example"


def test_an_account_that_the_key_does_not_have_is_refused_at_its_field(halden: Team, bob: User) -> None:
    relay = key(halden, "useapi")
    member = Membership.objects.select_related("team", "user").get(user=bob)
    [offer] = offers(halden)
    made = asking.ask(
        member, offer, offer.operation("kolors"), relay, {"prompt": "A vase", "email": "eve@example.com"}, "form"
    )
    assert made.errors == {"email": "This account is not one of the key's. Choose another, or the free one."}


def test_an_account_without_credit_rests_and_the_request_goes_through_another(
    halden: Team, bob: User, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = key(halden, "useapi")
    monkeypatch.setattr(submission, "RETRY_AFTER", 0.0)
    generation = asked(bob, relay, "kolors", prompt="A vase [no-credit]")
    readying.make_ready(generation.pk)
    follower.Turn(30).run(until=lambda: relay.accounts.exclude(paused_at=None).exists() and not ready(generation))
    [resting] = relay.accounts.exclude(paused_at=None)
    assert resting.name == "anna@sandbox.example"
    assert "credit" in resting.paused_reason
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert generation.account == "ben@sandbox.example"
    follower.Turn(30).run(until=lambda: Credential.objects.filter(pk=relay.pk).exclude(paused_at=None).exists())
    generation.refresh_from_db()
    assert (generation.status, httpx.get(f"{sandbox}/requests").json()["accepted"]) == (Status.QUEUED, 0)
    relay.refresh_from_db()
    credentials.resume(relay)
    assert not relay.accounts.exclude(paused_at=None).exists()


def ready(generation: Generation) -> bool:
    return Generation.objects.filter(pk=generation.pk, ready=True).exists()


def test_a_full_account_holds_up_nobody_else(halden: Team, bob: User, sandbox: str) -> None:
    relay = key(halden, "useapi")
    first, second = asked(bob, relay, "kolors"), asked(bob, relay, "kolors")
    relay.accounts.create(name="anna@sandbox.example", slots=1)
    relay.accounts.create(name="ben@sandbox.example", slots=1)
    Generation.objects.filter(pk=first.pk).update(account="anna@sandbox.example", ready=True)
    Generation.objects.filter(pk=second.pk).update(account="ben@sandbox.example", ready=True)
    running = asked(bob, relay, "kolors")
    Generation.objects.filter(pk=running.pk).update(account="anna@sandbox.example", status=Status.RUNNING)
    chosen = dispatch.next_for(relay, timezone.now())
    assert chosen
    assert chosen.pk == second.pk
    relay.accounts.update(paused_at=timezone.now())
    assert dispatch.next_for(relay, timezone.now()) is None


def test_what_an_account_takes_is_known_while_something_is_on_its_way_through_it(halden: Team, bob: User) -> None:
    relay = key(halden, "useapi")
    for name in ("anna@sandbox.example", "ben@sandbox.example"):
        relay.accounts.create(name=name, slots=1, paused_at=timezone.now())
    running = asked(bob, relay, "kolors")
    Generation.objects.filter(pk=running.pk).update(account="anna@sandbox.example", status=Status.RUNNING)
    credentials.forget_accounts(relay)
    assert list(relay.accounts.values_list("name", "slots", "paused_at")) == [("anna@sandbox.example", 1, None)]


def test_where_nobody_answers_it_is_tried_again_and_nothing_fails(halden: Team, bob: User, asset: Asset) -> None:
    generation = asked(bob, key(halden, "apimodels"), "image-to-image", image_url=asset.pk)
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert (generation.status, generation.ready) == (Status.QUEUED, False)
    assert timezone.now() < generation.due_at < timezone.now() + timedelta(minutes=1)


def test_a_question_about_accounts_that_finds_nothing_is_asked_again_and_nothing_fails(
    halden: Team, bob: User, sandbox: str
) -> None:
    relay = key(halden, "useapi")
    Credential.objects.filter(pk=relay.pk).update(base_url="sandbox:elsewhere")
    generation = asked(bob, relay, "kolors")
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert (generation.status, generation.ready) == (Status.QUEUED, False)
    assert timezone.now() < generation.due_at < timezone.now() + timedelta(minutes=1)
    assert generation.problem == "The provider does not say which accounts there are."


def test_why_it_is_not_ready_is_said_until_it_is(halden: Team, bob: User, sandbox: str) -> None:
    relay = key(halden, "useapi")
    right = relay.base_url
    Credential.objects.filter(pk=relay.pk).update(base_url="http://127.0.0.1:9")
    generation = asked(bob, relay, "kolors")
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert generation.problem
    told = generation.changed
    for base_url, changed in (("http://127.0.0.1:9", False), (right, True)):
        Credential.objects.filter(pk=relay.pk).update(base_url=base_url)
        Generation.objects.filter(pk=generation.pk).update(due_at=timezone.now())
        readying.make_ready(generation.pk)
        generation.refresh_from_db()
        assert (generation.changed != told) is changed
    assert (generation.ready, generation.problem) == (True, "")


def test_a_refused_key_pauses_the_credential_and_the_request_waits(
    halden: Team, bob: User, asset: Asset, sandbox: str
) -> None:
    relay, _ = credentials.ensure(
        team=halden, provider="apimodels", name="Wrong", base_url="sandbox:", secrets={"api_key": "sk_wrong-key"}
    )
    generation = asked(bob, relay, "image-to-image", image_url=asset.pk)
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    relay.refresh_from_db()
    assert generation.status == Status.QUEUED
    assert relay.paused_at
    assert readying.due_generations(timezone.now() + timedelta(days=1)) == []
