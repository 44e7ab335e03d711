"""The repository as a newcomer finds it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.processes import ROOT

CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_readmes_commands_are_those_that_ci_runs(command: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = "\n".join(re.findall(r"^```\w*\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL))
    assert re.search(rf"^(\$ )?{command}\b", shown, flags=re.MULTILINE)
    assert any(re.search(rf"\b{command}\b", line) for line in CI.splitlines() if not line.startswith(("#", "echo")))


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run([str(shutil.which("bash")), "-n", str(ROOT / ".ci" / "run")], check=True)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_everything_installed_is_pinned_and_hashed_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.findall(r"^\S.*(?:\n    .*)*", text, flags=re.MULTILINE)
    assert entries
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", each) and "--hash=sha256:" in each for each in entries)
    assert not re.findall(r"https?://|index-url|find-links", text)


def test_the_tests_install_the_very_versions_that_people_install() -> None:
    pins = [
        dict(re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", (ROOT / name).read_text(), flags=re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    ]
    assert pins[0].items() <= pins[1].items()


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(shutil.which("make")), "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_python_that_is_too_old_is_a_sentence(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / "requirements.txt").touch()
    ended = make("run", f"PYTHON={old}", folder=tmp_path)
    assert ended.returncode != 0
    assert "klingweb needs Python 3.11 or newer." in ended.stdout
    assert not (tmp_path / ".venv").exists()


def test_make_run_uses_the_port_and_turns_the_sandbox_on_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / "requirements.txt").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "$PROGRAM" "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / ".requirements-run").touch()
    program = "import os, sys; print(sys.argv[1:], os.environ['KLINGWEB_PORT'], os.environ['KLINGWEB_SANDBOX'])"
    asked = make("run", "PORT=8123", f"PROGRAM={program}", folder=tmp_path)
    assert asked.stdout.splitlines() == [
        "['manage.py', 'prepare', '--demo'] 8123 on",
        "['manage.py', 'serve', '--port', '8123'] 8123 on",
    ]
