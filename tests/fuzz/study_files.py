"""Study files, spoiled in structure, in single values and in their bytes.

Each is checked; what passes must be added, shown and audited on SQLite, and on PostgreSQL (where a
server is at hand) with the same result; every now and then everything is exported.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from db.database import Database, open_database
from db.datafiles import read_json_lines, read_record
from db.errors import MedtlError
from db.export import export
from db.literature import read_studies
from db.packaged import use_backbones
from db.records import StudyRecord
from db.user import add_studies, check_files, remove_study
from metaanalysis.audit import audit_studies
from metaanalysis.query import study_in_full
from tests.conftest import POSTGRES, _fresh_postgres
from tests.fuzz.outcome import LIMIT_S, Outcome, judge
from tests.study_files import curated

#: Plain words and texts of YAML that readers have stumbled over.
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 0.0, 0.5, 1.0, 0.4999, 12, 2027, 2099, 10**7, 10**8, 2**31, 2**63,
    10**400, 1e308, -0.0, float("inf"), float("nan"), "", " ", "no", "yes", "012", "1:30", "0x1F", "1_000",
    "2020-01-01", "\x1b[31mX", "\u202eabc", "\u200b", "\ufeffx", "\ud800", "\x00", "a\nb", "x" * 20_000,
    "10.1000/1", "https://[", "javascript:alert(1)", "<script>", "=1+1", "\u05e9\u05dc\u05d5\u05dd",
    "e\u0301", "\U0001f9ec", "²", "con", "title", "not_found", "feature extractor", "ResNet50",
    [], {}, [[]], [1, "a"], [{"a": 1}], {"value": 1}, {"a": {"b": {}}},
)  # fmt: skip
#: Pieces that are put into the text of a file.
PIECES = (
    "&a ", "*a", "!!int ", "!!timestamp ", "! ", "---\n", "...\n", "%YAML 1.1\n", "[" * 600, "{a: " * 50,
    "]", "}", "\t", "\r", "\r\n", "\x00", "\x85", "\u2028", "\ufeff", "? ", ": ", "<<: ", "|\n", ">-\n", "'", '"',
    "1e400", ".inf", ".nan", "NaN", "Infinity", "0o14", "9" * 5000, "\\ud800", "\\u202e", "\\", "#", "- ",
)  # fmt: skip
#: After so many files that passed, everything is exported.
_EXPORT_EVERY = 40


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Return every place of a tree as what holds it and the step to it."""
    found: list[tuple[Any, Any]] = []
    for step in list(node) if isinstance(node, dict) else range(len(node)):
        found.append((node, step))
        if isinstance(node[step], (dict, list)):
            found += _places(node[step])
    return found


def _spoil_tree(study: dict[str, Any], dice: random.Random) -> None:
    """Swap, delete, double, rename or replace what stands at a random place."""
    places = _places(study)
    (holder, step), (other, place) = dice.choice(places), dice.choice(places)
    way = dice.randrange(5)
    if way == 0:
        holder[step] = copy.deepcopy(dice.choice(HOSTILE))
    elif way == 1:
        del holder[step]
    elif way == 2:
        holder[step] = copy.deepcopy(other[place])
    elif way == 3 and isinstance(holder, list):
        holder.insert(step, copy.deepcopy(holder[step]))
    elif way == 3:
        holder[dice.choice(("note", "value", "n", "sd", "ci_low", "zz", "\x1bz", "1", ""))] = (
            holder[step]
        )
    elif isinstance(holder[step], int):
        holder[step] = dice.choice((str(holder[step]), float(holder[step]), holder[step] * 1000))
    else:
        holder[step] = [holder[step]]


def _spoil_text(text: str, dice: random.Random) -> bytes:
    """Put a piece into a text, or flip, cut or double some of its bytes."""
    at = dice.randrange(len(text) + 1)
    if dice.random() < 0.6:
        words = [i for i, sign in enumerate(text) if sign == " "] or [at]
        at = dice.choice(words) + 1
        return (text[:at] + dice.choice(PIECES) + text[at:]).encode()
    raw = bytearray(text.encode())
    start = dice.randrange(len(raw))
    end = start + dice.randrange(40)
    way = dice.randrange(4)
    if way == 0:
        raw[start] = dice.randrange(256)
    elif way == 1:
        del raw[start:end]
    elif way == 2:
        raw[start:start] = raw[start:end]
    else:
        return text.encode(dice.choice(("utf-16", "utf-8-sig", "utf-16-le")))
    return bytes(raw)


def _written(study: dict[str, Any], dice: random.Random) -> tuple[str, bytes]:
    """Return the ending of a file's name, and its bytes."""
    if dice.random() < 0.4:
        ending, text = ".jsonl", json.dumps(study, ensure_ascii=dice.random() < 0.5)
    else:
        ending, text = ".yaml", yaml.safe_dump(study, allow_unicode=True, sort_keys=False)
    text = text.encode("utf-8", "replace").decode()
    if dice.random() < 0.5:
        return ending, _spoil_text(text, dice)
    return ending, text.encode()


def _bases() -> list[dict[str, Any]]:
    """Return the packaged studies as a user's own, under other names."""
    studies = curated()
    for number, study in enumerate(studies):
        study.pop("ref", None)
        study["key"] = f"own{number}"
        study["curation"] = {"inclusion": "added"}
        study["citation"] |= {"doi": f"10.1000/own.{number}"}
    return studies


def _read(path: Path) -> list[StudyRecord]:
    if path.suffix == ".jsonl":
        return [record for _, record in read_json_lines(StudyRecord, path)]
    return [read_record(StudyRecord, path)]


def _take(databases: list[Database], path: Path, *, out: Path | None) -> None:
    """Add, show and audit what passed the check on each database, export it, and remove it."""
    shown = []
    keys = [record.key for record in _read(path)]
    for database in databases:
        try:
            add_studies(database, [path])
        except MedtlError as error:
            if check_files([path])[1]:  # the check of several files together says so too
                raise
            raise AssertionError(f"{database.location}: {error}") from error
        try:
            shown.append([study_in_full(database, key) for key in keys])
            list(audit_studies(read_studies(database, keys).values()))
            if out is not None:
                export(database, out)
        finally:
            for key in keys:
                remove_study(database, key)
    if any(other != shown[0] for other in shown):
        raise AssertionError("the databases show other values")


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield what came of one spoiled file after the other."""
    dice = random.Random(seed)
    use_backbones()
    bases = _bases()
    with ExitStack() as opened:
        databases = [opened.enter_context(open_database(folder / "own.sqlite"))]
        if POSTGRES:
            url, drop = _fresh_postgres()
            opened.callback(drop)
            databases.append(opened.enter_context(open_database(url)))
        passed = 0
        while True:
            study = copy.deepcopy(dice.choice(bases))
            for _ in range(dice.randrange(1, 3)):
                _spoil_tree(study, dice)
            ending, raw = _written(study, dice)
            path = folder / f"spoiled{ending}"
            path.write_bytes(raw)
            outcome = judge(f"{ending} {raw!r:.2000}", partial(_read, path))
            if outcome.kind == "answered":
                passed += 1
                out = folder / "out" if passed % _EXPORT_EVERY == 0 else None
                take = partial(_take, databases, path, out=out)
                outcome = judge(outcome.tried, take, 4 * LIMIT_S)
            yield outcome
