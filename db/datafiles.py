"""Read data files and say of each fault in which file, line and field it stands."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from db.errors import DataFileError, NotFoundError, Problem, UnknownTermError, gathering
from db.plain import MAX_BYTES, Parsed, Place, TextError, parse_json, parse_yaml
from db.records import Record
from db.vocabulary import BASES

R = TypeVar("R", bound=Record)

#: Faults of one file that are worded with what is near; faults after which no line is read.
_MOST_TOLD = 100
#: Terms that a message can list.
_MOST_LISTED = 40


def _fault(path: Path, message: str, line: int | None = None) -> DataFileError:
    return DataFileError([Problem(path, line, "", message)])


def _decoded(raw: bytes, path: Path, line: int | None = None) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _fault(path, "not UTF-8 text but UTF-16; save it as UTF-8.", line)
    try:
        return raw.decode("utf-8-sig" if line in (None, 1) else "utf-8")
    except UnicodeDecodeError as error:
        place = line or raw.count(b"\n", 0, error.start) + 1
        raise _fault(path, f"not UTF-8 text (byte {error.start})", place) from None


def _unreadable(path: Path, error: OSError) -> DataFileError | NotFoundError:
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"{path}: no such file.")
    return _fault(path, error.strerror or str(error))


def _must_be_a_file(path: Path) -> None:
    """Refuse what may never end or never begin: pipes, terminals, devices."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise _fault(path, "is not a file that can be read twice.")


def _parsed(path: Path) -> Parsed:
    try:
        _must_be_a_file(path)
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(raw) > MAX_BYTES:
        raise _fault(path, f"is larger than {MAX_BYTES:,} bytes; one file, one study.")
    text = _decoded(raw, path)
    try:
        return parse_yaml(text)
    except TextError as error:
        raise _fault(path, error.message, error.line) from None


def line_of(path: Path, place: Place) -> int | None:
    """Find the line of a place in a file, of its nearest parent if missing; None if unreadable."""
    try:
        return _parsed(path).line_of(place)
    except (DataFileError, NotFoundError):  # it was changed after it was read
        return None


def _shown(given: Any) -> str:
    """Return what was given, escaped and not too long."""
    if isinstance(given, (dict, list)):
        return ""
    text = repr(given)
    return f" (given: {text if len(text) <= 80 else text[:77] + '...'})"


def _unknown(context: dict[str, Any], *, near: bool) -> str:
    lexicon, word = context["lexicon"], context["word"]
    if not near:
        return f"{lexicon.field}: no such term{_shown(word)}."
    nearest = lexicon.nearest(word)
    if not nearest and len(lexicon.terms) > _MOST_LISTED:
        return (
            f"{lexicon.field}: no such term{_shown(word)}; the codebook says which file lists them."
        )
    error = UnknownTermError(lexicon.field, word[:100], nearest, lexicon.terms)
    return f"{error.message} {error.hint}"


def _wording(fault: Any, *, near: bool) -> str:
    kind, given = fault["type"], fault.get("input")
    field = str(fault["loc"][-1]) if fault["loc"] else ""
    if kind == "missing":
        choices = f" Choose one of {', '.join(BASES)}." if field == "basis" else ""
        return f"is missing.{choices}"
    if kind == "extra_forbidden":
        return "no such field; the codebook (data/README.md) lists the fields."
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    if kind == "counts":
        return str(fault["ctx"]["told"])
    if kind == "unknown_term":
        return _unknown(fault["ctx"], near=near)
    shown = _shown(given)
    if kind in ("model_type", "dict_type"):
        if len(fault["loc"]) < 2:
            return "must hold `field: value` lines."
        return f"must be a value with its evidence: {{value, basis, source}}{shown}."
    if kind in ("int_type", "float_type") and isinstance(given, str):
        example = "a whole number, as in 1234" if kind == "int_type" else "a number, as in 0.93"
        return f"must be {example}: digits only, without quotes or a leading zero{shown}."
    if kind in ("int_type", "int_from_float"):
        return f"must be a whole number, an integer such as 1234{shown}."
    if kind == "float_type":
        return f"must be a number, as in 0.93{shown}."
    if kind == "bool_type":
        return f"must be true or false{shown}."
    if kind == "string_type":
        return f"must be text; write a number or a word like true in quotes{shown}."
    if kind == "string_pattern_mismatch":
        return f"must be lower case letters, digits, - and _, a letter first{shown}."
    if kind in ("tuple_type", "list_type"):
        return f"must be a list, as in [A, B]{shown}."
    if kind == "less_than_equal" and fault["ctx"]["le"] == 1 and isinstance(given, (int, float)):
        return f"is a fraction from 0 to 1: write {given / 100:g} for {given:g} %{shown}."
    if kind == "less_than_equal":
        return f"is above {fault['ctx']['le']:,}, more than any study has{shown}."
    return f"{fault['msg']}{shown}."


def _dotted(place: Place) -> str:
    """Return a place as a field, signs that would not print escaped."""
    steps = (str(step) for step in place)
    return ".".join(step if step.isprintable() else repr(step)[1:-1] for step in steps)


def _checked(kind: type[R], parsed: Parsed, path: Path, inside: Place = ()) -> R:
    """Return what a file (or what stands `inside` one) holds, or raise its faults with places."""
    content = parsed.content
    for step in inside:
        content = content[step]
    own = [
        Problem(path, parsed.line_of(place), _dotted(place), text)
        for place, text in parsed.faults.items()
        if place[: len(inside)] == inside
    ]
    if own:  # what cannot be kept as a value need not be looked at as a record
        raise DataFileError(own)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = []
        for number, fault in enumerate(error.errors(include_url=False)):
            at = fault.get("ctx", {}).get("at")
            place = (*inside, *fault["loc"], *([at] if at else []))
            words = _wording(fault, near=number < _MOST_TOLD)
            problems.append(Problem(path, parsed.line_of(place), _dotted(place), words))
        raise DataFileError(problems) from None


def read_record(kind: type[R], path: Path) -> R:
    """Read one YAML file as one record.

    Raises
    ------
    NotFoundError, DataFileError
        With one problem a fault: file, line, field, what is wrong.
    """
    return _checked(kind, _parsed(path), path)


def read_list(kind: type[R], path: Path) -> list[R]:
    """Read a YAML file that holds a list of records; raises what :func:`read_record` raises."""
    parsed = _parsed(path)
    if not isinstance(parsed.content, list):
        raise DataFileError([Problem(path, 1, "", "must hold a list.")])
    records: list[R] = []
    problems: list[Problem] = []
    for position in range(len(parsed.content)):
        with gathering(problems, path):
            records.append(_checked(kind, parsed, path, (position,)))
    if problems:
        raise DataFileError(problems)
    return records


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        _must_be_a_file(path)
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_BYTES + 1):
                number += 1
                yield number, line
    except OSError as error:
        raise _unreadable(path, error) from None


def _json_line(kind: type[R], path: Path, number: int, line: bytes) -> R | None:
    if len(line) > MAX_BYTES:
        raise _fault(path, f"a line longer than {MAX_BYTES:,} bytes; one line, one study.", number)
    text = _decoded(line, path, number)
    if not text.strip():
        return None
    try:
        return _checked(kind, parse_json(text, number), path)
    except TextError as error:
        raise _fault(path, error.message, number) from None


def read_json_lines(kind: type[R], path: Path) -> Iterator[tuple[int, R]]:
    """Read a file of one JSON record a line, one at a time (memory does not grow with it).

    Yields
    ------
    tuple of int and Record
        The number of the line, and what it holds; lines that are at fault are passed over.

    Raises
    ------
    NotFoundError, DataFileError
        At the end, with the faults of all lines; before it where a line is endless or there
        are a hundred faults.
    """
    problems: list[Problem] = []
    for number, line in _lines(path):
        record = None
        with gathering(problems, path):
            record = _json_line(kind, path, number, line)
        if record is not None:
            yield number, record
        if len(line) > MAX_BYTES or len(problems) >= _MOST_TOLD:
            break
    if problems:
        raise DataFileError(problems)
