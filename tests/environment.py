"""Set before settings are loaded (`-p tests.environment`): the tests never touch a real installation's data."""

import os
import tempfile
from pathlib import Path

DATA_DIR = Path(tempfile.mkdtemp(prefix="klingweb-tests-"))
(DATA_DIR / "static").mkdir()  # WhiteNoise warns where it finds none


def database_server() -> str:
    """The address of the PostgreSQL server to test on; empty for SQLite."""
    url = os.environ.get("KLINGWEB_TEST_DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def redis_url() -> str:
    """A Redis database for each parallel worker, since a test empties the whole of it."""
    url = os.environ.get("KLINGWEB_TEST_REDIS_URL", "").rpartition("/")[0]
    return url and f"{url}/{os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')}"


for name in [name for name in os.environ if name.startswith("KLINGWEB_") and not name.startswith("KLINGWEB_TEST_")]:
    del os.environ[name]
os.environ.update(
    DJANGO_SETTINGS_MODULE="klingweb.settings",
    DJANGO_ALLOW_ASYNC_UNSAFE="true",  # Playwright's event loop runs in the thread that also uses the database
    KLINGWEB_DATA_DIR=str(DATA_DIR),
    KLINGWEB_SECRET_KEY="tests-only",
    KLINGWEB_ENCRYPTION_KEYS="MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    KLINGWEB_SANDBOX="on",
    KLINGWEB_DATABASE_URL=os.environ.get("KLINGWEB_TEST_DATABASE_URL", f"sqlite:///{DATA_DIR}/klingweb.sqlite3"),
    KLINGWEB_REDIS_URL=redis_url(),
)
