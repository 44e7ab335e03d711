"""A key of each provider on the page about credentials, over real HTTP to the sandbox: right, wrong, and no answer."""

import io
import json
import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from generations import assets, credentials
from generations.catalogue import offers
from generations.forms import CreateForm
from generations.models import Asset, AssetCopy, Credential, Generation, Standing
from generations.providers.exchange import Capacity
from generations.providers.registry import PROVIDERS
from generations.services import keys, readying
from klingweb.accounts.models import Team, User
from klingweb.demo import SANDBOX_SECRETS
from tests.accounts.conftest import Answer, words
from tests.cast import sign_in
from tests.generations.test_uploads import asked, asset

__all__ = ["asset"]

pytestmark = pytest.mark.django_db(transaction=True)

PAGE, ADD = "/credentials/", "/credentials/add/"
ANNA, BEN = "anna@sandbox.example", "ben@sandbox.example"
WORKS = {
    "kling": "100,000 units left in one pack",
    "useapi": "2 Kling accounts, 5 of 5 slots free",
    "kkiai": "175,000,000 points of quota left",
    "apimodels": "works.",
}
REFUSED = {
    "kling": "Kling does not know this key.",
    "useapi": "useapi.net refused the API token. An admin has to check it.",
    "kkiai": "The provider refused the key. An admin has to look at the credential.",
    "apimodels": "apimodels.app does not know this key. An admin has to check it.",
}
Send = Callable[..., Answer]

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture
def send(client: Client, alice: User) -> Send:
    """Alice posts to an address; the page that follows."""
    sign_in(client, alice)
    return lambda path, **data: client.post(path, data, follow=True)


@pytest.fixture(autouse=True)
def _tested_without_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "TEST_EVERY", timedelta(0))


def form(provider: str, **changed: str) -> dict[str, str]:
    secrets = SANDBOX_SECRETS[provider]
    typed = {"team": str(Team.objects.get(name="Halden Studio").pk), "provider": provider, "name": "Studio"}
    return typed | {"way": next(iter(secrets)), "base_url": "sandbox:", "slots": "5"} | secrets | changed


def of(credential: Credential, verb: str) -> str:
    return f"{PAGE}{credential.pk}/{verb}/"


def accounts(credential: Credential) -> list[tuple[str, int]]:
    return [(each.name, each.slots) for each in credential.accounts.all()]


@pytest.fixture
def relay(send: Send, sandbox: str) -> Credential:
    """A key with two accounts behind it."""
    send(ADD, **form("useapi"))
    return Credential.objects.get()


# Right, wrong, no answer ----------------------------------------------------------------------------------------------


@each_provider
def test_a_right_key_works_and_what_is_left_is_said(send: Send, sandbox: str, provider: str) -> None:
    page = words(send(ADD, **form(provider)))
    assert "Added. Studio ••-key works." in page
    assert WORKS[provider] in page
    made = Credential.objects.get()
    assert made.standing == Standing.WORKING
    assert dict(made.secrets) == SANDBOX_SECRETS[provider]


@each_provider
def test_a_wrong_key_is_refused_and_paused_with_a_sentence(send: Send, sandbox: str, provider: str) -> None:
    wrong = dict.fromkeys(SANDBOX_SECRETS[provider], "a-wrong-key-4711")
    page = words(send(ADD, **form(provider, **wrong)))
    assert "Added. Studio ••4711:" in page
    assert REFUSED[provider] in page
    assert f"What {PROVIDERS[provider].label} said" in page
    made = Credential.objects.get()
    assert (made.standing, made.tested_ok, made.accounts.count()) == (Standing.PAUSED, False, 0)


@each_provider
def test_where_nobody_answers_nothing_is_known_of_a_key(send: Send, halden: Team, provider: str) -> None:
    page = words(send(ADD, **form(provider)))
    assert f"{PROVIDERS[provider].label} does not answer." in page
    assert Credential.objects.get().standing == Standing.SILENT


@each_provider
def test_the_page_asks_for_the_values_of_the_provider_and_offers_its_addresses(
    client: Client, alice: User, provider: str
) -> None:
    page = sign_in(client, alice).get(f"{ADD}?provider={provider}").content.decode()
    for way in PROVIDERS[provider].credential_ways:
        for each in way.fields:
            typed = "text" if each.plain else "password"
            assert re.search(rf'name="{each.name}" type="{typed}"', page)
    assert re.findall(r'<option value="([^"]+)"', page)[-len(PROVIDERS[provider].base_urls) - 2 :] == [
        *PROVIDERS[provider].base_urls,
        "sandbox:",
        "other",
    ]


@pytest.mark.parametrize("dialect", "bcdef")
def test_each_shape_of_a_relays_answers_is_reached_by_its_address(send: Send, sandbox: str, dialect: str) -> None:
    address = f"sandbox:kkiai-{dialect}"
    page = words(send(ADD, **form("kkiai", base_url="other", address=address)))
    assert "Added. Studio ••-key works." in page
    assert Credential.objects.get().base_url == address


def test_no_address_leads_into_a_sandbox_that_is_off(send: Send, halden: Team, settings: Settings) -> None:
    settings.SANDBOX = "off"
    page = words(send(ADD, **form("kkiai", base_url="other", address="sandbox:kkiai-b")))
    assert "The sandbox stands in the list above where it is on." in page
    assert not Credential.objects.exists()


@each_provider
def test_the_command_adds_a_key_of_each_provider_and_says_what_it_needs(
    halden: Team, provider: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(SANDBOX_SECRETS[provider])))
    call_command("add_credential", "Halden Studio", provider, "--name", "Studio", "--base-url", "sandbox:")
    assert capsys.readouterr().out.startswith("Added Studio ••-key for Halden Studio")
    monkeypatch.setattr("sys.stdin", io.StringIO("sandbox-key"))
    with pytest.raises(CommandError) as caught:
        call_command("add_credential", "Halden Studio", provider, "--name", "Studio")
    assert f'JSON: {{"{next(iter(SANDBOX_SECRETS[provider]))}": "…"}}' in str(caught.value)


# Accounts behind a key ------------------------------------------------------------------------------------------------


def test_the_accounts_behind_a_key_are_known_as_soon_as_it_is_added(
    client: Client, send: Send, relay: Credential
) -> None:
    assert accounts(relay) == [(ANNA, 3), (BEN, 2)]
    page = words(client.get(PAGE))
    assert f"Account {ANNA} up to 3 requests at once Account {BEN} up to 2 requests at once" in page
    chooser = next(each for each in CreateForm(offers(relay.team)).controls if each.kind == "account")
    assert [value for value, _ in chooser.options] == ["", ANNA, BEN]


def test_a_key_for_one_account_knows_that_one_and_what_is_left_on_it(send: Send, sandbox: str) -> None:
    page = words(send(ADD, **form("useapi", email=BEN)))
    assert "66,000 points left, 2 of 2 slots free" in page
    assert accounts(Credential.objects.get()) == [(BEN, 2)]


def test_an_account_that_is_not_there_is_said(send: Send, sandbox: str) -> None:
    page = words(send(ADD, **form("useapi", email="eve@example.com")))
    assert "useapi.net does not know this Kling account, or has none yet." in page
    assert Credential.objects.get().standing == Standing.PAUSED


def test_what_is_free_is_left_out_where_the_provider_does_not_say_it_of_each_account() -> None:
    verdict = keys.Verdict(True, balance="2 accounts", accounts=(Capacity("a", 3, 3), Capacity("b", 2, 2)))
    assert keys._with_room(verdict, {"a": Capacity("a", 3, 1)}) == verdict
    accounts = PROVIDERS["useapi"].accounts
    assert accounts
    for answer in (httpx.Response(502, text="<html>"), httpx.Response(200, text="[]")):
        assert keys._room(accounts, answer) == ()


def test_an_account_of_unknown_size_counts_as_usual(relay: Credential) -> None:
    credentials.note_accounts(relay, [Capacity(ANNA, 0, 0)])
    assert accounts(relay) == [(ANNA, PROVIDERS["useapi"].default_slots)]


def test_a_paused_account_is_shown_with_its_reason_and_resumed(client: Client, send: Send, relay: Credential) -> None:
    credentials.pause_account(relay, ANNA, "It has too few credits.")
    page = words(client.get(PAGE))
    assert "1 of its 2 accounts is paused. Nothing new is sent through it; the others go on." in page
    assert re.search(rf"{ANNA} paused \d+ \w+ \d\d:\d\d : It has too few credits\.", page)
    send(of(relay, "test"))
    assert relay.accounts.get(name=ANNA).paused_at  # a test resumes nothing
    assert "Studio ••-key is resumed." in words(send(of(relay, "resume")))
    assert not relay.accounts.exclude(paused_at=None).exists()
    assert "of its 2 accounts" not in words(client.get(PAGE))


# Another key ----------------------------------------------------------------------------------------------------------


def waiting(bob: User, relay: Credential, asset: Asset, **raw: str) -> Generation:
    generation = asked(bob, relay, "kolors", image_1=asset.pk, **raw)
    readying.make_ready(generation.pk)
    generation.refresh_from_db()
    assert (generation.ready, generation.account != "") == (True, True)
    return generation


def test_with_another_key_the_accounts_and_what_was_uploaded_to_them_are_forgotten(
    send: Send, bob: User, relay: Credential, asset: Asset
) -> None:
    anybodys, annas = waiting(bob, relay, asset), waiting(bob, relay, asset, email=ANNA)
    credentials.pause_account(relay, ANNA, "It has too few credits.")
    send(of(relay, "replace"), **form("useapi", api_token="user:2-another"))
    assert (relay.accounts.count(), AssetCopy.objects.count()) == (0, 0)
    anybodys.refresh_from_db()
    annas.refresh_from_db()
    assert (anybodys.account, anybodys.ready) == ("", False)
    assert annas.account == ANNA  # a person chose it

    send(of(relay, "replace"), **form("useapi"))
    assert accounts(relay) == [(ANNA, 3), (BEN, 2)]
    credentials.resume(relay)
    readying.make_ready(anybodys.pk)
    anybodys.refresh_from_db()
    assert (anybodys.ready, anybodys.account) == (True, ANNA)


def test_with_another_key_at_the_server_they_are_forgotten_too(bob: User, relay: Credential, asset: Asset) -> None:
    waiting(bob, relay, asset)

    def ensure(secrets: dict[str, str]) -> str:
        return credentials.ensure(team=relay.team, provider="useapi", name="Studio", secrets=secrets)[1]

    assert ensure(SANDBOX_SECRETS["useapi"]) == "kept"
    assert (relay.accounts.count(), AssetCopy.objects.count()) == (2, 1)
    assert ensure({"api_token": "user:2-another"}) == "replaced"
    assert (relay.accounts.count(), AssetCopy.objects.count()) == (0, 0)


def test_a_copy_that_goes_along_with_the_request_outlives_the_key(
    alice: User, credential: Credential, asset: Asset
) -> None:
    copy = assets.copy_for(asset, credential)
    keys.replace(credential, alice, credentials.Key({"api_key": "another-one"}, credentials.SANDBOX))
    assert AssetCopy.objects.get() == copy


def test_what_is_no_secret_stands_in_the_form_for_another_key(
    client: Client, send: Send, sandbox: str, settings: Settings
) -> None:
    send(ADD, **form("useapi", email=BEN))
    address = of(Credential.objects.get(), "replace")
    page = client.get(address).content.decode()
    assert f'value="{BEN}"' in page
    assert SANDBOX_SECRETS["useapi"]["api_token"] not in page
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert BEN not in client.get(address).content.decode()
