"""Fixtures that every test may ask for."""

from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connections
from django.urls import get_resolver
from pytest_django import Settings

from tests.environment import DATA_DIR

pytest_plugins = ["tests.cast", "tests.road"]


@pytest.fixture(scope="session", autouse=True)
def _addresses() -> None:
    """The URL conf is read once: before any test switches the sandbox off."""
    assert get_resolver().url_patterns


@pytest.fixture(autouse=True)
def _quick_and_apart(settings: Settings, tmp_path: Path) -> None:
    """Each test has files of its own, unhashed static files and a sandbox in a hurry."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.STORAGES = {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "data" / "media"},
        },
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.SANDBOX_FILE = tmp_path / "sandbox.sqlite3"
    settings.SANDBOX_PACE = 0.05
    if settings.REDIS_URL:
        cache.clear()  # all of this worker's Redis database, the queue included


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file: threads of a live server would lock each other out of one in memory."""
    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3")
