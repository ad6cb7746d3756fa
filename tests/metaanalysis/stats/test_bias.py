from __future__ import annotations

import math

import numpy as np
import pytest

from db.errors import StatisticsError
from metaanalysis.stats.bias import begg, deeks, egger, peese, pet, pet_peese
from metaanalysis.stats.trim_fill import trim_and_fill
from tests.metaanalysis.stats.golden_values import (
    AUDIT,
    BCG_EFFECT,
    BCG_VARIANCE,
    META,
    MODELS,
    close,
)

SETS = MODELS["bias"]


@pytest.mark.parametrize("name", SETS)
def test_egger_equals_regtest(name):
    golden = SETS[name]
    mixed = egger(golden["effect"], golden["variance"])
    close(
        [mixed.statistic, mixed.p, mixed.limit],
        [golden["z"], golden["p"], golden["limit"]],
        rtol=1e-8,
    )
    close(
        [mixed.limit_low, mixed.limit_high], [golden["limit_low"], golden["limit_high"]], rtol=1e-8
    )
    classic = egger(golden["effect"], golden["variance"], model="wls")
    close(
        [classic.statistic, classic.p, classic.limit],
        [golden["t"], golden["t_p"], golden["wls_limit"]],
    )
    assert classic.df == golden["df"]


@pytest.mark.parametrize("name", SETS)
def test_begg_equals_ranktest(name):
    found = begg(SETS[name]["effect"], SETS[name]["variance"])
    close([found.statistic, found.p], [SETS[name]["kendall"], SETS[name]["begg_p"]])


@pytest.mark.parametrize("name", SETS)
def test_pet_and_peese_equal_lm(name):
    golden = SETS[name]
    for test, key in ((pet, "pet"), (peese, "peese")):
        found = test(golden["effect"], golden["variance"])
        close([found.limit, found.slope], golden[key])
        close([found.limit_se, found.slope_se], golden[f"{key}_se"])


@pytest.mark.parametrize("name", SETS)
def test_trim_and_fill_equals_metafor(name):
    golden = SETS[name]
    data = (golden["effect"], golden["variance"])
    # trimfill() refits at metafor's default tolerance: REML agrees within 1e-6, the
    # common effect and DL to all of them
    found = trim_and_fill(*data, test="z")
    assert (found.k0, found.side) == (golden["L0"]["k0"], golden["L0"]["side"])
    close(found.k0_se, golden["L0"]["se"], rtol=1e-5)
    close(found.adjusted.estimate, golden["L0"]["estimate"], atol=1e-6)
    close(found.adjusted.tau2, golden["L0"]["tau2"], rtol=1e-4)
    other = trim_and_fill(*data, estimator="R0", test="z")
    assert other.k0 == golden["R0"]["k0"]
    close([other.k0_se, other.k0_p], [golden["R0"]["se"], golden["R0"]["p"]])
    close(other.adjusted.estimate, golden["R0"]["estimate"], atol=1e-6)
    common = trim_and_fill(*data, method="common")
    assert common.k0 == golden["L0_common"]["k0"]
    close(common.adjusted.estimate, golden["L0_common"]["estimate"])


@pytest.mark.parametrize("data", ["BCG", "Pritz"])
def test_golden_battery(data):
    golden = META["BCG"]["results"] if data == "BCG" else META["Pritz"]["logit"]
    prefix = "" if data == "BCG" else "logit_"
    effect = [row[f"{prefix}yi"] for row in META[data]["data"]]
    variance = [row[f"{prefix}vi"] for row in META[data]["data"]]
    close(egger(effect, variance).statistic, golden["egger_mixed_REML"]["z"])
    close(egger(effect, variance, model="wls").p, golden["egger_lm"]["p"])
    close(begg(effect, variance).p, golden["begg_rank"]["p"])
    filled = trim_and_fill(effect, variance, method="DL", test="z")
    assert (filled.k0, filled.side) == (
        golden["trim_fill_DL"]["k0"],
        golden["trim_fill_DL"]["side"],
    )
    close(filled.adjusted.estimate, golden["trim_fill_DL"]["estimate"])
    close(filled.adjusted.se, golden["trim_fill_DL"]["se"])


def test_references_4_2():
    found = egger(SETS["egger2001"]["effect"], SETS["egger2001"]["variance"])
    close(found.statistic, -4.6686356304657, rtol=1e-10)
    assert trim_and_fill(SETS["hackshaw"]["effect"], SETS["hackshaw"]["variance"]).k0 == 7


def test_pet_peese_chooses():
    assert "PET chosen" in pet_peese(BCG_EFFECT, BCG_VARIANCE).name
    strong = SETS["hackshaw"]
    chosen = pet_peese(strong["effect"], strong["variance"])
    first = pet(strong["effect"], strong["variance"])
    assert ("PEESE chosen" in chosen.name) == (first.limit_p < 0.10)


def test_deeks_is_a_weighted_line():
    found = deeks(AUDIT)
    tp, fn, fp, tn = np.where((AUDIT == 0).any(axis=1)[:, None], AUDIT + 0.5, AUDIT).T
    size = 4 * AUDIT[:, :2].sum(1) * AUDIT[:, 2:].sum(1) / AUDIT.sum(1)
    design = np.column_stack([np.ones(14), 1 / np.sqrt(size)])
    root = np.sqrt(size)[:, None]
    response = np.log(tp * tn / (fp * fn))
    solution, rest, _, _ = np.linalg.lstsq(design * root, response * root[:, 0], rcond=None)
    close([found.limit, found.slope], solution, rtol=1e-9)
    covariance = np.linalg.inv((design * size[:, None]).T @ design) * rest[0] / 12
    close(found.slope_se, math.sqrt(covariance[1, 1]), rtol=1e-9)
    assert found.df == 12


def test_few_studies_are_noted():
    effect, variance = [0.1, 0.4, 0.9, 0.2], [0.1, 0.2, 0.4, 0.3]
    for found in (egger(effect, variance), begg(effect, variance), pet(effect, variance)):
        assert found.warnings[-1].code == "few-studies"
    assert trim_and_fill(effect, variance).warnings[-1].code == "few-to-fill"
    assert not egger(BCG_EFFECT, BCG_VARIANCE).warnings


def test_same_precision_leaves_no_line():
    with pytest.raises(StatisticsError, match="one value"):
        egger([1, 2, 3], [1, 1, 1])
    with pytest.raises(StatisticsError, match="same standard error"):
        egger([1, 2, 3], [1, 1, 1], model="wls")
    with pytest.raises(StatisticsError, match="Name the side"):
        trim_and_fill([1, 2, 3], [1, 1, 1])
    assert trim_and_fill([1, 2, 3], [1, 1, 1], side="left").k0 >= 0
    with pytest.raises(StatisticsError, match="needs at least 3 studies"):
        egger([1, 2], [1, 2])


def test_begg_with_ties_is_normal():
    found = begg([1.0, 2.0, 1.5, 0.3], [0.1, 0.1, 0.2, 0.3])
    assert found.details["p_method"].startswith("normal")
