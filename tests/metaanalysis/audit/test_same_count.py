"""A value and its interval of one and the same count, and of two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metaanalysis.audit.binomial import clopper_pearson, wilson
from metaanalysis.audit.finding import Finding
from metaanalysis.audit.same_count import same_counts
from tests.metaanalysis.audit.made import metric, study


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


class TestSameCount:
    def of(self, value: float, low: float, high: float, **columns: Any) -> list[Finding]:
        columns = {"split": "test", "n": 28} | columns
        row = metric("accuracy", value, ci_low=low, ci_high=high, **columns)
        return list(same_counts(study(row, n_test=28)))

    def exact(self, count: float, n: int, digits: int) -> tuple[float, float]:
        low, high = clopper_pearson(np.array([count]), np.array([float(n)]))
        return round(float(low[0]), digits), round(float(high[0]), digits)

    def test_the_interval_of_another_count(self) -> None:
        found = only(self.of(0.755, 0.551, 0.893))
        assert (found.verdict, found.recomputed) == ("inconsistent", "21/28 = 0.7500")
        assert "Clopper-Pearson interval of 21 of 28" in found.explanation

    def test_a_value_that_a_count_gives_does_not_help(self) -> None:
        found = only(self.of(0.786, 0.551, 0.893))  # 22 of 28, with the interval of 21
        assert (found.verdict, found.recomputed) == ("inconsistent", "21/28 = 0.7500")

    def test_wilson_too(self) -> None:
        low, high = (float(end[0]) for end in wilson(np.array([21.0]), np.array([28.0])))
        found = only(self.of(0.755, round(low, 3), round(high, 3)))
        assert found.verdict == "inconsistent"
        assert "Wilson interval of 21 of 28" in found.explanation

    @pytest.mark.parametrize("count", [0, 1, 21, 27, 28])
    def test_the_interval_of_its_own_count(self, count: int) -> None:
        found = only(self.of(round(count / 28, 3), *self.exact(count, 28, 3)))
        assert found.verdict == "consistent"

    def test_the_interval_of_the_mean_itself(self) -> None:
        # 148 right in seven runs: both the interval of 148 / 7 of 28 and that of 148 of 196.
        for count, n in ((148 / 7, 28), (148, 196)):
            found = self.of(0.755, *self.exact(count, n, 3))
            assert {f.verdict for f in found} <= {"consistent"}

    def test_an_interval_of_no_count_is_not_judged(self) -> None:
        assert self.of(0.755, 0.571, 0.893) == []

    @pytest.mark.parametrize(
        "columns", [{"n": None}, {"basis": "secondary"}, {"task": "average"}, {"sd": 0.01}]
    )
    def test_what_the_row_leaves_open_is_never_more_than_suspicious(
        self, columns: dict[str, Any]
    ) -> None:
        assert only(self.of(0.755, 0.551, 0.893, **columns)).verdict == "suspicious"

    def test_chance_is_allowed_for_where_counts_are_close(self) -> None:
        found = only(self.of(0.827, *self.exact(830, 1000, 3), n=1000))
        assert found.verdict == "suspicious"
