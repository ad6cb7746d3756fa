"""The checks of a study, each on studies made for it: what is found, and what is let pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from db.literature import Evidence
from metaanalysis.audit.averages import RUNS
from metaanalysis.audit.binomial import METHODS, auc_half_widths, clopper_pearson, wilson
from metaanalysis.audit.extremes import baselines, extremes
from metaanalysis.audit.finding import Finding
from metaanalysis.audit.intervals import intervals
from metaanalysis.audit.joint import joint
from metaanalysis.audit.printed import fraction
from metaanalysis.audit.proportion import proportion_of_cases
from metaanalysis.audit.signs import headlines
from metaanalysis.audit.study_counts import counts
from metaanalysis.audit.tables2x2 import means
from tests.metaanalysis.audit.made import metric, study


def only(found: Any) -> Finding:
    (finding,) = list(found)
    return finding


def of_accuracy(
    value: float, n: int | None, *, folds: int | None = None, **columns: Any
) -> Finding:
    columns = {"split": "test"} | columns
    return only(
        proportion_of_cases(study(metric("accuracy", value, n=n, **columns), cv_folds=folds))
    )


class TestProportions:
    def test_a_count_that_rounds_to_it(self) -> None:
        found = of_accuracy(0.786, 28)
        assert (found.verdict, found.recomputed) == ("consistent", "22 of 28")

    def test_a_count_that_is_cut_to_it(self) -> None:
        found = of_accuracy(0.785, 28)  # 22/28 is 0.7857
        assert found.verdict == "consistent"
        assert "cut off" in found.explanation

    def test_no_count_gives_it(self) -> None:
        found = of_accuracy(0.7523, 28)
        assert found.verdict == "inconsistent"
        assert "nor does a mean over 2 to 20, 25, 30, 50 or 100 runs" in found.explanation
        assert found.recomputed == "21 of 28 is 0.75000 and 22 of 28 is 0.78571"

    def test_a_correct_mean_of_three_runs_is_not_slandered(self) -> None:
        """BreastMNIST: 0.863 is no count of 156, and is the mean of 136, 136 and 132 of them."""
        assert round((136 + 136 + 132) / 3 / 156, 3) == 0.863
        unsaid = of_accuracy(0.863, 156)
        assert unsaid.verdict == "suspicious"
        assert "mean over 3 runs could (404 of 468 is 0.8632)" in unsaid.explanation
        said = of_accuracy(0.863, 156, task="malignant or not, mean of 3 runs")
        assert (said.verdict, said.recomputed) == ("consistent", "mean of 3 runs")

    def test_a_correct_mean_of_seven_runs_is_not_slandered_either(self) -> None:
        found = of_accuracy(0.755, 28)
        assert found.verdict == "suspicious"
        assert "mean over 7 runs could (148 of 196 is 0.7551)" in found.explanation

    @pytest.mark.parametrize("runs", RUNS)
    @pytest.mark.parametrize("n", [7, 28, 61])
    def test_no_mean_of_any_plausible_number_of_runs_is_slandered(self, runs: int, n: int) -> None:
        for count in range(0, n * runs + 1, max(1, n * runs // 10)):
            for digits in (3, 4, 5):
                value = round(count / (n * runs), digits)
                assert of_accuracy(value, n).verdict in ("consistent", "suspicious"), value

    def test_few_digits_are_always_reachable(self) -> None:
        assert {of_accuracy(k / 1000, 28).verdict for k in range(1001)} == {
            "consistent",
            "suspicious",
        }

    def test_folds_that_no_row_tells_of(self) -> None:
        """Three folds of 10 + 10 + 11, all right but one of 11: no count of 31 k has it."""
        value = round((1 + 1 + 10 / 11) / 3, 6)
        assert of_accuracy(value, 31).verdict == "inconsistent"
        found = of_accuracy(value, 31, split=None)
        assert found.verdict == "suspicious"
        assert "mean over 3 folds could" in found.explanation

    @pytest.mark.parametrize("said", ["single run", "one run", "1 seed"])
    def test_a_single_run_that_the_row_states_is_no_mean(self, said: str) -> None:
        found = of_accuracy(0.755, 28, task=f"tumour, {said}")
        assert found.verdict == "inconsistent"
        assert "single run" in found.explanation
        assert of_accuracy(0.786, 28, task=said).verdict == "consistent"

    def test_a_stated_number_of_runs_is_the_only_one(self) -> None:
        assert of_accuracy(0.755, 28, task="mean of 7 runs").verdict == "consistent"
        assert of_accuracy(0.755, 28, task="mean of 3 runs").verdict == "inconsistent"
        # Splits need not be of the same size.
        assert of_accuracy(0.755, 28, task="mean of 3 splits").verdict == "suspicious"
        hearsay = of_accuracy(0.755, 28, task="mean of 3 runs", basis="secondary")
        assert hearsay.verdict == "suspicious"

    def test_a_mean_of_an_unknown_number_is_not_judged(self) -> None:
        assert of_accuracy(0.755, 28, task="average").verdict == "not checkable"
        assert of_accuracy(0.755, 28, sd=0.01).verdict == "not checkable"

    def test_a_mean_of_folds(self) -> None:
        # Five folds of 28: two of 5 and three of 6. (1 + 4/5 + 1 + 1 + 5/6) / 5: no 28th.
        assert round((1 + 4 / 5 + 1 + 1 + 5 / 6) / 5, 4) == 0.9267
        found = of_accuracy(0.9267, 28, folds=5, split="cross-validation")
        assert (found.verdict, found.recomputed) == ("consistent", "mean of 5 folds")
        impossible = of_accuracy(0.9999, 28, folds=5, split="cross-validation")
        assert impossible.verdict == "suspicious"

    def test_a_mean_of_the_fold_models_on_one_test_set(self) -> None:
        """The models of 23 folds, each on the same 20 cases: 381 of 460."""
        assert round(381 / 460, 5) == 0.82826
        assert of_accuracy(0.82826, 20).verdict == "inconsistent"
        found = of_accuracy(0.82826, 20, folds=23)
        assert found.verdict == "suspicious"
        assert "mean over 23 runs" in found.explanation

    @pytest.mark.parametrize("columns", [{"n": None}, {"n": 28, "basis": "secondary"}])
    def test_what_the_row_does_not_say_itself_is_never_more_than_suspicious(
        self, columns: dict[str, Any]
    ) -> None:
        row = metric("accuracy", 0.755, split="test", **columns)
        assert only(proportion_of_cases(study(row, n_test=28))).verdict == "suspicious"

    def test_an_unknown_n_is_not_checkable(self) -> None:
        assert of_accuracy(0.755, None).verdict == "not checkable"

    def test_a_rate_says_how_many_cases_of_the_class_it_takes(self) -> None:
        found = only(proportion_of_cases(study(metric("sensitivity", 0.838, n=1453))))
        assert found.verdict == "not checkable"
        assert found.recomputed == "at least 37 cases of the class"

    def test_class_counts_are_known_where_they_add_up(self) -> None:
        rows = [
            metric("accuracy", 0.9, n=100, split="test"),
            metric("sensitivity", 0.8345, n=35, split="test"),
            metric("specificity", 0.6, n=65, split="test"),
        ]
        verdicts = {f.id.split(".")[-2]: f.verdict for f in proportion_of_cases(study(*rows))}
        # 29/35 is 0.8286 and 30/35 is 0.8571, and no mean over runs comes nearer than
        # 0.0001.
        assert verdicts == {
            "accuracy": "consistent",
            "sensitivity": "inconsistent",
            "specificity": "consistent",
        }

    def test_auc_and_f1_are_no_proportion_of_cases(self) -> None:
        rows = [metric("AUC", 0.755, n=28), metric("F1", 0.755, n=28)]
        assert list(proportion_of_cases(study(*rows))) == []


class TestJoint:
    def rows(self, *values: float, **columns: Any) -> list[Any]:
        names = ("sensitivity", "specificity", "accuracy")
        columns = {"split": "test"} | columns
        return [metric(name, v, **columns) for name, v in zip(names, values, strict=True)]

    def test_one_table_fits(self) -> None:
        found = only(joint(study(*self.rows(0.87, 0.821, 0.854, n=164))))
        assert (found.verdict, found.recomputed) == ("consistent", "108 positives among 164")

    def test_none_fits(self) -> None:
        found = only(joint(study(*self.rows(0.87, 0.82, 0.91, n=164))))
        assert found.verdict == "inconsistent"

    def test_without_n_the_accuracy_must_lie_between(self) -> None:
        assert only(joint(study(*self.rows(0.87, 0.82, 0.91)))).verdict == "inconsistent"
        assert only(joint(study(*self.rows(0.87, 0.82, 0.85)))).verdict == "consistent"

    def test_an_unstated_mean_over_runs_is_not_slandered(self) -> None:
        """26 of 125 positive: 48 of 52 and 157 of 198 in two runs, and no table of one."""
        assert (round(48 / 52, 3), round(157 / 198, 3)) == (0.923, 0.793)
        rows = self.rows(0.923, 0.793, 0.82, n=125)[:2]
        found = only(joint(study(*rows)))
        assert found.verdict == "suspicious"
        assert "Means over 2 runs could" in found.explanation

    def test_an_accuracy_is_a_mean_of_the_same_runs(self) -> None:
        rates = {"sensitivity": fraction(0.923), "specificity": fraction(0.793)}
        assert means(rates, 125, 2, 26)
        assert means(rates | {"accuracy": fraction(0.82)}, 125, 2, 26)  # 205 of 250
        assert not means(rates | {"accuracy": fraction(0.86)}, 125, 2, 26)
        assert not means(rates, 125, 2, 27)

    def test_a_single_run_that_the_rows_state(self) -> None:
        rows = self.rows(0.923, 0.793, 0.82, n=125, task="nail, single run")[:2]
        assert only(joint(study(*rows))).verdict == "inconsistent"

    @pytest.mark.parametrize(
        "columns",
        [{"split": "cross-validation"}, {"sd": 0.01}, {"task": "mean"}, {"basis": "secondary"}],
    )
    def test_means_and_hearsay_are_never_more_than_suspicious(
        self, columns: dict[str, Any]
    ) -> None:
        found = only(joint(study(*self.rows(0.87, 0.82, 0.91, n=164, **columns))))
        assert found.verdict == "suspicious"

    def test_several_classes_are_not_judged(self) -> None:
        found = only(joint(study(*self.rows(0.87, 0.82, 0.91, n=164), n_classes=4)))
        assert found.verdict == "not checkable"

    def test_rows_of_different_arms_are_not_mixed(self) -> None:
        rows = self.rows(0.87, 0.82, 0.91, n=164)
        other = metric("accuracy", 0.91, n=164, split="test", backbone="VGG16")
        found = only(joint(study(*rows[:2], other)))
        assert "accuracy" not in (found.reported or "")

    def test_remarks_in_brackets_do_not_part_an_arm(self) -> None:
        tasks = ("polyp (first network)", "polyp", "polyp (read by hand)")
        rows = [
            metric(name, value, task=task, n=164, split="test")
            for (name, value), task in zip(
                (("sensitivity", 0.87), ("specificity", 0.82), ("accuracy", 0.91)),
                tasks,
                strict=True,
            )
        ]
        assert only(joint(study(*rows))).verdict == "inconsistent"

    def test_digits_may_have_been_cut_off(self) -> None:
        # 108 of 164 positive: 94/108 = 0.8704, 46/56 = 0.8214, 140/164 = 0.85366: cut to 0.853.
        found = only(joint(study(*self.rows(0.87, 0.821, 0.853, n=164))))
        assert found.verdict == "consistent"
        assert "cut off" in found.explanation

    def test_two_rates_without_n_say_nothing(self) -> None:
        assert list(joint(study(*self.rows(0.87, 0.82, 0.91)[:2]))) == []


def interval(name: str, value: float, low: float, high: float, **columns: Any) -> Finding:
    row = metric(name, value, ci_low=low, ci_high=high, **({"split": "test"} | columns))
    return only(intervals(study(row)))


class TestIntervals:
    def test_the_estimate_must_lie_inside(self) -> None:
        assert interval("accuracy", 0.95, 0.8, 0.9, n=100).verdict == "inconsistent"
        assert interval("F1", 0.95, 0.8, 0.9, n=100).verdict == "inconsistent"

    @pytest.mark.parametrize("method", METHODS)
    def test_the_interval_of_its_own_count(self, method: str) -> None:
        low, high = (float(end[0]) for end in METHODS[method](np.array([22.0]), np.array([28.0])))
        found = interval("accuracy", 0.786, round(low, 3), round(high, 3), n=28)
        assert (found.verdict, found.recomputed) == ("consistent", "22/28")
        assert method in found.explanation

    def test_the_interval_of_another_count(self) -> None:
        found = interval("accuracy", 0.755, 0.551, 0.893, n=28)
        assert found.verdict == "suspicious"
        assert found.recomputed == "21/28 = 0.7500"

    def test_a_bootstrap_of_about_the_same_width(self) -> None:
        assert interval("accuracy", 0.827, 0.777, 0.878, n=197).verdict == "consistent"

    @pytest.mark.parametrize(("low", "high"), [(0.81, 0.84), (0.7, 0.93)])
    def test_too_narrow_and_too_wide(self, low: float, high: float) -> None:
        assert interval("accuracy", 0.827, low, high, n=197).verdict == "suspicious"

    def test_n_of_the_whole_test_set_is_only_assumed(self) -> None:
        row = metric("accuracy", 0.827, ci_low=0.7, ci_high=0.93, split="test")
        assert only(intervals(study(row, n_test=197))).verdict == "not checkable"

    def test_a_rate_whose_n_is_unknown_finds_one(self) -> None:
        found = interval("sensitivity", 0.857, 0.421, 0.996)
        assert (found.verdict, found.recomputed) == ("consistent", "6/7")
        assert interval("sensitivity", 0.857, 0.84, 0.95).verdict == "not checkable"

    def test_an_auc_tells_how_many_positives_it_takes(self) -> None:
        found = interval("AUC", 0.84, 0.78, 0.89, n=1453)
        assert found.verdict == "consistent"
        assert found.recomputed == "67 to 96 or 1,423 to 1,432 positives"

    def test_an_auc_narrower_than_any_balance(self) -> None:
        assert interval("AUC", 0.7, 0.68, 0.73, n=99).verdict == "suspicious"
        assert interval("AUC", 0.7, 0.68, 0.73).verdict == "not checkable"

    def test_a_perfect_auc(self) -> None:
        assert interval("AUC", 1.0, 0.99, 1.0, n=50).verdict == "not checkable"

    def test_one_that_is_cut_at_one(self) -> None:
        low = float(wilson(np.array([60.0]), np.array([60.0]))[0][0])
        assert interval("accuracy", 1.0, round(low, 2), 1.0, n=60).verdict == "consistent"
        assert interval("accuracy", 1.0, 0.999, 1.0, n=60).verdict == "suspicious"

    def test_large_numbers_take_no_time(self) -> None:
        assert interval("AUC", 0.9, 0.89, 0.91, n=50_000_000).verdict == "consistent"
        assert interval("accuracy", 0.9, 0.89, 0.91, n=50_000_000).verdict == "suspicious"

    def test_golden_values(self) -> None:
        """98 of 100: R's binom, REFERENCES 4.3; AUC 0.95 with 100 and 100: se 0.01600746735."""
        exact = clopper_pearson(np.array([98.0]), np.array([100.0]))
        assert [float(end[0]) for end in exact] == pytest.approx([0.92961607, 0.99756866], abs=1e-8)
        score = wilson(np.array([98.0]), np.array([100.0]))
        assert [float(end[0]) for end in score] == pytest.approx([0.92998821, 0.99449803], abs=1e-8)
        half = auc_half_widths(0.95, 200)[99]
        assert half / 1.959963984540054 == pytest.approx(0.01600746735, abs=1e-10)


class TestCounts:
    def parts(self, *values: int | None, **columns: Any) -> Finding:
        train, val, test = values
        made = study(n_train=train, n_val=val, n_test=test, split_unit="images", **columns)
        return only(counts(made))

    @pytest.mark.parametrize(
        ("values", "total", "verdict"),
        [
            ((70, 10, 20), 100, "consistent"),
            ((70, None, 20), 100, "consistent"),
            ((70, None, 40), 100, "inconsistent"),
            ((70, 10, 10), 100, "suspicious"),
            ((70, 10, 20), None, "not checkable"),
        ],
    )
    def test_parts_and_whole(
        self, values: tuple[int | None, ...], total: int | None, verdict: str
    ) -> None:
        assert self.parts(*values, n_images=total).verdict == verdict

    def test_a_total_that_is_one_part_or_inferred_is_not_held_against_the_study(self) -> None:
        assert self.parts(100, None, 20, n_images=100).verdict == "suspicious"
        inferred = {"n_test": Evidence(40, "inferred", "here")}
        assert self.parts(70, None, 40, n_images=100, values=inferred).verdict == "suspicious"

    def test_an_external_test_may_be_the_rest(self) -> None:
        row = metric("AUC", 0.9, split="external", n=10)
        made = study(row, n_train=70, n_val=10, n_test=10, n_images=100, split_unit="images")
        assert only(counts(made)).verdict == "consistent"

    def test_more_patients_than_images(self) -> None:
        assert only(counts(study(n_images=10, n_patients=20))).verdict == "suspicious"

    def test_more_folds_than_cases(self) -> None:
        made = study(n_patients=8, cv_folds=10, split_unit="patients")
        assert only(counts(made)).verdict == "inconsistent"

    def test_a_value_on_more_cases_than_there_are(self) -> None:
        row = metric("accuracy", 0.9, n=300, split="test")
        assert only(counts(study(row, n_images=200))).verdict == "suspicious"
        found = list(counts(study(row, n_test=200, split_unit="patients")))
        assert [f.verdict for f in found] == ["not checkable", "suspicious"]
        assert list(counts(study(row))) == []


class TestExtremes:
    def test_perfect_and_worse_than_chance(self) -> None:
        rows = [metric("accuracy", 1.0, n=20), metric("AUC", 0.4), metric("AUC", 0.5)]
        found = list(extremes(study(*rows)))
        assert [f.verdict for f in found] == ["suspicious", "suspicious"]
        assert found[0].recomputed == "95% interval from 0.832"  # 0.025 ** (1 / 20)

    def test_below_the_larger_class(self) -> None:
        rows = [
            metric("sensitivity", 0.9, n=1000, split="test"),
            metric("specificity", 0.801, n=1000, split="test"),
            metric("accuracy", 0.806, n=1000, split="test"),  # 5% positive
        ]
        found = only(baselines(study(*rows)))
        assert found.verdict == "suspicious"
        assert "Always the larger class" in found.explanation

    def test_above_the_larger_class(self) -> None:
        rows = [
            metric("sensitivity", 0.9, n=1000, split="test"),
            metric("specificity", 0.8, n=1000, split="test"),
            metric("accuracy", 0.85, n=1000, split="test"),
        ]
        assert only(baselines(study(*rows))).verdict in ("consistent", "not checkable")
        exact = [
            metric(r.metric, v, n=1000, split="test")
            for r, v in zip(rows, (0.906, 0.806, 0.856), strict=True)
        ]
        assert only(baselines(study(*exact))).verdict == "consistent"

    def test_without_class_counts_only_the_number_of_classes_speaks(self) -> None:
        assert only(baselines(study(metric("accuracy", 0.3)))).verdict == "suspicious"
        assert only(baselines(study(metric("accuracy", 0.6)))).verdict == "not checkable"
        ten = study(metric("accuracy", 0.3), n_classes=10)
        assert only(baselines(ten)).verdict == "not checkable"


class TestHeadlines:
    @pytest.mark.parametrize(
        "columns", [{"tl_type": "random initialisation"}, {"backbone": "custom"}]
    )
    def test_a_headline_that_is_no_transfer_learning(self, columns: dict[str, Any]) -> None:
        mine = metric("AUC", 0.9, headline=True, **columns)
        other = metric("AUC", 0.8, backbone="VGG16")
        found = only(headlines(study(mine, other)))
        assert (found.verdict, found.recomputed) == ("suspicious", "0.8")
        assert len(found.rows) == 2

    def test_other_headlines_and_other_rows_pass(self) -> None:
        rows = [
            metric("AUC", 0.9, headline=True, backbone="VGG16"),
            metric("AUC", 0.8, tl_type="random initialisation"),
        ]
        assert list(headlines(study(*rows))) == []
