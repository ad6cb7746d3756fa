"""YAML and JSON become the same plain values, within limits, and never a number in silence."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from db.datafiles import read_json_lines, read_record
from db.errors import DataFileError, NotFoundError, Problem
from db.packaged import use_backbones
from db.plain import MAX_BYTES, MAX_DEPTH, MAX_TEXT, TextError, parse_json, parse_yaml
from db.records import StudyRecord
from tests.study_files import GOOD, write

#: Bounded: none of what is hostile may take longer.
SECONDS = 5.0


@pytest.fixture(autouse=True)
def _backbones() -> None:
    use_backbones()


def read(path: Path) -> list[StudyRecord]:
    if path.suffix == ".jsonl":
        return [record for _, record in read_json_lines(StudyRecord, path)]
    return [read_record(StudyRecord, path)]


def faults(path: Path) -> list[Problem]:
    start = time.perf_counter()
    with pytest.raises(DataFileError) as caught:
        read(path)
    assert time.perf_counter() - start < SECONDS
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "word",
    ["012", "0o14", "0x1F", "1_000", "1:30", "1:30:20", "+1",  "1.", ".5", "no", "Yes", "on", "OFF", "y",
     "2020-01-01", "2020-13-45", "2001-12-14t21:59:43.10-05:00", "1e", "0b11", "=", "<<", "NaN", "infinity"],
)  # fmt: skip
def test_a_word_is_text_where_json_would_see_no_number(word: str) -> None:
    assert parse_yaml(f"a: {word}").content == {"a": word}


@pytest.mark.parametrize(
    ("word", "value"),
    [("12", 12), ("-3", -3), ("0", 0), ("0.90", 0.9), ("1e3", 1000.0), ("-0.0", 0.0), ("1.0", 1.0),
     ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("a b", "a b")],
)  # fmt: skip
def test_plain_words(word: str, value: Any) -> None:
    found = parse_yaml(f"a: {word}").content["a"]
    assert (found, type(found), str(found)) == (value, type(value), str(value))


@pytest.mark.parametrize(
    "word", ["1e400", "-1e999", "1e-400", "9" * 19, "9" * 5000, "0." + "1" * 60]
)
def test_a_number_that_cannot_be_kept_is_told_alike(word: str) -> None:
    for parsed in (parse_yaml(f"a: {word}"), parse_json(f'{{"a": {word}}}', 7)):
        assert list(parsed.faults) == [("a",)]
        assert parsed.line_of(("a",)) in (1, 7)


@pytest.mark.parametrize("word", [".inf", "-.INF", ".nan", ".NaN"])
def test_no_number(word: str) -> None:
    assert list(parse_yaml(f"a: {word}").faults) == [("a",)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_no_number_of_json(word: str) -> None:
    assert list(parse_json(f'{{"a": [{word}]}}').faults) == [("a", 0)]


@pytest.mark.parametrize(
    "text",
    ["a: &x 1", "a: *x", "&x a: 1", "a: &x [*x]", "a: !!int 1", "a: !!str 1", "a: ! 1", "!t a: 1", "a: !!set {b}",
     "a: !!binary aGk=", "? [b]\n: 1", "? {b: 1}\n: 1", "a: 1\n---\nb: 2", "--- 1\n...\n--- 2", "a: \x1b[0m",
     "a: \x00", "a: b\u2028c", "a: \x85b", "[" * 100_000, "{a: " * 100_000, "- " * 100_000, "a: [" + "x," * 400_000,
     "a: 'x", 'a: "\\q"', "a: b: c", "\ta: 1", "%YAML 9.9\n--- a", "@a", "`a"],
)  # fmt: skip
def test_what_yaml_has_beyond_plain_values(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(TextError) as caught:
        parse_yaml(text)
    assert caught.value.message
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[" + "0," * 200_000 + "0]", "{", "[1,]", "tru"]
)
def test_what_no_json_line_may_be(text: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_json(text, 3)
    assert caught.value.line == 3


def test_depth_is_the_same_in_both() -> None:
    for depth in (MAX_DEPTH, MAX_DEPTH + 1):
        text = "[" * depth + "]" * depth
        for parse in (parse_yaml, parse_json):
            if depth == MAX_DEPTH:
                parse(text)
            else:
                with pytest.raises(TextError, match="deeper"):
                    parse(text)


def test_a_name_that_is_given_twice() -> None:
    for parsed in (parse_yaml("a: 1\nb: 2\na: 3\n"), parse_json('{"a": 1, "b": 2, "a": 3}')):
        assert list(parsed.faults) == [("a",)]
    assert parse_yaml("a: 1\nb: 2\na: 3\n").line_of(("a",)) == 3


@pytest.mark.parametrize(
    "sign",
    ["\x00", "\x1b", "\x7f", "\x9b", "\xad", "\u061c", "\u200b", "\u200e", "\u202a", "\u202e", "\u2066",
     "\u2069", "\u2060", "\ufeff", "\ufff9", "\ue000", "\ufdd0", "\U000e0041", "\ud800"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["title", "topic", "value", "unknown"])
def test_signs_that_steer_a_terminal(tmp_path: Path, sign: str, place: str) -> None:
    study = study_as_json()
    text = f"a{sign}b"
    if place == "title":
        study["citation"]["title"] = text
    elif place == "unknown":
        study[text] = 1
    else:
        other = {"value": text if place == "value" else 1, "source": "s"}
        study["other_disagreements"] = {text if place == "topic" else "t": [other]}
    # JSON is YAML too, and its escapes of these signs are.
    for name in ("x.jsonl", "x.yaml"):
        if name == "x.yaml" and not (sign.isascii() or ord(sign) < 0xD800):
            continue
        found = faults(write(tmp_path / name, json.dumps(study)))
        assert len(found) == 1
        assert f"U+{ord(sign):04X}" in found[0].message
        assert str(found[0]).isprintable()
        assert found[0].line == 1


def study_as_json() -> dict[str, Any]:
    content = parse_yaml(GOOD).content
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize(
    "title", ["שלום עולם", "مرحبا", "می‌خواهم", "क्‍ष", "👩‍⚕️ 🧬", "naïve", "ß²", "𝔘"]
)
def test_letters_of_any_script(tmp_path: Path, title: str) -> None:
    for name, text in (("x.yaml", GOOD.replace("A study of mine", title)), ("x.jsonl", "")):
        study = study_as_json()
        study["citation"]["title"] = title
        path = write(tmp_path / name, text or json.dumps(study))
        read = (
            next(read_json_lines(StudyRecord, path))[1]
            if not text
            else read_record(StudyRecord, path)
        )
        assert read.citation.title == title


def test_text_has_one_form(tmp_path: Path) -> None:
    path = write(tmp_path / "x.yaml", GOOD.replace("A study", "e\u0301tude"))
    assert read_record(StudyRecord, path).citation.title.startswith("\u00e9tude")


def test_yaml_and_json_are_read_alike(tmp_path: Path) -> None:
    one = read_record(StudyRecord, write(tmp_path / "x.yaml"))
    path = write(tmp_path / "x.jsonl", "\n\n" + json.dumps(study_as_json()))
    assert list(read_json_lines(StudyRecord, path)) == [(3, one)]


@pytest.mark.parametrize("encode", ["utf-8-sig", "crlf"])
def test_what_windows_writes(tmp_path: Path, encode: str) -> None:
    raw = GOOD.replace("\n", "\r\n").encode() if encode == "crlf" else GOOD.encode(encode)
    (tmp_path / "x.yaml").write_bytes(raw)
    assert read_record(StudyRecord, tmp_path / "x.yaml").key == "mine2026"
    raw = b"\xef\xbb\xbf" + json.dumps(study_as_json()).encode() + b"\r\n"
    (tmp_path / "x.jsonl").write_bytes(raw)
    assert len(list(read_json_lines(StudyRecord, tmp_path / "x.jsonl"))) == 1


@pytest.mark.parametrize("name", ["x.yaml", "x.jsonl"])
def test_files_that_are_no_text_or_too_large(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for raw, says in (
        (GOOD.encode("utf-16"), "UTF-16"),
        (b'{"key": "\xff"}', "not UTF-8"),
        (b"\x00" * 20, "U+0000" if name == "x.yaml" else "broken JSON"),
        (b"x" * (MAX_BYTES + 1), f"{MAX_BYTES:,}"),
        (b'{"key": "' + b"x" * (MAX_TEXT + 1) + b'"}', "characters"),
    ):
        path.write_bytes(raw)
        found = faults(path)
        assert says in found[0].message
    path.unlink()
    path.mkdir()
    assert faults(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "x.yaml")
    assert faults(tmp_path / "x.yaml")
    with pytest.raises(NotFoundError):
        list(read_json_lines(StudyRecord, tmp_path / "nowhere.jsonl"))


def test_many_faults_are_found_once_and_told_in_part(tmp_path: Path) -> None:
    metric = "  - {metric: accuracy, value: 12, basis: abstrct, backbone: NoSuchNet%d, source: s}\n"
    text = GOOD + "".join(metric % number for number in range(2000))
    path = write(tmp_path / "x.yaml", text)
    found = faults(path)
    assert len(found) == 3 * 2000
    lines = len(GOOD.splitlines())
    assert [found[0].line, found[-1].line] == [lines + 1, lines + 2000]
    told = str(DataFileError(found)).splitlines()
    assert len(told) < 110
    assert "5900 more" in str(DataFileError(found))


def test_every_line_that_is_at_fault_is_told(tmp_path: Path) -> None:
    good = json.dumps(study_as_json())
    path = write(tmp_path / "x.jsonl", "\n".join(["{", good, "[]", good, '{"key": 1}']))
    assert {problem.line for problem in faults(path)} == {1, 3, 5}


def test_half_a_surrogate_in_any_place(tmp_path: Path) -> None:
    """JSON can hold what UTF-8 cannot; a name or a value, wherever it stands, is told in words."""
    text = json.dumps(study_as_json())
    for mark in range(text.count('"')):
        pieces = text.split('"')
        pieces[mark] += "\\ud800"
        path = write(tmp_path / "x.jsonl", '"'.join(pieces))
        assert all(str(problem).isprintable() for problem in faults(path))
