"""Random numbers that depend on what they are for, not on what was drawn before them.

Every epoch's order, dropout and augmentation have a seed of their own, made from the run's seed,
the fold and the epoch. A run that was killed and goes on therefore draws the numbers that it would
have drawn; no state of a generator has to be kept.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def derived(seed: int, *purpose: object) -> int:
    """Return a seed for one purpose, 0 to 2**63 - 1, the same on every machine."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def shuffled(indices: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the indices in the random order that belongs to a seed."""
    return np.random.Generator(np.random.PCG64(seed)).permutation(indices)


def batches(indices: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut indices into batches; a last one of a single image joins the one before it.

    BatchNorm cannot normalise over one image of one pixel, and an update from one image is noise.
    """
    cuts = list(range(size, len(indices), size))
    if cuts and len(indices) - cuts[-1] == 1 and size > 1:
        cuts.pop()
    return np.split(indices, cuts) if len(indices) else []
