"""The review's rank correlations, recomputed."""

from __future__ import annotations

import math

import pytest

from db.database import Database
from metaanalysis import query
from metaanalysis.analyses.ranks import ReviewCorrelation, review_correlations
from metaanalysis.review.performance import points


@pytest.fixture(scope="module")
def found(database: Database) -> dict[str, ReviewCorrelation]:
    return {one.metric: one for one in review_correlations(database)}


@pytest.mark.parametrize("metric", ["AUC", "accuracy"])
def test_rho_and_p_are_scipys(
    database: Database, found: dict[str, ReviewCorrelation], metric: str
) -> None:
    from scipy import stats

    drawn = points(database, metric)
    ours, theirs = found[metric].recomputed, stats.spearmanr(drawn["x"], drawn["y"])
    assert ours.n == len(drawn)
    assert ours.rho == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_t == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.03)
    assert ours.ci_low <= ours.rho <= ours.ci_high


@pytest.mark.parametrize("metric", ["AUC", "accuracy"])
def test_every_curated_study_is_analysed_or_left_out(
    database: Database, found: dict[str, ReviewCorrelation], metric: str
) -> None:
    one = found[metric]
    assert len(one.keys) + len(one.left_out) == query.coverage(database).curated
    assert len(one.keys) == one.recomputed.n
    assert all(item.reason for item in one.left_out)


@pytest.mark.parametrize("metric", ["AUC", "accuracy"])
def test_the_n_that_the_printed_p_needs(
    database: Database, found: dict[str, ReviewCorrelation], metric: str
) -> None:
    """At the ends of the interval the p still rounds to the printed one; beyond them no more."""
    from scipy import stats

    facts = query.review_facts(database, f"spearman_{metric.lower()}")
    printed = found[metric].printed
    assert (float(printed.r), float(printed.p)) == (facts["rho"], facts["p"])

    def p(rho: float, n: int) -> float:
        t = rho * math.sqrt((n - 2) / (1 - rho**2))
        return float(2 * stats.t.sf(abs(t), n - 2))

    low, high = facts["p"] - 0.005, facts["p"] + 0.005
    strong, weak = facts["rho"] + 0.005, facts["rho"] - 0.005
    assert printed.n_low is not None
    assert printed.n_high is not None
    assert p(strong, printed.n_low) <= high < p(strong, printed.n_low - 1)
    assert p(weak, printed.n_high) >= low > p(weak, printed.n_high + 1)
    shown = query.review_facts(database, "figure_6")["shown"]
    assert found[metric].shown == shown < printed.n_low
    assert found[metric].printed_at_shown.consistent is False


def test_the_seed_decides(database: Database) -> None:
    first, second = (review_correlations(database, ["AUC"], resamples=199, seed=5) for _ in "ab")
    assert first[0].to_dict() == second[0].to_dict()
    assert first[0].to_dict()["reported"]["n"] is None
