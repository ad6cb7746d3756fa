"""Metrics of classification as functions of sums over images, so that draws need no images.

Every metric here but the AUC is computed from columns that add up over images: the confusion
matrix, losses, and the bins of calibration. Summed once within groups, a bootstrap of thousands of
draws is one matrix product.
"""

from __future__ import annotations

import numpy as np

from replicate.evaluation.intervals import Floats, Integers

#: Metrics of all classes together, in the order of tables; AUC is computed from scores.
OVERALL = (
    "accuracy",
    "balanced_accuracy",
    "auc",
    "sensitivity",
    "specificity",
    "precision",
    "f1",
    "kappa",
    "brier",
    "log_loss",
    "ece",
)
#: Metrics of one class against the rest.
PER_CLASS = ("auc", "sensitivity", "specificity", "precision", "f1")

#: Equal bins of the highest probability, for the expected calibration error.
BINS = 10
#: Probabilities are cut here before a logarithm is taken.
_LEAST = 1e-15


def decisions(probabilities: Floats) -> Integers:
    """Return the class of the highest probability, the first of equals; shape (n,)."""
    return probabilities.argmax(axis=1).astype(np.int64)


def tallies(probabilities: Floats, labels: Integers, called: Integers | None = None) -> Floats:
    """Return the columns of each image that metrics are made of.

    Parameters
    ----------
    probabilities
        Shape (n, K).
    labels
        Shape (n,).
    called
        The class that each image is called, shape (n,); None: the most probable one. Calibration
        is of the probabilities, whatever is called.

    Returns
    -------
    ndarray
        Shape (n, K² + 2 + 3 `BINS`): the cell of the confusion matrix (true class first), squared
        error, logarithmic loss, and by bin of calibration count, confidence and hits.

    Notes
    -----
    The Brier score of two classes is the squared error of one of them, from 0 to 1; of more
    classes Brier's own sum over all, from 0 to 2.
    """
    n, k = probabilities.shape
    rows = np.arange(n)
    chosen = decisions(probabilities)
    columns = np.zeros((n, k * k + 2 + 3 * BINS))
    columns[rows, labels * k + (chosen if called is None else called)] = 1.0
    truth = np.zeros_like(probabilities)
    truth[rows, labels] = 1.0
    squares = ((probabilities - truth) ** 2).sum(axis=1)
    columns[:, k * k] = squares / 2 if k == 2 else squares
    columns[:, k * k + 1] = -np.log(np.clip(probabilities[rows, labels], _LEAST, 1.0))
    confidence = probabilities[rows, chosen]
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    first = k * k + 2
    columns[rows, first + bins] = 1.0
    columns[rows, first + BINS + bins] = confidence
    columns[rows, first + 2 * BINS + bins] = chosen == labels
    return columns


def confusion_of(sums: Floats, k: int) -> Floats:
    """Return the confusion matrices in sums of tallies, shape (..., K, K), true class first."""
    return sums[..., : k * k].reshape(*sums.shape[:-1], k, k)


def per_class(confusion: Floats) -> dict[str, Floats]:
    """Return each class's metrics against the rest, shape (..., K); NaN where undefined."""
    total = confusion.sum(axis=(-2, -1))[..., None]
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, chosen = confusion.sum(axis=-1), confusion.sum(axis=-2)
    rest = total - true
    return {
        "sensitivity": _ratio(hits, true),
        "specificity": _ratio(rest - (chosen - hits), rest),
        "precision": _ratio(hits, chosen),
        "f1": np.where(true > 0, _ratio(2 * hits, true + chosen), np.nan),
    }


def overall(sums: Floats, k: int, positive: int | None) -> dict[str, Floats]:
    """Return all metrics but the AUC from sums of tallies, shape (...).

    Parameters
    ----------
    sums
        Shape (..., columns of `tallies`).
    k
        Number of classes.
    positive
        The positive class of two; None for more: then sensitivity, specificity, precision and F1
        are means over classes. A mean of which a class is undefined is undefined.
    """
    confusion = confusion_of(sums, k)
    total = confusion.sum(axis=(-2, -1))
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    by_class = per_class(confusion)
    agreement = _ratio(hits, total)
    chance = _ratio(
        (confusion.sum(axis=-1) * confusion.sum(axis=-2)).sum(axis=-1), np.square(total)
    )
    first = k * k + 2
    confidence = sums[..., first + BINS : first + 2 * BINS]
    right = sums[..., first + 2 * BINS : first + 3 * BINS]
    values = {
        "accuracy": agreement,
        "balanced_accuracy": by_class["sensitivity"].mean(axis=-1),
        "kappa": _ratio(agreement - chance, 1.0 - chance),
        "brier": _ratio(sums[..., k * k], total),
        "log_loss": _ratio(sums[..., k * k + 1], total),
        "ece": _ratio(np.abs(confidence - right).sum(axis=-1), total),
    }
    for name, of_classes in by_class.items():
        values[name] = of_classes.mean(axis=-1) if positive is None else of_classes[..., positive]
    return values


def _ratio(above: Floats, below: Floats) -> Floats:
    below = np.asarray(below, dtype=np.float64)
    out = np.full(np.broadcast_shapes(np.shape(above), below.shape), np.nan)
    return np.divide(above, below, out=out, where=below > 1e-12)
