"""A result with its account: what was analysed, left out and assumed, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from db.errors import StatisticsError, UsageError
from metaanalysis.samples.sample import Sample, by_reason
from metaanalysis.stats.results import Result


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
        What the numbers themselves give to say.
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
    warnings: tuple[str, ...] = ()
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
            lines += [
                f"- {reason} ({len(names)}): {', '.join(names)}."
                for reason, names in by_reason(sample.left_out).items()
            ]
        lines.append(f"Method: {self.method}.")
        lines += sample.said(sample.assumptions)
        lines += [f"Note: {text}" for text in sample.said(sample.notes)]
        lines += [f"Note: {text}." for text in self.warnings]
        return lines

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
                "assumptions": sample.said(sample.assumptions),
                "notes": sample.said(sample.notes),
            },
            "left_out": [{"label": item.label, "reason": item.reason} for item in sample.left_out],
            "model": self.method,
            "warnings": list(self.warnings),
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
    have = (
        "the selection is empty"
        if not sample.k
        else f"there {'is only 1' if sample.k == 1 else f'are only {sample.k}'}"
    )
    hint = ""
    if sample.left_out:
        told = "; ".join(
            f"{reason} ({len(names)})" for reason, names in by_reason(sample.left_out).items()
        )
        hint = f"Left out of {sample.candidates}: {told}."
        if sample.source == "curated":
            hint += " An explicit assumption can help: --assume-n, --assume-prevalence."
    raise StatisticsError(f"{what} needs at least {least} studies; {have}.", hint)


def three_level_method(sample: Sample, model: Model) -> Literal["REML", "ML"]:
    """Return the method of a three-level model.

    Raises
    ------
    UsageError
        One was asked for that it does not offer.
    """
    if model.method in (None, "REML"):
        return "REML"
    if model.method == "ML":
        return "ML"
    one = "--arms headline" if sample.source == "curated" else "drop --cluster"
    raise UsageError(
        f"--method {model.method}: several effects of one study take a three-level model, which "
        "is fitted by REML or ML.",
        f"Choose one of these, or {one} for one effect a study.",
    )


def one_effect_a_study(sample: Sample, what: str) -> None:
    """Refuse several effects of one study where an analysis takes them for independent.

    Raises
    ------
    UsageError
        A study has more than one row.
    """
    if len(set(sample.clusters)) < sample.k:
        raise UsageError(
            f"{what} takes one effect a study; this sample has several of some.",
            "Use --arms headline, drop --cluster, or use stats pool or stats regress.",
        )
