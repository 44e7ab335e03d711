"""The simulation runs in processes of its own: it replaces the clock, the queue and the database of its process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Simulate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def simulate() -> Simulate:
    """`python -m tests.simulation` with these arguments."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "COV_"))}
        command = [sys.executable, "-m", "tests.simulation", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=570)

    return run
