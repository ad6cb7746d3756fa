"""How the terms of replications are worded for a reader: extents of fine-tuning, metrics."""

from __future__ import annotations

#: What the TL type of that name does, in one line.
RECOMMENDED_IS = (
    "recommended protocol: feature extractor first, then unfreezing from the top at a low rate"
)
#: TL types of which an extent is told: the others train nothing of the backbone, or all.
_PARTIAL = ("fine-tuning", "recommended protocol")
#: Metrics that are not called as they are written down, each in both spellings that are stored.
_METRICS = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
    "f1": "F1",
    "npv": "NPV",
}


def extent_words(kind: str | None, amount: float | None) -> str | None:
    """Return how much of a backbone is trained, such as ``last 2 blocks``; None for nothing.

    Parameters
    ----------
    kind, amount
        As of ``replicate.spec.Unfreezing``.
    """
    if kind == "all":
        return "all layers"
    if amount is None or kind not in ("blocks", "layers", "ratio"):
        return None
    if kind == "ratio":
        return f"{100 * amount:g} % of layers"
    return f"last {kind.removesuffix('s')}" if amount == 1 else f"last {amount:g} {kind}"


def method_words(tl_type: str, extent: str | None) -> str:
    """Return a TL type with its extent where it has one: ``fine-tuning (last 2 blocks)``."""
    return f"{tl_type} ({extent})" if extent and tl_type in _PARTIAL else tl_type


def metric_words(name: str) -> str:
    """Return what a metric is called: ``balanced accuracy`` for ``balanced_accuracy``."""
    return _METRICS.get(name, _METRICS.get(name.lower(), name.replace("_", " ")))


def minus(text: str) -> str:
    """Return a number's text with a minus sign in place of a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")
