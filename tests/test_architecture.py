"""The rules of the house: who may import whom, who holds SQL, who draws, who prints."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house import FLOORS, PACKAGES, ROOT, Module, arrows, cycle, modules

#: Longer ones hold more than one job.
LONGEST = 450
SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.DOTALL)
MODULE = re.compile(rf"^({'|'.join(PACKAGES)})(\.\w+)+$")


def within(module: Module, *places: str) -> bool:
    return any(module.name == place or module.name.startswith(f"{place}.") for place in places)


def room(name: str) -> str:
    """Return the room of a module of ``replicate``: its folder, or itself at the top."""
    return name.split(".")[1] if "." in name else ""


def test_nothing_flows_upwards() -> None:
    """Front door, then replicate, then metaanalysis, then db; neither by import nor by name."""
    wrong = []
    for module in modules().values():
        above = PACKAGES[PACKAGES.index(module.name.split(".")[0]) + 1 :]
        wrong += [f"{module.name} imports {package}" for package in above if module.uses(package)]
        wrong += [
            f"{module.name} names {text}"
            for text in module.strings()
            if MODULE.match(text) and text.split(".")[0] in above
        ]
    assert not wrong


def test_no_cycles() -> None:
    assert not cycle(arrows())


def test_replicate_goes_from_spec_to_contest() -> None:
    """Its rooms import downwards only, and rooms of one floor not each other."""
    floor = {name: height for height, names in enumerate(FLOORS) for name in names}
    ground = FLOORS[0]
    wrong = []
    for name, others in arrows().items():
        own = room(name)
        if not name.startswith("replicate.") or name == "replicate":
            continue
        assert own in floor, f"{name} stands in no room: name its floor in tests/house.py"
        for other in others:
            theirs = room(other)
            if not other.startswith("replicate.") or theirs == own:
                continue
            if floor[theirs] > floor[own] or (floor[theirs] == floor[own] and own not in ground):
                wrong.append(f"{name} imports {other}")
    assert not wrong


def test_only_db_and_query_hold_sql() -> None:
    assert not [
        module.name
        for module in modules().values()
        if not within(module, "db", "metaanalysis.query")
        and (any(SQL.search(text) for text in module.strings()) or module.uses("sqlalchemy"))
    ]


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("altair", ("metaanalysis.figures",)),
        ("torch", ("replicate",)),
        ("click", ("medtl_meta.cli",)),
        # Rows are plain below; frames are made from them.
        ("pandas", ("metaanalysis", "replicate", "medtl_meta")),
    ],
)
def test_a_library_is_known_to_its_room_alone(package: str, rooms: tuple[str, ...]) -> None:
    assert not [
        module.name
        for module in modules().values()
        if module.uses(package) and not within(module, *rooms)
    ]


def test_the_core_knows_neither_frames_nor_rows_nor_drawing() -> None:
    core = [module for module in modules().values() if within(module, "metaanalysis.stats")]
    others = ("pandas", "db.database", "metaanalysis.query", "metaanalysis.samples")
    assert core
    assert not [(one.name, other) for one in core for other in others if one.uses(other)]
    assert not [
        module.name
        for module in modules().values()
        if within(module, "metaanalysis.review") and module.uses("metaanalysis.figures")
    ]


def test_only_the_command_line_prints() -> None:
    assert not [
        module.name
        for module in modules().values()
        if not within(module, "medtl_meta.cli")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def test_no_module_takes_a_private_name_from_another() -> None:
    known = modules()
    wrong = []
    for module in known.values():
        taken = {}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module in known:
                for alias in node.names:
                    if alias.name.startswith("_") and not alias.name.startswith("__"):
                        wrong.append(f"{module.name} takes {alias.name} from {node.module}")
                    if f"{node.module}.{alias.name}" in known:
                        taken[alias.asname or alias.name] = alias.name
        wrong += [
            f"{module.name} takes {node.attr} from {node.value.id}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in taken
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ]
    assert not wrong


def test_every_module_is_on_the_map() -> None:
    """CONTRIBUTING's map has a row for each module or for its folder, and for nothing else."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([\w/.]+)` \|", text, re.MULTILINE))
    paths = {
        module.path.relative_to(ROOT).as_posix()
        for module in modules().values()
        if module.path.name != "__init__.py"
    }
    assert rows
    assert not {
        path
        for path in paths
        if path not in rows and not any(path.startswith(row) for row in rows if row[-1] == "/")
    }
    assert not {row for row in rows if not (ROOT / row).exists()}


def test_a_module_has_one_job_and_no_side_effects() -> None:
    for module in modules().values():
        if within(module, "db.migrations"):
            continue
        assert len(module.text.splitlines()) <= LONGEST, module.name
        for node in module.tree.body:
            assert not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant), (
                f"{module.name}: {ast.unparse(node)} is done at import"
            )
