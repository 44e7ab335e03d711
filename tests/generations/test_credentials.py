import io
import json
from collections.abc import Callable

import httpx
import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from generations import credentials
from generations.catalogue import offers
from generations.credentials import BadCredential, ensure
from generations.models import Credential
from generations.providers.client import HostPolicy
from generations.providers.registry import PROVIDERS
from klingweb.accounts.models import Team, User
from klingweb.secrets import Secrets, SecretsField, Undecryptable, decrypt, encrypt

pytestmark = pytest.mark.django_db

SECRET = "canary-7f3a-very-secret-key-Q2Zt"
Typed = Callable[[str], None]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def made(team: Team, **changes: object) -> Credential:
    values = {"team": team, "provider": "kling", "name": "Studio", "secrets": {"api_key": SECRET}} | changes
    return ensure(**values)[0]  # type: ignore[arg-type]


def test_a_secret_is_stored_as_cipher_text_and_read_back(halden: Team) -> None:
    credential = Credential.objects.get(pk=made(halden).pk)
    assert credential.secrets["api_key"] == SECRET
    assert (list(credential.secrets), len(credential.secrets)) == (["api_key"], 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM generations_credential")
        assert SECRET not in cursor.fetchone()[0]


def test_a_secret_shows_in_no_repr_no_dump_and_no_lookup(halden: Team, capsys: pytest.CaptureFixture[str]) -> None:
    credential = made(halden)
    call_command("dumpdata", "generations")
    assert SECRET not in capsys.readouterr().out + repr(credential) + str(credential) + repr(credential.secrets)
    with pytest.raises(FieldError):
        Credential.objects.filter(secrets="x").exists()
    assert not Credential.objects.filter(secrets__isnull=True).exists()


def test_a_dump_can_be_loaded_again(halden: Team, capsys: pytest.CaptureFixture[str]) -> None:
    field = Credential._meta.get_field("secrets")
    assert isinstance(field, SecretsField)
    text = field.value_to_string(made(halden))
    assert field.to_python(text)["api_key"] == SECRET
    assert field.to_python(Secrets({"a": "b"})) == {"a": "b"}
    assert field.to_python({"a": "b"}) == {"a": "b"}
    assert dict(field.from_db_value(None, None, None)) == {}


def test_keys_rotate_and_a_wrong_key_raises_instead_of_handing_on_cipher_text(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    token = encrypt("text")
    settings.ENCRYPTION_KEYS = [new, old]
    assert decrypt(token) == "text"
    settings.ENCRYPTION_KEYS = [new]
    with pytest.raises(Undecryptable):
        decrypt(token)


def test_only_the_last_four_are_shown_and_of_short_ones_nothing(halden: Team) -> None:
    assert str(made(halden)) == "Studio ••Q2Zt"
    assert made(halden, name="Short", secrets={"api_key": "12345678"}).last_four == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"provider": "nobody"}, "There is no provider nobody. Choose one of: kling"),
        ({"secrets": {}}, "Kling official needs api_key or access_key with secret_key."),
        ({"secrets": {"access_key": "x"}}, "Kling official needs secret_key."),
        ({"secrets": {"access_key": " ", "secret_key": "y"}}, "Kling official needs access_key."),
        (
            {"secrets": {"api_key": "x", "secret_key": "y"}},
            "Kling official needs api_key or access_key with secret_key.",
        ),
        ({"secrets": {"api_key": " "}}, "Kling official needs api_key or access_key with secret_key."),
        ({"secrets": {"api_key": "x", "token": "y"}}, "Kling official has no secret token."),
        ({"slots": 0}, "A credential has between 1 and 1000 slots."),
        ({"slots": 40_000}, "A credential has between 1 and 1000 slots."),
        ({"secrets": {"api_key": "x", "webhook_secret": "whsec_ä"}}, "No key has such characters or spaces inside."),
        ({"secrets": {"api_key": "x", "webhook_secret": "whsec_half!"}}, "A webhook secret is whsec_ and letters"),
        ({"base_url": "https://example.com"}, "Kling official is not at that address."),
        ({"base_url": "http://api-singapore.klingai.com"}, "Kling official is not at that address."),
        ({"base_url": "https://user:pass@api-singapore.klingai.com"}, "may hold a host, a port and a path"),
        ({"base_url": "https://api-singapore.klingai.com?x=1"}, "may hold a host, a port and a path"),
        ({"base_url": "http://host:port"}, "The base URL is not an address."),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    halden: Team, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadCredential) as caught:
        made(halden, **changes)
    assert sentence in str(caught.value)


def test_a_trusted_host_may_be_private_plain_and_under_a_path(halden: Team, settings: Settings) -> None:
    settings.TRUSTED_PROVIDER_HOSTS = frozenset({"127.0.0.1:9911"})
    credential = made(halden, base_url="http://127.0.0.1:9911/kling/")
    assert credentials.account(credential).base_url == "http://127.0.0.1:9911/kling"
    pair = frozenset({"127.0.0.1:9911"})
    assert credentials.api_policy(credential) == HostPolicy(pair, trusted=pair)
    assert credentials.result_policy(credential) == HostPolicy(None, trusted=pair)


def test_results_of_a_public_provider_never_come_from_a_trusted_private_host(halden: Team, settings: Settings) -> None:
    settings.TRUSTED_PROVIDER_HOSTS = frozenset({"127.0.0.1:9911"})
    assert credentials.result_policy(made(halden)) == HostPolicy(None, trusted=frozenset())


def test_the_sandbox_is_found_at_call_time_and_offered_only_while_it_is_on(halden: Team, settings: Settings) -> None:
    credential = made(halden, base_url="sandbox:")
    settings.SANDBOX_ADDRESS = "http://127.0.0.1:8123/sandbox"
    assert credentials.account(credential).base_url == "http://127.0.0.1:8123/sandbox/kling"
    assert credentials.result_policy(credential).trusted == {"127.0.0.1:8123"}
    assert len(offers(halden)) == 1
    settings.SANDBOX = "off"
    assert offers(halden) == ()


def test_retired_models_are_not_offered(halden: Team) -> None:
    made(halden)
    [offer] = offers(halden)
    assert [each.model_name for each in offer.operations[0].capabilities] == ["kling-v3", "kling-v2-1"]


def test_a_trusted_host_may_be_one_of_ipv6(halden: Team, settings: Settings) -> None:
    settings.TRUSTED_PROVIDER_HOSTS = frozenset({"[::1]:8000"})
    policy = credentials.api_policy(made(halden, base_url="http://[::1]:8000/kling"))
    assert policy.refuses(httpx.URL("http://[::1]:8000/kling/v1")) == ""
    assert policy.allows("::1", 8000, "::1")


def test_what_a_provider_said_of_a_key_that_was_replaced_pauses_nothing(halden: Team, alice: User) -> None:
    old = made(halden)
    made(halden, secrets={"api_key": "another-one"})
    credentials.pause(old, "The key is unknown.")
    assert not Credential.objects.get().paused_at
    credentials.pause(old, "A person says so.", by=alice)
    assert Credential.objects.get().paused_at


def test_the_first_reason_for_a_pause_stays(halden: Team) -> None:
    credential = made(halden)
    credentials.pause(credential, "out of credit")
    credentials.pause(credential, "something else")
    credential.refresh_from_db()
    assert credential.paused_reason == "out of credit"


def test_the_command_adds_a_credential_from_standard_input_and_again_brings_it_up_to_date(
    halden: Team, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(secret: str, *options: str) -> str:
        typed(json.dumps({"api_key": secret}))
        call_command("add_credential", "halden studio", "kling", "--name", "Studio", *options)
        return capsys.readouterr().out

    singapore, beijing, *_ = PROVIDERS["kling"].base_urls
    added = told(SECRET, "--slots", "4", "--base-url", beijing)
    assert added == f"Added Studio ••Q2Zt for Halden Studio, 4 slots, at {beijing}\n"
    again = told(SECRET)
    assert again == f"Studio ••Q2Zt of Halden Studio has this key already, 4 slots, at {beijing}\n"
    assert not Credential.objects.get().changed_at
    replaced = told("another-key", "--slots", "3")
    assert replaced == f"Replaced the key of Studio ••-key for Halden Studio, 3 slots, at {beijing}\n"
    assert Credential.objects.get().changed_at
    told("another-key", "--base-url", singapore)
    row = Credential.objects.get()
    assert (dict(row.secrets), row.slots, row.base_url) == ({"api_key": "another-key"}, 3, singapore)


def test_the_command_resumes_nothing_and_says_so(
    halden: Team, alice: User, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials.pause(made(halden), "The bill is open.", by=alice)
    typed(json.dumps({"api_key": "another-key"}))
    call_command("add_credential", "Halden Studio", "kling", "--name", "Studio")
    assert "It stays paused until an admin resumes it: The bill is open." in capsys.readouterr().out
    row = Credential.objects.get()
    assert (row.paused_by, row.paused_reason, row.last_four) == (alice, "The bill is open.", "-key")


def test_a_key_that_no_longer_opens_is_replaced_and_with_it_its_last_test(halden: Team, settings: Settings) -> None:
    made(halden)
    Credential.objects.update(tested_at=timezone.now(), tested_ok=True)
    assert made(halden).tested_ok
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    row = made(halden)
    assert (row.tested_ok, dict(row.secrets)) == (None, {"api_key": SECRET})


@pytest.mark.parametrize("text", ["", "not json " + SECRET, '["' + SECRET + '"]', '{"api_key": 5}'])
def test_the_command_never_repeats_what_it_cannot_read(halden: Team, typed: Typed, text: str) -> None:
    typed(text)
    with pytest.raises(CommandError) as caught:
        call_command("add_credential", "Halden Studio", "kling", "--name", "Studio")
    assert "standard input as JSON" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_command_says_what_is_wrong_with_a_credential(halden: Team, typed: Typed) -> None:
    typed("{}")
    with pytest.raises(CommandError, match="needs api_key"):
        call_command("add_credential", "Halden Studio", "kling", "--name", "Studio")
