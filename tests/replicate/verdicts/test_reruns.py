"""The margin of a verdict: what reruns of one setup differ by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from benchmarks import rerun_spread
from db.literature import Reported
from replicate.verdicts.reruns import LEAST_SEEDS, RULE, margin_of, spread
from replicate.verdicts.verdicts import Replicated, verdict
from replicate.verdicts.words import AT, CHOSEN, CONVENTION, MARGINS, MEASURED, OWN, margin_words

ACCURACY = Replicated("accuracy", 0.9, 0.8, 0.96, n=75, division="hold-out", cases=75)


def test_the_constants_are_those_of_the_table() -> None:
    found = rerun_spread.rule(rerun_spread.rows())
    assert {of: list(rule) for of, rule in found.items()} == {of: list(RULE[of]) for of in RULE}
    for division, rule in found.items():
        for metric, constants in rule.items():
            assert RULE[division][metric] == pytest.approx(constants, abs=0.002)


def test_the_table_is_of_real_sets_and_its_deviations_are_those_of_its_values() -> None:
    found = rerun_spread.rows()
    assert len({row["dataset"] for row in found}) >= 9
    assert {row["division"] for row in found} == set(RULE)
    for row in found:
        values = np.array(row["values"].split(), dtype=float)
        assert values.size == int(row["reruns"])
        assert values.std(ddof=1) == pytest.approx(float(row["sd"]), abs=1e-4)


def test_the_rule_holds_on_sets_that_it_was_not_fitted_to() -> None:
    found = rerun_spread.rows()
    for division in RULE:
        for metric in ("accuracy", "AUC", "sensitivity", "specificity"):
            own = [r for r in found if (r["division"], r["metric"]) == (division, metric)]
            assert 0.89 <= rerun_spread.held(own) <= 0.98, (division, metric)


def test_constants_are_found_again() -> None:
    random = np.random.default_rng(5)
    rows = []
    for n in np.repeat([30, 100, 1000, 10_000], 40).tolist():
        p = float(random.uniform(0.6, 0.95))
        sd = math.sqrt(0.8**2 * p * (1 - p) / n + 0.01**2)
        values = random.normal(p, sd, 20)
        rows.append({"n": n, "mean": p, "sd": values.std(ddof=1), "reruns": 20})
    a, b = rerun_spread.fitted(rows)
    assert a == pytest.approx(0.8, abs=0.06)
    assert b == pytest.approx(0.01, abs=0.0015)


@pytest.mark.parametrize("seeds", [5, 6, 10, 20])
def test_enough_seeds_have_a_spread_of_their_own(seeds: int) -> None:
    found = margin_of("accuracy", 0.9, seeds=seeds, sd=0.02, division="k-fold", n=100)
    assert (found.source, found.seeds, found.sd) == (OWN, seeds, 0.02)
    assert found.value == pytest.approx(t.ppf(0.975, seeds - 1) * 0.02 * math.sqrt(1 + 1 / seeds))


def test_one_more_rerun_lies_within_the_margin_of_its_own_seeds() -> None:
    random = np.random.default_rng(3)
    for seeds in (LEAST_SEEDS, 12):
        values = random.normal(0.8, 0.03, (4000, seeds + 1))
        means, sds = values[:, :-1].mean(axis=1), values[:, :-1].std(axis=1, ddof=1)
        limits = [margin_of("AUC", 0.8, seeds=seeds, sd=float(sd)).value for sd in sds]
        assert np.mean(np.abs(values[:, -1] - means) <= limits) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("seeds", [None, 1, 2, LEAST_SEEDS - 1])
def test_few_seeds_take_what_was_measured(seeds: int | None) -> None:
    sd = 0.5 if seeds and seeds > 1 else None
    found = margin_of("accuracy", 0.9, seeds=seeds, sd=sd, division="hold-out", n=75)
    assert (found.source, found.division, found.n) == (MEASURED, "hold-out", 75)
    beside = math.sqrt(1 + 1 / (seeds or 1))
    assert found.value == pytest.approx(1.959964 * found.sd * beside, rel=1e-5)


@given(
    st.sampled_from(sorted(RULE)),
    st.sampled_from(["accuracy", "AUC", "sensitivity", "specificity", "NPV", "kappa"]),
    st.floats(0, 1),
    st.floats(1, 1e6),
)
def test_more_cases_never_widen_it_and_it_is_never_nothing(
    division: str, metric: str, value: float, n: float
) -> None:
    own, more = spread(metric, value, division, n), spread(metric, value, division, 4 * n)
    assert 0 < own < 2
    assert more <= own * 1.05
    if metric not in RULE[division]:
        assert own == max(spread(known, value, division, n) for known in RULE[division])


def test_the_same_images_in_every_rerun_move_it_less() -> None:
    for metric in ("accuracy", "AUC"):
        other, folds = (spread(metric, 0.9, of, 200) for of in ("hold-out", "k-fold"))
        assert folds < other


def test_what_is_known_of_nothing_is_a_convention() -> None:
    for given_ in ({}, {"division": "k-fold"}, {"n": 80}, {"division": "other", "n": 80}):
        found = margin_of("accuracy", 0.9, **given_)
        assert (found.value, found.source) == (0.02, CONVENTION)


def test_a_verdict_tells_its_margin_and_how_it_stands_at_others() -> None:
    for apart in (0.005, 0.015, 0.025, 0.035):
        said = verdict(Reported("accuracy", 0.9 - apart), ACCURACY)
        assert said.margin.source == MEASURED
        told = said.to_dict()
        words = [told[name] for name in AT]
        assert words == ["reproduced" if apart <= one else "consistent" for one in MARGINS]
        assert told["margin"] == said.margin.value > 0.03
        assert said.verdict == "reproduced"
        assert (
            verdict(Reported("accuracy", 0.9 - apart), ACCURACY, margin=0.02).margin.source
            == CHOSEN
        )
        assert "n = 75" in margin_words(told)


def test_a_margin_is_not_finer_than_what_is_printed() -> None:
    """Ten seeds that agree to the last digit: 0.95 in print is 0.945 to 0.955."""
    same = Replicated("accuracy", 0.953, 0.93, 0.97, seeds=10, sd=0.0)
    said = verdict(Reported("accuracy", 0.95), same)
    assert (said.verdict, said.margin.source) == ("reproduced", OWN)
    assert said.margin.value == pytest.approx(0.005)
