from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import StatisticsError
from metaanalysis import pool, regress
from metaanalysis.stats.effects import two_groups
from metaanalysis.stats.least_squares import fit_one, intercept_only
from metaanalysis.stats.tau2 import (
    ESTIMATORS,
    estimate_tau2,
    estimate_tau2_batch,
    estimator_name,
    log_likelihood,
    profile_likelihood,
    q_profile,
)
from tests.metaanalysis.stats.golden_values import BCG, BCG_EFFECT, BCG_VARIANCE, MODELS, close

# REFERENCES 4.1: R with tight control; EB and PM solve the same equation.
BCG_TABLE = {
    "DL": (-0.71411722207323, 0.1787420895354, 0.30876026286238, 92.117346854562, 12.686084006864),
    "HE": (-0.71587858875874, 0.18327998598878, 0.32856385799577, 92.557097406627, 13.43561852993),
    "HS": (-0.70453537391626, 0.15865209305666, 0.22836286367691, 89.62996666409, 9.6431705435034),
    "SJ": (-0.71724859255758, 0.18705945841643, 0.3455157015986, 92.89632409554, 14.07721880122),
    "ML": (-0.71119913547418, 0.17189680877689, 0.28002813726864, 91.378283789446, 11.59861883155),
    "REML": (-0.71453234215814, 0.17978151610521, 0.3132432581365, 92.22138452127, 12.8557582353),
    "EB": (-0.71496815349344, 0.18089219153762, 0.31806845220502, 92.33033795415, 13.0383841429),
    "PM": (-0.71496815349344, 0.18089219153762, 0.31806845220502, 92.33033795415, 13.0383841429),
}  # fmt: skip


@pytest.mark.parametrize("method", BCG_TABLE)
def test_bcg_table(method):
    found = pool(BCG_EFFECT, BCG_VARIANCE, method, "z")
    close([found.estimate, found.se, found.tau2, found.i2, found.h2], BCG_TABLE[method], rtol=1e-12)


def test_clasp_of_dersimonian_kacker_2007():
    studies = two_groups(
        (5, 5, 12, 69, 9, 313), (156, 303, 565, 1570, 103, 4659),
        (8, 17, 9, 94, 11, 352), (74, 303, 477, 1565, 105, 4650),
    )  # fmt: skip
    printed = {
        "PM": (0.3681, -0.3811, 0.2060), "HE": (0.4410, -0.4035, 0.2327),
        "DL": (0.2323, -0.3240, 0.1540), "HE2": (0.3831, -0.3861, 0.2115),
        "DL2": (0.3254, -0.3655, 0.1901), "EB": (0.3681, -0.3811, 0.2060),
        "ML": (0.0023, -0.1974, 0.0694), "REML": (0.1843, -0.2980, 0.1343),
        "HS": (0.1330, -0.2666, 0.1125), "SJ": (0.4572, -0.4079, 0.2386),
    }  # fmt: skip
    for method, (tau, mean, se) in printed.items():
        found = pool(studies, method=method, test="z")
        # ML is printed as 0.0023 by a loose optimiser; the likelihood peaks at 0 or beside it
        close(found.tau, tau, atol=2.5e-3 if method == "ML" else 6e-5)
        close([found.estimate, found.se], [mean, se], atol=6e-5)


RAUDENBUSH = MODELS["bias"]["raudenbush"]


def test_raudenbush_2009_table_16_3():
    data = (RAUDENBUSH["effect"], RAUDENBUSH["variance"])
    printed = {
        "common": (0.0, 0.0604, 0.0365), "ML": (0.0126, 0.0777, 0.0475),
        "REML": (0.0188, 0.0837, 0.0516), "DL": (0.0259, 0.0893, 0.0558),
        "HE": (0.0804, 0.1143, 0.0792),
    }  # fmt: skip
    for method, values in printed.items():
        found = pool(*data, method, "z")
        close([found.tau2, found.estimate, found.se], values, atol=6e-5)
    for method, se in {"ML": 0.0593, "REML": 0.0616, "DL": 0.0636, "HE": 0.0711}.items():
        close(pool(*data, method).se, se, atol=6e-5)
    # Raudenbush's plausible value interval leaves the error of the mean out
    found = pool(*data, test="z")
    half = 1.959964 * found.tau
    close([found.estimate - half, found.estimate + half], [-0.1850, 0.3524], atol=6e-4)


def test_tau2_on_the_boundary_is_exactly_zero():
    found = regress(
        RAUDENBUSH["effect"], RAUDENBUSH["variance"], {"weeks": MODELS["raudenbush_weeks"]},
        test="z",
    )  # fmt: skip
    assert found.tau2 == 0.0
    close([item.estimate for item in found.coefficients], [0.4072, -0.1572], atol=6e-5)
    # metafor stops at tau2 = 6.6e-7 here, which shows in the last printed digit
    close([item.statistic for item in found.coefficients], [4.6782, -4.3884], atol=1.1e-4)
    close(found.qe, 16.5708, atol=6e-5)


def test_van_houwelingen_2002():
    counts = np.array([[row[key] for key in ("tpos", "tneg", "cpos", "cneg")] for row in BCG])
    odds = two_groups(counts[:, 0], counts[:, :2].sum(1), counts[:, 2], counts[:, 2:].sum(1))
    found = pool(odds, method="ML", test="z", tau2_interval="profile-likelihood")
    natural = found.back_transformed
    close(
        [natural[key] for key in ("estimate", "ci_low", "ci_high")],
        [0.4762, 0.3360, 0.6749],
        atol=6e-5,
    )
    close(found.tau2, 0.3025, atol=6e-5)
    close(found.tau2_ci, [0.1151, 0.8937], atol=6e-5)
    close(pool(odds, method="ML").tau2_ci, [0.1302, 1.1812], atol=6e-5)
    knapp = pool(odds, method="ML").back_transformed
    close([knapp["ci_low"], knapp["ci_high"]], [0.3175, 0.7141], atol=6e-5)
    ablat = regress(odds, None, {"ablat": [row["ablat"] for row in BCG]}, "ML", "z")
    # printed by a fit that stopped early (tau2 0.0040): the last digit is off by one
    close([item.estimate for item in ablat.coefficients], [0.3710, -0.0327], atol=1.1e-4)
    close([ablat.tau2, ablat.r2], [0.0040, 98.67], atol=1e-2)


def test_berkey_1995_smoothed_variances():
    counts = np.array(
        [[row[key] for key in ("tpos", "tneg", "cpos", "cneg")] for row in BCG], float
    )
    treated, control = counts[:, :2].sum(1), counts[:, 2:].sum(1)
    variance = (counts[:, 1] / counts[:, 0]).mean() / treated
    variance = variance + (counts[:, 3] / counts[:, 2]).mean() / control
    found = pool(BCG_EFFECT, variance, "EB", "z")
    close([found.estimate, found.se, found.tau2], [-0.5429, 0.1842, 0.2682], atol=6e-5)
    centred = [row["ablat"] - 33.46 for row in BCG]
    line = regress(BCG_EFFECT, variance, {"ablat": centred}, "EB", "z")
    close([item.estimate for item in line.coefficients], [-0.6303, -0.0268], atol=6e-5)
    close(line.tau2, 0.1572, atol=6e-5)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(3, 12).flatmap(
        lambda k: st.tuples(
            st.lists(st.floats(-5, 5), min_size=k, max_size=k),
            st.lists(st.floats(0.01, 5), min_size=k, max_size=k),
        )
    ),
    st.sampled_from(("ML", "REML")),
)
def test_likelihood_is_highest_at_the_estimate(data, method):
    effect, variance = np.array(data[0]), np.array(data[1])
    restricted = method == "REML"
    found = estimate_tau2(effect, variance, method)
    height = log_likelihood(effect, variance, found, restricted=restricted)
    grid = np.concatenate(
        [[0.0], np.geomspace(1e-4, 100.0, 60), found * np.array([0.9, 0.99, 1.01, 1.1])]
    )
    for other in grid:
        assert (
            log_likelihood(effect, variance, float(other), restricted=restricted) <= height + 1e-9
        )


@settings(max_examples=50, deadline=None)
@given(
    st.integers(3, 12).flatmap(
        lambda k: st.tuples(
            st.lists(st.floats(-5, 5), min_size=k, max_size=k),
            st.lists(st.floats(0.01, 5), min_size=k, max_size=k),
        )
    )
)
def test_paule_mandel_solves_its_equation(data):
    effect, variance = np.array(data[0]), np.array(data[1])
    found = estimate_tau2(effect, variance, "PM")
    q = float(fit_one(effect, 1 / (variance + found), intercept_only(effect.size)).q[0])
    if found > 0:
        close(q, effect.size - 1, rtol=1e-9)
    else:
        assert q <= effect.size - 1 + 1e-9


def test_two_peaks_give_the_higher():
    # one wild precise study among precise agreeing ones and vague ones
    effect = np.array([0.0, 0.01, -0.01, 0.02, 9.0, -9.0])
    variance = np.array([1e-4, 1e-4, 1e-4, 1e-4, 30.0, 30.0])
    for method in ("ML", "REML"):
        found = estimate_tau2(effect, variance, method)
        restricted = method == "REML"
        height = log_likelihood(effect, variance, found, restricted=restricted)
        for other in np.geomspace(1e-7, 100, 400):
            assert log_likelihood(effect, variance, other, restricted=restricted) <= height + 1e-9


def test_intervals_of_tau2():
    close(q_profile(BCG_EFFECT, BCG_VARIANCE), (0.11971836114126, 1.1114790840609), rtol=1e-12)
    assert all(math.isnan(bound) for bound in q_profile(np.array([1, 1.01, 1.02, 1.0]), np.ones(4)))
    low, high = profile_likelihood(BCG_EFFECT, BCG_VARIANCE, "REML")
    peak = log_likelihood(BCG_EFFECT, BCG_VARIANCE, estimate_tau2(BCG_EFFECT, BCG_VARIANCE))
    for bound in (low, high):
        drop = peak - log_likelihood(BCG_EFFECT, BCG_VARIANCE, bound)
        close(2 * drop, 3.841458820694124, rtol=1e-8)


def test_names():
    assert estimator_name("reml") == "REML"
    assert estimator_name("CA2") == "HE2"
    with pytest.raises(StatisticsError, match=r"Known: DL, PM, REML"):
        estimator_name("bayes")


def test_huge_and_tiny_scales():
    for scale in (1e-6, 1e6):
        for method in ESTIMATORS:
            found = estimate_tau2(scale * BCG_EFFECT, scale**2 * BCG_VARIANCE, method)
            close(found, scale**2 * estimate_tau2(BCG_EFFECT, BCG_VARIANCE, method), rtol=1e-10)


def test_more_coefficients_than_studies_give_zero():
    batch = estimate_tau2_batch(
        np.array([[1.0, 5.0]]), np.array([[1.0, 1.0]]), "REML", None, np.array([[True, False]])
    )
    assert batch[0] == 0.0
