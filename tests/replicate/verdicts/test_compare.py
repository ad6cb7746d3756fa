"""Runs in a database beside what their studies report. Runs here are test data, not results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.database import Database
from db.errors import NotFoundError, ReplicationError, UsageError
from db.replications import RunValue
from db.runs import begin_run
from db.user import add_studies
from metaanalysis import frames, query
from metaanalysis.figures.runs.replications import replications
from replicate.verdicts.compare import compare, compare_run, compare_runs, counted
from replicate.verdicts.comparison import CODE_COLUMNS, ROW_COLUMNS, Comparison
from replicate.verdicts.words import Code, because, standing_words
from tests.replicate.made_runs import KARRI, THREE, add, metrics
from tests.study_files import good, write


def words(one: Comparison) -> dict[str, str]:
    return {value.replicated.metric: value.verdict.verdict for value in one.values}


def test_a_run_is_held_against_its_study(own: Database) -> None:
    add(own, KARRI, metrics(0.95, sd=0.01))
    one = compare_run(own, "aaaa")
    assert words(one) == {"accuracy": "reproduced", "AUC": "not comparable"}
    accuracy = one.values[0]
    assert accuracy.reported is not None
    assert accuracy.reported.value == 0.96
    assert (accuracy.replicated.seeds, accuracy.replicated.baseline) == (3, 0.5)
    assert accuracy.replicated.sd == pytest.approx(0.01)
    assert accuracy.verdict.remarks == (
        because(Code.SAME_TASK),
        because(Code.OTHER_SPLIT, reported="validation", run="test"),
        because(Code.STANDS_IN, run="MobileNetV2", reported="GoogLeNet"),
    )
    assert one.values[1].verdict.why == because(Code.NOT_REPORTED, metric="AUC")
    rows = one.rows()
    assert [tuple(row) for row in rows] == [(*ROW_COLUMNS, *CODE_COLUMNS)] * 2
    assert (rows[0]["ref"], rows[0]["reported_settings"], rows[0]["assumed_settings"]) == (49, 1, 1)
    assert rows[0]["replicated"] == 0.95
    assert rows[0]["ci_low"] == pytest.approx(0.93)
    json.dumps(one.to_dict())


def test_the_verdict_follows_the_run(own: Database) -> None:
    for place, value in enumerate((0.5, 0.8, 0.95)):
        add(own, replace(KARRI, id=f"bbbb{place}"), metrics(value))
    found = {one.run["id"]: words(one)["accuracy"] for one in compare_runs(own)}
    assert found == {"bbbb0": "at baseline", "bbbb1": "lower", "bbbb2": "reproduced"}
    assert counted(compare_runs(own)) == {
        "reproduced": 1, "lower": 1, "at baseline": 1, "not comparable": 3,
    }  # fmt: skip
    strict = compare_runs(own, margin=0.001)
    assert counted(strict)["consistent"] == 1


def test_a_test_against_the_baseline_goes_before_the_interval(own: Database) -> None:
    above = {"auc": {"baseline": 0.5, "above": False}, "accuracy": {"baseline": 0.5, "above": True}}
    outcome = {"confusion": {"classes": ["a", "b", "c"]}, "baseline": {"above": above}}
    add(own, KARRI, metrics(0.51), outcome)
    assert words(compare_run(own, KARRI.id))["accuracy"] == "lower"
    above["accuracy"]["above"] = False
    add(own, replace(KARRI, id="cc"), metrics(0.9), outcome)
    assert words(compare_run(own, "cc"))["accuracy"] == "at baseline"


def test_a_phantom_is_put_beside_nothing(own: Database) -> None:
    add(own, replace(KARRI, phantom=True), metrics(0.95))
    one = compare_run(own, KARRI.id)
    assert set(words(one).values()) == {"not comparable"}
    for row in one.rows():
        assert row["kind"] == "phantom"
        assert row["reported"] is None
        assert row["why"] == {"code": "phantom"}
    assert compare_runs(own) == []
    assert query.replicated(own) == []


def test_another_number_of_classes(own: Database) -> None:
    add(own, KARRI, metrics(0.95), {"classes": ["AMD", "normal"]})
    accuracy = compare_run(own, KARRI.id).values[0]
    assert accuracy.verdict.verdict == "not comparable"
    assert accuracy.verdict.why.values["against"] == (because(Code.OF_CLASSES, reported=3, run=2),)


def test_a_run_of_no_study(own: Database) -> None:
    add(own, replace(KARRI, study_key=None, setup=None), metrics(0.95))
    add(own, replace(KARRI, id="dd", study_key="gone2020", setup=None), metrics(0.95))
    one, gone = compare_run(own, "aaaa"), compare_run(own, "dd")
    assert one.values[0].verdict.why == because(Code.NO_STUDY)
    assert gone.values[0].verdict.why == because(Code.STUDY_GONE, study="gone2020")


def test_what_a_setup_names_goes_before_the_rule(own: Database) -> None:
    named = {"metric": "auc", "value": 0.96, "n": 150, "source": "s", "note": "Of the best fold."}
    add(own, KARRI, metrics(0.95), {**THREE, "reported": [named]})
    one = compare_run(own, KARRI.id)
    assert words(one) == {"accuracy": "not comparable", "AUC": "reproduced"}
    assert {
        because(Code.NOTE, note="Of the best fold."),
        because(Code.MEAN_OVER_CLASSES, metric="AUC", classes=3),
    } <= set(one.values[1].verdict.remarks)


def test_a_reported_value_that_contradicts_itself(own: Database, tmp_path: Path) -> None:
    """No count of three cases gives 0.7551, nor does a mean over runs."""
    text = good("mine2026")
    start = text.index("metrics:")
    lines = (
        "metrics:\n  - metric: accuracy\n    value: 0.7551\n    headline: true\n    split: test\n"
        "    n: 3\n    basis: abstract\n    source: https://example.org\n"
    )
    add_studies(own, [write(tmp_path / "mine2026.yaml", text[:start] + lines)])
    add(own, replace(KARRI, study_key="mine2026"), metrics(0.755), {"baseline": 0.5})
    accuracy = compare_run(own, KARRI.id).values[0]
    assert accuracy.verdict.verdict == "impossible", accuracy
    assert accuracy.verdict.why.code is Code.IMPOSSIBLE


def test_by_setup_by_study_by_run(own: Database) -> None:
    add(own, KARRI, metrics(0.95))
    add(own, replace(KARRI, id="aaaa00000002", setup="other"), metrics(0.9))
    for what, count in (("other", 1), ("49", 2), ("karri2017", 1), ("aaaa00000002", 1)):
        assert len(compare(own, what)) == count, what
    with pytest.raises(NotFoundError, match="beginning of 2 runs") as caught:
        compare(own, "aaaa")
    assert "aaaa00000001, aaaa00000002" in caught.value.hint
    with pytest.raises(NotFoundError, match="neither a setup") as caught:
        compare(own, "kari2017")
    assert "karri2017" in caught.value.hint
    with pytest.raises(NotFoundError, match="minaee2020: no finished run"):
        compare(own, "150")
    with pytest.raises(NotFoundError, match="no run 'ffff'"):
        compare(own, "ffff")


def test_a_run_that_is_not_finished(own: Database) -> None:
    begin_run(own, KARRI)
    with pytest.raises(ReplicationError, match="is running"):
        compare_run(own, KARRI.id)
    assert compare_runs(own) == []


def test_a_negative_margin(own: Database) -> None:
    with pytest.raises(UsageError, match="negative"):
        compare_runs(own, margin=-1)


def test_listing_runs(own: Database) -> None:
    add(own, KARRI, metrics(0.95))
    add(own, replace(KARRI, id="b1", phantom=True, study_key=None, setup=None,
                     tl_type="recommended protocol"), metrics(0.9))  # fmt: skip
    begin_run(own, replace(KARRI, id="c1", backbone="VGG16", backbone_reported=None))
    everything = query.runs(own)
    assert {row["id"] for row in everything} == {"c1", "b1", KARRI.id}
    assert all(tuple(row) == query.RUN_COLUMNS for row in everything)

    def ids(**filters: Any) -> set[str]:
        return {row["id"] for row in query.runs(own, **filters)}

    assert ids(phantom=True) == {"b1"}
    assert ids(phantom=False) == {KARRI.id, "c1"}
    assert ids(study="49") == {KARRI.id, "c1"}
    assert ids(state="running") == {"c1"}
    assert ids(backbone="googlenet") == {KARRI.id, "b1"}
    assert ids(backbone="vgg-16") == {"c1"}
    assert ids(tl_type="FT") == {KARRI.id, "c1"}
    assert ids(tl_type="recommended") == {"b1"}
    assert ids(setup="KARRI2017") == {KARRI.id, "c1"}
    assert len(query.runs(own, limit=2)) == 2
    mine = query.runs(own, study="49", state="finished")[0]
    assert (mine["accuracy"], mine["AUC"], mine["seeds"]) == (0.95, 0.97, 3)
    with pytest.raises(UsageError, match="state"):
        query.runs(own, state="done")
    with pytest.raises(UsageError, match="TL type"):
        query.runs(own, tl_type="fine")
    values = query.replicated(own, phantom=True)
    assert {(row["run"], row["kind"]) for row in values} == {
        (KARRI.id, "replicated"), ("b1", "phantom"),
    }  # fmt: skip
    assert all(tuple(row) == query.REPLICATED_COLUMNS for row in values)


def test_the_tidy_frame(own: Database) -> None:
    add(own, KARRI, metrics(0.95, sd=0.01))
    add(own, replace(KARRI, id="b1", phantom=True), metrics(0.9))
    frame = frames.replications(own)
    assert tuple(frame.columns) == query.REPLICATED_COLUMNS
    assert set(frame["kind"]) == {"replicated"}
    accuracy = frame[frame["metric"] == "accuracy"].iloc[0]
    assert (accuracy["value"], accuracy["seeds"], accuracy["ref"]) == (0.95, 3, 49)
    assert accuracy["sd"] == pytest.approx(0.01)
    assert frame[frame["metric"] == "AUC"].iloc[0]["n"] == 300
    assert len(frames.replications(own, phantom=True)) == 2 * len(frame)


def test_a_value_of_one_class_is_held_against_that_class(own: Database) -> None:
    of_all = RunValue("sensitivity", 0.70, 0.66, 0.74, 300)
    of_amd = RunValue("sensitivity", 0.97, 0.93, 0.99, 100, class_label="AMD")
    named = {"metric": "sensitivity", "value": 0.96, "task": "AMD vs not", "of_class": "AMD"}
    outcome = {**THREE, "reported": [named]}
    add(own, KARRI, [of_all, of_amd], outcome)
    (found,) = compare_run(own, KARRI.id).values
    assert (found.replicated.value, found.replicated.n) == (0.97, 100)
    assert found.verdict.verdict == "reproduced"
    said = {remark.code for remark in found.verdict.remarks}
    assert Code.ONE_CLASS in said
    assert Code.MEAN_OVER_CLASSES not in said
    assert [row["of_class"] for row in compare_run(own, KARRI.id).rows()] == ["AMD"]
    drawn = replications(compare_run(own, KARRI.id).rows(), data_hash=None)
    assert "sensitivity of AMD" in json.dumps(drawn.chart.to_dict())
    area = RunValue("auc", 0.55, 0.45, 0.64, 300, class_label="AMD")
    add(own, replace(KARRI, id="c1"), [of_all, of_amd, area], outcome)
    (blind,) = compare_run(own, "c1").values
    assert blind.verdict.verdict == "at baseline"
    assert blind.verdict.why == because(Code.BLIND, of_class="AMD", metric="sensitivity")
    whole = {name: item for name, item in named.items() if name != "of_class"}
    add(own, replace(KARRI, id="b1"), [of_all, of_amd], {**outcome, "reported": [whole]})
    (found,) = compare_run(own, "b1").values
    assert found.verdict.verdict == "not comparable"


def test_the_sensitivity_of_a_run_that_names_one_class_throughout(own: Database) -> None:
    named = {"metric": "sensitivity", "value": 1.0}
    for place, (above, word) in enumerate(((False, "at baseline"), (True, "reproduced"))):
        tests = {"balanced_accuracy": {"baseline": 1 / 3, "above": above}}
        outcome = {**THREE, "baseline": {"above": tests}, "reported": [named]}
        record = replace(KARRI, id=f"c{place}")
        add(own, record, [RunValue("sensitivity", 1.0, 0.97, 1.0, 100)], outcome)
        assert words(compare_run(own, record.id)) == {"sensitivity": word}


def test_a_run_from_random_weights_is_no_rerun_of_a_pretrained_one(own: Database) -> None:
    named = {"metric": "accuracy", "value": 0.96}
    record = replace(KARRI, tl_type="random initialisation")
    add(own, record, metrics(0.95), {**THREE, "reported": [named]})
    assert words(compare_run(own, record.id))["accuracy"] == "not comparable"


def test_the_number_of_queries_does_not_grow_with_runs_and_studies(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = own.rows
    monkeypatch.setattr(own, "rows", lambda sql, *more: (asked.append(sql), rows(sql, *more))[1])
    add(own, KARRI, metrics(0.95))
    compare_runs(own)
    of_one = len(asked)
    assert of_one <= 12
    for place, study in enumerate(("minaee2020", "kather2019", "byra2019", "karri2017")):
        add(own, replace(KARRI, id=f"bbbb{place}", study_key=study), metrics(0.9))
    asked.clear()
    assert len(compare_runs(own)) == 5
    assert len(asked) == of_one


@pytest.mark.parametrize(
    ("split", "division"),
    [("hold-out", "hold-out"), ("k-fold", "k-fold"), ("official", "seeds"), (None, None)],
)
def test_the_margin_is_of_what_reruns_of_the_split_change(
    own: Database, split: str | None, division: str | None
) -> None:
    spec = {**KARRI.spec, "split": {"kind": split} if split else {}}
    add(own, replace(KARRI, spec=spec), metrics(0.95))
    (accuracy, _) = compare_run(own, KARRI.id).values
    margin = accuracy.verdict.margin
    assert margin.division == division
    assert margin.source == ("measured reruns" if division else "convention")
    row = compare_run(own, KARRI.id).rows()[0]
    assert row["margin"] == margin.value
    assert row["at_0.01"] == row["at_0.02"] == row["at_0.03"] == "reproduced"


def test_what_one_seed_tests_counts_and_of_a_sensitivity_those_of_the_class(own: Database) -> None:
    """Three hold-outs of 100 images meet 250 of 400; the class has a fifth of them."""
    values = [
        RunValue("accuracy", 0.8, 0.75, 0.85, 250),
        RunValue("sensitivity", 0.7, 0.6, 0.8, 250),
        RunValue("sensitivity", 0.7, 0.6, 0.8, 50, class_label="AMD"),
        RunValue("specificity", 0.9, 0.8, 0.95, 200, class_label="AMD"),
        RunValue("specificity", 0.9, 0.8, 0.95, 250),
        *(RunValue(name, 0.8, n=100, seed=seed) for seed in range(3)
          for name in ("accuracy", "sensitivity", "specificity")),
    ]  # fmt: skip
    add(own, KARRI, values, {"classes": ["AMD", "normal"], "positive": "AMD"})
    found = {one.replicated.metric: one.replicated.cases for one in compare_run(own, "aaaa").values}
    assert found == {"accuracy": 100, "sensitivity": 20, "specificity": 80}


def test_five_seeds_have_a_margin_of_their_own(own: Database) -> None:
    seeds = [RunValue("accuracy", 0.9 + 0.01 * step, n=300, seed=step) for step in range(5)]
    add(own, KARRI, [RunValue("accuracy", 0.92, 0.9, 0.94, 300), *seeds])
    (accuracy,) = compare_run(own, KARRI.id).values
    assert (accuracy.verdict.margin.source, accuracy.verdict.margin.seeds) == ("own reruns", 5)


def test_a_verdict_that_was_kept_without_margins_is_still_read() -> None:
    assert standing_words({"verdict": "lower", "margin": 0.02}) == ""
