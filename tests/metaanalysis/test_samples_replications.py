"""Replications as a sample: pooled like studies, never with them. Runs here are test data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db.database import Database, open_database
from db.errors import StatisticsError, UsageError
from db.replications import RunValue
from db.vocabulary import CONTROL
from metaanalysis.analyses.pooling import pool_sample
from metaanalysis.samples.replications import from_replications
from metaanalysis.samples.sample import Remark
from tests.replicate.made_runs import KARRI, THREE, add, metrics


@pytest.fixture
def own(tmp_path: Path, database: Database) -> Iterator[Database]:
    with open_database(shutil.copy(str(database.location.path), tmp_path / "x.sqlite")) as opened:
        yield opened


def test_the_newest_run_of_each_study_is_pooled(own: Database) -> None:
    add(own, replace(KARRI, id="a0"), metrics(0.5))
    add(own, replace(KARRI, id="a1"), metrics(0.9))
    add(
        own,
        replace(KARRI, id="b", study_key="shi2018", fidelity="proxy", dataset="x"),
        metrics(0.8),
    )
    add(own, replace(KARRI, id="c", study_key=None, setup=None, dataset="own"), metrics(0.7))
    add(own, replace(KARRI, id="d", study_key="deepak2019", phantom=True), metrics(1.0))
    sample = from_replications(own)
    assert sample.source == "replicated"
    found = dict(zip(sample.clusters, sample.columns["events"], strict=True))
    with_time = own.rows("SELECT id FROM run WHERE id LIKE 'a%' ORDER BY created_at DESC, id DESC")
    newest = {"a0": 150, "a1": 270}[with_time[0]["id"]]
    assert found == {"karri2017": newest, "shi2018": 240, "images own": 210}
    assert sample.columns["n"] == (300, 300, 300)
    assert {item.short: item.code for item in sample.left_out} == {
        ({"a0", "a1"} - {with_time[0]["id"]}).pop(): "older-run",
        "d": "phantom",
    }
    assert sample.said(sample.notes) == [Remark.of("proxies", ["b"])]
    pooled = pool_sample(sample).result.back_transformed
    assert 0.7 < pooled["estimate"] < 0.9
    assert sorted(sample.moderators["fidelity"]) == ["proxy", "same task", "same task"]


def test_areas_take_the_runs_own_interval(own: Database) -> None:
    add(own, KARRI, metrics(0.9))
    add(own, replace(KARRI, id="b", study_key="shi2018"), metrics(0.8, auc=0.9))
    sample = from_replications(own, "auc")
    assert sorted(sample.columns["value"]) == [0.9, 0.97]
    pooled = pool_sample(sample).result.back_transformed
    assert 0.9 < pooled["estimate"] < 0.97


def test_a_control_is_pooled_with_nothing_and_displaces_nothing(own: Database) -> None:
    add(own, replace(KARRI, id="a"), metrics(0.9))
    add(own, replace(KARRI, id="b", study_key="shi2018", dataset="x"), metrics(0.8))
    add(own, replace(KARRI, id="z", tl_type=CONTROL), metrics(0.5))
    sample = from_replications(own)
    assert sample.clusters == ("karri2017", "shi2018")
    assert sample.columns["events"] == (270, 240)
    assert {item.short: item.code for item in sample.left_out} == {"z": "random-network"}


def test_nothing_to_pool(own: Database) -> None:
    add(own, replace(KARRI, phantom=True), metrics(0.9))
    with pytest.raises(StatisticsError, match="no run has replicated the accuracy"):
        from_replications(own)
    with pytest.raises(UsageError, match="cannot be pooled"):
        from_replications(own, "F1")


def test_a_contest_is_one_row_a_set_and_a_mean_over_classes_no_count(own: Database) -> None:
    free = replace(KARRI, study_key=None, setup=None)
    for place in range(3):
        add(own, replace(free, id=f"a{place}"), metrics(0.7 + place / 10))
    add(own, replace(free, id="b", dataset="another set"), metrics(0.8))
    add(own, replace(KARRI, id="c"), metrics(0.9))
    sample = from_replications(own)
    assert len(sample.shorts) == 3
    assert [item.code for item in sample.left_out] == ["older-run-of-images"] * 2
    assert [remark.code for remark in sample.said(sample.notes)] == ["shared-images"]
    rate = [RunValue("sensitivity", 0.9, 0.8, 0.95, 300, "wilson")]
    add(own, replace(KARRI, id="d", study_key="shi2018"), rate, {**THREE, "positive": None})
    two = {"classes": ["benign", "malignant"], "positive": "malignant"}
    add(own, replace(KARRI, id="e", study_key="deepak2019"), rate, two)
    found = from_replications(own, "sensitivity")
    assert found.shorts == ("e",)
    assert [(item.short, item.code) for item in found.left_out] == [("d", "mean-over-classes")]
