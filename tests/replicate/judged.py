"""Predictions and image sets for tests of evaluation; drawn, never of real images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from replicate.evaluation.predictions import Predictions
from replicate.images.image_set import ImageSet, of_arrays


def image_set(labels: Sequence[int], k: int, groups: Sequence[str] | None = None) -> ImageSet:
    pixels = np.zeros((len(labels), 2, 2), dtype=np.uint8)
    classes = [f"class {index}" for index in range(k)]
    return of_arrays("drawn", pixels, np.asarray(labels), classes, groups=groups)


def drawn_labels(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    """Every class at least twice."""
    labels = np.concatenate([np.arange(2 * k) % k, rng.integers(0, k, n - 2 * k)])
    return rng.permutation(labels)


def probabilities(
    rng: np.random.Generator, labels: np.ndarray, k: int, signal: float = 1.0, digits: int = 2
) -> np.ndarray:
    """Rounded so that ties occur; rows sum to 1."""
    scores = rng.normal(size=(labels.size, k))
    scores[np.arange(labels.size), labels] += signal
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    shares = np.round(shares, digits) + 1e-6
    return shares / shares.sum(axis=1, keepdims=True)


def predictions(
    shares: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    repeat: int = 0,
    fold: int = 0,
    indices: np.ndarray | None = None,
) -> Predictions:
    where = np.arange(labels.size) if indices is None else indices
    return Predictions(shares[where], labels[where], where, seed, repeat, fold)
