from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import StatisticsError
from metaanalysis import regress, subgroups
from metaanalysis.stats.design import Coding
from metaanalysis.stats.effects import proportions
from metaanalysis.stats.notes import Note
from metaanalysis.stats.regression import Permutations, predict
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.subgroups import difference_test
from tests.metaanalysis.stats.golden_values import (
    ABLAT,
    ALLOC,
    BCG_EFFECT,
    BCG_VARIANCE,
    META,
    MODELS,
    YEAR,
    close,
)

MODERATORS = {
    "ablat": {"ablat": ABLAT},
    "ablat+year": {"ablat": ABLAT, "year": YEAR},
    "alloc": {"alloc": ALLOC},
}
TESTS = {"z": "z", "knha": "knapp-hartung"}


@pytest.mark.parametrize("key", MODELS["regressions"])
def test_regressions_equal_metafor(key):
    golden = MODELS["regressions"][key]
    name, method, test = key.split()
    found = regress(BCG_EFFECT, BCG_VARIANCE, MODERATORS[name], method, TESTS[test])
    rtol = 1e-9
    if name == "ablat+year":
        rtol = 1e-6  # year is not centred: R itself loses digits in its intercept
    close([item.estimate for item in found.coefficients], golden["b"], rtol)
    close([item.se for item in found.coefficients], golden["se"], rtol)
    close([item.p for item in found.coefficients], golden["p"], rtol)
    close([item.ci_low for item in found.coefficients], golden["ci_low"], rtol)
    close([item.ci_high for item in found.coefficients], golden["ci_high"], rtol)
    for mine, theirs in {
        "tau2": "tau2", "i2": "I2", "h2": "H2", "qm": "QM", "qm_p": "QM_p", "qe": "QE",
        "qe_p": "QE_p",
    }.items():  # fmt: skip
        close(getattr(found, mine), golden[theirs], rtol)


def test_r2_of_ablat():
    golden = META["BCG"]["results"]["meta_regression_ablat_REML"]
    found = regress(BCG_EFFECT, BCG_VARIANCE, {"ablat": ABLAT}, test="z")
    close(found.r2, 100 * golden["R2"])
    close(regress(BCG_EFFECT, BCG_VARIANCE, {"ablat": ABLAT}, "ML").r2, 87.732860413137)


def test_factor_equals_golden_subgroups():
    golden = META["BCG"]["results"]["subgroup_alloc_REML"]
    found = regress(BCG_EFFECT, BCG_VARIANCE, {"alloc": ALLOC}, test="z")
    assert list(found.levels["alloc"]) == golden["levels"]
    close([item.estimate for item in found.coefficients], golden["b"])
    close([found.qm, found.qm_p, found.tau2], [golden["QM"], golden["QM_p"], golden["tau2"]])
    assert found.terms[0].df == 2
    other = regress(
        BCG_EFFECT,
        BCG_VARIANCE,
        {"alloc": ALLOC},
        test="z",
        coding=Coding(reference={"alloc": "random"}),
    )
    close(other.qm, found.qm)
    assert other.coefficients[1].name == "alloc[alternate]"


def test_factor_without_intercept_keeps_all_levels():
    found = regress(
        BCG_EFFECT, BCG_VARIANCE, {"alloc": ALLOC}, test="z", coding=Coding(intercept=False)
    )
    assert [item.name for item in found.coefficients] == [
        "alloc[alternate]", "alloc[random]", "alloc[systematic]",
    ]  # fmt: skip
    close(found.coefficients[1].estimate, -0.9657741785458461)


def test_permutation_p():
    found = regress(
        BCG_EFFECT, BCG_VARIANCE, {"ablat": ABLAT}, test="z", permutations=Permutations(2000)
    )
    # REFERENCES 4.1: about 0.0048 in R with 5,000 permutations
    assert 0.001 < found.coefficients[1].permutation_p < 0.010
    assert found.qm_permutation_p == found.coefficients[1].permutation_p
    again = regress(
        BCG_EFFECT, BCG_VARIANCE, {"ablat": ABLAT}, test="z", permutations=Permutations(2000)
    )
    assert again.qm_permutation_p == found.qm_permutation_p


def test_few_studies_are_permuted_exactly():
    found = regress(
        [1, 2, 4, 8.5],
        [1, 1, 1, 1.0],
        {"dose": [1, 2, 3, 4]},
        "DL",
        "z",
        permutations=Permutations(100),
    )
    assert found.permutations == 24
    close(found.coefficients[1].permutation_p, 2 / 24)


def test_predictions_at_berkey_latitudes():
    found = regress(
        EffectSizes.of(BCG_EFFECT, BCG_VARIANCE, back_transform="exp"),
        None,
        {"ablat": ABLAT},
        test="z",
    )
    rows = predict(found, {"ablat": [33.46, 42]})
    close(rows[0]["estimate"], 0.25146821000737 - 0.02910172501165 * 33.46)
    assert rows[1]["natural_estimate"] < rows[0]["natural_estimate"]
    assert rows[0]["pi_low"] < rows[0]["ci_low"] < rows[0]["ci_high"] < rows[0]["pi_high"]
    factor = regress(BCG_EFFECT, BCG_VARIANCE, {"alloc": ALLOC}, test="z")
    close(predict(factor, {"alloc": ["random"]})[0]["estimate"], -0.9657741785458461)
    with pytest.raises(StatisticsError, match="'none' is not a level"):
        predict(factor, {"alloc": ["none"]})


@pytest.mark.parametrize(
    ("moderators", "words"),
    [
        ({"dose": [3] * 13}, "Moderator 'dose' has the one value 3 in all 13"),
        ({"kind": ["a"] * 13}, "Moderator 'kind' has one level"),
        ({"a": ABLAT, "b": [2 * v + 1 for v in ABLAT]}, "Moderators 'a' and 'b' are collinear"),
        ({"alloc": ALLOC, "again": [text == "random" for text in ALLOC]}, "'alloc' and 'again'"),
        ({"a": [None, *ABLAT[1:]]}, "Row 1, column 'a': missing"),
        ({"a": ABLAT[1:]}, "'a' has 12 rows where 13"),
        ({"text": [str(i) for i in range(13)]}, "13 studies cannot carry 13 coefficients"),
        ({}, "at least one moderator"),
    ],
)
def test_bad_moderators_are_named(moderators, words):
    with pytest.raises(StatisticsError, match=words):
        regress(BCG_EFFECT, BCG_VARIANCE, moderators)


def test_missing_moderators_are_listed():
    effect = [math.nan, *BCG_EFFECT[1:]]
    found = regress(
        EffectSizes.of(effect, BCG_VARIANCE, missing="exclude"),
        None,
        {"a": [1.0, None, *ABLAT[2:]]},
    )
    assert found.k == 11
    assert [item.row for item in found.excluded] == [1, 2]


def test_effect_sizes_align_with_moderators():
    studies = proportions([5, 9, 30, 44, 12], [9, 12, 40, 50, 30])
    found = regress(studies, None, {"year": [2015, 2016, 2017, 2018, 2019]})
    assert found.back.scale == "logit"
    assert found.k == 5


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 50), st.floats(-100, 100))
def test_moderator_scale_does_not_matter(scale, shift):
    base = regress(BCG_EFFECT, BCG_VARIANCE, {"a": ABLAT})
    moved = regress(BCG_EFFECT, BCG_VARIANCE, {"a": [scale * v + shift for v in ABLAT]})
    close(moved.coefficients[1].estimate * scale, base.coefficients[1].estimate, rtol=1e-6)
    close([moved.qm, moved.tau2], [base.qm, base.tau2], rtol=1e-6)


# ---- subgroups ---------------------------------------------------------------------------


def test_subgroups_with_common_tau2():
    golden = META["BCG"]["results"]["subgroup_alloc_REML"]
    found = subgroups(BCG_EFFECT, BCG_VARIANCE, ALLOC, test="z", tau2_mode="common")
    close([found.statistic, found.p], [golden["QM"], golden["QM_p"]])
    close(found.groups[0].estimate, golden["b"][0])
    close(found.groups[0].se, golden["se"][0])
    assert {group.tau2 for group in found.groups} == {found.groups[0].tau2}


def test_common_tau2_with_knapp_hartung_equals_the_regression():
    found = subgroups(BCG_EFFECT, BCG_VARIANCE, ALLOC, tau2_mode="common")
    line = regress(BCG_EFFECT, BCG_VARIANCE, {"alloc": ALLOC}, coding=Coding(intercept=False))
    for group, item in zip(found.groups, line.coefficients, strict=True):
        close([group.estimate, group.se, group.ci_low], [item.estimate, item.se, item.ci_low])
    assert found.df_residual == 10


def test_subgroups_with_separate_tau2():
    found = subgroups(BCG_EFFECT, BCG_VARIANCE, ALLOC, test="z")
    # REFERENCES 4.1, at metafor's default tolerance
    close(
        [group.estimate for group in found.groups],
        [-0.5407929618, -0.9709644758, -0.424207343],
        1e-4,
    )
    close(found.groups[1].tau2, 0.3925265491, rtol=1e-4)
    assert found.names == ("alternate", "random", "systematic")
    assert difference_test(found.groups) == (found.statistic, found.df, None, found.p)
    weight = np.array([group.se**-2 for group in found.groups])
    means = np.array([group.estimate for group in found.groups])
    centre = (weight * means).sum() / weight.sum()
    close(found.statistic, (weight * (means - centre) ** 2).sum())
    assert len(found.rows()) == 4


def test_a_subgroup_of_one_is_shown_but_not_tested():
    found = subgroups([1, 1.2, 3, 3.1, 9], [0.1] * 5, ["a", "a", "b", "b", "c"])
    assert found.groups[2].k == 1
    assert found.groups[2].estimate == 9
    assert found.df == 1
    assert found.warnings[0] == Note.of("group-of-one", groups=["c"])


def test_bad_subgroups():
    with pytest.raises(StatisticsError, match="Row 2, column 'group': missing"):
        subgroups([1, 2, 3], [1, 1, 1], ["a", None, "b"])
    with pytest.raises(StatisticsError, match="one level"):
        subgroups([1, 2, 3], [1, 1, 1], ["a", "a", "a"])
    left = subgroups(
        EffectSizes.of([1, 2, 3, 4], [1] * 4, missing="exclude"), None, ["a", None, "b", "b"]
    )
    assert left.excluded[0].row == 2


def test_separate_tau2_with_t_intervals_takes_the_errors_for_estimates():
    # Equal variances in each group: Knapp-Hartung is the t of plain means, the test Welch's.
    values = [[1.0, 2.0, 4.0, 4.5], [5.0, 9.0], [3.0, 3.5, 8.0]]
    effect = [value for group in values for value in group]
    names = [name for name, group in zip("abc", values, strict=True) for _ in group]
    found = subgroups(effect, [1e-6] * len(effect), names)
    means = np.array([np.mean(group) for group in values])
    weight = np.array([len(group) / np.var(group, ddof=1) for group in values])
    centre = (weight * means).sum() / weight.sum()
    lack = sum((1 - weight / weight.sum()) ** 2 / np.array([3, 1, 2]))
    expected = (weight * (means - centre) ** 2).sum() / 2 / (1 + 2 * 1 / 8 * lack)
    close([found.statistic, found.df_residual], [expected, 8 / (3 * lack)], rtol=1e-9)
    known = subgroups(effect, [1e-6] * len(effect), names, test="z")
    assert known.df_residual is None
    assert found.p > known.p
    assert "df 2, df_residual 2.3" in repr(found)


def test_two_groups_with_separate_tau2_are_welchs_t():
    from scipy import stats

    first, second = [1.0, 2.0, 4.0, 4.5], [5.0, 9.0, 7.0]
    found = subgroups([*first, *second], [1e-9] * 7, ["a"] * 4 + ["b"] * 3)
    welch = stats.ttest_ind(first, second, equal_var=False)
    close([found.statistic, found.p, found.df_residual], [welch[0] ** 2, welch[1], welch.df], 1e-6)


def test_small_groups_are_noted_and_levels_ignore_case():
    found = subgroups([1, 1.2, 3, 3.1, 9], [0.1] * 5, ["b", "b", "A", "A", "c"])
    assert found.names == ("A", "b", "c")
    assert Note.of("small-groups", least=5, groups={"A": 2, "b": 2}) in found.warnings
    line = regress([1, 1.2, 3, 3.1], [0.1] * 4, {"x": ["a", "B", "a", "B"]})
    assert tuple(line.levels["x"]) == ("a", "B")


def test_a_common_effect_predicts_no_new_study():
    line = regress(BCG_EFFECT, BCG_VARIANCE, {"alloc": ALLOC}, "common")
    row = predict(line, {"alloc": ["random"]})[0]
    assert np.isnan([row["pi_low"], row["pi_high"], row["natural_pi_low"]]).all()
    assert row["ci_low"] < row["ci_high"]


def test_common_effect_subgroups_split_q():
    found = subgroups(BCG_EFFECT, BCG_VARIANCE, ALLOC, method="common")
    within = sum(group.q for group in found.groups)
    close(found.overall.q, within + found.statistic)
    assert np.isnan(found.groups[0].pi_low)
