from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from metaanalysis import bivariate, egger, glmm, influence, pool, regress, spearman, subgroups
from metaanalysis.stats.record import plain
from tests.metaanalysis.stats.golden_values import (
    ALLOC,
    AUDIT,
    BCG_EFFECT,
    BCG_VARIANCE,
    PRITZ_EVENTS,
    PRITZ_N,
)

DATA = (BCG_EFFECT, BCG_VARIANCE)
RESULTS = {
    "pool": lambda: pool(*DATA),
    "common": lambda: pool(*DATA, "common"),
    "glmm": lambda: glmm(PRITZ_EVENTS, PRITZ_N),
    "regress": lambda: regress(*DATA, {"alloc": ALLOC}),
    "subgroups": lambda: subgroups(*DATA, ALLOC),
    "bivariate": lambda: bivariate(AUDIT),
    "egger": lambda: egger(*DATA),
    "influence": lambda: influence(*DATA),
    "spearman": lambda: spearman([1, 2, 3, 4], [1, 3, 2, 4], resamples=99),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_frozen_json_safe_and_readable(name):
    found = RESULTS[name]()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.k = 3
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert "excluded" in values
    assert "warnings" in values
    assert found.to_frame().shape[0] == len(found.rows()) >= 1
    json.dumps(found.rows(), allow_nan=False)
    assert len(repr(found).splitlines()) >= 1


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_can_be_hashed(name):
    found = RESULTS[name]()
    assert {found: 1}[found] == 1


def test_q_says_what_it_is():
    cochran, ratio = RESULTS["pool"](), RESULTS["glmm"]()
    assert (cochran.details["q_kind"], cochran.q_label) == ("Cochran", "Q (12 df)")
    assert ratio.details["q_kind"] == "likelihood ratio"
    assert ratio.q_label == f"Q (likelihood ratio, {ratio.q_df} df)"
    assert ratio.q_label in repr(ratio)
    assert ratio.to_dict()["weights"] is None
    assert len(cochran.to_dict()["weights"]) == 13


def test_plain_values():
    assert plain(float("nan")) is None
    assert plain(np.float64(2.5)) == 2.5
    assert plain({"a": (np.int64(1), float("inf"))}) == {"a": [1, None]}


def test_functions_win_over_modules_of_the_same_name():
    import metaanalysis.stats.pool
    from metaanalysis import pool as again

    assert callable(again)
    assert again is pool
    assert callable(metaanalysis.glmm)
    with pytest.raises(AttributeError):
        _ = metaanalysis.nothing
    for name in set(metaanalysis.__all__) - {"__version__"}:
        assert callable(getattr(metaanalysis, name)), name


def test_pooling_imports_nothing_heavy():
    code = (
        "import sys; from metaanalysis import pool; pool([1, 2, 3], [1, 1, 2]);"
        "heavy = {'pandas', 'scipy.stats', 'scipy.optimize', 'statsmodels'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
