"""What ``medtl-meta stats`` says of a CSV file: the right rows, the right option, the reason."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from string import Formatter

import pytest

from db.wording import p_cell
from medtl_meta.cli import main
from metaanalysis import stats
from metaanalysis.samples.sample import group_name
from metaanalysis.stats.notes import Note
from metaanalysis.stats.wording import NOTES

Call = Callable[..., tuple[int, str, str]]

COUNTS = "x,n,g,t\n9,10,a,1\n18,20,a,2\n30,30,b,3\n25,40,b,4\n12,30,a,5\n40,40,b,6\n"
TABLES = "tp,fn,fp,tn,g,t\n9,2,3,8,a,1\n8,3,2,9,a,2\n7,3,4,6,b,3\n9,1,1,7,b,4\n9,0,1,8,b,5\n"
EFFECTS = "y,v,g,s\n0.1,0.04,1,a\n0.3,0.05,2,a\n0.2,0.04,x3,b\n0.5,0.06,1,b\n0.4,0.05,2,c\n0.6,0.04,2,c\n0.7,0.04,x3,c\n"  # fmt: skip
X = ("--events", "x", "--n", "n")
Y = ("--effect", "y", "--variance", "v")
T = ("--tp", "tp", "--fn", "fn", "--fp", "fp", "--tn", "tn")


@pytest.fixture
def ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """Run a command on a CSV file with this text: exit code, stdout, stderr, folded to one line."""

    def asker(text: str, command: str, *arguments: str) -> tuple[int, str, str]:
        path = tmp_path / "my.csv"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setattr(
            "sys.argv", ["medtl-meta", "stats", command, "--csv", str(path), *arguments]
        )
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        written = capsys.readouterr()
        if "json" in arguments:
            return code, written.out, written.err
        return code, " ".join(written.out.split()), " ".join(written.err.split())

    return asker


def test_only_a_sentence_that_knows_its_rows_is_renamed() -> None:
    note = Note.of("edge-corrected", [1, 3], correction=0.5)
    named = note.named(["row 4", "row 5", "row 9"])
    assert (named.rows, named.names) == ((1, 3), ("row 4", "row 9"))
    assert named.named(["a"]) == named
    assert str(note).endswith(": rows 1, 3")
    assert str(named).endswith(": row 4, row 9")
    assert Note.of("one-study").named(["a"]) == Note.of("one-study")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("pool", ("--transform", "logit")),
        ("subgroup", ("--by", "g", "--tau2", "common")),
        ("subgroup", ("--by", "g", "--transform", "logit")),
        ("regress", ("--moderator", "t")),
        ("bias", ("--transform", "logit")),
        ("influence", ()),
        ("influence", ("--cumulative", "--order", "t")),
        ("multiverse", ()),
    ],
)
@pytest.mark.parametrize("label", [None, "row {}", "rows {}"])
def test_a_correction_in_the_last_row_is_told_by_the_right_rows(
    ask: Call, command: str, arguments: tuple[str, ...], label: str | None
) -> None:
    text, shown = COUNTS, ["row 4", "row 7"]
    if label is not None:  # the caller's own labels, which read like the numbers of rows
        lines = COUNTS.splitlines()
        names = [label.format(70 + place) for place in range(len(lines))]
        text = "\n".join([f"{lines[0]},name", *(f"{a},{b}" for a, b in zip(lines[1:], names[1:], strict=True))])  # fmt: skip
        arguments = (*arguments, "--label", "name")
        shown = [names[3], names[6]]
    code, out, err = ask(text, command, *X, *arguments, "--format", "json")
    assert code == 0, err
    notes = [note for note in json.loads(out)["warnings"] if note["code"] == "edge-corrected"]
    assert [(note["rows"], note["values"]) for note in notes] == [(shown, {"correction": 0.5})]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("pool", ()),
        ("subgroup", ("--by", "g")),
        ("regress", ("--moderator", "t")),
        ("influence", ()),
        ("influence", ("--cumulative", "--order", "t")),
        ("multiverse", ()),
        ("accuracy", ("--zero-cells", "only-affected")),
        ("bias", ()),
    ],
)
def test_a_zero_cell_in_the_last_table_is_told_by_its_row(
    ask: Call, command: str, arguments: tuple[str, ...]
) -> None:
    code, out, err = ask(TABLES, command, *T, *arguments, "--format", "json")
    assert code == 0, err
    notes = [note for note in json.loads(out)["warnings"] if note["code"] == "cells-corrected"]
    assert [note["rows"] for note in notes] == [["row 6"]]


def test_text_among_numbers_is_no_factor_unless_asked_for(ask: Call) -> None:
    code, _, err = ask(EFFECTS, "regress", *Y, "--moderator", "g")
    assert code == 1
    assert "row 4, column 'g': 'x3' is not a number" in err
    assert "--factor g" in err
    code, out, err = ask(EFFECTS, "regress", *Y, "--moderator", "g", "--factor", "g")
    assert code == 0, err
    assert "g: 1 (2), 2 (3), x3 (2); the first is the reference." in out
    numbers = EFFECTS.replace("x3", "3")
    code, out, _ = ask(numbers, "regress", *Y, "--moderator", "g", "--factor", "g")
    assert code == 0
    assert "g: 1 (2), 2 (3), 3 (2)" in out
    code, out, _ = ask(EFFECTS, "regress", *Y, "--moderator", "s")
    assert code == 0
    assert "s: a (2), b (2), c (3)" in out
    code, _, err = ask(EFFECTS, "regress", *Y, "--moderator", "s", "--factor", "v")
    assert (code, "Add --moderator v" in err) == (2, True)
    code, _, err = ask(EFFECTS, "influence", *Y, "--cumulative", "--order", "g")
    assert code == 1
    assert "row 4, column 'g'" in err
    assert "--factor" not in err


def test_groups_keep_their_names_apart() -> None:
    assert [group_name(value) for value in (2.0, 1234567.0, 0.5, "a")] == ["2", "1234567", "0.5", "a"]  # fmt: skip


@pytest.mark.parametrize("blank", ["", "NaN"])
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("subgroup", ("--by", "g")),
        ("regress", ("--moderator", "t")),
        ("influence", ("--cumulative", "--order", "t")),
    ],
)
def test_a_blank_moderator_is_refused_or_listed(
    ask: Call, command: str, arguments: tuple[str, ...], blank: str
) -> None:
    column = arguments[-1]
    text = COUNTS.replace("25,40,b,4", f"25,40,{blank},4" if column == "g" else f"25,40,b,{blank}")
    code, _, err = ask(text, command, *X, *arguments)
    assert code == 1
    assert f"row 5, column '{column}': no value" in err
    assert "--missing exclude" in err
    code, out, err = ask(text, command, *X, *arguments, "--missing", "exclude")
    assert code == 0, err
    assert f"Left out: 1 of 6: - no value in column '{column}' (1): row 5." in out


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        (EFFECTS, ("regress", *Y, "--moderator", "nope"), 2, ("--moderator", "'nope'", "y, v, g, s")),
        (EFFECTS, ("subgroup", *Y, "--by", "gg"), 2, ("--by", "'gg'", "'g'")),
        (EFFECTS, ("pool", *Y, "--cluster", "s", "--method", "DL"), 2, ("REML or ML", "drop --cluster")),
        (EFFECTS, ("pool", *Y, "--method", "common", "--test", "knapp-hartung"), 2, ("--test knapp-hartung", "--method common")),
        (EFFECTS, ("subgroup", *Y, "--by", "y"), 1, ("y puts each of the 7 studies into a group of its own",)),
        (COUNTS, ("subgroup", *X, "--by", "t"), 1, ("t puts each of the 6 studies into a group of its own",)),
        (EFFECTS, ("regress", *Y, "--moderator", "s", "--moderator", "S"), 2, ("--moderator s is given twice",)),
        ("x,n\n1.5,4\n2,4\n3,4\n", ("pool", *X), 1, ("row 2, column 'x': 1.5 is not a whole number",)),
        ("x,n\n1,4\n2,4.5\n3,4\n", ("pool", *X), 1, ("row 3, column 'n': 4.5 is not a whole number",)),
        (TABLES.replace("9,2,3,8", "9,2.5,3,8"), ("accuracy", *T), 1, ("row 2, column 'fn': 2.5 is not a whole number",)),
    ],
)  # fmt: skip
def test_a_refusal_names_what_was_typed(
    ask: Call, text: str, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    left, out, err = ask(text, *arguments)
    assert (left, out) == (code, "")
    for word in words:
        assert word in err
    assert "headline" not in err
    assert "coefficient" not in err


def test_a_group_without_an_estimate_is_a_row_with_the_reason(ask: Call, tmp_path: Path) -> None:
    text = "x,n,g\n9,10,a\n18,20,a\n30,30,b\n40,40,b\n12,30,a\n25,30,c\n20,30,c\n"
    code, out, err = ask(text, "subgroup", *X, "--by", "g", "--figure", str(tmp_path / "f"))
    assert code == 0, err
    assert "b 2 – – – –" in out
    assert "Note: g b has no estimate and is not part of the difference test: " in out
    assert ".." not in out
    assert "Difference between the groups: F(1, 2.5) = 0.02" in out
    assert (tmp_path / "f" / "figure-subgroup-x-g.svg").exists()
    found = json.loads(ask(text, "subgroup", *X, "--by", "g", "--format", "json")[1])
    assert found["names"] == ["a", "b", "c"]
    assert found["groups"][1]["estimate"] is None
    assert found["groups"][1]["k"] == 2


def test_a_single_study_is_no_end_of_a_range(ask: Call) -> None:
    text = "y,v,g\n0.1,0.04,a\n0.3,0.05,a\n0.2,0.04,b\n0.5,0.06,b\n9,0.05,c\n"
    for mode in ("separate", "common"):
        code, out, err = ask(text, "subgroup", *Y, "--by", "g", "--tau2", mode)
        assert code == 0, err
        sentence = out.partition("In plain words:")[2]
        assert "(a, 2 studies)" in sentence
        assert "(b, 2 studies)" in sentence
        assert "(c" not in sentence


def test_a_long_list_of_corrected_tables_is_cut() -> None:
    note = Note.of("cells-corrected", range(1, 31), correction=0.5)
    assert str(note).endswith(" 20 ...")
    assert note.to_dict()["rows"] == list(range(1, 31))


def test_every_note_has_words_for_its_values() -> None:
    """No template may need what its note does not carry; those of the code are found by name."""
    given = set()
    for path in Path(stats.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
                names = {word.arg for word in node.keywords if word.arg}
                for code in {text for text in texts if isinstance(text, str)} & set(NOTES):
                    given.add(code)
                    wanted = {name for _, name, _, _ in Formatter().parse(NOTES[code]) if name}
                    assert wanted - {"rows"} == names, (path.name, code)
    assert given == set(NOTES)


def test_the_three_level_table_shows_what_its_json_holds(ask: Call) -> None:
    arguments = ("pool", *Y, "--cluster", "s")
    text = f"{EFFECTS}0.2,0.05,1,d\n0.3,0.03,1,d\n0.9,0.04,2,e\n"
    found = json.loads(ask(text, *arguments, "--format", "json")[1])
    _, out, _ = ask(text, *arguments)
    assert f"I2, % {found['i2']:.1f}" in out
    assert f"Q (9 df) {found['q']:.1f} – {found['q_p']:.4f}" in out
    assert str(p_cell(found["p"])) in out.partition("y of a new study")[0]


@pytest.mark.parametrize("command", ["pool", "regress"])
def test_the_help_says_of_what_there_is_no_figure(ask: Call, command: str) -> None:
    _, out, _ = ask("", command, "--help")
    assert "refused for several effects of one study (--arms all, --cluster)" in out
