"""One model to be fitted: what, on which images, and where it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from db.errors import ReplicationError, UsageError
from replicate.images.image_set import ImageSet
from replicate.progress import Report, silent
from replicate.spec import Spec
from replicate.splits.splits import Fold
from replicate.terms import HYBRID_HEADS, RECOMMENDED
from replicate.training.compute import Compute
from replicate.training.seeds import derived


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """A fold of a seed, with all that its fitting needs.

    Parameters
    ----------
    spec, images, fold, seed
        What decides the numbers: settings, the task's images, which of them train, validate and
        test, and what random numbers are derived from.
    compute
        Device, threads and determinism; the precision is that of the spec.
    cache
        Folder of features and decoded images, shared by all runs.
    report
        Is told of each step.
    """

    spec: Spec
    images: ImageSet
    fold: Fold
    seed: int
    compute: Compute
    cache: Path
    report: Report = silent

    def derived(self, *purpose: object) -> int:
        """Return the seed for one purpose, of this seed, repeat and fold."""
        return derived(self.seed, self.fold.repeat, self.fold.number, *purpose)

    def check(self) -> None:
        """Refuse a fold that cannot be trained as the spec says.

        Raises
        ------
        UsageError
            Early stopping without validation images; a recommended protocol without its two
            phases.
        ReplicationError
            No test images, a class without training images, or one class only.
        """
        spec, images, fold = self.spec, self.images, self.fold
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
            raise ReplicationError(
                f"{images.name}: {place} has no test images.", "Take fewer folds."
            )
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
