"""What samples say of their rows, in words: why rows are left out, and what is remarked on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Code of a reason to leave a row out -> its words, with its values.
REASONS = {
    # of the literature
    "retracted": "the study is retracted",
    "random-network": "a randomly initialised network: nothing was transferred",
    "own-network": "the authors' own network: nothing was transferred",
    "other-arm": "the value is of another {what}",
    "unclear-arm": "the study tests several, and the value may be of another {what}",
    "no-n": "number of cases not known",
    "no-class-counts": "number of cases with and without the finding not known",
    "several-classes": "more than two classes: no cases with and without one finding",
    "no-variance": "no interval printed, and cases with and without the finding not known",
    "area-at-edge": "an AUC of exactly 0 or 1 has no variance",
    "interval-at-edge": "the printed interval reaches 0 or 1, which has no logit",
    "no-sensitivity": "no sensitivity with its n",
    "no-specificity": "no specificity with its n",
    "not-in-figure": "{reason}",
    # of replications
    "phantom": "the run is of a phantom",
    "no-test-images": "the number of test images is not known",
    "mean-over-classes": "a mean over classes, which is no share of the images",
    "older-run": "an older run of the same study",
    "older-run-of-images": "an older run on the same images, which follows no study either",
    # of a file, and of any sample
    "no-value": "no value in column {column!r}",
    "moderator-unknown": "{moderator} not known, or not one",
}

#: Code of a remark -> its words; ``{names}`` are the rows that it concerns, ``{count}`` how many.
REMARKS = {
    "selection": "{text}",
    "n-of-study": "n is the study's number of test cases where the value gives none: {names}.",
    "n-of-patients": "n counts patients, not images, of {names}.",
    "n-of-what": "whether n counts images or patients is not said of {names}.",
    "n-assumed": "ASSUMED n = {n} for {count}: {names}.",
    "prevalence-assumed": "ASSUMED prevalence {prevalence:g}, to split n into cases with and "
    "without the finding, for {count}: {names}.",
    "misfit": "no whole number of cases gives the value: {names}. A mean over folds or runs, or "
    "another n, can be why; medtl-meta audit looks closer.",
    "printed-interval": "variance from the printed interval, taken as one of 95 %, for {names}.",
    "hanley-mcneil": "variance by Hanley and McNeil for {names}.",
    "kept-retracted": "KEPT although retracted: {names}.",
    "kept-untransferred": "KEPT although nothing was transferred: {names}.",
    "proxies": "Proxies, on other data than the study's: {names}.",
    "shared-images": "On images that another row rests on too: {names}.",
}

#: Between the names of a remark, where they hold commas themselves.
_BETWEEN = {"misfit": "; "}

#: What may be assumed for a missing n -> its words; a number stands for itself.
_ASSUMED_N = {
    "images": "the study's number of images",
    "test": "the study's number of test cases, whatever the split",
}


def remark_words(code: str, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a remark as a sentence about rows called `names`."""
    shown = dict(values)
    if "n" in shown:
        shown["n"] = _ASSUMED_N.get(str(shown["n"]), shown["n"])
    listed = _BETWEEN.get(code, ", ").join(names)
    return REMARKS[code].format(names=listed, count=len(names), **shown)
