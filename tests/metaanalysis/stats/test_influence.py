from __future__ import annotations

import numpy as np
import pytest

from db.errors import StatisticsError
from metaanalysis import influence, pool
from metaanalysis.stats.influence import cumulative, leave_one_out
from metaanalysis.stats.studies import EffectSizes
from tests.metaanalysis.stats.golden_values import (
    ABLAT,
    BCG_EFFECT,
    BCG_VARIANCE,
    META,
    MODELS,
    YEAR,
    close,
)

BCG = (BCG_EFFECT, BCG_VARIANCE)
COLUMNS = (
    "rstudent", "dffits", "cook", "cov_ratio", "tau2_deleted", "q_deleted", "hat", "weight",
)  # fmt: skip
CASES = {
    "none_z": {"test": "z"},
    "none_knha": {},
    "ablat_z": {"test": "z", "moderators": {"ablat": ABLAT}},
}


@pytest.mark.parametrize("case", CASES)
def test_diagnostics_equal_metafor(case):
    golden = MODELS["influence"][case]
    found = influence(BCG_EFFECT, BCG_VARIANCE, **CASES[case])
    for column in COLUMNS:
        close(found.column(column), golden[column], rtol=1e-9)
    close(np.array(found.column("dfbetas")), np.array(golden["dfbetas"]), rtol=1e-9)


def test_metafor_test_misc_influence():
    """Printed from a fit at default tolerance: six digits hold."""
    row = influence(BCG_EFFECT, BCG_VARIANCE, test="z").table[0]
    golden = (-0.218142474344442, -0.0407075604868486, 0.00171654236729195, 1.11644891104804)
    close([row[key] for key in COLUMNS[:4]], golden, rtol=2e-6)
    hat = influence(BCG_EFFECT, BCG_VARIANCE, test="z", moderators={"ablat": ABLAT}).column("hat")
    golden = (0.049, 0.1493, 0.0351, 0.3481, 0.2248, 0.2367, 0.064, 0.357, 0.0926, 0.1157, 0.2309,
              0.0189, 0.0778)  # fmt: skip
    close(hat, golden, atol=6e-5)


@pytest.mark.parametrize("data", ["BCG", "Pritz"])
def test_leave_one_out_and_cumulative(data):
    golden = META["BCG"]["results"] if data == "BCG" else META["Pritz"]["logit"]
    prefix = "" if data == "BCG" else "logit_"
    effect = [row[f"{prefix}yi"] for row in META[data]["data"]]
    variance = [row[f"{prefix}vi"] for row in META[data]["data"]]
    found = leave_one_out(effect, variance, test="z")
    for column, values in golden["leave_one_out_REML"].items():
        close(found.column(column), values)
    found = cumulative(effect, variance, method="DL", test="z")
    close(found.column("estimate"), golden["cumulative_DL"]["estimate"])
    close(found.table[-1]["estimate"], found.full.estimate)


def test_cumulative_follows_its_order():
    found = cumulative(EffectSizes.of(*BCG, labels=YEAR), None, YEAR, test="z")
    years = [int(label) for label in found.column("label")]
    assert years == sorted(YEAR)
    assert found.column("k") == tuple(range(1, 14))
    close(found.table[-1]["estimate"], pool(BCG_EFFECT, BCG_VARIANCE).estimate)
    with pytest.raises(StatisticsError, match="Row 2, column 'order': missing"):
        cumulative([1, 2], [1, 1], [2000, float("nan")])
    with pytest.raises(StatisticsError, match="'order' has 1 rows"):
        cumulative([1, 2], [1, 1], [2000])


def test_an_outlier_is_influential():
    effect = [0.1, 0.2, 0.15, 0.12, 0.18, 5.0]
    found = influence(EffectSizes.of(effect, [0.01] * 6, labels=list("abcdef")), test="z")
    assert "f" in found.influential
    assert abs(found.table[5]["rstudent"]) > 1.96


def test_too_few_studies():
    with pytest.raises(StatisticsError, match="Leave-one-out needs at least 3"):
        leave_one_out([1, 2], [1, 1])
    with pytest.raises(StatisticsError, match="too few to delete"):
        influence([1, 2, 3], [1, 1, 1], moderators={"dose": [1, 2, 3.5]})


def test_a_study_that_alone_carries_a_level_is_named():
    with pytest.raises(StatisticsError, match=r"Row 5 \(5\) cannot be deleted"):
        influence([1, 2, 3, 4, 5], [1.0] * 5, moderators={"kind": list("aaaab")})


def test_rows_are_plain():
    found = leave_one_out(EffectSizes.of(*BCG, back_transform="exp"))
    assert found.to_frame().shape[0] == 13
    close(found.table[0]["natural_estimate"], np.exp(found.table[0]["estimate"]))


def test_cutoffs_are_those_that_flag():
    found = influence(BCG_EFFECT, BCG_VARIANCE)
    limits = found.cutoffs
    close([limits["dffits"], limits["hat"]], [3 / np.sqrt(12), 3 / 13])
    close(limits["cook"], 0.4549364231, rtol=1e-9)
    for row in found.table:
        by = found.influential.get(row["label"], ())
        assert ("hat" in by) == (row["hat"] > limits["hat"])
        assert ("cook" in by) == (row["cook"] > limits["cook"])
