from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from db.errors import ConvergenceError, StatisticsError
from metaanalysis import glmm, proportions
from metaanalysis.stats.binomial_normal import Counts
from tests.metaanalysis.stats.golden_values import MODELS, PRITZ_EVENTS, PRITZ_N, close

# REFERENCES 4.3: 61 nodes, Nelder-Mead to 1e-12, independent of R
EXACT = {
    "pritz": (1.3765944027, 0.5893095014),
    "toy": (3.4987889158, 0.3693432419),
    "nielweise_treated": (-4.8118499616, 0.8253234748),
    "nielweise_control": (-3.4964094268, 0.8122138107),
    "audit_sensitivity": (2.5897361387, 2.8666462718),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_values(name):
    data = MODELS["glmm"][name]
    found = glmm(data["x"], data["n"])
    close([found.estimate, found.tau2], EXACT[name], rtol=2e-7)


@pytest.mark.parametrize("name", EXACT)
def test_score_vanishes(name):
    data = MODELS["glmm"][name]
    found = glmm(data["x"], data["n"], tau2_interval="none")
    counts = Counts(np.array(data["x"], float), np.array(data["n"], float), 61)
    close(counts.evaluate(found.estimate, found.tau)[1], [0, 0], atol=1e-8)


@pytest.mark.parametrize("name", EXACT)
def test_close_to_rma_glmm(name):
    """lme4's optimiser stops 1e-5 to 1.5e-3 away from the maximum (REFERENCES 4.3)."""
    golden = MODELS["glmm"][name]
    found = glmm(golden["x"], golden["n"])
    close(found.tau2, golden["tau2"], rtol=2e-3)
    pairs = {"estimate": "estimate", "ci_low": "ci_low", "ci_high": "ci_high"}
    for mine, theirs in pairs.items():
        close(getattr(found, mine), golden[theirs], rtol=1e-3, atol=1e-3)
    close(found.q, golden["QE_LRT"], rtol=1e-8)
    close(found.se, golden["se"], rtol=2e-3)
    close([found.i2, found.h2], [golden["I2"], golden["H2"]], rtol=2e-3)


def test_pritz_within_1e_4_of_metafor():
    found = glmm(PRITZ_EVENTS, PRITZ_N)
    close(
        [found.estimate, found.se, found.tau2],
        [1.37658752141847, 0.28837737335477, 0.589299893531053],
        atol=1e-4,
    )
    natural = found.back_transformed
    close(
        [natural[key] for key in ("estimate", "ci_low", "ci_high")],
        [0.7984450965, 0.69240262, 0.8745533676],
        atol=1e-4,
    )


def test_stijnen_2010_table_2():
    data = MODELS["glmm"]["nielweise_treated"]
    found = glmm(data["x"], data["n"])
    close([found.estimate, found.tau2], [-4.8121, 0.8265], atol=1.3e-3)
    close(list(found.back_transformed.values())[:3], [0.0081, 0.0040, 0.0161], atol=6e-5)


def test_likelihood_equals_direct_integration():
    mu, tau = 1.3765944027, math.sqrt(0.5893095014)
    total = 0.0
    for x, n in zip(PRITZ_EVENTS, PRITZ_N, strict=True):

        def density(z, x=x, n=n):
            return stats.binom.pmf(x, n, 1 / (1 + math.exp(-mu - tau * z))) * stats.norm.pdf(z)

        total += math.log(integrate.quad(density, -12, 12, epsabs=1e-14)[0])
    counts = Counts(np.array(PRITZ_EVENTS, float), np.array(PRITZ_N, float), 61)
    close(counts.evaluate(mu, tau)[0], total, rtol=1e-10)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 1.5, 3.0, 8.0])
def test_both_rules_integrate_exactly(tau):
    events, n = np.array([0, 16, 316, 7, 30.0]), np.array([118, 242, 344, 36, 30.0])

    def density(z, x, size):
        share = 1 / (1 + np.exp(1 - tau * z))
        return stats.binom.pmf(x, size, share) * stats.norm.pdf(z)

    z = np.linspace(-12, 12, 200_001)
    total = sum(
        math.log(density(z, x, size).sum() * (z[1] - z[0]))
        for x, size in zip(events, n, strict=True)
    )
    close(Counts(events, n, 61, grid=True).evaluate(-1.0, tau)[0], total, rtol=1e-10)
    if tau <= 1.5:  # beyond, glmm() changes to the grid
        close(Counts(events, n, 61).evaluate(-1.0, tau)[0], total, rtol=1e-10)


def test_extreme_heterogeneity_still_settles():
    found = glmm([16, 0, 316, 0, 16, 7, 7], [242, 118, 344, 74, 293, 36, 241])
    assert found.tau2_ci[0] < found.tau2 < found.tau2_ci[1]
    lopsided = glmm([0, 0, 28, 0, 0], [34, 59, 31, 90, 377])
    assert "tau2-unbounded" in {note.code for note in lopsided.warnings}
    assert lopsided.to_dict()["tau2_ci"] == [None, None]


def test_derivatives_are_those_of_the_likelihood():
    counts = Counts(np.array(PRITZ_EVENTS, float), np.array(PRITZ_N, float), 61)
    at, step = np.array([1.1, 0.6]), 1e-5
    _, gradient, hessian = counts.evaluate(*at)
    for j in range(2):
        move = np.zeros(2)
        move[j] = step
        up, down = counts.evaluate(*(at + move)), counts.evaluate(*(at - move))
        close(gradient[j], (up[0] - down[0]) / (2 * step), rtol=1e-7)
        close(hessian[j], (up[1] - down[1]) / (2 * step), rtol=1e-6)


def test_profile_interval_is_where_the_likelihood_drops():
    wald, profile = (glmm(PRITZ_EVENTS, PRITZ_N, interval=kind) for kind in ("wald", "profile"))
    assert profile.ci_low < profile.estimate < profile.ci_high
    # near the ceiling the likelihood is skewed away from one half
    assert profile.ci_high - profile.estimate > profile.estimate - profile.ci_low
    assert abs(profile.ci_low - wald.ci_low) < 0.1


def test_t_interval_is_wider():
    z, t = glmm(PRITZ_EVENTS, PRITZ_N), glmm(PRITZ_EVENTS, PRITZ_N, test="t")
    assert t.ci_low < z.ci_low
    assert t.pi_distribution == "t(13)"


def test_no_heterogeneity_is_exactly_zero():
    found = glmm([9, 9, 9], [10, 10, 10])
    assert found.tau2 == 0.0
    close(found.estimate, math.log(9))
    close(found.se, math.sqrt(1 / (30 * 0.9 * 0.1)))
    assert found.details["tau2_lrt_p"] == 1.0


def test_all_zero_and_all_full_are_refused():
    with pytest.raises(StatisticsError, match="all 3 studies are at 0 %"):
        glmm([0, 0, 0], [10, 20, 30])
    with pytest.raises(StatisticsError, match="all 2 studies are at 100 %"):
        glmm([10, 20], [10, 20])
    with pytest.raises(StatisticsError, match="needs at least 2"):
        glmm([10], [20])
    with pytest.raises(ConvergenceError):
        glmm([0, 1000], [1000, 1000])


def test_missing_n_is_excluded_and_listed():
    found = glmm(proportions([9, 8, 7], [10, None, 10], missing="exclude"))
    assert found.k == 2
    assert found.excluded[0].row == 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=3, max_size=8))
def test_mirror_and_order(rows):
    n = [max(pair) + 1 for pair in rows]
    events = [pair[0] for pair in rows]
    if not any(events):
        return
    try:
        base = glmm(events, n, tau2_interval="none")
    except ConvergenceError:
        return
    turned = glmm(
        [b - a for a, b in zip(events, n, strict=True)][::-1], n[::-1], tau2_interval="none"
    )
    close(turned.estimate, -base.estimate, rtol=1e-5, atol=1e-5)
    close(turned.tau2, base.tau2, rtol=1e-4, atol=1e-6)
    assert base.tau2 >= 0


def test_a_study_out_of_all_proportion_is_named() -> None:
    events, n = [90, 45, 80, 9 * 10**8], [100, 50, 100, 10**9]
    studies = replace(proportions(events, n, "logit"), labels=("a", "b", "c", "slip2026"))
    with pytest.raises(ConvergenceError) as caught:
        glmm(studies)
    assert "slip2026" in caught.value.hint
