from __future__ import annotations

import json

import numpy as np
import pytest

from db.errors import StatisticsError
from metaanalysis import glmm, multiverse, pool, proportions
from metaanalysis.stats.multiverse import multiverse_proportions
from metaanalysis.stats.studies import EffectSizes
from tests.metaanalysis.stats.golden_values import (
    BCG_EFFECT,
    BCG_VARIANCE,
    TOY_EVENTS,
    TOY_N,
    close,
)


def test_grid_of_proportions():
    found = multiverse_proportions(TOY_EVENTS, TOY_N, inclusion={"large": np.array(TOY_N) > 45})
    # 4 scales x (3 methods x 2 tests + common) and 2 GLMM, for 2 sets
    assert len(found.table) == 2 * (4 * 7 + 2)
    assert list(found.column("estimate")) == sorted(found.column("estimate"))
    rows = {
        (row["transform"], row["method"], row["test"]): row
        for row in found.table
        if row["inclusion"] == "all"
    }
    close(
        rows["glmm", "GLMM", "z"]["estimate"], glmm(TOY_EVENTS, TOY_N).back_transformed["estimate"]
    )
    single = pool(proportions(TOY_EVENTS, TOY_N, "freeman-tukey")).back_transformed
    close(rows["freeman-tukey", "REML", "knapp-hartung"]["ci_low"], single["ci_low"])
    assert found.summary["smallest"] <= found.summary["median"] <= found.summary["largest"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_grid_of_effects():
    found = multiverse(EffectSizes.of(BCG_EFFECT, BCG_VARIANCE, back_transform="exp"))
    assert len(found.table) == 7
    assert {row["transform"] for row in found.table} == {"effect"}
    assert found.to_frame().shape[0] == 7


def test_failed_analyses_are_listed_not_shown():
    found = multiverse_proportions(
        [10, 20, 29],
        [10, 20, 30],
        inclusion={"full": [True, True, False], "one": [False, False, True]},
    )
    failed = [note.values["analysis"] for note in found.warnings]
    assert ("full", "glmm", "t") in failed
    assert ("one", "logit") in failed
    assert found.summary["failed"] == len(found.warnings)
    assert not any(row["inclusion"] == "full" and row["transform"] == "glmm" for row in found.table)


def test_bad_options():
    with pytest.raises(StatisticsError, match="No such transform: 'probit'"):
        multiverse_proportions(TOY_EVENTS, TOY_N, transforms=["probit"])
    with pytest.raises(StatisticsError, match="Inclusion set 'x' must hold 13 times"):
        multiverse(BCG_EFFECT, BCG_VARIANCE, inclusion={"x": [1, 2]})
    with pytest.raises(StatisticsError, match="No analysis succeeded"):
        multiverse_proportions([10, 10], [10, 10], transforms=["glmm"])
