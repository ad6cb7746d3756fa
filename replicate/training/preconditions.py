"""What a fold must have before anything is computed."""

from __future__ import annotations

import numpy as np

from db.errors import ReplicationError, UsageError
from replicate.images.image_set import ImageSet
from replicate.spec import HYBRID_HEADS, RECOMMENDED, Spec
from replicate.splits.splits import Fold


def check_fold(spec: Spec, images: ImageSet, fold: Fold) -> None:
    """Refuse a fold that cannot be trained as the spec says.

    Raises
    ------
    UsageError
        Early stopping without validation images; a recommended protocol without its two phases.
    ReplicationError
        No test images, a class without training images, or one class only.
    """
    settings, place = spec.training, f"repeat {fold.repeat + 1}, fold {fold.number + 1}"
    if settings.patience and not len(fold.val) and spec.transfer.head.kind not in HYBRID_HEADS:
        raise UsageError(
            "training.patience: early stopping watches validation images, and there are none.",
            "Give the split a validation share, or leave patience out.",
        )
    if spec.transfer.tl_type == RECOMMENDED:
        if not 0 < settings.head_epochs < settings.epochs:
            raise UsageError(
                "training.head_epochs: the recommended protocol trains the head first.",
                f"Give it from 1 to {settings.epochs - 1} of the {settings.epochs} epochs."
                if settings.epochs > 1
                else "Give --epochs 2 or more, and --head-epochs below that.",
            )
        if settings.backbone_lr is None:
            raise UsageError(
                "training.backbone_lr: the recommended protocol unfreezes at a low rate.",
                f"Give one, such as {settings.learning_rate / 10:g}.",
            )
    if not len(fold.test):
        raise ReplicationError(f"{images.name}: {place} has no test images.", "Take fewer folds.")
    counts = np.bincount(images.labels[fold.train], minlength=len(images.classes))
    missing = [name for name, count in zip(images.classes, counts, strict=True) if not count]
    if missing:
        raise ReplicationError(
            f"{images.name}: {place} has no training image of {', '.join(missing)}.",
            "Take fewer folds, more images, or leave the class out.",
        )
    if len(images.classes) < 2:
        raise ReplicationError(
            f"{images.name}: has one class only; there is nothing to tell apart.",
            "Take a set with two classes or more.",
        )
