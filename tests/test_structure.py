"""The rules of the house, read from the source of every module."""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("klingweb", "generations")

# What may import what: never something of a higher rank. The longest name that fits counts.
RANKS = {
    "klingweb": 0,
    "klingweb.env": 0,
    "generations": 0,
    "generations.providers": 0,
    "klingweb.secrets": 1,
    "klingweb.accounts": 1,
    "generations.models": 2,
    "generations.lifecycle": 3,
    "generations.ledger": 3,
    "generations.access": 3,
    "generations.queries": 3,
    "generations.queue": 3,
    "generations.catalogue": 4,
    "generations.interpretation": 4,
    "generations.credentials": 4,
    "generations.images": 4,
    "generations.pictures": 4,
    "generations.assets": 4,
    "generations.pricing": 4,
    "generations.deliveries": 4,
    "generations.dispatch": 4,
    "generations.pace": 4,
    "generations.files": 4,
    "generations.waiting": 4,
    "generations.services": 5,
    "generations.diagnosis": 5,
    "generations.follower": 6,
    "generations.tasks": 6,
    "generations.intent": 4,
    "generations.controls": 6,
    "generations.forms": 6,
    "generations.credential_forms": 6,
    "generations.element_forms": 6,
    "generations.override_forms": 6,
    "generations.reading_forms": 6,
    "generations.first_contact": 6,
    "generations.webhooks": 6,
    "generations.context": 7,
    "generations.views": 7,
    "generations.templatetags": 7,
    "generations.management": 7,
    "klingweb.management": 7,
    "klingweb.backups": 7,
    "klingweb.demo": 7,
    "klingweb.errors": 7,
    "klingweb.installation": 7,
    "klingweb.server": 7,
    "klingweb.supervisor": 7,
    "klingweb.tether": 7,
    "klingweb.sandbox": 8,
    "klingweb.settings": 9,
    "klingweb.checks": 9,
    "klingweb.apps": 9,
    "klingweb.urls": 9,
    "klingweb.wsgi": 9,
    "generations.apps": 9,
    "generations.urls": 9,
}

# What a room may not import although the rank would allow it.
NEVER = {
    "generations.models": ("generations.providers",),
    "generations.lifecycle": ("generations.providers",),
    "generations.access": ("generations.providers",),
    "generations.queries": ("generations.providers",),
    "generations.queue": ("generations.providers",),
    "generations.services": ("django.http", "django.shortcuts", "django.template"),
    "klingweb.sandbox": ("klingweb.env", "klingweb.secrets", "klingweb.accounts", "generations"),
}
PROVIDERS_MAY_IMPORT = {"httpx", "httpcore", "generations", *sys.stdlib_module_names}
WRITES_A_ROW = {"update", "create", "get_or_create", "update_or_create", "acreate", "aupdate", "Generation"}


class Module:
    """A module of ours, parsed."""

    def __init__(self, file: Path) -> None:
        parts = file.relative_to(ROOT).with_suffix("").parts
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.source = file.read_text(encoding="utf-8")
        self.tree = ast.parse(self.source)

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    @property
    def imports(self) -> set[str]:
        """The full names of what is imported: of ours the module, of others as written."""
        return {name for node in ast.walk(self.tree) for name in self._imported_by(node)}

    def _imported_by(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        assert node.level == 0, f"{self.name}: a relative import"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in FILES else str(node.module) for name in names]


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    name_of(file): file
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in file.parts
}
MODULES = [Module(file) for file in FILES.values()]
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def rank(name: str) -> int:
    rooms = [room for room in RANKS if room == name or (within(name, room) and room not in PACKAGES)]
    assert rooms, f"{name} has no rank: give it one in RANKS"
    return RANKS[max(rooms, key=len)]


def ours(module: Module) -> set[str]:
    return {name for name in module.imports if name.split(".")[0] in PACKAGES and name != module.name}


@each_module
def test_a_module_imports_nothing_of_a_higher_rank(module: Module) -> None:
    assert {name for name in ours(module) if rank(name) > rank(module.name)} == set()


@each_module
def test_a_module_imports_nothing_that_its_room_may_never_see(module: Module) -> None:
    forbidden = [each for room, names in NEVER.items() if within(module.name, room) for each in names]
    assert {name for name in module.imports if any(within(name, each) for each in forbidden)} == set()


@pytest.mark.parametrize(
    "module", [module for module in MODULES if within(module.name, "generations.providers")], ids=lambda each: each.name
)
def test_providers_know_the_standard_library_and_httpx_alone(module: Module) -> None:
    assert {name.split(".")[0] for name in module.imports} <= PROVIDERS_MAY_IMPORT
    assert all(within(name, "generations.providers") for name in ours(module))


def test_nothing_imports_in_a_circle() -> None:
    graph = {module.name: {name for name in ours(module) if name in FILES} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


@each_module
def test_imports_stand_at_the_top_and_name_what_they_bring(module: Module) -> None:
    inner = [
        f"{function.name}, line {node.lineno}"
        for function in module.functions
        if not (function.name == "ready" and module.name.endswith(".apps"))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    stars = [node for node in ast.walk(module.tree) if isinstance(node, ast.alias) and node.name == "*"]
    assert (inner, stars) == ([], [])


def test_one_module_alone_knows_the_queue() -> None:
    users = {module.name for module in MODULES if any(within(name, "django_q") for name in module.imports)}
    assert users == {"generations.queue"}


def test_the_lifecycle_alone_writes_a_status() -> None:
    """Providers and the sandbox know no rows: what has a status there is something else."""
    rooms = ("generations.lifecycle", "generations.providers", "klingweb.sandbox")
    others = [module for module in MODULES if not any(within(module.name, room) for room in rooms)]
    assert [f"{each.name}, line {line}" for each in others for line in writers_of_status(each.tree)] == []


def writers_of_status(tree: ast.AST) -> Iterator[int]:
    """The lines that set `.status`, or write rows with a status."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and any(map(_is_status, targets)):
            yield node.lineno
        if isinstance(node, ast.Call) and _called(node) in WRITES_A_ROW and _gives_status(node):
            yield node.lineno
        if isinstance(node, ast.Call) and _called(node) in ("setattr", "bulk_update") and "'status'" in ast.dump(node):
            yield node.lineno


def _is_status(target: ast.expr | None) -> bool:
    return isinstance(target, ast.Attribute) and target.attr == "status"


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _gives_status(node: ast.Call) -> bool:
    named = {keyword.arg for keyword in node.keywords}
    keys = {
        key.value
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Dict)
        for key in keyword.value.keys
        if isinstance(key, ast.Constant)
    }
    return "status" in named | keys


@each_module
def test_nothing_is_left_undone_or_swallowed(module: Module) -> None:
    assert not re.findall(r"\b(TODO|FIXME|XXX)\b", module.source)
    nodes = list(ast.walk(module.tree))
    assert not [n.lineno for n in nodes if isinstance(n, ast.Call) and _called(n) in ("print", "breakpoint")]
    assert not [n.lineno for n in nodes if isinstance(n, ast.ExceptHandler) and n.type is None]


@each_module
def test_a_module_can_be_read_in_one_sitting(module: Module) -> None:
    assert len(module.source.splitlines()) <= 400


def test_functions_are_short() -> None:
    lengths = sorted(1 + (each.end_lineno or each.lineno) - each.lineno for m in MODULES for each in m.functions)
    assert statistics.median(lengths) <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


@each_module
def test_every_function_is_typed(module: Module) -> None:
    untyped = [
        function.name
        for function in module.functions
        for arguments in [function.args]
        if function.returns is None
        or any(
            argument.annotation is None and argument.arg not in ("self", "cls")
            for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        )
    ]
    assert untyped == []
