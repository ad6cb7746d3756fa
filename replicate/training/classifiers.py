"""Fitted classifiers of hybrids as plain arrays, and what such arrays say of features.

A classifier of scikit-learn is kept as the numbers that decide - coefficients, support vectors,
trees -, never as a pickle. They outlast its releases, and say what it said to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.errors import WeightsError

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]

#: The arrays of each kind, with their numbers of axes; ``mean`` and ``scale`` are all kinds' own.
KINDS: Mapping[str, Mapping[str, int]] = {
    "linear": {"coefficients": 2, "intercept": 1},
    "svm": {"vectors": 2, "weights": 2, "intercept": 1, "counts": 1, "gamma": 1},
    "k-nn": {"rows": 2, "labels": 1, "neighbours": 1},
    "trees": {"left": 1, "right": 1, "feature": 1, "threshold": 1, "shares": 2, "roots": 1},
}
_ALL = {"classes": 1, "mean": 1, "scale": 1}
#: Rows of features that are compared with all support vectors or trees at a time.
_ROWS = 256


def arrays_of(pipeline: Any) -> tuple[str, Arrays]:
    """Return the kind of a fitted pipeline (scaler, classifier) and the arrays that decide it."""
    scaler, model = (step for _, step in pipeline.steps)
    arrays: Arrays = {"classes": model.classes_, "mean": scaler.mean_, "scale": scaler.scale_}
    if hasattr(model, "support_vectors_"):
        linear = model.kernel == "linear"
        arrays |= {
            "vectors": model.support_vectors_,
            "weights": model.dual_coef_,
            "intercept": model.intercept_,
            "counts": model.n_support_,
            "gamma": np.array([0.0 if linear else model._gamma]),
        }
        return "svm", arrays
    if hasattr(model, "estimators_"):
        return "trees", arrays | _forest([one.tree_ for one in model.estimators_])
    if hasattr(model, "n_samples_fit_"):
        rows = {"rows": model._fit_X, "labels": model._y}
        return "k-nn", arrays | rows | {"neighbours": np.array([model.n_neighbors])}
    return "linear", arrays | {"coefficients": model.coef_, "intercept": model.intercept_}


def _forest(trees: list[Any]) -> Arrays:
    """Return all trees behind each other; a leaf is its own child."""
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    parts: dict[str, list[NDArray[Any]]] = {}
    for tree, start in zip(trees, starts, strict=False):
        here = np.arange(start, start + tree.node_count)
        leaf = tree.children_left < 0
        shares = tree.value[:, 0, :]
        for name, values in (
            ("left", np.where(leaf, here, tree.children_left + start)),
            ("right", np.where(leaf, here, tree.children_right + start)),
            ("feature", np.where(leaf, 0, tree.feature)),
            ("threshold", tree.threshold),
            ("shares", shares / shares.sum(axis=1, keepdims=True)),
        ):
            parts.setdefault(name, []).append(values)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return {**joined, "roots": starts[:-1]}


def check(kind: str, arrays: Mapping[str, NDArray[Any]], width: int, classes: int) -> None:
    """Hold arrays that may come from anybody to what a classifier can be made of.

    Raises
    ------
    WeightsError
        An array is missing, of another shape, no finite number, or points outside the others.
    """
    wanted = {**_ALL, **KINDS.get(kind, {})}
    fits = kind in KINDS and wanted.keys() == arrays.keys()
    fits = fits and all(arrays[name].ndim == axes for name, axes in wanted.items())
    fits = fits and all(np.isfinite(one).all() for one in arrays.values())
    if not (fits and _shaped(kind, arrays, width) and _within(kind, arrays, classes)):
        raise WeightsError(
            f"its arrays are not those of a classifier ({kind}).", "Take the file as it was made."
        )


def _shaped(kind: str, arrays: Mapping[str, NDArray[Any]], width: int) -> bool:
    """Tell whether the arrays fit each other and the number of features."""
    known, shapes = len(arrays["classes"]), {name: one.shape for name, one in arrays.items()}
    rows = 1 if known == 2 else known
    fits = shapes["mean"] == shapes["scale"] == (width,) and bool((arrays["scale"] > 0).all())
    if kind == "linear":
        return fits and shapes["coefficients"] == (rows, width) and shapes["intercept"] == (rows,)
    if kind == "k-nn":
        count, one = shapes["labels"][0], shapes["neighbours"] == (1,)
        fits = fits and one and bool((arrays["neighbours"] <= count).all())
        return fits and shapes["rows"] == (count, width)
    if kind == "trees":
        nodes = shapes["left"]
        alike = all(shapes[name] == nodes for name in ("right", "feature", "threshold"))
        return fits and alike and shapes["shares"] == (*nodes, known) and shapes["roots"] > (0,)
    count = int(arrays["counts"].sum())
    pairs = known * (known - 1) // 2
    fits = fits and shapes["counts"] == (known,) and bool((arrays["counts"] >= 0).all())
    fits = fits and shapes["vectors"] == (count, width) and shapes["gamma"] == (1,)
    return fits and shapes["weights"] == (known - 1, count) and shapes["intercept"] == (pairs,)


def _within(kind: str, arrays: Mapping[str, NDArray[Any]], classes: int) -> bool:
    """Tell whether what counts into other arrays stays in them, and trees come to an end."""

    def counts(name: str, least: Any, most: int) -> bool:
        values = arrays[name]
        whole = np.issubdtype(values.dtype, np.integer)
        return whole and bool(((values >= least) & (values < most)).all())

    known = arrays["classes"]
    if not counts("classes", 0, classes) or len(known) < 2 or (np.diff(known) <= 0).any():
        return False
    if kind == "k-nn":
        return counts("labels", 0, len(known)) and counts("neighbours", 1, 2**31)
    if kind == "svm":
        return counts("counts", 0, 2**31)
    if kind == "trees":
        here, nodes = np.arange(len(arrays["left"])), len(arrays["left"])
        # Children stand behind their parents: no walk goes round in a circle.
        below = all(counts(name, here, nodes) for name in ("left", "right"))
        inside = counts("feature", 0, len(arrays["mean"])) and counts("roots", 0, nodes)
        return below and inside
    return True


def probabilities(
    kind: str, arrays: Mapping[str, NDArray[Any]], features: NDArray[np.float32], classes: int
) -> Floats:
    """Return class shares, shape (n, classes), as the classifier that the arrays were taken from.

    Parameters
    ----------
    kind, arrays
        As of :func:`arrays_of`, and sound: see :func:`check`.
    """
    # In the features' own precision, as the scaler of the pipeline.
    scaled = features - arrays["mean"].astype(features.dtype)
    scaled /= arrays["scale"].astype(features.dtype)
    how = {"linear": _linear, "svm": _svm, "k-nn": _neighbours, "trees": _trees}[kind]
    parts = [how(arrays, scaled[start : start + _ROWS]) for start in range(0, len(scaled), _ROWS)]
    return of_all_classes(
        np.concatenate([*parts, np.empty((0, len(arrays["classes"])))]), arrays["classes"], classes
    )


def softmax(values: Floats) -> Floats:
    """Return shares of decision values; a single column is that of the second of two classes."""
    if values.ndim == 1 or values.shape[1] == 1:
        values = values.reshape(-1)
        values = np.stack((np.zeros_like(values), values), axis=1)
    found: Floats = np.exp(values - values.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def of_all_classes(found: Floats, known: NDArray[np.int64], classes: int) -> Floats:
    """Return shares of all classes, those that were not trained included; rows sum to 1."""
    whole = np.zeros((len(found), classes))
    whole[:, known] = found
    rows: Floats = whole / whole.sum(axis=1, keepdims=True)
    return rows


def _linear(arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.float32]) -> Floats:
    return softmax(rows.astype(np.float64) @ arrays["coefficients"].T + arrays["intercept"])


def _svm(arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.float32]) -> Floats:
    """Vote of all pairs of classes, ties broken by confidence, as scikit-learn's one-against-rest.

    The weights of a pair's first class, in its support vectors, stand in row second - 1, those of
    its second class in row first (Chang & Lin 2011, ACM Trans Intell Syst Technol 2:27).
    """
    x, vectors, gamma = rows.astype(np.float64), arrays["vectors"], float(arrays["gamma"][0])
    kernel = x @ vectors.T
    if gamma:
        squares = (x**2).sum(1)[:, None] + (vectors**2).sum(1) - 2.0 * kernel
        kernel = np.exp(-gamma * np.maximum(squares, 0.0))
    ends = np.cumsum([0, *arrays["counts"]])
    own = [slice(*ends[place : place + 2]) for place in range(len(arrays["counts"]))]
    known, weights = len(own), arrays["weights"]
    votes, sums = np.zeros((len(x), known)), np.zeros((len(x), known))
    for pair, (i, j) in enumerate(zip(*np.triu_indices(known, 1), strict=True)):
        value = kernel[:, own[i]] @ weights[j - 1, own[i]] + kernel[:, own[j]] @ weights[i, own[j]]
        value += arrays["intercept"][pair]
        if known == 2:
            return softmax(value)
        sums[:, i] += value
        sums[:, j] -= value
        votes[:, i] += value >= 0
        votes[:, j] += value < 0
    return softmax(votes + sums / (3.0 * (np.abs(sums) + 1.0)))


def _neighbours(arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.float32]) -> Floats:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(int(arrays["neighbours"][0]))
    model.fit(arrays["rows"], arrays["labels"])
    found = np.zeros((len(rows), len(arrays["classes"])))
    found[:, model.classes_] = model.predict_proba(rows)
    return found


def _trees(arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.float32]) -> Floats:
    place = np.repeat(arrays["roots"][None, :], len(rows), axis=0)
    over = np.arange(len(rows))[:, None]
    while True:
        left = rows[over, arrays["feature"][place]] <= arrays["threshold"][place]
        below = np.where(left, arrays["left"][place], arrays["right"][place])
        if (below == place).all():
            break
        place = below
    shares: Floats = arrays["shares"][place].mean(axis=1)
    return shares
