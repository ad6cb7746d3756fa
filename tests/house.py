"""The import graph of the packages, read from their source: for the rules, and in numbers.

    python -m tests.house [FOLDER]

prints files, arrows, floors and cycles of a checkout, package by package.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: From the ground floor up: who stands further right may import who stands further left.
PACKAGES = ("db", "metaanalysis", "replicate", "medtl_meta")

#: The rooms of ``replicate`` from the ground floor up; what shares a floor shares no import.
FLOORS = (
    (
        "spec",
        "environment",
        "places",
        "digests",
        "lock",
        "progress",
        "download",
        "pins",
        "notes",
        "terms",
    ),
    ("images", "networks"),
    ("splits", "evaluation", "setup", "weights"),
    ("training",),
    ("cost", "models"),
    ("verdicts",),
    ("record",),
    ("outcome",),
    ("run", "takeaway"),
    ("planning",),
    ("contest",),
    ("campaign", "advise"),
)


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, what it imports, what its strings say."""

    name: str
    path: Path
    text: str
    tree: ast.Module = field(repr=False)
    #: Full names, also of names in modules, wherever in the file they are imported.
    imports: frozenset[str]
    #: The same without what stands under ``if TYPE_CHECKING``.
    at_run_time: frozenset[str]

    def uses(self, package: str) -> bool:
        """Return whether it imports a package or anything in it."""
        return any(name == package or name.startswith(f"{package}.") for name in self.imports)

    def strings(self) -> Iterator[str]:
        """Give its strings, but for docstrings."""
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docs = {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(self.tree):
            known = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if known and id(node) not in docs:
                yield node.value


def _imported(tree: ast.Module, *, typing: bool) -> Iterator[str]:
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if not typing and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {id(inner) for one in node.body for inner in ast.walk(one)}
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules(root: Path = ROOT) -> Mapping[str, Module]:
    """Return all modules of the packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            found[name] = Module(
                name,
                path,
                text,
                tree,
                frozenset(_imported(tree, typing=True)),
                frozenset(_imported(tree, typing=False)),
            )
    return found


def arrows(root: Path = ROOT) -> dict[str, set[str]]:
    """Return which module imports which at run time, at its top or in a function.

    A package's ``__init__`` is only counted where a name of its own is imported from it.
    """
    known = modules(root)
    drawn: dict[str, set[str]] = {name: set() for name in known}
    for name, module in known.items():
        for wanted in module.at_run_time:
            if wanted in known and wanted != name:
                inner = any(other.startswith(f"{wanted}.") for other in module.at_run_time)
                from_itself = any(
                    other.startswith(f"{wanted}.") and other not in known
                    for other in module.at_run_time
                )
                if from_itself or not inner:
                    drawn[name].add(wanted)
    return drawn


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one cycle; none where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def cycles(graph: Mapping[str, set[str]]) -> int:
    """Count cycles, by taking one arrow of each away until none is left."""
    left = {name: set(others) for name, others in graph.items()}
    count = 0
    while found := cycle(left):
        # A cycle is told from the imported module to the one that imports it.
        left[found[1]].discard(found[0])
        count += 1
    return count


def floors(graph: Mapping[str, set[str]]) -> int:
    """Return how many floors a house without cycles needs."""
    if cycle(graph):
        return 0
    height: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        height[name] = 1 + max((height[other] for other in graph.get(name, ())), default=0)
    return max(height.values(), default=0)


def main(folder: str = str(ROOT)) -> None:
    root = Path(folder).resolve()
    graph = arrows(root)
    print(f"{'package':<14}{'files':>6}{'lines':>8}{'arrows':>8}{'floors':>8}{'cycles':>8}")
    for package in (*PACKAGES, ""):
        inside = {
            name: {other for other in others if other.startswith(package)}
            for name, others in graph.items()
            if name.startswith(package)
        }
        lines = sum(len(modules(root)[name].text.splitlines()) for name in inside)
        drawn = sum(map(len, inside.values()))
        tall, round_trips = floors(inside), cycles(inside)
        print(
            f"{package or 'all':<14}{len(inside):>6}{lines:>8}{drawn:>8}"
            f"{tall or '–':>8}{round_trips:>8}"
        )
    for package in PACKAGES:
        flat = sum(path.suffix == ".py" for path in (root / package).glob("*"))
        print(f"{package}: {flat} files at its top")


if __name__ == "__main__":
    main(*sys.argv[1:])
