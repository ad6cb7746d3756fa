"""What a trained model says of the images it was not trained on: all that evaluation needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """Probabilities of one model for the test images of one fold.

    Parameters
    ----------
    probabilities
        Shape (n, classes), rows sum to 1.
    labels
        True class of each image, shape (n,).
    indices
        Place of each image in the image set, shape (n,).
    seed, repeat, fold
        Which model it was; a hold-out or official split is repeat 0, fold 0.
    val_probabilities, val_indices
        The same of the fold's validation images, on which a threshold can be chosen; None where
        they are not known, empty where there are none.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    seed: int
    repeat: int = 0
    fold: int = 0
    val_probabilities: NDArray[np.float64] | None = None
    val_indices: NDArray[np.int64] | None = None
