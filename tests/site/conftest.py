"""Fixtures of the site's own tests: processes, and installations that are ready to be served."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.site.processes import ROOT, Start, Started, clean_environ, free_port, starter


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process; everything that it started is gone after the test."""
    yield from starter(tmp_path)


class Installation:
    """A data directory of its own, and `manage.py` run upon it in processes of its own."""

    def __init__(self, folder: Path, start: Start | None = None) -> None:
        self.folder = folder
        self._start = start
        self.port = free_port()
        self.environ = clean_environ(KLINGWEB_DATA_DIR=str(folder), KLINGWEB_PORT=str(self.port))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**self.environ, **environ},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None, stdout: int | None = None) -> Started:
        """Start a command that goes on until it is told to end."""
        assert self._start
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return self._start(command, {**self.environ, **(environ or {})}, stdout)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `prepare --demo` makes, to be copied."""
    installation = Installation(tmp_path_factory.mktemp("prepared") / "data")
    ended = installation.manage("prepare", "--demo")
    assert ended.returncode == 0, ended.stderr
    return installation.folder


@pytest.fixture
def installation(prepared: Path, tmp_path: Path, start: Start) -> Installation:
    """An installation that is ready to be served."""
    folder = tmp_path / "installation"
    shutil.copytree(prepared, folder)
    return Installation(folder, start)


@pytest.fixture
def empty(tmp_path: Path, start: Start) -> Installation:
    """An installation of which nothing is there yet."""
    return Installation(tmp_path / "below" / "data", start)
