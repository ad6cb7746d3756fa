"""Tables of calls behind printed rates, against brute force and against known examples."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from metaanalysis.audit.printed import Printed, fraction
from metaanalysis.audit.tables2x2 import prevalence, tables

Rates = dict[str, Printed]


def of_table(tp: int, fn: int, fp: int, tn: int, digits: int) -> Rates:
    """Return what a paper would print of a table."""
    n = tp + fn + fp + tn
    values = {
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "accuracy": (tp + tn) / n,
    }
    if tp + fp:
        values["precision"] = tp / (tp + fp)
    if tn + fn:
        values["NPV"] = tn / (tn + fn)
    if 2 * tp + fp + fn:
        values["F1"] = 2 * tp / (2 * tp + fp + fn)
    return {name: fraction(round(value, digits)) for name, value in values.items()}


def brute(rates: Rates, n: int) -> dict[int, int]:
    """Count the tables of `n` cases that give all rates, by number of positives."""
    found: dict[int, int] = {}
    for positives in range(1, n):
        for tp in range(positives + 1):
            for tn in range(n - positives + 1):
                fn, fp = positives - tp, n - positives - tn
                parts = {
                    "sensitivity": (tp, tp + fn),
                    "specificity": (tn, tn + fp),
                    "accuracy": (tp + tn, n),
                    "precision": (tp, tp + fp),
                    "NPV": (tn, tn + fn),
                    "F1": (2 * tp, 2 * tp + fp + fn),
                }
                # k/d within the printed range, cross-multiplied so that 0/0 passes.
                if all(
                    rate.low * parts[name][1] <= parts[name][0] <= rate.high * parts[name][1]
                    for name, rate in rates.items()
                ):
                    found[positives] = found.get(positives, 0) + 1
    return found


cells = st.tuples(st.integers(1, 40), st.integers(0, 20), st.integers(0, 20), st.integers(1, 40))


@given(cells, st.integers(1, 4), st.sets(st.sampled_from(["accuracy", "precision", "NPV", "F1"])))
def test_a_real_table_always_fits(
    table: tuple[int, int, int, int], digits: int, also: set[str]
) -> None:
    rates = of_table(*table, digits)
    rates = {k: v for k, v in rates.items() if k in {"sensitivity", "specificity"} | also}
    n, positives = sum(table), table[0] + table[1]
    found = tables(rates, n)
    assert found is not None
    assert found.low <= positives <= found.high
    assert tables(rates, n, positives) is not None
    shares = prevalence(rates)
    assert shares is not None
    assert shares[0] - 1e-12 <= positives / n <= shares[1] + 1e-12


thousandths = st.integers(0, 1000).map(lambda k: fraction(k / 1000))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["sensitivity", "specificity", "accuracy", "precision", "NPV", "F1"]),
        thousandths,
        min_size=1,
    ),
    st.integers(2, 18),
)
def test_against_brute_force(rates: Rates, n: int) -> None:
    counted = brute(rates, n)
    found = tables(rates, n)
    if not counted:
        assert found is None
    else:
        assert found is not None
        assert (found.low, found.high, found.tables) == (
            min(counted),
            max(counted),
            sum(counted.values()),
        )


def test_the_examples_of_mlscorecheck() -> None:
    """Its README: 100 of 200 positive; 530 of 902 positive."""
    first = {"accuracy": 0.9567, "sensitivity": 0.8545, "specificity": 0.9734}
    assert tables({name: fraction(value) for name, value in first.items()}, 200, 100) is None
    second = {"accuracy": 0.62, "sensitivity": 0.22, "specificity": 0.86}
    assert tables({name: fraction(value) for name, value in second.items()}, 902, 530) is None
    spoiled = second | {"accuracy": 0.92}
    assert prevalence({name: fraction(value) for name, value in spoiled.items()}) is None


def test_an_accuracy_outside_sensitivity_and_specificity_fits_nothing() -> None:
    rates = {
        "sensitivity": fraction(0.91),
        "specificity": fraction(0.85),
        "accuracy": fraction(0.95),
    }
    assert prevalence(rates) is None
    assert tables(rates, 100) is None
    within = rates | {"accuracy": fraction(0.88)}
    assert prevalence(within) is not None
