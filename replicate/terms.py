"""Words of a replication that the command line offers before anything heavy is imported."""

from __future__ import annotations

from typing import Any

#: The protocol that the review's conclusion recommends: feature extractor first, then unfreezing
#: from the top.
RECOMMENDED = "recommended protocol"
FEATURES = "feature extractor"
HYBRID = "feature extractor hybrid"
RANDOM = "random initialisation"
SCRATCH = "fine-tuning from scratch"
#: The TL types that can be rerun: the review's four, its baseline, and :data:`RECOMMENDED`.
TL_TYPES = (FEATURES, HYBRID, "fine-tuning", SCRATCH, RANDOM, RECOMMENDED)
#: No transfer: what a head makes of the features of a network that has learnt nothing.
CONTROL = "random weights, frozen"
#: TL types of random weights: all of them learn, or none does.
RANDOM_TL_TYPES = (RANDOM, CONTROL)
#: Classical classifiers, which a feature extractor hybrid takes.
HYBRID_HEADS = ("svm", "random forest", "k-nn", "lda", "logistic")
#: What a contest can compare.
CONTEST_METRICS = ("auc", "accuracy", "balanced_accuracy")


def shown(value: Any) -> str:
    """Return a setting's value as a reader writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{old} → {new}" if old != new else new for old, new in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
