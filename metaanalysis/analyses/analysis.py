"""A result with its account: what was analysed, left out and assumed, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from db.errors import StatisticsError, UsageError
from db.wording import plural
from metaanalysis.samples.sample import Sample, counted_reasons, listed_reasons
from metaanalysis.samples.scales import Scaled, on_scale
from metaanalysis.stats.notes import Note
from metaanalysis.stats.record import Result, plain


@dataclass(frozen=True, slots=True)
class Model:
    """How to pool, as far as the caller says.

    Attributes
    ----------
    method
        Out of ``metaanalysis.analyses.choices.METHODS``; None: GLMM for proportions on no named
        scale, else REML.
    test
        Out of ``choices.TESTS``; None: Knapp-Hartung (for the GLMM its like, t with k - 1), for the
        common effect z.
    transform
        Out of ``choices.TRANSFORMS``; None: the usual scale of the sample.
    level
        Confidence level of all intervals.
    """

    method: str | None = None
    test: str | None = None
    transform: str | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise UsageError(
                f"--level {self.level:g}: not between 0 and 1.", "Write for example 0.95."
            )
        if self.method == "common" and self.test not in (None, "z"):
            raise UsageError(
                f"--test {self.test} does not go with --method common, which is tested by z.",
                "Drop one of the two.",
            )

    @property
    def normal(self) -> dict[str, Any]:
        """Return how normal effects are pooled, as the functions of the numeric core take it."""
        return {"method": self.method or "REML", "test": self.test, "level": self.level}

    def is_glmm(self, sample: Sample) -> bool:
        """Tell whether the sample is pooled by the binomial-normal model.

        Raises
        ------
        UsageError
            It was asked for, and does not fit the sample or the other choices.
        """
        if self.method == "GLMM":
            if sample.kind != "proportion":
                raise UsageError(
                    f"--method GLMM is for proportions with counts, not for {sample.outcome}.",
                    "Choose REML.",
                )
            if self.transform is not None:
                raise UsageError(
                    "--method GLMM works on the counts themselves and takes no --transform.",
                    "Drop one of the two.",
                )
            if self.test == "knapp-hartung-adhoc":
                raise UsageError("--test knapp-hartung-adhoc does not go with --method GLMM.")
            return True
        return self.method is None and self.transform is None and sample.kind == "proportion"

    def without_glmm(self, what: str) -> Model:
        """Return the model for an analysis that the binomial-normal model does not offer.

        Raises
        ------
        UsageError
            It was asked for by name.
        """
        if self.method == "GLMM":
            raise UsageError(f"{what} is not offered with --method GLMM.", "Choose REML.")
        return self


@dataclass(frozen=True, slots=True)
class Analysis:
    """A result and everything that must stand beside it.

    Attributes
    ----------
    kind
        ``pool``, ``subgroup``, ``regress``, ``bias``, ``influence``, ``cumulative``,
        ``accuracy``, ``correlate`` or ``multiverse``.
    sample
        What was analysed.
    results
        Name -> result; one named ``result`` where there is only one.
    method
        How, in words.
    warnings
        What the numbers themselves give to say, by the names of the rows.
    sentence
        What it means, in plain words.
    values
        Further values for the JSON form.
    """

    kind: str
    sample: Sample
    results: Mapping[str, Result]
    method: str
    sentence: str
    warnings: tuple[Note, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> Result:
        """Return the first, most often the only, result."""
        return next(iter(self.results.values()))

    def paragraphs(self) -> list[str]:
        """Return what was analysed, left out and why, how, and what to know about it."""
        sample = self.sample
        lines = [
            f"Analysed: {sample.k} of {sample.candidates} {sample.origin}: "
            f"{', '.join(sample.shorts)}."
        ]
        if sample.left_out:
            lines.append(f"Left out: {len(sample.left_out)} of {sample.candidates}:")
            lines += listed_reasons(sample.left_out)
        lines.append(f"Method: {self.method}.")
        return [*lines, *self.remarks()]

    def remarks(self) -> list[str]:
        """Return what was assumed and what else to know about it, as sentences."""
        sample = self.sample
        lines = [str(remark) for remark in sample.said(sample.assumptions)]
        lines += [f"Note: {remark}" for remark in sample.said(sample.notes)]
        return [*lines, *(f"Note: {note}." for note in self.warnings)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, safe for JSON."""
        sample = self.sample
        if set(self.results) == {"result"}:
            values = self.result.to_dict()
        else:
            values = {name: result.to_dict() for name, result in self.results.items()}
        values.pop("excluded", None)
        return {
            "analysis": self.kind,
            "outcome": sample.outcome,
            **values,
            **self.values,
            "sample": {
                "origin": sample.origin,
                "candidates": sample.candidates,
                "analysed": list(sample.labels),
                "columns": {name: list(cells) for name, cells in sample.columns.items()},
                "assumptions": [one.to_dict() for one in sample.said(sample.assumptions)],
                "notes": [one.to_dict() for one in sample.said(sample.notes)],
            },
            "left_out": [item.to_dict() for item in sample.left_out],
            "model": self.method,
            "warnings": plain(self.warnings),
            "sentence": self.sentence,
        }


def require(sample: Sample, least: int, what: str) -> None:
    """Refuse a sample that is too small, and say where the rest went.

    Raises
    ------
    StatisticsError
        There are fewer than `least` rows.
    """
    if sample.k >= least:
        return
    have = f"there {'is' if sample.k == 1 else 'are'} only {sample.k}"
    if not sample.k:
        have = "the selection is empty"
    hint = ""
    if sample.left_out:
        hint = f"Left out of {sample.candidates}: {counted_reasons(sample.left_out)}."
        if sample.source == "curated":
            hint += " An explicit assumption can help: --assume-n, --assume-prevalence."
    raise StatisticsError(f"{what} needs at least {plural(least, 'study')}; {have}.", hint)


def prepared(
    sample: Sample, model: Model | None, what: str, least: int, transform: str | None = None
) -> tuple[Scaled, Model]:
    """Bring a sample to its scale for an analysis of normal effects, at least so many.

    Parameters
    ----------
    transform
        The scale where the model names none; None takes the usual one.

    Raises
    ------
    UsageError
        The model is the binomial-normal one, or not on a scale of the sample.
    StatisticsError
        There are too few rows.
    """
    chosen = (model or Model()).without_glmm(what)
    require(sample, least, what)
    scaled = on_scale(sample, chosen.transform or transform)
    require(scaled.sample, least, what)
    return scaled, chosen
