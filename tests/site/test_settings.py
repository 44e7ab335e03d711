"""Settings as other environments would find them: read anew, beside those that the tests run with."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from klingweb.env import EnvError
from tests.site.processes import ROOT

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^# (KLINGWEB_\w+)=(.*)$", EXAMPLE, flags=re.MULTILINE))


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SHOWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KLINGWEB_DATA_DIR", str(tmp_path))


def read() -> dict[str, Any]:
    found = runpy.run_path(str(ROOT / "klingweb" / "settings.py"))
    return {name: value for name, value in found.items() if name.isupper()}


def test_every_variable_is_in_the_example_and_nothing_else() -> None:
    known = read()["VARIABLES"]
    files = {name for name in known if name.removesuffix("_FILE") in known and name.endswith("_FILE")}
    assert set(SHOWN) == known - files
    assert all(name in EXAMPLE for name in files)


def test_the_defaults_in_the_example_are_the_true_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = read()
    for name, value in SHOWN.items():
        if name != "KLINGWEB_DATA_DIR":
            monkeypatch.setenv(name, value)
    assert read() == bare


def test_each_variable_in_the_example_stands_below_a_line_that_explains_it() -> None:
    assert not re.findall(r"^\n# KLINGWEB_\w+=", EXAMPLE, flags=re.MULTILINE)
    assert all(len(line) <= 120 for line in EXAMPLE.splitlines())


def test_settings_can_be_read_in_one_go() -> None:
    assert len((ROOT / "klingweb" / "settings.py").read_text(encoding="utf-8").splitlines()) <= 200


def test_https_switches_everything_that_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
    found = read()
    assert not any(found[name] for name in names)
    monkeypatch.setenv("KLINGWEB_PUBLIC_URL", "https://pictures.example.com")
    found = read()
    assert all(found[name] for name in names)
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://pictures.example.com"]
    assert "pictures.example.com" in found["ALLOWED_HOSTS"]
    assert found["SILENCED_SYSTEM_CHECKS"] == []


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8001"),
        ("0.0.0.0", "http://127.0.0.1:8001"),
        ("192.0.2.7", "http://192.0.2.7:8001"),
        ("::", "http://[::1]:8001"),
        ("::1", "http://[::1]:8001"),
    ],
)
def test_addresses_follow_from_where_it_listens(monkeypatch: pytest.MonkeyPatch, bind: str, address: str) -> None:
    monkeypatch.setenv("KLINGWEB_BIND", bind)
    monkeypatch.setenv("KLINGWEB_PORT", "8001")
    found = read()
    assert found["PUBLIC_URL"] == found["LOCAL_ADDRESS"] == address
    assert found["SANDBOX_ADDRESS"] == f"{address}/sandbox"


def test_redis_carries_queue_and_cache_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read()["Q_CLUSTER"]["orm"] == "default"
    monkeypatch.setenv("KLINGWEB_REDIS_URL", "redis://localhost:6379/0")
    found = read()
    assert found["Q_CLUSTER"]["redis"] == "redis://localhost:6379/0"
    assert "orm" not in found["Q_CLUSTER"]
    assert found["CACHES"]["default"]["BACKEND"].endswith("RedisCache")


def test_sqlite_options_are_for_sqlite_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read()["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    monkeypatch.setenv("KLINGWEB_DATABASE_URL", "postgres://klingweb@localhost/klingweb")
    assert "transaction_mode" not in read()["DATABASES"]["default"].get("OPTIONS", {})


def test_keys_and_sandbox_come_from_the_data_directory_where_nothing_is_set(tmp_path: Path) -> None:
    found = read()
    assert (found["SECRET_KEY"], found["ENCRYPTION_KEYS"], found["SANDBOX"]) == ("", [], "off")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "secret_key").write_text("kept\n")
    (tmp_path / "keys" / "encryption_keys").write_text("new,old\n")
    (tmp_path / "sandbox").write_text("on\n")
    found = read()
    assert (found["SECRET_KEY"], found["ENCRYPTION_KEYS"], found["SANDBOX"]) == ("kept", ["new", "old"], "on")


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_libraries_that_would_tell_too_much_are_quiet(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("KLINGWEB_LOG_LEVEL", level)
    assert {name: each["level"] for name, each in read()["LOGGING"]["loggers"].items()} == {
        "django-q": "WARNING",
        "httpx": "WARNING",
        "httpcore": "WARNING",
    }


def test_a_log_level_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLINGWEB_LOG_LEVEL", "chatty")
    with pytest.raises(EnvError, match="KLINGWEB_LOG_LEVEL must be one of info, debug"):
        read()
