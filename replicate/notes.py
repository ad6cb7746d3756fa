"""What a reader must know beside the numbers: a code with its values, worded here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from db.wording import listed

#: Code -> its words, with the values in braces.
WORDS: Mapping[str, str] = {
    # Reading images.
    "masks left out": "Masks left out: {count:,}.",
    "loose images": "Images outside class folders left out: {count:,}.",
    "unlisted images": "Images that {table} does not name: {count:,}.",
    "files passed over": "Files passed over, of no kind that is read: {kinds:}.",
    "links passed over": "Links passed over, which lead nowhere or to what is read already: "
    "{count:,}, the first {first}.",
    "folder entered": "The classes are the folders in {folder}.",
    "published form": "Read as a table of {form}, whose columns it has.",
    "missing words": "{count:,} cells of the column {column} are empty: they say {words}.",
    "no class": "Images without a class left out: {count:,}; the column {column} says {words}.",
    "uncertain left out": "Images of an uncertain label (-1) left out: {count:,}; --uncertain "
    "positive or negative takes them.",
    "uncertain taken": "Images of an uncertain label (-1), taken as {taken}: {count:,}.",
    "not mentioned": "Images of which nothing says whether they have {finding}, taken as "
    "without: {count:,}.",
    "several findings": "Images of several findings left out: {count:,}; --finding NAME takes "
    "all, and tells one finding from all others.",
    "no finding named": "Images of which no finding is named left out: {count:,}.",
    "other views": "Images of other views than {taken} left out: {views}.",
    "rows of one image": "Lines that repeat an image with the same class: {count:,}.",
    "copies grouped": "Near copies stay together: {images:,} images in {clusters:,} clusters, the "
    "largest of {largest:,} (at most {threshold} of 256 bits differ).",
    "no copies": "No near copies were found to keep together (at most {threshold} of 256 bits "
    "differ).",
    "one class in any case": "{others} and {kept} are one class: only case or space differ.",
    "classes left out": "{classes:images of} left out: the task has no such class.",
    "window chosen": "The window {window} (centre {centre:g}, width {width:g}) shows {count:,} of "
    "{of:,} images.",
    "one range": "{count:,} images ({kind}) do not say how they are shown: in all of them {low:g} "
    "is black and {high:g} white, the 0.5th and 99.5th percentile of {measured:,} of them.",
    "trained on": "Trained on {count:,} images of {name}.",
    "tested on": "Tested on {count:,} images of {name}.",
    "groups called alike": "Patients or groups that are called the same in both sets, and taken "
    "for the same: {count:,}.",
    # Evaluation.
    "positive not named": "Positive is the last class, {positive}: none was named.",
    "means over classes": "Sensitivity, specificity, precision and F1 are means over classes.",
    "groups resampled": "Intervals are of {groups} groups, not of images.",
    "one class called": "{models} of {of} models call every tested image {called}: what they "
    "reach is no measure of what such a network can learn.",
    "threshold chosen": "{positive} is called from a probability of {low:.3f} to {high:.3f} on "
    "({rule}), chosen for each of {models} models on the validation images of its own fold.",
    "one threshold chosen": "{positive} is called from a probability of {low:.3f} on ({rule}), "
    "chosen on the validation images.",
    "area pooled over folds": "The AUC of {pooled:.3f} orders the scores of all folds "
    "together, though each comes from a model of its own scale; the mean of the folds' own is "
    "{mean:.3f}.",
    # Weights.
    "tensors left out": "Of the file of weights, {count} tensors are no part of the feature "
    "extraction and were left out, first {first}",
    # Training.
    "random weights, frozen": "Random weights, frozen: a control, which nothing was transferred to",
    "no class weights": "k-NN knows no class weights: it was fitted without them",
    "no probabilities": "svm: has no probabilities; Brier score, log loss and calibration are of "
    "the softmax of its decision values",
    "not converged": "{head}: the fit did not converge; its coefficients are the last ones reached",
    # Words that an older version kept without a code.
    "kept": "{text}",
    # Cost.
    "count of the public set": "the number of images is that of the public set, all classes "
    "together",
    "official parts assumed": "official parts taken as {train}/{validation}/{test}",
    "decoding not counted": "decoding is not counted",
    "classifier not counted": "fitting the {head} is not counted",
    "no torch": "torch is not installed",
    "busy machine": "the machine was busy while this was measured, so that the longer time is the "
    "likelier",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know: `code` is a word of :data:`WORDS`, `values` are what it speaks of."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return WORDS[self.code].format(**{key: _worded(one) for key, one in self.values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return code and values, JSON-able."""
        return {"code": self.code, **self.values}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Note:
        """Return the note that :meth:`to_dict` told; of a code of another version the code."""
        if told["code"] not in WORDS:
            return cls("kept", {"text": told["code"]})
        return cls(told["code"], {key: one for key, one in told.items() if key != "code"})


class _Counts(dict[str, int]):
    """Counts by name; the format says what is counted: ``{classes:images of}``."""

    def __format__(self, what: str) -> str:
        return listed(
            " ".join(filter(None, (f"{count:,}", what, name))) for name, count in self.items()
        )


def _worded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _Counts(value)
    return listed(value) if isinstance(value, list | tuple) else value
