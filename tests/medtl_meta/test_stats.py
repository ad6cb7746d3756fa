"""``medtl-meta stats``: golden values through the command line, the literature, bad input."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.database import Database
from medtl_meta.cli import main
from tests.medtl_meta.test_cli import HEAVY, imports_of, run

GOLDEN = Path(__file__).parents[1] / "golden"
META = json.loads((GOLDEN / "meta_analysis.json").read_text(encoding="utf-8"))
KEARON = json.loads((GOLDEN / "diagnostic.json").read_text(encoding="utf-8"))
BCG, PRITZ = META["BCG"], META["Pritz"]

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(database: Database) -> str:
    return str(database.location.path)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str) -> Call:
    """Run the command line in this process: exit code, stdout, stderr."""

    def caller(*arguments: str, columns: int = 100) -> tuple[int, str, str]:
        monkeypatch.setenv("MEDTL_META_DB", place)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["medtl-meta", "stats", *arguments])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
        written = capsys.readouterr()
        return int(code), written.out, written.err

    return caller


@pytest.fixture
def ask(call: Call) -> Callable[..., Any]:
    """Run a command and return its JSON."""

    def asker(*arguments: str) -> Any:
        code, out, err = call(*arguments, "--format", "json")
        assert code == 0, err
        return json.loads(out)

    return asker


def write(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


@pytest.fixture(scope="module")
def bcg(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    path = write(tmp_path_factory.mktemp("golden") / "bcg.csv", BCG["data"])
    return ("--csv", path, "--effect", "yi", "--variance", "vi", "--label", "trial")


@pytest.fixture(scope="module")
def pritz(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    rows = [{**row, "half": "ab"[place % 2]} for place, row in enumerate(PRITZ["data"])]
    path = write(tmp_path_factory.mktemp("golden") / "pritz.csv", rows)
    return ("--csv", path, "--events", "xi", "--n", "ni")


@pytest.fixture(scope="module")
def kearon(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    path = write(tmp_path_factory.mktemp("golden") / "kearon.csv", KEARON["data"])
    return ("--csv", path, *(part for name in ("tp", "fn", "fp", "tn") for part in (f"--{name}", name)))  # fmt: skip


POOLED = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "pi_low", "pi_high")


@pytest.mark.parametrize("method", ["DL", "PM", "REML", "ML", "HE", "SJ", "EB"])
def test_pool_of_effects_is_metafors(
    ask: Callable[..., Any], bcg: tuple[str, ...], method: str
) -> None:
    found, golden = ask("pool", *bcg, "--method", method, "--test", "z"), BCG["results"][method]
    for name in POOLED:
        assert found[name] == pytest.approx(golden[name], rel=1e-6), name
    assert found["i2"] == pytest.approx(100 * golden["I2"], rel=1e-6)
    assert (found["method"], found["test"], found["k"]) == (method, "z", 13)


def test_the_usual_pool_is_reml_with_knapp_hartung(
    ask: Callable[..., Any], bcg: tuple[str, ...]
) -> None:
    found, golden = ask("pool", *bcg), BCG["results"]["REML_knapp_hartung"]
    for name in ("se", "ci_low", "ci_high", "p", "pi_low", "pi_high"):
        assert found[name] == pytest.approx(golden[name], rel=1e-6), name
    assert found["q"] == pytest.approx(BCG["results"]["common"]["Q"], rel=1e-9)
    assert found["q_p"] == pytest.approx(BCG["results"]["common"]["Q_p"], rel=1e-9)
    interval = BCG["results"]["tau2_Q_profile_ci"]
    assert found["tau2_ci"] == pytest.approx([interval["low"], interval["high"]], rel=1e-6)
    assert (found["method"], found["test"]) == ("REML", "knapp-hartung")


def test_the_common_effect(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    found, golden = ask("pool", *bcg, "--method", "common"), BCG["results"]["common"]
    for name in ("estimate", "se", "ci_low", "ci_high"):
        assert found[name] == pytest.approx(golden[name], rel=1e-10)
    assert found["pi_low"] is None


def test_a_standard_error_does_as_well_as_a_variance(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [{"y": row["yi"], "s": row["vi"] ** 0.5} for row in BCG["data"]]
    path = write(tmp_path / "se.csv", rows)
    found = ask("pool", "--csv", path, "--effect", "y", "--se", "s", "--method", "DL")
    assert found["estimate"] == pytest.approx(BCG["results"]["DL"]["estimate"], rel=1e-9)


def test_counts_are_pooled_by_the_glmm(ask: Callable[..., Any], pritz: tuple[str, ...]) -> None:
    found, golden = ask("pool", *pritz, "--test", "z"), PRITZ["binomial_normal_glmm"]
    for name in ("estimate", "se", "tau2"):
        assert found[name] == pytest.approx(golden[name], rel=2e-3), name
    assert (found["method"], found["test"]) == ("GLMM", "z")
    assert 0.75 < found["back_transformed"]["estimate"] < 0.85
    assert ask("pool", *pritz)["test"] == "t"


def test_named_scales(ask: Callable[..., Any], pritz: tuple[str, ...]) -> None:
    logit = ask("pool", *pritz, "--transform", "logit", "--test", "z")
    for name in POOLED:
        assert logit[name] == pytest.approx(PRITZ["logit"]["REML"][name], rel=1e-6), name
    double = ask("pool", *pritz, "--transform", "freeman-tukey", "--test", "z")
    golden = PRITZ["freeman_tukey"]
    assert double["estimate"] == pytest.approx(golden["REML"]["estimate"], rel=1e-6)
    assert double["back_transformed"]["estimate"] == pytest.approx(
        golden["backtransformed_harmonic"], rel=1e-6
    )


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_the_bivariate_model(ask: Callable[..., Any], kearon: tuple[str, ...], method: str) -> None:
    found, golden = ask("accuracy", *kearon, "--method", method), KEARON["results"][method]
    for ours, theirs in (
        ("logit_sensitivity", "logit_sens"),
        ("logit_fpr", "logit_fpr"),
        ("tau2_sensitivity", "tau2_sens"),
        ("tau2_fpr", "tau2_fpr"),
        ("rho", "rho"),
    ):
        assert found[ours] == pytest.approx(golden[theirs], rel=1e-4), ours
    assert found["sensitivity"]["estimate"] == pytest.approx(golden["sens"], rel=1e-4)


def test_regression(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    found = ask("regress", *bcg, "--moderator", "ablat", "--test", "z")
    golden = BCG["results"]["meta_regression_ablat_REML"]
    assert [one["estimate"] for one in found["coefficients"]] == pytest.approx(
        golden["b"], rel=1e-6
    )
    assert [one["se"] for one in found["coefficients"]] == pytest.approx(golden["se"], rel=1e-6)
    assert found["qm"] == pytest.approx(golden["QM"], rel=1e-6)
    assert found["r2"] == pytest.approx(100 * golden["R2"], rel=1e-6)
    ends = [row["ablat"] for row in found["expected"]]
    assert ends == [min(r["ablat"] for r in BCG["data"]), 33, max(r["ablat"] for r in BCG["data"])]
    by_hand = found["coefficients"][0]["estimate"] + 13 * found["coefficients"][1]["estimate"]
    assert found["expected"][0]["estimate"] == pytest.approx(by_hand)


def test_permutations_are_counted(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    found = ask("regress", *bcg, "--moderator", "ablat", "--permutations", "199")
    assert found["permutations"] == 199
    assert 1 / 199 <= found["qm_permutation_p"] < 0.05


def test_subgroups_with_a_common_tau2(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    found = ask("subgroup", *bcg, "--by", "alloc", "--tau2", "common", "--test", "z")
    golden = BCG["results"]["subgroup_alloc_REML"]
    assert found["names"] == golden["levels"]
    assert found["statistic"] == pytest.approx(golden["QM"], rel=1e-6)
    assert found["p"] == pytest.approx(golden["QM_p"], rel=1e-6)
    for group in found["groups"]:
        assert group["tau2"] == pytest.approx(golden["tau2"], rel=1e-6)
    # metafor's coefficients are the first level, and what the others add to it.
    means = [group["estimate"] for group in found["groups"]]
    assert [means[0], means[1] - means[0], means[2] - means[0]] == pytest.approx(
        golden["b"], rel=1e-6
    )


def test_subgroups_by_the_glmm_are_pools_of_their_own(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [{**row, "half": "odd" if row["study"] % 2 else "even"} for row in PRITZ["data"]]
    rows.append({**rows[0], "xi": 9, "ni": 10, "half": "alone"})
    counts = ("--events", "xi", "--n", "ni")
    every = write(tmp_path / "all.csv", rows)
    found = ask("subgroup", "--csv", every, *counts, "--by", "half")
    assert found["names"] == ["alone", "even", "odd"]
    for name, group in zip(found["names"], found["groups"], strict=True):
        if name == "alone":
            assert group["k"] == 1
            assert group["back_transformed"]["estimate"] == pytest.approx(0.9)
            assert found["sample"]["columns"]["events"][group["rows_used"][0] - 1] == 9
            continue
        part = [row for row in rows if row["half"] == name]
        alone = ask("pool", "--csv", write(tmp_path / f"{name}.csv", part), *counts)
        assert group["estimate"] == pytest.approx(alone["estimate"], rel=1e-9)
        assert group["pi_low"] == pytest.approx(alone["pi_low"], rel=1e-9)
    # Two groups of more than one study: the square of the standardised difference.
    even, odd = found["groups"][1:]
    squared = (even["estimate"] - odd["estimate"]) ** 2 / (even["se"] ** 2 + odd["se"] ** 2)
    assert found["statistic"] == pytest.approx(squared)
    alone = [note["values"] for note in found["warnings"] if note["code"] == "group-of-one"]
    assert alone == [{"groups": ["alone"]}]


def test_the_other_tau2_mode_stands_beside_the_chosen_one(
    ask: Callable[..., Any], call: Call, bcg: tuple[str, ...]
) -> None:
    found = ask("subgroup", *bcg, "--by", "alloc")
    other = ask("subgroup", *bcg, "--by", "alloc", "--tau2", "common")
    for name in ("statistic", "df", "df_residual", "p"):
        assert found["other_tau2_mode"][name] == pytest.approx(other[name])
        assert other["other_tau2_mode"][name] == pytest.approx(found[name])
    _, out, _ = call("subgroup", *bcg, "--by", "alloc")
    assert "With a common tau2 (REML, raw scale): F(2, 10) = " in out
    # The GLMM has no common tau2: REML on the logit scale stands in, and says so.
    _, out, _ = call("subgroup", "--by", "modality")
    assert "With a common tau2 (REML, logit scale, groups of one study" in out
    alone = ask("subgroup", "--by", "modality", "--tau2", "common")
    beside = ask("subgroup", "--by", "modality")
    assert beside["other_tau2_mode"]["p"] == pytest.approx(alone["p"])
    assert beside["df_residual"] < 6
    small = [note["values"] for note in beside["warnings"] if note["code"] == "small-groups"]
    assert small[0]["groups"]["CT"] == 4


def test_two_tests_that_disagree_settle_nothing() -> None:
    from metaanalysis.analyses.sentences import differ

    groups = [("CT", 0.8, 1), ("MRI", 0.9, 5)]
    for pair in ((0.01, 0.2), (0.2, 0.01)):
        said = differ("accuracy", "proportion", "modality", groups, *pair)
        assert "depends on how heterogeneity is modelled" in said
        assert "more than chance explains (p" not in said
    agreed = differ("accuracy", "proportion", "modality", groups, 0.01, 0.02)
    assert "more than chance explains (p = 0.010)" in agreed


@pytest.mark.parametrize("scale", [(), ("--transform", "logit"), ("--test", "z")])
def test_bias_is_not_testable_at_the_ceiling(
    call: Call, tmp_path: Path, scale: tuple[str, ...]
) -> None:
    path = tmp_path / "ceiling.csv"
    path.write_text("x,n\n10,10\n20,20\n30,30\n")
    code, out, err = call("bias", "--csv", str(path), "--events", "x", "--n", "n", *scale)
    assert (code, out) == (1, "")
    assert "not testable: all 3 studies are at 100 %" in err


def test_a_number_out_of_range_is_told_by_its_row(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.write_text("y,v\n1,0.1\n1e300,0.1\n2,.1\n")
    code, out, err = call("pool", "--csv", str(path), "--effect", "y", "--variance", "v")
    assert (code, out) == (1, "")
    assert "Row 3, column 'effect': 1e+300 is too large" in err


def test_bias_of_effects(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    found = ask("bias", *bcg, "--method", "DL", "--test", "z")
    golden = BCG["results"]
    assert found["trim_and_fill"]["k0"] == golden["trim_fill_DL"]["k0"]
    assert found["trim_and_fill"]["side"] == golden["trim_fill_DL"]["side"]
    assert found["trim_and_fill"]["adjusted"]["estimate"] == pytest.approx(
        golden["trim_fill_DL"]["estimate"], rel=1e-9
    )
    assert found["begg"]["p"] == pytest.approx(golden["begg_rank"]["p"], rel=1e-9)
    by_reml = ask("bias", *bcg, "--test", "z")["egger"]
    assert by_reml["statistic"] == pytest.approx(golden["egger_mixed_REML"]["z"], rel=1e-6)
    assert by_reml["p"] == pytest.approx(golden["egger_mixed_REML"]["p"], rel=1e-6)
    assert "pet_peese" in found


def test_bias_of_proportions_is_tested_where_the_variance_hangs_on_n_alone(
    ask: Callable[..., Any], pritz: tuple[str, ...]
) -> None:
    found = ask("bias", *pritz)
    assert found["scale"] == "arcsine"
    assert "pet_peese" not in found
    logit = ask("bias", *pritz, "--transform", "logit", "--test", "z")
    assert logit["egger"]["p"] == pytest.approx(PRITZ["logit"]["egger_mixed_REML"]["p"], rel=1e-6)


def test_deeks_for_tables(ask: Callable[..., Any], kearon: tuple[str, ...]) -> None:
    found = ask("bias", *kearon)["deeks"]
    assert found["k"] == 30
    # By hand: ln DOR on 1/sqrt(ESS), weighted by ESS; 0.5 where a study has a zero cell.
    cells = np.array([[row[name] for name in ("tp", "fn", "fp", "tn")] for row in KEARON["data"]])
    sick, well = cells[:, :2].sum(axis=1), cells[:, 2:].sum(axis=1)
    size = 4 * sick * well / (sick + well)
    tp, fn, fp, tn = (cells + 0.5 * (cells == 0).any(axis=1)[:, None]).T
    line = np.polyfit(1 / np.sqrt(size), np.log(tp * tn / (fn * fp)), 1, w=np.sqrt(size))
    assert found["slope"] == pytest.approx(line[0], rel=1e-9)


def test_influence(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    found, golden = ask("influence", *bcg, "--test", "z"), BCG["results"]["leave_one_out_REML"]
    assert [row["estimate"] for row in found["leave_one_out"]["table"]] == pytest.approx(
        golden["estimate"], rel=1e-6
    )
    assert len(found["influence"]["table"]) == 13


def test_cumulative(ask: Callable[..., Any], bcg: tuple[str, ...]) -> None:
    options = ("--cumulative", "--method", "DL", "--test", "z")
    found = ask("influence", *bcg, *options, "--order", "trial")
    assert [row["estimate"] for row in found["table"]] == pytest.approx(
        BCG["results"]["cumulative_DL"]["estimate"], rel=1e-9
    )
    by_year = ask("influence", *bcg, *options)
    assert by_year["order"]["values"] == sorted(row["year"] for row in BCG["data"])
    assert by_year["table"][-1]["estimate"] == pytest.approx(found["table"][-1]["estimate"])


def test_the_multiverse_holds_the_single_analyses(
    ask: Callable[..., Any], pritz: tuple[str, ...], call: Call
) -> None:
    found = ask("multiverse", *pritz)
    rows = {(row["transform"], row["method"], row["test"]): row for row in found["table"]}
    assert len(rows) == found["summary"]["analyses"] == len(found["table"])
    single = ask("pool", *pritz, "--transform", "logit")
    assert rows["logit", "REML", "knapp-hartung"]["estimate"] == pytest.approx(
        single["back_transformed"]["estimate"]
    )
    assert rows["glmm", "GLMM", "t"]["ci_low"] == pytest.approx(
        ask("pool", *pritz)["back_transformed"]["ci_low"]
    )
    _, out, _ = call("multiverse", *pritz, "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(out)))) == len(rows)


def test_several_effects_of_one_study_are_not_taken_for_independent(
    ask: Callable[..., Any], call: Call, tmp_path: Path
) -> None:
    rows = [{**row, "lab": index // 2} for index, row in enumerate(BCG["data"])]
    path = write(tmp_path / "labs.csv", rows)
    options = ("--csv", path, "--effect", "yi", "--variance", "vi", "--cluster", "lab")
    found = ask("pool", *options)
    assert (found["k"], found["clusters"], found["correction"]) == (13, 7, "CR2")
    assert found["ci_low"] < found["estimate"] < found["ci_high"]
    assert found["tau2"] == pytest.approx(found["sigma2_between"] + found["sigma2_within"])
    slopes = ask("regress", *options, "--moderator", "ablat")["coefficients"]
    assert [one["name"] for one in slopes] == ["intercept", "ablat"]
    code, out, err = call("influence", *options)
    assert (code, out) == (2, "")
    assert "--cluster" in err


def test_the_figures_are_drawn(
    call: Call, pritz: tuple[str, ...], kearon: tuple[str, ...], tmp_path: Path
) -> None:
    wanted = ("--figure", str(tmp_path / "out"), "--figure-format", "svg,csv")
    commands = (
        ("pool", *pritz),
        ("subgroup", *pritz, "--by", "half"),
        ("regress", *pritz, "--moderator", "study"),
        ("bias", *pritz),
        ("influence", *pritz),
        ("influence", *pritz, "--cumulative", "--order", "study"),
        ("accuracy", *kearon),
        ("multiverse", *pritz),
    )
    for command in commands:
        code, out, err = call(*command, *wanted)
        assert code == 0, (command, err)
        assert out
    files = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert files == [".csv"] * len(commands) + [".svg"] * len(commands)


def test_csv_output_is_clean(call: Call, bcg: tuple[str, ...]) -> None:
    code, out, err = call("pool", *bcg, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) == 1
    assert float(rows[0]["estimate"]) == pytest.approx(-0.714532342158139, rel=1e-6)
    assert "Analysed: 13 of 13 rows of bcg.csv" in err
    assert "In plain words" in err


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_table_fits_and_ends_with_plain_words(call: Call, columns: int) -> None:
    for command in (
        ("pool",),
        ("subgroup", "--by", "depth"),
        ("bias",),
        ("influence", "--cumulative"),
        ("correlate",),
    ):
        code, out, _ = call(*command, columns=columns)
        assert code == 0
        assert max(map(len, out.splitlines())) <= columns, command
        assert out.rstrip().split("\n\n")[-1].startswith("In plain words: ")
        assert "Left out" in out
        assert "Analysed" in out


def test_markdown_is_markdown(call: Call) -> None:
    _, out, _ = call("subgroup", "--by", "depth", "--format", "markdown")
    lines = out.splitlines()
    assert lines[1].startswith("| --- | ---: |")
    assert len({line.count("|") for line in lines[:5]}) == 1


HELPED = ("pool", "subgroup", "regress", "bias", "influence", "accuracy", "correlate", "multiverse")


@pytest.mark.parametrize("arguments", [("stats", "--help"), *(("stats", name, "--help") for name in HELPED)])  # fmt: skip
def test_help_imports_nothing_heavy(place: str, arguments: tuple[str, ...]) -> None:
    assert not imports_of(*arguments, db=place) & {*HEAVY, "numpy"}


def test_a_pool_does_without_the_slow_imports(place: str) -> None:
    loaded = imports_of("stats", "pool", db=place)
    assert "numpy" in loaded
    assert not loaded & {"pandas", "altair", "scipy.stats", "statsmodels", "sqlmodel"}


BAD = {
    "negative.csv": "study,yi,vi\na,0.1,0.02\nb,0.2,-0.01\nc,0.3,0.01\n",
    "zero.csv": "study,yi,vi\na,0.1,0.02\nb,0.2,0\nc,0.3,0.01\n",
    "nan.csv": "study,yi,vi\na,0.1,0.02\n\nb,NaN,0.01\nc,0.3,0.01\n",
    "infinite.csv": "study,yi,vi\na,0.1,0.02\nb,inf,0.01\n",
    "text.csv": "study,yi,vi\na,0.1,0.02\nb,high,0.01\n",
    "comma.csv": "study;yi;vi\na;0,1;0.02\n",
    "one.csv": "study,yi,vi\na,0.1,0.02\n",
    "header.csv": "study,yi,vi\n",
    "nothing.csv": "",
    "twice.csv": "yi,vi,yi\n1,2,3\n",
    "short.csv": "study,yi,vi\na,0.1\n",
    "quoted.csv": 'study,yi,vi\n"a\nlong name",0.1,0.02\nb,0.2,-1\n',
    "cells.csv": "study,tp,fn,fp,tn\na,9,1,2,8\nb,0,0,0,0\nc,8,2,1,9\nd,7,2,3,9\n",
    "sick.csv": "study,tp,fn,fp,tn\na,9,1,2,8\nb,0,0,3,9\nc,8,2,1,9\nd,7,2,3,9\n",
    "edge.csv": "study,tp,fn,fp,tn\na,9,0,2,8\nb,7,1,3,9\nc,8,2,1,9\nd,7,2,3,9\n",
    "none.csv": "study,x,n\na,0,10\nb,0,20\nc,0,5\n",
    "more.csv": "study,x,n\na,3,10\nb,21,20\n",
    "moderators.csv": (
        "study,yi,vi,same,first,second\na,0.1,0.02,x,1,2\nb,0.2,0.01,x,2,4\nc,0.3,0.01,x,3,6\n"
        "d,0.3,0.01,x,4,8\ne,0.35,0.01,x,5,10\n"
    ),
}
EFFECT = ("--effect", "yi", "--variance", "vi")
TABLES = ("--tp", "tp", "--fn", "fn", "--fp", "fp", "--tn", "tn")
COUNTS = ("--events", "x", "--n", "n")


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, text in BAD.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "latin.csv").write_bytes("study,yi,vi\nM\xfcller,1,2\n".encode("latin-1"))
    return folder


@pytest.mark.parametrize(
    ("command", "name", "options", "code", "says"),
    [
        ("pool", "negative.csv", EFFECT, 1, "negative.csv, row 3, column 'vi': -0.01 is negative"),
        ("pool", "zero.csv", EFFECT, 1, "row 3, column 'vi': 0 would give the study all"),
        ("pool", "nan.csv", EFFECT, 1, "nan.csv, row 4, column 'yi': no value"),
        ("pool", "infinite.csv", EFFECT, 1, "row 3, column 'yi': inf is infinite"),
        ("pool", "text.csv", EFFECT, 1, "row 3, column 'yi': 'high' is not a number"),
        ("pool", "comma.csv", EFFECT, 1, "Write a point, not a comma"),
        ("pool", "one.csv", EFFECT, 1, "needs at least 2 studies; there is only 1"),
        ("pool", "header.csv", EFFECT, 1, "the selection is empty"),
        ("pool", "nothing.csv", EFFECT, 1, "holds no header"),
        ("pool", "twice.csv", EFFECT, 1, "row 1 names the column 'yi' twice"),
        ("pool", "short.csv", EFFECT, 1, "row 2 has 2 cells where the header has 3"),
        ("pool", "quoted.csv", EFFECT, 1, "row 4, column 'vi': -1 is negative"),
        ("pool", "latin.csv", EFFECT, 1, "not a text file in UTF-8"),
        ("pool", "nowhere.csv", EFFECT, 1, "no such file"),
        ("pool", "one.csv", ("--effect", "yi", "--variance", "vii"), 2, "Did you mean 'vi'?"),
        ("pool", "one.csv", ("--effect", "zebra", "--variance", "vi"), 2, "Known: study, yi, vi"),
        ("pool", "one.csv", (*EFFECT, "--label", "studdy"), 2, "Did you mean 'study'?"),
        ("pool", "one.csv", ("--effect", "yi"), 2, "--variance or --se"),
        ("pool", "one.csv", (), 2, "no column is named"),
        ("pool", "one.csv", (*EFFECT, "--modality", "CT"), 2, "--modality speaks of the literature"),
        ("pool", "one.csv", (*EFFECT, "--keep-retracted"), 2, "--keep-retracted speaks of"),
        ("accuracy", "cells.csv", TABLES, 1, "row 3, column 'tp': 0, as are the other three"),
        ("accuracy", "sick.csv", TABLES, 1, "row 3, column 'tp': 0, as is 'fn': no case with the"),
        ("accuracy", "edge.csv", (*TABLES, "--zero-cells", "none"), 1, "row 2, fn: a zero cell"),
        ("pool", "none.csv", COUNTS, 1, "all 3 studies are at 0 %"),
        ("pool", "more.csv", COUNTS, 1, "row 3, column 'x': 21 is more than the 20 of column 'n'"),
        ("regress", "moderators.csv", (*EFFECT, "--moderator", "same"), 1, "one level ('x')"),
        ("regress", "moderators.csv", (*EFFECT, "--moderator", "first", "--moderator", "second"), 1, "'first' and 'second' are collinear"),
        ("regress", "moderators.csv", (*EFFECT, "--moderator", "frist"), 2, "Did you mean 'first'?"),
        ("subgroup", "moderators.csv", (*EFFECT, "--by", "same"), 1, "the one value 'x'"),
        ("subgroup", "moderators.csv", EFFECT, 2, "--by"),
        ("influence", "moderators.csv", (*EFFECT, "--order", "first"), 2, "Add --cumulative"),
        ("influence", "moderators.csv", (*EFFECT, "--cumulative", "--order", "same"), 2, "no order"),
        ("pool", "moderators.csv", (*EFFECT, "--method", "common", "--test", "knapp-hartung"), 2, "tested by z"),
        ("pool", "moderators.csv", (*EFFECT, "--transform", "logit"), 2, "does not go with yi"),
        ("pool", "moderators.csv", (*EFFECT, "--figure-format", "png"), 2, "Name a folder"),
        ("correlate", "moderators.csv", ("--x", "first"), 2, "Name them with --x and --y"),
        ("correlate", "moderators.csv", ("--x", "first", "--y", "same"), 1, "row 2, column 'same': 'x' is not a number"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_by_row_and_column(
    call: Call, bad: Path, command: str, name: str, options: tuple[str, ...], code: int, says: str
) -> None:
    left, out, err = call(command, "--csv", str(bad / name), *options)
    assert left == code, err
    assert says in err
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("pool", "--modality", "OTC"), 2, "Did you mean 'OCT'?"),
        (("pool", "--modality", "OCT", "--year", "1999"), 1, "the selection is empty"),
        (("pool", "--modality", "OCT"), 1, "number of cases not known (2)"),
        (("pool", "--outcome", "acuracy"), 2, "Did you mean 'accuracy'"),
        (("pool", "--outcome", "precision"), 2, "cannot be pooled"),
        (("pool", "--method", "GLM"), 2, "Did you mean 'GLMM'?"),
        (("pool", "--method", "GLMM", "--outcome", "AUC"), 2, "not for AUC"),
        (("pool", "--method", "GLMM", "--transform", "raw"), 2, "takes no --transform"),
        (("pool", "--transform", "logitt"), 2, "Did you mean 'logit'?"),
        (("pool", "--level", "95"), 2, "not between 0 and 1"),
        (("pool", "--assume-n", "many"), 2, "Write images, test or a number"),
        (("pool", "--assume-n", "0"), 2, "not a number of cases"),
        (("pool", "--assume-prevalence", "50"), 2, "not between 0 and 1"),
        (("pool", "--effect", "yi"), 2, "Name the file with --csv"),
        (("regress", "--moderator", "depht"), 2, "Did you mean 'depth'"),
        (("subgroup", "--by", "modality", "--modality", "CT"), 1, "nothing to compare"),
        (("accuracy",), 1, "--assume-prevalence"),
        (("multiverse", "--transform", "logit"), 2, "goes through all of them"),
        (("correlate", "--outcome", "sensitivity"), 2, "AUC, accuracy"),
        (("correlate", "--x", "a"), 2, "Name the file with --csv"),
    ],
)
def test_a_bad_question_to_the_literature(
    call: Call, arguments: tuple[str, ...], code: int, says: str
) -> None:
    left, out, err = call(*arguments)
    assert left == code, err
    assert says in err
    assert out == ""


def test_rows_without_a_value_can_be_left_out_and_are_listed(
    ask: Callable[..., Any], bad: Path
) -> None:
    found = ask("pool", "--csv", str(bad / "nan.csv"), *EFFECT, "--missing", "exclude")
    assert found["k"] == 2
    (out,) = found["left_out"]
    assert (out["label"], out["code"], out["values"]) == ("row 4", "no-value", {"column": "yi"})


def test_a_correlation_of_two_columns(ask: Callable[..., Any], bad: Path) -> None:
    found = ask("correlate", "--csv", str(bad / "moderators.csv"), "--x", "first", "--y", "yi")
    assert found["n"] == 5
    assert found["p_method"] == "exact"
    # Of the 120 orders, those at least as far from 0 as ranks 1 2 3.5 3.5 5 in order.
    assert found["p"] == pytest.approx(4 / 120)


def test_the_whole_process_as_a_person_starts_it(place: str) -> None:
    outcome = run("stats", "pool", "--modality", "X-ray", db=place, columns=80)
    assert isinstance(outcome, subprocess.CompletedProcess)
    assert outcome.returncode == 0
    assert outcome.stderr == ""
    assert "accuracy, pooled" in outcome.stdout
