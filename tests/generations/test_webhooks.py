"""Webhooks: a call makes its generation due, and whatever else it may be, it does no harm."""

import io
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import time_machine
from django.core.handlers.wsgi import WSGIHandler
from django.db import DatabaseError, connections
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_django.live_server_helper import LiveServer
from standardwebhooks import Webhook
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from generations import credentials, deliveries, follower, queue, webhooks
from generations.lifecycle import TERMINAL, advance
from generations.models import Credential, Delivery, Generation, Lease, Status
from generations.providers.exchange import Progress
from generations.providers.registry import PROVIDERS
from generations.services import collecting, following, submission
from klingweb.accounts.models import Team, User
from klingweb.sandbox import keys
from tests.cast import sign_in
from tests.road import Ask, messages
from tests.states import put

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FAR = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def public(settings: Settings) -> None:
    """An installation that providers can call."""
    settings.PUBLIC_URL = "https://pictures.example.com"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def running(public: None, ask: Ask) -> Generation:
    """A generation that its provider works on, and that is not going to be asked about for a day."""
    return run(ask())


def run(generation: Generation) -> Generation:
    assert submission.begin(generation, "token")
    advance(generation, Status.RUNNING, provider_task_id="1", due_at=timezone.now() + FAR)
    return generation


def path(generation: Generation) -> str:
    return f"/hooks/{generation.provider}/{deliveries.token(generation.pk)}/"


def call(client: Client, generation: Generation, body: bytes = b"{}", headers: dict[str, str] | None = None) -> int:
    answer = client.post(path(generation), body, content_type="application/json", headers=headers)
    assert answer.content == b""
    return answer.status_code


def signed(body: bytes, secret: str = SECRET, name: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    at = at or timezone.now()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, at, body.decode()),
    }


def due_in(generation: Generation) -> float:
    generation.refresh_from_db()
    return (generation.due_at - timezone.now()).total_seconds()


# Out: what a provider is asked ----------------------------------------------------------------------------------------

FIELDS = {"kling": "callback_url", "kkiai": "callback_url", "apimodels": "callback_url", "useapi": "replyUrl"}
SIGN_IN = {
    "kling": {"api_key": "sandbox-key"},
    "kkiai": {"api_key": "sandbox-key"},
    "apimodels": {"api_key": "sk_sandbox-key"},
    "useapi": {"api_token": "user:1-sandbox-key"},
}


def sent(generation: Generation) -> dict[str, Any]:
    made = submission.begin(generation, "token")
    assert made
    body: dict[str, Any] = json.loads(made.request.content)
    return body


@pytest.mark.parametrize("slug", FIELDS)
def test_a_request_names_an_address_of_its_own(slug: str, public: None, halden: Team, bob: User, alice: User) -> None:
    key, _ = credentials.ensure(team=halden, provider=slug, name="Live", base_url="sandbox:", secrets=SIGN_IN[slug])
    operation = PROVIDERS[slug].operations[0]
    made = Generation.objects.create(
        team=halden,
        person=bob,
        credential=key,
        key="1",
        provider=slug,
        operation=operation.slug,
        asked=1,
        values={"prompt": "A vase"},
    )
    address = sent(made)[FIELDS[slug]]
    assert address == f"https://pictures.example.com{path(made)}"
    assert len(address.rpartition(".")[2]) > 40


def test_two_requests_have_two_addresses_and_a_second_try_has_the_same(public: None, ask: Ask) -> None:
    one, other = ask("one"), ask("other")
    first = sent(one)["callback_url"]
    assert first != sent(other)["callback_url"]
    advance(one, Status.QUEUED, token="")
    assert sent(one)["callback_url"] == first


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://pictures.example.com", "https://localhost"])
def test_no_provider_is_asked_to_call_where_it_could_not(settings: Settings, ask: Ask, url: str) -> None:
    settings.PUBLIC_URL = url
    generation = ask()
    assert "callback_url" not in sent(generation)
    assert generation.delivered is None


def test_no_provider_is_asked_to_call_if_the_team_does_not_want_it(public: None, ask: Ask) -> None:
    Credential.objects.update(webhooks=False)
    assert "callback_url" not in sent(ask())


def test_a_field_that_nobody_has_verified_is_not_sent() -> None:
    expand = PROVIDERS["kling"].operation("expand")
    assert expand
    assert expand.webhook == ""


def test_an_admin_decides_for_each_key(client: Client, alice: User, credential: Credential, settings: Settings) -> None:
    sign_in(client, alice)
    address = f"/credentials/{credential.pk}/"
    page = client.get(address).content.decode()
    assert 'name="webhooks" aria-describedby="id_webhooks_hint" checked' in page
    assert "Only once KLINGWEB_PUBLIC_URL is an https address" in page
    settings.PUBLIC_URL = "https://pictures.example.com"
    assert "It has to reach https://pictures.example.com/hooks/." in client.get(address).content.decode()
    values = {"name": "Studio", "slots": "9"}
    assert client.post(address, values).status_code == 302
    credential.refresh_from_db()
    assert not credential.webhooks
    assert "checked" not in client.get(address).content.decode()
    client.post(address, values | {"webhooks": "on"})
    credential.refresh_from_db()
    assert credential.webhooks


# In: a hint -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.RUNNING, Status.UNCONFIRMED])
def test_a_call_makes_its_generation_due_now_and_nothing_else(client: Client, running: Generation, status: str) -> None:
    put(running, Status(status))
    body = b'{"task_id": "1", "task_status": "failed", "task_status_msg": "believe me"}'
    assert call(client, running, body) == 200
    assert due_in(running) <= 0
    assert running.status == status
    delivery = Delivery.objects.get()
    assert (delivery.generation, delivery.verified, delivery.webhook_id, delivery.size) == (running, False, "", 74)
    assert "believe" not in str(vars(delivery))
    assert str(delivery).startswith("74 bytes at ")


def test_a_call_asks_for_a_follower_where_nobody_follows(client: Client, running: Generation) -> None:
    call(client, running)
    assert messages() == ["generations.tasks.follow"]


def test_a_call_takes_three_queries_a_repeat_one_and_a_stranger_none(
    client: Client, running: Generation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert follower.take_lease("somebody")
    with django_assert_num_queries(3):
        assert call(client, running) == 200
    with django_assert_num_queries(1):
        assert call(client, running) == 200
    with django_assert_num_queries(0):
        assert client.post("/hooks/kling/unknown/").status_code == 404


def test_a_call_before_the_answer_to_the_request_is_counted(client: Client, public: None, ask: Ask) -> None:
    generation = ask()
    submission.begin(generation, "token")
    assert call(client, generation) == 200
    generation.refresh_from_db()
    assert (generation.status, generation.delivered, generation.hinted_at) == (Status.SUBMITTING, 1, None)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.COLLECTING, *sorted(TERMINAL)])
def test_a_late_call_is_answered_and_changes_nothing(client: Client, running: Generation, status: str) -> None:
    before = put(running, Status(status)).due_at
    assert call(client, running) == 200
    running.refresh_from_db()
    assert (running.status, running.due_at, running.delivered) == (status, before, 0)
    assert not Delivery.objects.exists()


# In: strangers and worse ----------------------------------------------------------------------------------------------


def assert_untouched(generation: Generation) -> None:
    assert due_in(generation) > FAR.total_seconds() / 2
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "unknown",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.swapcase(),
        lambda token: token.replace(".", ":"),
        lambda token: token.partition(".")[0],
        lambda token: f"{'0' * 32}.{token.partition('.')[2]}",
        lambda _: "." * 2000,
        lambda _: "é" * 40,
    ],
)
def test_a_token_that_is_none_does_not_exist(
    client: Client, running: Generation, forge: Callable[[str], str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.post(f"/hooks/kling/{forge(deliveries.token(running.pk))}/", b"x" * 2**20, content_type="a/b")
    assert answer.status_code == 404
    assert_untouched(running)


@pytest.mark.parametrize("provider", ["useapi", "kkiai", "nobody"])
def test_the_token_of_another_provider_does_not_exist(client: Client, running: Generation, provider: str) -> None:
    answer = client.post(path(running).replace("/kling/", f"/{provider}/"))
    assert answer.status_code == 404
    assert_untouched(running)


def test_what_is_deleted_or_was_sent_without_a_webhook_does_not_exist(client: Client, running: Generation) -> None:
    Generation.objects.update(delivered=None)
    assert call(client, running) == 404
    Generation.objects.all().delete()
    assert call(client, running) == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_a_post_is_a_call(client: Client, running: Generation, method: str) -> None:
    answer = client.generic(method, path(running), b"{}")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert_untouched(running)


def test_a_browser_without_a_token_of_its_own_may_call(running: Generation) -> None:
    assert call(Client(enforce_csrf_checks=True), running) == 200


def test_a_body_that_is_too_large_is_refused_without_being_read(client: Client, running: Generation) -> None:
    assert call(client, running, b"x" * (webhooks.MOST_BYTES + 1)) == 413
    assert_untouched(running)
    assert call(client, running, b"x" * webhooks.MOST_BYTES) == 200


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[" * 200_000, b"\x00\xff", b'{"a": 1e999, "task_id": null}'])
def test_whatever_the_body_is_nobody_reads_it(client: Client, running: Generation, body: bytes) -> None:
    assert call(client, running, body) == 200
    assert due_in(running) <= 0


def test_a_body_whose_sender_goes_away_is_no_call(client: Client, running: Generation) -> None:
    class Line(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError("the line dropped")

    gone: dict[str, Any] = {"wsgi.input": Line(), "CONTENT_LENGTH": "10"}
    answer = client.generic("POST", path(running), **gone)
    assert answer.status_code == 400
    assert_untouched(running)


def test_a_database_that_is_away_is_no_error_of_ours(
    client: Client, running: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise DatabaseError("database is locked")

    monkeypatch.setattr(webhooks, "_make_due", away)
    assert call(client, running) == 503


def test_a_thousand_repeats_are_one_call(client: Client, running: Generation) -> None:
    assert {call(client, running) for _ in range(1000)} == {200}
    assert Delivery.objects.count() == 1
    running.refresh_from_db()
    assert running.delivered == 1


def test_a_thousand_different_calls_cause_few_looks(
    client: Client, running: Generation, clock: time_machine.Traveller
) -> None:
    looks = 0
    for number in range(1000):  # ten seconds
        assert call(client, running, str(number).encode()) == 200
        if due_in(running) <= 0:
            looks += 1
            follower.postpone([running], timedelta(seconds=8))
        clock.shift(0.01)
    assert looks <= 10 / webhooks.EVERY
    assert Delivery.objects.count() == webhooks.MOST_DELIVERIES


def test_calls_close_together_cause_a_second_look_soon_and_no_third(
    client: Client, running: Generation, clock: time_machine.Traveller
) -> None:
    def look_after(seconds: float, body: bytes) -> float:
        clock.shift(seconds)
        call(client, running, body)
        return due_in(running)

    assert look_after(0, b"submitted") == 0
    follower.postpone([running], FAR)
    assert look_after(0.5, b"processing") == pytest.approx(1.5)
    assert look_after(0.5, b"processing still") == pytest.approx(1)
    clock.shift(1)
    follower.postpone([running], FAR)
    assert look_after(0.5, b"succeed") == pytest.approx(1.5)
    follower.postpone([running], FAR)
    assert look_after(60, b"out of order") == 0


def test_a_call_never_makes_the_next_look_later(client: Client, running: Generation) -> None:
    Generation.objects.update(due_at=timezone.now() - timedelta(seconds=5), hinted_at=timezone.now())
    call(client, running)
    assert due_in(running) < -4


# Signatures -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def secretive(running: Generation) -> Generation:
    """One whose key has a webhook secret."""
    secrets = {**running.credential.secrets, "webhook_secret": SECRET}
    Credential.objects.filter(pk=running.credential_id).update(secrets=secrets)
    return running


def test_a_signed_call_is_verified(client: Client, secretive: Generation) -> None:
    assert call(client, secretive, b"{}", signed(b"{}")) == 200
    delivery = Delivery.objects.get()
    assert (delivery.verified, delivery.webhook_id) == (True, "msg_1")
    assert due_in(secretive) <= 0


def test_one_of_two_signatures_is_enough(client: Client, secretive: Generation) -> None:
    both, old = signed(b"{}"), signed(b"{}", "whsec_b2xk")
    both["webhook-signature"] = f"{old['webhook-signature']} {both['webhook-signature']}"
    assert call(client, secretive, b"{}", both) == 200


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_of_another_time_is_refused(client: Client, secretive: Generation, minutes: int) -> None:
    recorded = signed(b"{}", at=timezone.now() + timedelta(minutes=minutes))
    assert call(client, secretive, b"{}", recorded) == 401
    assert_untouched(secretive)


@pytest.mark.parametrize(
    "headers", [{}, {"webhook-id": "msg_1"}, signed(b"another body", at=NOON), signed(b"{}", "whsec_b2xk", at=NOON)]
)
def test_a_forged_call_is_refused_and_changes_nothing(
    client: Client, secretive: Generation, headers: dict[str, str], clock: time_machine.Traveller
) -> None:
    assert call(client, secretive, b"{}", headers) == 401
    secretive.refresh_from_db()
    assert secretive.delivered == 0
    assert not Delivery.objects.exists()


def test_a_delivery_is_known_by_its_name(client: Client, secretive: Generation) -> None:
    assert call(client, secretive, b"{}", signed(b"{}")) == 200
    assert call(client, secretive, b"{ }", signed(b"{ }")) == 200
    assert Delivery.objects.count() == 1
    assert call(client, secretive, b"{}", signed(b"{}", name="msg_2")) == 200
    assert Delivery.objects.count() == 2


def test_nothing_is_verified_with_a_key_that_does_not_open(
    client: Client, secretive: Generation, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = ["bm90LXRoZS1zYW1lLWtleS1ub3QtdGhlLXNhbWUta2U="]
    assert call(client, secretive, b"{}", signed(b"{}")) == 401


# What must not be seen ------------------------------------------------------------------------------------------------


def test_neither_token_nor_secret_stands_in_any_log(
    client: Client, secretive: Generation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    call(client, secretive, b"{}", signed(b"{}"))
    call(client, secretive, b"forged")
    call(client, secretive, b"x" * 2**20)
    client.get(path(secretive))
    client.post(path(secretive).replace("/kling/", "/kkiai/"))
    monkeypatch.setattr(webhooks, "_verified", lambda *_: 1 / 0)
    client.raise_request_exception = False
    assert client.post(path(secretive)).status_code == 500
    logged = "".join(f"{each.getMessage()} {each.exc_text}" for each in caplog.records)
    assert "/hooks/" in logged
    assert deliveries.token(secretive.pk).partition(".")[2] not in logged
    assert SECRET.removeprefix("whsec_") not in logged


def test_an_answer_that_repeats_the_address_is_kept_without_it(
    client: Client, running: Generation, alice: User
) -> None:
    token = deliveries.token(running.pk)
    said = f"replyUrl https://pictures.example.com/hooks/kling/{token}/ is not reachable"
    for body in ({"code": 1200, "message": said}, {"code": 0, "data": {"task_id": "1", "task_status": "x", "a": said}}):
        following.finish(running, httpx.Response(400, json=body, request=httpx.Request("GET", "https://x.example")))
    failed = {"code": 0, "data": {"task_id": "1", "task_status": "failed", "task_status_msg": said}}
    following.finish(running, httpx.Response(200, json=failed, request=httpx.Request("GET", "https://x.example")))
    running.refresh_from_db()
    assert running.status == Status.FAILED
    assert "is not reachable" in running.problem_details
    page = sign_in(client, alice).get(f"/g/{running.pk}/").content.decode()
    kept = "".join(running.events.values_list("answer", flat=True))
    assert "is not reachable" in kept
    assert token not in kept + page + running.problem_details


# Less polling ---------------------------------------------------------------------------------------------------------

OVER = Progress("failed", reason="It broke off.")


def end(ask: Ask, *, told: bool) -> None:
    generation = run(ask())
    if told:
        assert call(Client(), generation) == 200
    following.apply(Generation.objects.get(pk=generation.pk), OVER, "")


def pause_of(generation: Generation) -> float:
    return following.pause(Generation.objects.get(pk=generation.pk), timezone.now()).total_seconds()


def test_polling_slows_down_once_three_in_a_row_were_told_of(public: None, ask: Ask) -> None:
    for _ in range(3):
        other = run(ask())
        assert pause_of(other) == 2
        end(ask, told=True)
    assert pause_of(other) == 8


def test_one_that_ends_untold_brings_polling_back_also_for_those_under_way(running: Generation, ask: Ask) -> None:
    for _ in range(4):
        end(ask, told=True)
    assert pause_of(running) == 8
    end(ask, told=False)
    assert pause_of(running) == 2
    end(ask, told=True)
    assert pause_of(running) == 2


def test_what_arrived_long_ago_proves_nothing(running: Generation, ask: Ask) -> None:
    for _ in range(3):
        end(ask, told=True)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        Generation.objects.update(submitted_at=timezone.now())
        assert pause_of(running) == 2


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 8), (2, 20), (30, 120), (120, 300), (10_000, 300)])
def test_nothing_is_left_alone_for_longer_than_five_minutes(
    running: Generation, ask: Ask, minutes: int, seconds: int
) -> None:
    for _ in range(3):
        end(ask, told=True)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(minutes=minutes))
    assert pause_of(running) == seconds


def test_one_that_was_sent_without_a_webhook_says_nothing_of_those_with_one(running: Generation, ask: Ask) -> None:
    for _ in range(3):
        end(ask, told=True)
    Credential.objects.update(webhooks=False)
    without = run(ask())
    following.apply(Generation.objects.get(pk=without.pk), OVER, "")
    assert (pause_of(running), pause_of(without)) == (8, 2)


# All of it, over real HTTP --------------------------------------------------------------------------------------------


@pytest.fixture
def called(sandbox: str, live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox can call, and after a first look nobody would ask it by himself before tomorrow."""
    settings.PUBLIC_URL = live_server.url
    settings.TRUSTED_PROVIDER_HOSTS = frozenset({live_server.url.removeprefix("http://")})
    settings.PACE, settings.SANDBOX_PACE = 0.05, 0.4
    monkeypatch.setattr(follower, "TICK", 0.02)
    monkeypatch.setattr(following, "poll_pause", lambda _: FAR)


def follow(generation: Generation) -> Generation:
    def over() -> bool:
        for pk in collecting.due_images(timezone.now()):
            collecting.collect(pk)
        generation.refresh_from_db()
        return generation.status in TERMINAL

    follower.Turn(20).run(until=over)
    return generation


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("prompt", ["A vase", "A vase [repeated-callback]"])
@pytest.mark.parametrize("secret", [{}, {"webhook_secret": keys.WEBHOOK_SECRET}])
def test_a_picture_arrives_by_webhook_although_nobody_polls(
    ask: Ask, called: None, credential: Credential, prompt: str, secret: dict[str, str]
) -> None:
    Credential.objects.filter(pk=credential.pk).update(secrets={"api_key": "sandbox-key", **secret})
    generation = follow(ask(prompt))
    assert generation.status == Status.SUCCEEDED
    assert generation.images.count() == 1
    assert {each.verified for each in Delivery.objects.all()} == {bool(secret)}
    assert 1 <= Delivery.objects.count() <= 3
    credential.refresh_from_db()
    assert len(credential.arrivals["text-to-image"]) == 1


@pytest.mark.django_db(transaction=True)
def test_callbacks_that_never_come_leave_it_to_polling(ask: Ask, called: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "poll_pause", lambda _: timedelta(seconds=0.1))
    generation = follow(ask("A vase [no-callback]"))
    assert generation.status == Status.SUCCEEDED
    assert not Delivery.objects.exists()


@pytest.fixture
def waitress() -> Iterator[int]:
    """The port of the site under waitress, with one thread."""

    def application(*arguments: Any) -> Any:
        try:
            return WSGIHandler()(*arguments)
        finally:
            connections.close_all()

    sockets: dict[int, socket.socket] = {}
    server = create_server(application, map=sockets, host="127.0.0.1", port=0, threads=1)
    assert isinstance(server, BaseWSGIServer)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            wasyncore.loop(timeout=0.02, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield int(server.getsockname()[1])
    stopping.set()
    thread.join()
    server.task_dispatcher.shutdown()
    wasyncore.close_all(sockets)


@pytest.mark.django_db(transaction=True)
def test_a_call_that_takes_its_time_holds_up_nobody(running: Generation, waitress: int) -> None:
    head = f"POST {path(running)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n" + "x" * 50
    with socket.create_connection(("127.0.0.1", waitress), timeout=10) as slow:
        slow.sendall(head.encode())
        quick = httpx.post(f"http://127.0.0.1:{waitress}{path(running)}", content=b"{}", timeout=10, trust_env=False)
        assert quick.status_code == 200
    assert Delivery.objects.get().size == 2
    assert Lease.objects.filter(name=queue.FOLLOWER).exists()
