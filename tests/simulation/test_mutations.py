"""Each rule is broken on purpose, to see that the simulation notices."""

import ast
import re
from pathlib import Path

import pytest

from tests.simulation.conftest import Simulate

SOURCE = ast.parse((Path(__file__).parent / "mutations.py").read_text(encoding="utf-8"))
LIVES = 8000  # at most, until it has to be noticed

pytestmark = pytest.mark.faults  # takes minutes: `make faults` runs it


def mutations() -> dict[str, list[str]]:
    """Their names, and the rules of which one has to be seen broken."""
    return {
        node.name.replace("_", "-"): [str(ast.literal_eval(each)) for each in node.decorator_list[0].args]
        for node in SOURCE.body
        if isinstance(node, ast.FunctionDef) and node.decorator_list and isinstance(node.decorator_list[0], ast.Call)
        if isinstance(node.decorator_list[0].func, ast.Name) and node.decorator_list[0].func.id == "mutation"
    }


@pytest.mark.parametrize(("name", "rules"), mutations().items(), ids=mutations())
def test_a_broken_rule_is_noticed(simulate: Simulate, name: str, rules: list[str]) -> None:
    ended = simulate("--lives", LIVES, "--seed", 7, "--workers", 1, "--break", name)
    assert ended.returncode == 1, f"not noticed: {ended.stdout}{ended.stderr}"
    noticed = re.findall(r"BROKEN in world \d+: ([^:]+):", ended.stdout)
    assert set(noticed) & set(rules), ended.stdout
