"""Read data files and say of each fault in which file, line and field it stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from db.errors import DataFileError, NotFoundError, Problem, gathering
from db.records import Record
from db.vocabulary import BASES

R = TypeVar("R", bound=Record)

#: Steps from the top of a file to a value: names of fields and positions in lists.
Place = tuple[int | str, ...]

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # libyaml is missing: ten times slower, the same result
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]


class _UniqueKeyLoader(_Loader):
    """YAML's last-one-wins rule for repeated keys would drop a value without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            seen = set()
            for key_node, _ in node.value:
                if key_node.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key_node.value!r} is given twice", key_node.start_mark
                    )
                seen.add(key_node.value)
        return mapping


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises
    ------
    NotFoundError, DataFileError
        The file is missing or unreadable, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file.") from None
    except UnicodeDecodeError as error:
        fault = f"not UTF-8 text (byte {error.start})"
        raise DataFileError([Problem(path, None, "", fault)]) from None
    except OSError as error:
        raise DataFileError([Problem(path, None, "", error.strerror or str(error))]) from None


def parse_yaml(text: str, path: Path) -> Any:
    """Parse YAML; a repeated key is a fault.

    Raises
    ------
    DataFileError
        The text is not YAML; names line and column.
    """
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        tab = " (a tab? indent with blanks)" if "cannot start any token" in str(error) else ""
        problem = Problem(path, line, "", f"broken YAML: {error.problem}{tab}")
        raise DataFileError([problem]) from None
    except yaml.YAMLError as error:
        problem = Problem(path, None, "", f"broken YAML: {' '.join(str(error).split())}")
        raise DataFileError([problem]) from None
    except ValueError as error:  # a timestamp or number that YAML takes for one and is none
        raise DataFileError([Problem(path, None, "", f"broken YAML: {error}")]) from None


def line_of(text: str, place: Place) -> int | None:
    """Find the line of a place by walking the YAML nodes; of its nearest parent if missing."""
    node = yaml.compose(text, Loader=_Loader)
    line: int | None = node.start_mark.line + 1 if node is not None else None
    for step in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, n) for k, n in node.value if k.value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            if step >= len(node.value):
                break
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _wording(fault: Any) -> str:
    kind, given = fault["type"], fault.get("input")
    field = str(fault["loc"][-1]) if fault["loc"] else ""
    if kind == "missing":
        choices = f" Choose one of {', '.join(BASES)}." if field == "basis" else ""
        return f"is missing.{choices}"
    if kind == "extra_forbidden":
        return "no such field; the codebook (data/README.md) lists the fields."
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    if kind in ("model_type", "dict_type"):
        if len(fault["loc"]) < 2:
            return "must hold `field: value` lines."
        return f"must be a value with its evidence: {{value, basis, source}} (given: {given!r})."
    shown = "" if isinstance(given, (dict, list)) else f" (given: {given!r})"
    if kind == "string_pattern_mismatch":
        return f"must be lower case letters, digits, - and _, a letter first{shown}."
    if kind in ("tuple_type", "list_type"):
        return f"must be a list, as in [A, B]{shown}."
    if kind == "less_than_equal" and fault["ctx"]["le"] == 1 and isinstance(given, (int, float)):
        return f"is a fraction from 0 to 1: write {given / 100:g} for {given:g} %{shown}."
    return f"{fault['msg']}{shown}."


def _checked(
    kind: type[R],
    content: Any,
    path: Path,
    find_line: Callable[[Place], int | None],
    inside: Place = (),
) -> R:
    """Return what a file holds as a record, or raise its faults with file, line and field."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = []
        for fault in error.errors():
            place = (*inside, *fault["loc"])
            field = ".".join(str(step) for step in place)
            problems.append(Problem(path, find_line(place), field, _wording(fault)))
        raise DataFileError(problems) from None


def read_record(kind: type[R], path: Path) -> R:
    """Read one YAML file as one record.

    Raises
    ------
    NotFoundError, DataFileError
        With one problem a fault: file, line, field, what is wrong.
    """
    text = read_text(path)
    return _checked(kind, parse_yaml(text, path), path, partial(line_of, text))


def read_list(kind: type[R], path: Path) -> list[R]:
    """Read a YAML file that holds a list of records; raises what :func:`read_record` raises."""
    text = read_text(path)
    content = parse_yaml(text, path)
    if not isinstance(content, list):
        raise DataFileError([Problem(path, 1, "", "must hold a list.")])
    records: list[R] = []
    problems: list[Problem] = []
    for position, item in enumerate(content):
        with gathering(problems, path):
            records.append(_checked(kind, item, path, partial(line_of, text), (position,)))
    if problems:
        raise DataFileError(problems)
    return records


def _same_line(line: int, _: Place) -> int:
    return line


def read_json_lines(kind: type[R], path: Path) -> Iterator[tuple[int, R]]:
    """Read a file of one JSON record a line, one at a time (memory does not grow with it).

    Yields
    ------
    tuple of int and Record
        The number of the line, and what it holds.

    Raises
    ------
    NotFoundError, DataFileError
        At the first line that is at fault.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    content = json.loads(line)
                except json.JSONDecodeError as error:
                    problem = Problem(path, number, "", f"broken JSON: {error.msg}")
                    raise DataFileError([problem]) from None
                yield number, _checked(kind, content, path, partial(_same_line, number))
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError([Problem(path, None, "", str(error))]) from None
