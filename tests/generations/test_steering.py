"""What a person can do about a request: take it back, try again, ask at once, bring its pictures."""

import io
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image as Pillow
from pytest_django import Settings

from generations import credentials, images
from generations.catalogue import offers
from generations.models import BalanceReading, Credential, Generation, Status
from generations.providers.exchange import FateUnknown
from generations.providers.useapi import PROVIDER
from generations.services import asking, following, submission, unconfirmed, weighing
from generations.services.common import account_of
from generations.tasks import read_balance, sweep
from klingweb.accounts.models import Membership, Team, User
from klingweb.demo import SANDBOX_SECRETS
from tests.cast import sign_in
from tests.road import Ask, Follow, messages
from tests.states import put

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = frozenset({Status.UNCONFIRMED})


def key(team: Team, provider: str) -> Credential:
    secrets = SANDBOX_SECRETS[provider]
    made, _ = credentials.ensure(team=team, provider=provider, name="Other", base_url="sandbox:", secrets=secrets)
    return made


def asked(bob: User, credential: Credential, operation: str = "", **raw: object) -> Generation:
    member = Membership.objects.select_related("team", "user").get(user=bob)
    offer = next(each for each in offers(member.team) if each.provider.slug == credential.provider)
    form = f"form {Generation.objects.count()}"
    made = asking.ask(member, offer, offer.operation(operation), credential, {"prompt": "A vase"} | raw, form)
    assert made.generation, made.errors
    return made.generation


def accepted(sandbox: str) -> int:
    return int(httpx.get(f"{sandbox}/requests").json()["accepted"])


# Trying again ---------------------------------------------------------------------------------------------------------


def test_a_failed_one_is_tried_again_as_a_new_attempt(client: Client, bob: User, ask: Ask) -> None:
    failed = put(ask("A vase", n=3, aspect_ratio="3:4"), Status.FAILED, finished_at=timezone.now())
    answer = sign_in(client, bob).post(f"/g/{failed.pk}/retry/")
    again = Generation.objects.get(retry_of=failed)
    assert answer["Location"] == f"/g/{again.pk}/"
    assert (again.values, again.status, again.person) == (failed.values, Status.QUEUED, bob)
    assert again.events.get().reason == "Asked again by Bob"


def test_the_same_button_pressed_twice_asks_once_until_that_has_ended(client: Client, bob: User, ask: Ask) -> None:
    failed = put(ask(), Status.FAILED, finished_at=timezone.now())
    sign_in(client, bob)
    for _ in range(2):
        client.post(f"/g/{failed.pk}/retry/")
    assert failed.retries.count() == 1
    put(failed.retries.get(), Status.FAILED, finished_at=timezone.now())
    client.post(f"/g/{failed.pk}/retry/")
    assert failed.retries.count() == 2


def test_what_is_not_offered_any_more_is_said(client: Client, bob: User, ask: Ask) -> None:
    failed = put(ask(), Status.FAILED, model_name="kling-v1", finished_at=timezone.now())
    Generation.objects.filter(pk=failed.pk).update(values=failed.values | {"model_name": "kling-v1"})
    page = sign_in(client, bob).post(f"/g/{failed.pk}/retry/", follow=True).content.decode()
    assert "It cannot be asked for like that any more. Choose kling-v3 or kling-v2-1." in page
    Credential.objects.update(removed_at=timezone.now())
    page = client.post(f"/g/{failed.pk}/retry/", follow=True).content.decode()
    assert "not offered to your team any more" in page


# Taking back ----------------------------------------------------------------------------------------------------------


def test_a_provider_that_may_let_go_is_asked_and_what_it_makes_all_the_same_arrives(
    client: Client, bob: User, halden: Team, sandbox: str, follow: Follow, settings: Settings
) -> None:
    settings.SANDBOX_PACE = 1.0  # it is still there when it is to be let go of
    generation = follow(asked(bob, key(halden, "useapi"), prompt="A vase [slow]"), to=frozenset({Status.RUNNING}))
    page = sign_in(client, bob).get(f"/g/{generation.pk}/").content.decode()
    assert "Ask useapi.net to cancel" in page
    client.post(f"/g/{generation.pk}/cancel/")
    generation.refresh_from_db()
    assert generation.cancel_asked_at
    assert "was asked to let go of it" in client.get(f"/g/{generation.pk}/").content.decode()
    following.finish(generation, made(generation))
    generation.refresh_from_db()
    assert generation.status == Status.COLLECTING


def made(generation: Generation) -> httpx.Response:
    work = {"status_name": "succeed", "status_final": True, "resource": {"resource": "https://p1.example.com/a.png"}}
    body = {"task": {"id": int(generation.provider_task_id)}, "works": [work], "status_final": True}
    request = httpx.Request("GET", "https://provider.example.com/")
    return httpx.Response(200, json=body | {"status_name": "succeed"}, request=request)


def test_what_the_provider_has_let_go_of_is_canceled(
    client: Client, bob: User, halden: Team, sandbox: str, follow: Follow
) -> None:
    generation = follow(asked(bob, key(halden, "useapi"), prompt="A vase [slow]"), to=frozenset({Status.RUNNING}))
    sign_in(client, bob).post(f"/g/{generation.pk}/cancel/")
    Generation.objects.filter(pk=generation.pk).update(provider_task_id="1")
    assert follow(generation).status == Status.CANCELED
    assert "Canceled at useapi.net." in client.get(f"/g/{generation.pk}/").content.decode()


def test_where_it_is_too_late_or_impossible_the_page_says_so(
    client: Client, bob: User, halden: Team, ask: Ask, sandbox: str
) -> None:
    official = put(ask(), Status.RUNNING, submitted_at=timezone.now(), provider_task_id="1")
    page = sign_in(client, bob).post(f"/g/{official.pk}/cancel/", follow=True).content.decode()
    assert "has left already and cannot be stopped" in page
    begun = put(asked(bob, key(halden, "useapi")), Status.RUNNING, submitted_at=timezone.now(), provider_task_id="77")
    page = client.post(f"/g/{begun.pk}/cancel/", follow=True).content.decode()
    assert "useapi.net did not take it back" in page


def test_a_late_one_is_asked_about_at_once(client: Client, bob: User, ask: Ask) -> None:
    hour = timezone.now() + timedelta(hours=1)
    late = put(ask(), Status.RUNNING, submitted_at=timezone.now() - timedelta(minutes=9), due_at=hour)
    page = sign_in(client, bob).get(f"/g/{late.pk}/").content.decode()
    assert "Check now" in page
    client.post(f"/g/{late.pk}/check/")
    late.refresh_from_db()
    assert late.due_at <= timezone.now()


# Unknown fate ---------------------------------------------------------------------------------------------------------


def test_useapi_finds_a_lost_answer_by_the_name_that_it_echoes(
    bob: User, halden: Team, sandbox: str, follow: Follow
) -> None:
    generation = asked(bob, key(halden, "useapi"), prompt="A vase [lost-answer] [slow]")
    assert follow(generation, to=WAITING).status == Status.UNCONFIRMED
    follow(generation, to=frozenset({Status.RUNNING}))
    assert (generation.status, accepted(sandbox)) == (Status.RUNNING, 1)
    assert generation.events.filter(reason__startswith="The provider has").exists()


def test_the_only_task_that_it_can_be_is_taken_and_of_several_none(
    bob: User, halden: Team, sandbox: str, follow: Follow
) -> None:
    relay = key(halden, "useapi")
    generation = asked(bob, relay, prompt="A vase [lost-answer]")
    follow(generation, to=WAITING)
    Generation.objects.filter(pk=generation.pk).update(due_at=timezone.now() + timedelta(hours=1))
    rival = put(
        asked(bob, relay, prompt="A vase [lost-answer]"),
        Status.UNCONFIRMED,
        doubts=1,
        account=generation.account,
        submitted_at=generation.submitted_at,
        due_at=timezone.now() + timedelta(hours=1),
    )
    look_in_list(generation)
    assert generation.status == Status.UNCONFIRMED
    assert "lists one task that it could be" in generation.problem_details
    unconfirmed.give_up(rival, bob)
    look_in_list(generation)
    assert generation.status == Status.RUNNING
    assert follow(generation).status == Status.SUCCEEDED


def look_in_list(generation: Generation) -> None:
    """Ask for the list of ended tasks, and read it as if our name had not been echoed."""
    assert generation.submitted_at
    request = PROVIDER.lookups[1].build(account_of(generation), generation.submitted_at - unconfirmed.EARLIER)
    body = httpx.Client().send(request).json()
    for entry in body["history"]:
        entry.pop("replyRef", None)
    request.extensions[unconfirmed.LOOKUP] = 1
    unconfirmed.finish(generation, httpx.Response(200, json=body, request=request))
    generation.refresh_from_db()


def test_a_balance_that_fell_is_shown_as_evidence(
    client: Client, bob: User, halden: Team, sandbox: str, follow: Follow
) -> None:
    relay = key(halden, "apimodels")
    generation = asked(bob, relay, "text-to-image", prompt="A vase [lost-answer]")
    read_balance(relay.pk)
    assert follow(generation, to=WAITING).status == Status.UNCONFIRMED
    assert weighing.evidence(generation) == ""
    sent = generation.submitted_at
    assert sent
    BalanceReading.objects.create(credential=relay, at=sent + timedelta(minutes=1), left=Decimal("999.849"))
    page = sign_in(client, bob).get(f"/g/{generation.pk}/").content.decode()
    assert "The balance fell by $0.151 between" in page
    assert "so it was probably made" in page
    reading = BalanceReading.objects.order_by("at")[1]
    generation.estimate_usd = Decimal("0.151")
    for left, said in (
        ("1000", "did not fall"),
        ("999.99", "less than one of its pictures costs"),
        ("1050", "rose by $50.00 between"),
    ):
        BalanceReading.objects.filter(pk=reading.pk).update(left=Decimal(left))
        assert said in weighing.evidence(generation)
    BalanceReading.objects.filter(pk=reading.pk).update(left=Decimal(999))
    put(asked(bob, relay, "text-to-image"), Status.RUNNING, submitted_at=sent)
    assert "but 1 other request was charged or sent then" in weighing.evidence(generation)


@pytest.mark.parametrize("provider", ["kkiai", "apimodels"])
def test_looking_again_where_nobody_can_look_reads_the_balance_and_sends_nothing(
    client: Client, bob: User, halden: Team, sandbox: str, follow: Follow, provider: str
) -> None:
    relay = key(halden, provider)
    generation = asked(bob, relay, "text-to-image", prompt="A vase [lost-answer]")
    read_balance(relay.pk)
    follow(generation, to=WAITING)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=20))
    BalanceReading.objects.update(at=timezone.now() - timedelta(minutes=21))
    page = sign_in(client, bob).post(f"/g/{generation.pk}/decide/", {"action": "look"}, follow=True).content.decode()
    assert "Nothing new. The balance" in page
    assert "goes on looking" not in page
    generation.refresh_from_db()
    assert (generation.status, generation.problem_details) == (Status.UNCONFIRMED, "The line broke off.")
    assert accepted(sandbox) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_list_that_is_not_there_never_has_a_request_sent_again(
    bob: User, halden: Team, sandbox: str, follow: Follow, number: int
) -> None:
    generation = asked(bob, key(halden, "useapi"), prompt="A vase [lost-answer]")
    follow(generation, to=WAITING)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(hours=1))
    request = httpx.Request("GET", f"{sandbox}/nowhere", extensions={unconfirmed.LOOKUP: number})
    for status in (404, 410):
        unconfirmed.finish(generation, httpx.Response(status, json={"error": "Gone"}, request=request))
    generation.refresh_from_db()
    assert generation.status == Status.UNCONFIRMED


def test_balances_are_read_while_something_is_on_its_way_and_only_where_they_help(
    bob: User, halden: Team, sandbox: str, ask: Ask
) -> None:
    relay = key(halden, "apimodels")
    ask()
    asked(bob, relay, "text-to-image")
    assert messages().count("generations.tasks.read_balance") == 1
    assert weighing.due_credentials(timezone.now()) == [relay.pk]
    read_balance(relay.pk)
    assert weighing.due_credentials(timezone.now()) == []
    sweep()
    assert messages().count("generations.tasks.read_balance") == 1
    assert str(BalanceReading.objects.get()).startswith("1000")
    read_balance(0)
    Credential.objects.filter(pk=relay.pk).update(secrets={"api_key": "sk_wrong"})
    read_balance(relay.pk)
    assert BalanceReading.objects.count() == 1


def picture() -> SimpleUploadedFile:
    file = io.BytesIO()
    Pillow.new("RGB", (640, 480), "teal").save(file, "PNG")
    return SimpleUploadedFile("saved.png", file.getvalue(), "image/png")


def test_a_person_brings_the_pictures_that_were_made(client: Client, bob: User, ask: Ask) -> None:
    lost = put(ask(), Status.UNCONFIRMED, doubts=1, submitted_at=timezone.now())
    sign_in(client, bob)
    assert "Choose the files" in brought(client, lost)
    assert "not a whole PNG, JPEG or WebP" in brought(client, lost, SimpleUploadedFile("a.png", b"no", "image/png"))
    assert "Kept with this generation." in brought(client, lost, picture())
    lost.refresh_from_db()
    assert lost.status == Status.SUCCEEDED
    [image] = lost.images.all()
    with images.open_original(image) as file:
        assert Pillow.open(file).size == (image.width, image.height) == (640, 480)
    assert "not waiting for a decision any more" in brought(client, lost, picture())


def brought(client: Client, generation: Generation, *files: SimpleUploadedFile) -> str:
    values = {"action": "brought", "pictures": list(files)} if files else {"action": "brought"}
    return client.post(f"/g/{generation.pk}/decide/", values, follow=True).content.decode()


def test_each_list_is_asked_in_turn_however_rare_the_looks_have_become(bob: User, halden: Team) -> None:
    generation = put(asked(bob, key(halden, "useapi")), Status.UNCONFIRMED, submitted_at=timezone.now())
    assert generation.submitted_at
    moment, lists = generation.submitted_at, []
    while moment < generation.submitted_at + timedelta(days=2):
        with time_machine.travel(moment, tick=False):
            lists.append(unconfirmed.begin(generation).request.url.path)
            moment += unconfirmed.pause(generation, moment) + timedelta(seconds=0.2)  # looked for a little late
    assert len(set(lists)) == 2
    assert all(len(set(three)) == 2 for three in zip(lists, lists[1:], lists[2:], strict=False))


def test_moderation_of_a_second_request_is_its_end_where_nobody_can_be_asked(
    bob: User, halden: Team, follow: Follow
) -> None:
    generation = asked(bob, key(halden, "kkiai"), prompt="[moderated] a vase")
    assert submission.begin(generation, "gone")
    submission.finish(generation.pk, "gone", FateUnknown("The line dropped."))
    generation.refresh_from_db()
    assert unconfirmed.send_again(generation, bob)
    assert follow(generation).status == Status.FAILED
    assert generation.problem.endswith("Whether its first request was charged is not known.")


def test_a_person_who_looks_again_has_every_list_asked(bob: User, halden: Team, sandbox: str) -> None:
    generation = put(asked(bob, key(halden, "useapi")), Status.UNCONFIRMED, submitted_at=timezone.now())
    unconfirmed.look_again(generation)
    looked = {each["path"].rpartition("/")[2] for each in httpx.get(f"{sandbox}/requests").json()["requests"]}
    assert looked >= {"tasks", "available"}
