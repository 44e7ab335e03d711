"""That the bench still runs, prints what it should and leaves nothing; what it measures is for a quiet machine."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.bench.measure import Goal, Row, as_markdown, as_text
from tests.site.processes import ROOT, clean_environ

FIGURES = {"accepted": 1, "webhook": 2}


def living(word: str) -> list[str]:
    """The processes whose environment holds the word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.processes
def test_two_figures_in_their_shortest_form_come_as_a_table_and_nothing_is_left(tmp_path: Path) -> None:
    word, folder = f"bench-{uuid4().hex}", tmp_path / "bench"
    folder.mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--short", "--markdown", *(f"--only={name}" for name in FIGURES)],
        cwd=ROOT,
        env=clean_environ(WHOSE=word, TMPDIR=str(folder)),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    rows = [line.split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + sum(FIGURES.values()), ended.stdout
    assert all("in vain" not in row[5] and row[5] != "0" for row in rows[2:]), ended.stdout
    assert living(word) == []
    assert list(folder.iterdir()) == []


def test_a_figure_tells_what_it_reached() -> None:
    goal = Goal({"p50": 3, "p95": 6}, {"p50": 1.5, "p95": 3})
    samples = [n / 10 for n in range(1, 21)]
    rows = [Row("figure", "load", "s", [factor * n for n in samples], "limit", goal) for factor in (1, 2, 3, 4)]
    assert [row.reached for row in rows] == ["aim", "least", "least", "no"]
    assert Row("figure", "load", "s", samples, "limit", goal, missing=1).reached == "no"
    assert Row("figure", "load", "s", [], "limit", goal).reached == "no"
    assert Row("figure", "load", "s", samples, "limit").reached == ""
    assert rows[0].cells()[2:6] == ("1 s", "1.9 s", "2 s", "20")
    assert as_text(rows[0]).count("\n") == 3
    assert as_markdown(rows).count("\n") == 1 + len(rows)
