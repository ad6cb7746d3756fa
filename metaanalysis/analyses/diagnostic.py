"""Sensitivity and specificity together, from two-by-two tables."""

from __future__ import annotations

from typing import Literal, cast

from db.errors import StatisticsError, UsageError
from metaanalysis.analyses.analysis import Analysis, Model, one_effect_a_study, require
from metaanalysis.analyses.sentences import PLAIN, percent
from metaanalysis.samples.sample import Sample
from metaanalysis.samples.scales import named
from metaanalysis.stats.accuracy import bivariate
from metaanalysis.stats.diagnostic_pairs import ZeroCells


def accuracy_of(
    sample: Sample, model: Model | None = None, *, zero_cells: ZeroCells = "all-if-any"
) -> Analysis:
    """Fit Reitsma's bivariate model to a sample of two-by-two tables.

    Parameters
    ----------
    sample
        Of the kind ``two-by-two``.
    model
        Its method (REML or ML) and level are used.
    zero_cells
        As of ``metaanalysis.bivariate``.

    Raises
    ------
    UsageError
        The sample holds no tables, or an option does not go with the model.
    StatisticsError, ConvergenceError
        As of ``metaanalysis.bivariate``.
    """
    chosen = model or Model()
    if sample.kind != "two-by-two":
        raise UsageError(
            "the bivariate model needs two-by-two tables.", "Name --tp, --fn, --fp and --tn."
        )
    if chosen.method not in (None, "REML", "ML"):
        raise UsageError(f"--method {chosen.method}: the bivariate model takes REML or ML.")
    for option, value in (("--test", chosen.test), ("--transform", chosen.transform)):
        if value is not None:
            raise UsageError(f"{option}: not with the bivariate model.", "Drop it.")
    one_effect_a_study(sample, "The bivariate model")
    require(sample, 3, "The bivariate model")
    columns = sample.columns
    if zero_cells == "none":
        for name in ("tp", "fn", "fp", "tn"):
            for label, cell in zip(sample.labels, columns[name], strict=True):
                if cell == 0:
                    raise StatisticsError(
                        f"{label}, {name}: a zero cell, and --zero-cells is none.",
                        "Choose all-if-any or only-affected.",
                    )
    result = bivariate(
        columns["tp"],
        columns["fn"],
        columns["fp"],
        columns["tn"],
        cast("Literal['REML', 'ML']", chosen.method or "REML"),
        zero_cells=zero_cells,
        level=chosen.level,
        labels=sample.labels,
    )
    sens, spec = result.sensitivity, result.specificity
    sentence = (
        f"{PLAIN}in a typical study {percent(sens.estimate)} of the cases with the finding are "
        f"found (between {percent(sens.ci_low)} and {percent(sens.ci_high)}) and "
        f"{percent(spec.estimate)} of the cases without it are cleared (between "
        f"{percent(spec.ci_low)} and {percent(spec.ci_high)})."
    )
    how = (
        f"bivariate model (Reitsma), {result.method}, zero cells: {result.zero_cells}; "
        f"{100 * chosen.level:g} %"
    )
    warnings = tuple(named(text, sample.shorts) for text in result.warnings)
    return Analysis("accuracy", sample, {"result": result}, how, sentence, warnings)
