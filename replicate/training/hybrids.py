"""Classifiers of the feature extractor hybrid: SVM, random forest, k-NN, LDA, logistic regression.

Features are standardised inside the pipeline, so that mean and deviation are those of the training
images alone. Nothing is tuned: the spec says every setting, and the rest are scikit-learn's.

The module imports scikit-learn, which takes seconds: it is imported where a hybrid is fitted, and
of the classifiers the one that is.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from db.errors import ReplicationError
from replicate.notes import Note
from replicate.spec import Head
from replicate.splits.splits import Fold
from replicate.training.classifiers import Arrays, Floats, arrays_of, of_all_classes, softmax


@dataclass(frozen=True, eq=False, slots=True)
class Classified:
    """What a hybrid's classifier says.

    Parameters
    ----------
    probabilities
        Of the test images, shape (n, classes), rows sum to 1.
    val_probabilities
        The same of the validation images.
    train_accuracy, val_accuracy
        Shares; the latter None without validation images. They are shown, never used.
    notes
        What a reader of the result should know.
    kind, arrays
        The classifier itself, as of :func:`replicate.training.classifiers.arrays_of`.
    """

    probabilities: Floats
    val_probabilities: Floats
    train_accuracy: float
    val_accuracy: float | None
    notes: tuple[Note, ...]
    kind: str
    arrays: Arrays


def classify(
    head: Head,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    fold: Fold,
    *,
    classes: int,
    balanced: bool,
    seed: int,
) -> Classified:
    """Fit a classifier on the training rows of `features` and apply it to the test rows.

    Parameters
    ----------
    features, labels
        Of all images, shapes (n, width) and (n,).
    classes
        How many there are, whether trained or not.
    balanced
        Whether every class weighs the same in sum.
    seed
        Of what the classifier draws.

    Raises
    ------
    ReplicationError
        More neighbours than training images.
    """
    train = fold.train
    if head.kind == "k-nn" and head.neighbours > len(train):
        raise ReplicationError(
            f"k-NN: {head.neighbours} neighbours are asked for, {len(train)} images are to train.",
            "Take fewer neighbours or more images.",
        )
    notes: list[Note] = []
    if balanced and head.kind == "k-nn":
        notes.append(Note("no class weights"))
    if head.kind == "svm":
        notes.append(Note("no probabilities"))
    pipeline = _pipeline(head, len(np.unique(labels[train])), balanced, seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        pipeline.fit(features[train], labels[train])
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        notes.append(Note("not converged", {"head": head.kind}))

    def said(rows: NDArray[np.int64]) -> Floats:
        if not len(rows):
            return np.empty((0, classes))
        return _probabilities(pipeline, features[rows], classes)

    def accuracy(probabilities: Floats, rows: NDArray[np.int64]) -> float:
        return float(np.mean(probabilities.argmax(axis=1) == labels[rows]))

    of_val = said(fold.val)
    return Classified(
        said(fold.test),
        of_val,
        accuracy(said(train), train),
        accuracy(of_val, fold.val) if len(fold.val) else None,
        tuple(notes),
        *arrays_of(pipeline),
    )


def _pipeline(head: Head, classes: int, balanced: bool, seed: int) -> Any:
    """Return the classifier behind a scaler; `penalty` is C, the price of errors, of two of them.

    LDA has more features than images as a rule; the pooled covariance is therefore shrunk (Ledoit
    & Wolf 2004, J Multivar Anal 88:365), without which it has no inverse.
    """
    weight = "balanced" if balanced else None
    model: Any
    if head.kind == "svm":
        from sklearn.svm import SVC

        model = SVC(C=head.penalty, kernel=head.kernel, class_weight=weight)
    elif head.kind == "random forest":
        from sklearn.ensemble import RandomForestClassifier

        model = RandomForestClassifier(head.trees, class_weight=weight, random_state=seed)
    elif head.kind == "k-nn":
        from sklearn.neighbors import KNeighborsClassifier

        model = KNeighborsClassifier(head.neighbours)
    elif head.kind == "lda":
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        priors = np.full(classes, 1.0 / classes) if balanced else None
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
    else:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(
            C=head.penalty, class_weight=weight, max_iter=2000, random_state=seed
        )
    return make_pipeline(StandardScaler(), model)


def _probabilities(pipeline: Any, features: NDArray[np.float32], classes: int) -> Floats:
    """Return class shares; of an SVM the softmax of its decision values.

    An SVM has no probabilities. Platt's, fitted by an inner cross-validation, can contradict the
    SVM's own decision and would tear patients apart once more; the softmax keeps its decision and
    its ranking, which is all that accuracy and AUC rest on.
    """
    if hasattr(pipeline, "predict_proba"):
        found = np.asarray(pipeline.predict_proba(features), dtype=np.float64)
    else:
        values = np.asarray(pipeline.decision_function(features), dtype=np.float64)
        found = softmax(values)
    return of_all_classes(found, pipeline.classes_, classes)
