"""How probable it is that one method beats another: against closed forms, draws and simulation."""

from __future__ import annotations

import json
import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from benchmarks import contest_calibration
from replicate.contest.belief import BY_CONVENTION, BY_SEEDS, LEAST_ROPE, belief
from replicate.contest.statistics import paired_tests

NAN = math.nan


@pytest.mark.parametrize("sets", [2, 3, 5, 10, 30])
def test_with_one_seed_the_mean_is_students(sets: int) -> None:
    values = np.random.default_rng(sets).normal(0.03, 0.05, sets)
    found = belief(values[:, None])
    assert found is not None
    error = values.std(ddof=1) / math.sqrt(sets)
    above = [t.sf((limit - values.mean()) / error, sets - 1) for limit in (0.01, 0.0, -0.01)]
    assert found.p_better == pytest.approx(above[0], abs=0.004)
    assert found.p_worse == pytest.approx(1 - above[2], abs=0.004)
    assert found.p_reversed == pytest.approx(min(above[1], 1 - above[1]), abs=0.004)
    assert (found.rope, found.rope_from) == (LEAST_ROPE, BY_CONVENTION)


@pytest.mark.parametrize(
    ("sets", "seeds", "between", "within"),
    [(3, 3, 0.05, 0.02), (9, 3, 0.0, 0.04), (9, 5, 0.02, 0.03), (4, 2, 0.01, 0.06)],
)
def test_it_is_what_draws_of_the_model_give(
    sets: int, seeds: int, between: float, within: float
) -> None:
    """Variances drawn from their posterior, those that contradict each other thrown away."""
    random = np.random.default_rng(7)
    values = 0.03 + between * random.normal(size=(sets, 1))
    values = values + within * random.normal(size=(sets, seeds))
    found = belief(values)
    assert found is not None
    means, df = values.mean(axis=1), sets * (seeds - 1)
    inner = ((values - means[:, None]) ** 2).sum() / random.chisquare(df, 400_000)
    outer = means.var(ddof=1) * (sets - 1) / random.chisquare(sets - 1, 400_000)
    kept = outer >= inner / seeds
    outer, own = outer[kept], (outer - inner / seeds)[kept]
    mean = means.mean() + np.sqrt(outer / sets) * random.normal(size=outer.size)
    further = mean + np.sqrt(own) * random.normal(size=outer.size)
    assert found.p_better == pytest.approx(np.mean(mean > found.rope), abs=0.01)
    assert found.p_worse == pytest.approx(np.mean(mean < -found.rope), abs=0.01)
    assert found.p_next == pytest.approx(np.mean(further > 0), abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3), min_size=2, max_size=8))
def test_what_holds_of_all(values: list[list[float]]) -> None:
    given_ = np.array(values)
    found, other = belief(given_), belief(-given_)
    assert found is not None
    assert other is not None
    assert all(math.isfinite(one) for one in astuple(found) if isinstance(one, float))
    assert found.p_better + found.p_equal + found.p_worse == pytest.approx(1, abs=1e-6)
    assert other.p_better == pytest.approx(found.p_worse, abs=1e-6)
    assert found.p_wrong == pytest.approx(1 - max(found.p_better, found.p_worse))
    assert found.p_reversed <= 0.5 + 1e-9
    assert belief(given_) == found
    assert belief(given_[::-1]) is not None
    assert belief(given_[::-1]).p_better == pytest.approx(found.p_better)  # type: ignore[union-attr]


def test_seeds_are_no_sets() -> None:
    """Two sets stay two however many seeds there are; one says nothing of others."""
    random = np.random.default_rng(2)
    many = np.array([[0.02], [0.08]]) + random.normal(0, 0.001, (2, 200))
    found, single = belief(many), belief(many[:, :1])
    assert found is not None
    assert single is not None
    assert found.p_reversed == pytest.approx(single.p_reversed, abs=0.02)
    assert found.p_reversed > 0.1
    assert belief(many[:1]) is None
    assert belief(np.array([[0.1, 0.2], [NAN, NAN]])) is None


def test_the_region_of_equivalence_is_what_a_rerun_moves_the_mean_by() -> None:
    random = np.random.default_rng(4)
    contests = 0.02 + random.normal(0, 0.09, (2000, 2, 5, 3))
    moved = np.abs(np.diff(contests.mean(axis=(2, 3)), axis=1))[:, 0]
    ropes = []
    for one in contests[:100, 0]:
        found = belief(one)
        assert found is not None
        assert found.rope_from == BY_SEEDS
        ropes.append(found.rope)
    assert np.mean(moved <= np.mean(ropes)) == pytest.approx(0.95, abs=0.02)


def test_what_lacks_a_seed_or_a_set_counts_for_what_it_has() -> None:
    whole = np.array([[0.1, 0.12, 0.11], [0.05, 0.04, 0.06], [0.2, 0.19, 0.21]])
    lacking = whole.copy()
    lacking[1, 2] = NAN
    found = belief(lacking)
    assert found is not None
    assert found.seeds == pytest.approx(3 / (1 / 3 + 1 / 2 + 1 / 3))
    assert belief(np.vstack([whole, [[NAN] * 3]])) == belief(whole)


def test_sets_that_all_agree() -> None:
    for value, expected in (
        (0.0, "p_equal"),
        (0.005, "p_equal"),
        (0.2, "p_better"),
        (-0.2, "p_worse"),
    ):
        for seeds in (1, 3):
            found = belief(np.full((4, seeds), value))
            assert found is not None
            assert getattr(found, expected) == pytest.approx(1)
    # They agree better than their seeds do.
    found = belief(np.array([[0.1, 0.0, 0.05]] * 4))
    assert found is not None
    assert 0.5 < found.p_better < 1


def test_where_nothing_differs_it_is_seldom_said() -> None:
    random = np.random.default_rng(11)
    for sets, seeds, between in ((3, 1, 0.03), (5, 3, 0.0), (9, 1, 0.0), (9, 3, 0.1)):
        said = 0
        for _ in range(400):
            found = belief(contest_calibration.drawn(random, sets, seeds, between, "normal"))
            assert found is not None
            said += found.p_wrong <= 0.05
        assert said <= 0.07 * 400, (sets, seeds, between)


def test_pairs_have_it_beside_the_exact_test() -> None:
    random = np.random.default_rng(5)
    by_seed = 0.8 + random.normal(0, 0.02, (6, 3, 3)) + np.array([0.0, 0.1, 0.1])[None, :, None]
    tests = paired_tests(by_seed.mean(axis=2), ["a", "b", "c"], by_seed=by_seed)
    words = {(one.first, one.second): one.belief for one in tests}
    assert words["a", "b"] is not None
    assert words["b", "c"] is not None
    assert words["a", "b"].p_worse > 0.99
    assert words["b", "c"].p_equal > 0.4
    (alone,) = paired_tests(by_seed[:, :2].mean(axis=2), ["a", "b"])
    assert alone.belief is not None
    assert alone.belief.seeds == 1
    json.dumps(astuple(alone.belief), allow_nan=False)
