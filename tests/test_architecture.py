"""The house keeps its rooms apart: who may import what, and how large a module may grow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path
    for package in ("db", "medtl_meta", "metaanalysis", "replicate")
    for path in (ROOT / package).rglob("*.py")
)
LONGEST = 450


def imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(path: Path, *places: str) -> bool:
    name = path.relative_to(ROOT).as_posix()
    return any(name == place or name.startswith(place.rstrip("/") + "/") for place in places)


def uses(path: Path, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imported(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_rooms(path: Path) -> None:
    if not within(path, "metaanalysis/figures"):
        assert not uses(path, "altair"), "only figures/ knows Altair"
    if not within(path, "replicate"):
        assert not uses(path, "torch"), "only replicate/ imports torch"
    if within(path, "db"):
        assert not uses(path, "metaanalysis"), "nothing flows backwards"
        assert not uses(path, "replicate"), "nothing flows backwards"
        assert not uses(path, "pandas"), "rows are plain; frames are made in metaanalysis"
    if not within(path, "medtl_meta"):
        assert not uses(path, "click"), "only the command line prints"
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "print" not in calls, "only the command line prints"
    if within(path, "metaanalysis") and not within(path, "metaanalysis/query"):
        text = path.read_text()
        assert ".rows(" not in text or ".rows(sql" not in text
        assert "SELECT " not in text or within(path, "metaanalysis/query/filters.py"), (
            "only query/ reads the database"
        )
    if within(path, "metaanalysis/figures"):
        assert not uses(path, "db.reader")
    if within(path, "metaanalysis/review"):
        assert not uses(path, "metaanalysis.figures"), "numbers do not know how they are drawn"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_grows_too_long(path: Path) -> None:
    if within(path, "db/migrations/versions"):
        return
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_importing_has_no_side_effects(path: Path) -> None:
    """At the top of a module stand definitions, not calls that do something on their own."""
    if within(path, "db/migrations"):
        return
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), ast.unparse(node)
