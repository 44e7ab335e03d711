"""Two thousand lives of each change; `make simulate` lives a hundred thousand."""

import re

import pytest

from tests.simulation.conftest import Simulate

EACH = 500


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_nothing_is_lost_or_paid_twice_in_any_life(simulate: Simulate, seed: int) -> None:
    ended = simulate("--lives", EACH, "--seed", seed, "--workers", 1)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{EACH} lives" in ended.stdout


def test_a_world_is_the_same_each_time_and_tells_what_happens(simulate: Simulate) -> None:
    first, again = (simulate("--world", 1_000_001, "--whole") for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout == again.stdout
    assert re.search(r"people +\w+ asks for life 99", first.stdout)


def test_a_broken_rule_names_the_world_in_which_it_can_be_seen_again(simulate: Simulate) -> None:
    broken = simulate("--lives", 100, "--workers", 1, "--break", "post-before-commit")
    assert broken.returncode == 1
    again = re.search(r"again: \S+ -m tests.simulation (--world .*)", broken.stdout)
    assert again, broken.stdout
    seen = simulate(*again[1].split())
    assert seen.returncode == 1
    assert "BROKEN  sent after it is written down" in seen.stdout
