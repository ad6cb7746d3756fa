from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from db.errors import StatisticsError
from metaanalysis.stats.columns import FileRow
from metaanalysis.stats.diagnostic_pairs import diagnostic_pairs
from metaanalysis.stats.effects import (
    auc,
    from_interval,
    hanley_mcneil,
    paired_differences,
    proportions,
    two_groups,
)
from metaanalysis.stats.notes import Exclusion, Note
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.transforms import (
    BackTransform,
    arcsine,
    freeman_tukey,
    inverse_arcsine,
    inverse_freeman_tukey,
)
from tests.metaanalysis.stats.golden_values import (
    BCG,
    BCG_EFFECT,
    BCG_VARIANCE,
    META,
    MODELS,
    close,
)

PROPORTIONS = {
    "raw": "PR",
    "log": "PLN",
    "logit": "PLO",
    "arcsine": "PAS",
    "freeman-tukey": "PFT",
}
GROUPS = {"log-risk-ratio": "RR", "log-odds-ratio": "OR", "risk-difference": "RD"}


@pytest.mark.parametrize("transform", PROPORTIONS)
def test_proportions_equal_escalc(transform):
    golden = MODELS["effects"]["proportions"][PROPORTIONS[transform]]
    found = proportions([0, 3, 10, 12, 5], [9, 12, 10, 40, 5], transform)
    close(found.effect, golden["yi"])
    close(found.variance, golden["vi"])


@pytest.mark.parametrize("measure", GROUPS)
def test_two_groups_equal_escalc(measure):
    golden = MODELS["effects"]["groups"][GROUPS[measure]]
    found = two_groups([0, 3, 7], [9, 12, 30], [2, 4, 0], [11, 12, 28], measure)
    close(found.effect, golden["yi"])
    close(found.variance, golden["vi"])
    assert [(note.code, note.rows) for note in found.warnings] == [("zero-cell-corrected", (1, 3))]


def test_bcg_risk_ratios():
    counts = [[row[key] for row in BCG] for key in ("tpos", "tneg", "cpos", "cneg")]
    treated, control = np.add(counts[0], counts[1]), np.add(counts[2], counts[3])
    found = two_groups(counts[0], treated, counts[2], control, "log-risk-ratio")
    close(found.effect, BCG_EFFECT)
    close(found.variance, BCG_VARIANCE)


def test_pritz_effects():
    golden = META["Pritz"]
    events, n = ([row[key] for row in golden["data"]] for key in ("xi", "ni"))
    found = proportions(events, n, "logit")
    close(found.effect, [row["logit_yi"] for row in golden["data"]])
    close(found.variance, [row["logit_vi"] for row in golden["data"]])
    doubled = proportions(events, n, "freeman-tukey")
    close(doubled.effect, golden["freeman_tukey"]["yi"])
    close(doubled.variance, golden["freeman_tukey"]["vi"])


def test_transforms_of_metafor_test_misc_transf():
    close(arcsine(0.1), 0.321751, atol=5e-7)
    close(freeman_tukey(1, 10), 0.373394, atol=5e-7)
    close(inverse_freeman_tukey(0.373394, 10), 0.1, atol=5e-6)


def test_inverse_freeman_tukey_equals_transf_ipft():
    effects, sizes = [0.2, 0.6, 0.9, 1.2, 1.45], [8, 25, 300]
    found = [[float(inverse_freeman_tukey(y, n)) for n in sizes] for y in effects]
    close(found, MODELS["effects"]["ipft"])


@given(st.integers(1, 100_000), st.floats(0, 1))
def test_freeman_tukey_inverts_exactly(n, share):
    events = round(share * n)
    close(inverse_freeman_tukey(freeman_tukey(events, n), n), events / n, rtol=1e-8, atol=1e-8)


@given(st.floats(1e-9, 1 - 1e-9))
def test_other_transforms_invert(share):
    close(BackTransform("logit").array(logit(share)), share)
    close(inverse_arcsine(arcsine(share)), share)
    assert math.isclose(BackTransform("exp")(math.log(share)), share, rel_tol=1e-12)


@given(st.integers(1, 50), st.sampled_from(sorted(PROPORTIONS)))
def test_zero_and_full_counts_give_finite_effects(n, transform):
    found = proportions([0, n], [n, n], transform)
    assert np.isfinite(found.effect).all()
    assert (found.variance > 0).all()
    back = found.back.array(found.effect)
    assert ((back >= 0) & (back <= 1)).all()


def test_back_transform_stays_nan():
    for scale in ("identity", "exp", "logit", "arcsine"):
        assert math.isnan(BackTransform(scale)(float("nan")))
    assert math.isnan(BackTransform("freeman-tukey", 20)(float("nan")))


def test_hanley_mcneil_1982_table_1():
    close(hanley_mcneil(np.array([0.893171]), 51, 58), 0.001055378, rtol=5e-7)
    # REFERENCES 4.3: 0.95 with 100 and 100 cases
    close(np.sqrt(hanley_mcneil(np.array([0.95]), 100, 100)), 0.01600746735, rtol=1e-9)


def test_logit_auc_by_delta_method():
    raw = auc([0.9, 0.8], [50, 60], [70, 80], "raw")
    moved = auc([0.9, 0.8], [50, 60], [70, 80], "logit")
    close(moved.effect, logit([0.9, 0.8]))
    close(moved.variance, raw.variance / (raw.effect * (1 - raw.effect)) ** 2)


def test_auc_without_counts_is_never_invented():
    with pytest.raises(StatisticsError, match=r"Row 2, column 'n_positive'"):
        auc([0.9, 0.8], [50, None], [70, None])
    left = auc([0.9, 0.8], [50, None], [70, None], missing="exclude", labels=["a", "b"])
    assert left.k == 1
    assert left.excluded == (Exclusion(2, "b", "missing", "n_positive"),)
    assumed = auc([0.9, 0.8], [50, None], [70, None], n=[120, 100], assumed_prevalence=0.5)
    assert assumed.warnings == (Note.of("prevalence-assumed", [2], prevalence=0.5),)
    close(assumed.size, [120, 100])


def test_perfect_auc_counts_as_missing():
    with pytest.raises(StatisticsError, match=r"Row 1, column 'auc': an AUC of exactly"):
        auc([1.0, 0.8], [5, 5], [5, 5])
    assert auc([1.0, 0.8], [5, 5], [5, 5], missing="exclude").excluded[0].row == 1


def test_interval_gives_standard_error():
    found = from_interval([0.4896], [0.3449], [0.6950], "log")
    close(np.sqrt(found.variance), [0.17874], rtol=1e-3)
    assert found.back.scale == "exp"
    assert not found.warnings
    skewed = from_interval([0.95], [0.80], [0.97], "raw")
    assert [(note.code, note.rows) for note in skewed.warnings] == [("interval-lopsided", (1,))]
    with pytest.raises(StatisticsError, match="lies outside its own interval"):
        from_interval([0.5], [0.6], [0.7])


def test_paired_differences_state_their_correlation():
    found = paired_differences([0.9, 0.8], [0.01, 0.02], [0.85, 0.83], [0.01, 0.02], 0.5)
    close(found.effect, [0.05, -0.03])
    close(found.variance, [0.01, 0.02])
    assert found.warnings == (Note.of("correlation-assumed", correlation=0.5),)
    with pytest.raises(StatisticsError, match="leaves no variance"):
        paired_differences([1], [0.01], [1], [0.01], 1.0)


@pytest.mark.parametrize(
    ("events", "n", "words"),
    [
        ([1, -1], [5, 5], r"Row 2, column 'events': -1 is negative"),
        ([1, 6], [5, 5], r"Row 2, column 'events': 6 is more than 'n'"),
        ([1, 2], [5, 0], r"Row 2, column 'n': 0 is not a number of cases"),
        ([1, 2], [5, float("nan")], r"Row 2, column 'n': missing"),
        ([1, "many"], [5, 5], r"Row 2, column 'events': 'many' is not a number"),
        ([1, 2], [5], r"'n' has 1 rows where 2 are expected"),
    ],
)
def test_bad_counts_name_row_and_column(events, n, words):
    with pytest.raises(StatisticsError, match=words):
        proportions(events, n)


def test_fractional_events_are_named():
    assert proportions([3, 4.5], [9, 9]).warnings == (Note.of("fractions", [2], column="events"),)


def test_zero_cell_policies():
    cells = [[5, 0, 2, 7], [9, 3, 1, 8]]
    everything = diagnostic_pairs(cells)
    assert everything.corrected_rows == (1, 2)
    assert diagnostic_pairs(cells, zero_cells="only-affected").corrected_rows == (1,)
    with pytest.raises(StatisticsError, match="Row 1, column 'fn': a zero cell"):
        diagnostic_pairs(cells, zero_cells="none")
    close(everything.effect[0], [math.log(5.5 / 0.5), math.log(2.5 / 7.5)])
    close(everything.log_dor().effect, everything.effect[:, 0] - everything.effect[:, 1])


def test_a_table_without_diseased_is_refused():
    with pytest.raises(StatisticsError, match="Row 1"):
        diagnostic_pairs([[0, 0, 1, 5], [5, 1, 2, 6]])


def test_a_row_of_a_file_is_called_by_its_place():
    rows = [FileRow("row 5"), FileRow("row 7")]
    with pytest.raises(StatisticsError, match=r"^Row 7, column 'variance'"):
        EffectSizes.of([1, 2], [1, 1e60], labels=rows)
    with pytest.raises(StatisticsError, match=r"^Row 2 \(row 7\), column 'variance'"):
        EffectSizes.of([1, 2], [1, 1e60], labels=["row 5", "row 7"])
    assert EffectSizes.of([1, 2], [1, 1], labels=rows).labels == ("row 5", "row 7")
