"""Fisher's test of paired differences by flipping their signs; of -1, 0 and 1 it is McNemar's."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.stats.columns import FloatArray

#: Differences of this size are rounding.
_EQUAL = 1e-12
#: Signs that a block of draws may hold at once, so that memory does not grow with n.
_BLOCK = 4_000_000


def sign_flip(
    differences: FloatArray,
    *,
    two_sided: bool = False,
    exact_up_to: int = 20,
    draws: int = 20_000,
    seed: int = 0,
) -> tuple[float, bool]:
    """Test that the sum of differences is above 0, or `two_sided` that it is not 0.

    Parameters
    ----------
    differences
        Shape (n,), one an independent unit; those of 0 tell nothing, whichever way they are
        flipped.
    exact_up_to
        Up to so many units that differ all flips are counted; beyond, `draws` are sampled.

    Returns
    -------
    tuple
        p, and whether it is exact. The flips are symmetric: 1 where nothing differs.
    """
    moving = differences[np.abs(differences) > _EQUAL]
    n = moving.size
    if n == 0:
        return 1.0, True
    side = np.abs if two_sided else np.positive
    slack = 1e-9 * float(np.abs(moving).sum())
    least = float(side(moving.sum())) - slack
    of_one_size = np.ptp(np.abs(moving)) <= slack
    if n <= exact_up_to and (two_sided or not of_one_size):
        sums = np.zeros(1)
        for value in moving:
            sums = np.concatenate([sums - value, sums + value])
        return float(np.mean(side(sums) >= least)), True
    if of_one_size:  # the number of positive signs is binomial, however many there are
        more = int((moving > 0).sum())
        more = max(more, n - more) if two_sided else more
        tail = float(special.bdtrc(more - 1, n, 0.5)) if more else 1.0
        return min(1.0, (1 + two_sided) * tail), True
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // n)
    hits = 0
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        signs = generator.integers(0, 2, size=(rows, n), dtype=np.int8) * 2 - 1
        hits += int(np.sum(side(signs @ moving) >= least))
    return (hits + 1) / (draws + 1), False
