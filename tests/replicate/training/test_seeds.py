"""Derived seeds, orders and batches."""

from __future__ import annotations

import numpy as np
import pytest

from replicate.training.seeds import batches, derived, shuffled


def test_derived_seeds_are_fixed_for_good() -> None:
    # Pinned: another value would give every replication that is on record other numbers.
    assert derived(0, 0, 0, "training", 3, "order") == 8554136032322145370
    assert derived(0, "a") != derived(0, "b") != derived(1, "b")
    assert 0 <= derived(2**31 - 1, "x") < 2**63


def test_shuffled_is_an_order_of_its_own() -> None:
    indices = np.arange(50) * 2
    assert sorted(shuffled(indices, 5).tolist()) == indices.tolist()
    assert shuffled(indices, 5).tolist() == shuffled(indices, 5).tolist()
    assert shuffled(indices, 5).tolist() != shuffled(indices, 6).tolist()


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (10, 4, [4, 4, 2]),
        (9, 4, [4, 5]),
        (8, 4, [4, 4]),
        (1, 4, [1]),
        (3, 1, [1, 1, 1]),
        (0, 4, []),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(
    count: int, size: int, expected: list[int]
) -> None:
    found = batches(np.arange(count), size)
    assert [len(batch) for batch in found] == expected
    assert [i for batch in found for i in batch.tolist()] == list(range(count))
