"""System checks: what is wrong is named by number, and each says how to mend it."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from generations.models import Heartbeat
from klingweb import checks


def found() -> dict[str, CheckMessage]:
    return {str(message.id): message for message in run_checks(tags=["klingweb"])}


@pytest.fixture(autouse=True)
def _writable(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.KEYS_DIR = tmp_path / "keys"
    settings.HTTPS = False
    settings.SANDBOX = "off"


def https(settings: Settings) -> None:
    settings.HTTPS, settings.PUBLIC_URL, settings.TRUSTED_PROXY_COUNT = True, "https://pictures.example.com", 1


def test_nothing_is_wrong_with_what_the_tests_run_with() -> None:
    assert found() == {}


def test_missing_keys_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLINGWEB_SECRET_KEY")
    monkeypatch.delenv("KLINGWEB_ENCRYPTION_KEYS")
    messages = found()
    assert set(messages) == {"klingweb.E001", "klingweb.E002"}
    assert "manage.py prepare" in str(messages["klingweb.E001"].hint)
    assert "KLINGWEB_ENCRYPTION_KEYS" in str(messages["klingweb.E002"].hint)


@pytest.mark.parametrize("keys", [["short"], ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "ä" * 44]])
def test_a_key_that_is_none_is_an_error_and_not_shown(settings: Settings, keys: list[str]) -> None:
    settings.ENCRYPTION_KEYS = keys
    message = found()["klingweb.E003"]
    assert keys[-1] not in f"{message.msg} {message.hint}"


def test_a_data_directory_that_cannot_be_made_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.DATA_DIR = tmp_path / "file" / "data"
    assert set(found()) == {"klingweb.E004"}
    settings.DATA_DIR = tmp_path / "not" / "yet" / "there"
    assert found() == {}


@pytest.mark.parametrize(("sandbox", "expected"), [("off", set()), ("public", set()), ("on", {"klingweb.E005"})])
def test_a_sandbox_behind_https_must_be_meant(settings: Settings, sandbox: str, expected: set[str]) -> None:
    https(settings)
    settings.SANDBOX = sandbox
    assert set(found()) == expected


@pytest.mark.parametrize(
    ("url", "bind", "warned"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", False),
        ("http://localhost:8000", "::1", False),
        ("http://[::1]:8000", "localhost", False),
        ("http://studio.example:8000", "127.0.0.1", True),
        ("http://127.0.0.1:8000", "0.0.0.0", True),
    ],
)
def test_http_beyond_this_machine_is_warned_of(settings: Settings, url: str, bind: str, warned: bool) -> None:
    settings.PUBLIC_URL, settings.BIND = url, bind
    assert ("klingweb.W001" in found()) == warned


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:8000", False),  # where it listens anyway: nobody has set anything
        ("https://pictures.example.com", False),
        ("https://93.184.215.14:8443", False),
        ("http://studio.internal:8000", False),  # trusted
        ("http://localhost:8000", True),
        ("http://pictures.example.com", True),
        ("https://localhost", True),
        ("https://studio.local", True),
        ("https://10.0.0.5", True),
    ],
)
def test_an_address_that_providers_cannot_call_is_warned_of(settings: Settings, url: str, warned: bool) -> None:
    settings.TRUSTED_PROVIDER_HOSTS = frozenset({"studio.internal:8000"})
    settings.PUBLIC_URL = url
    assert ("klingweb.W004" in found()) == warned


def test_https_without_a_trusted_proxy_is_pointed_out(settings: Settings) -> None:
    https(settings)
    settings.TRUSTED_PROXY_COUNT = 0
    assert set(found()) == {"klingweb.I001"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("KLINGWEB_DATABSE_URL", "Did you mean KLINGWEB_DATABASE_URL?"),
        ("KLINGWEB_SECRETKEY_FILE", "Did you mean KLINGWEB_SECRET_KEY_FILE?"),
        ("KLINGWEB_ZZZ", "All of them are in .env.example."),
    ],
)
def test_a_mistyped_variable_is_warned_of(monkeypatch: pytest.MonkeyPatch, name: str, hint: str) -> None:
    monkeypatch.setenv(name, "value")
    monkeypatch.setenv("KLINGWEB_TEST_ANYTHING", "value")
    assert [(message.id, message.hint) for message in checks.check_names()] == [("klingweb.W002", hint)]


@pytest.mark.django_db
def test_check_deploy_finds_nothing_in_a_live_installation(settings: Settings) -> None:
    https(settings)
    settings.SECRET_KEY = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQ"
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_PRELOAD = 1, True
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SILENCED_SYSTEM_CHECKS = ["async.E001"]  # the tests allow what an installation does not
    call_command("check", deploy=True, fail_level="INFO", stdout=io.StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("beating", "said"),
    [
        ([], ""),
        (["klingweb", "fast"], ""),
        (["klingweb"], "The queue cluster fast gives no sign of life"),
        (["fast"], "The queue cluster klingweb gives no sign of life"),
    ],
)
def test_a_missing_second_cluster_is_named(beating: list[str], said: str) -> None:
    for cluster in beating:
        Heartbeat.objects.create(cluster=cluster, at=timezone.now())
    Heartbeat.objects.get_or_create(cluster="fast", defaults={"at": timezone.now() - timedelta(hours=1)})
    messages = run_checks(tags=["running"])
    assert [str(each.msg).split(",")[0] for each in messages] == ([said] if said else [])


@pytest.mark.django_db
def test_a_database_that_cannot_tell_says_nothing_about_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(Heartbeat.objects, "filter", lambda **_: unreachable())
    assert run_checks(tags=["running"]) == []
