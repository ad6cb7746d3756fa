"""Sensitivity and specificity together, from two-by-two tables."""

from __future__ import annotations

from typing import Literal, cast

from db.errors import StatisticsError, UsageError
from metaanalysis.analyses import sentences
from metaanalysis.analyses.analysis import Analysis, Model, require
from metaanalysis.analyses.several import one_effect_a_study
from metaanalysis.samples.sample import Sample
from metaanalysis.samples.scales import tables_of
from metaanalysis.stats.accuracy import bivariate
from metaanalysis.stats.diagnostic_pairs import CELLS, ZeroCells
from metaanalysis.stats.wording import level_words


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
    if zero_cells == "none":
        for name in CELLS:
            for label, cell in zip(sample.labels, sample.columns[name], strict=True):
                if cell == 0:
                    raise StatisticsError(
                        f"{label}, {name}: a zero cell, and --zero-cells is none.",
                        "Choose all-if-any or only-affected.",
                    )
    method = cast("Literal['REML', 'ML']", chosen.method or "REML")
    result = bivariate(tables_of(sample), method, zero_cells=zero_cells, level=chosen.level)
    sentence = sentences.found_and_cleared(result.sensitivity, result.specificity)
    how = (
        f"bivariate model (Reitsma), {result.method}, zero cells: {result.zero_cells}; "
        f"{level_words(chosen.level)}"
    )
    warnings = tuple(note.named(sample.shorts) for note in result.warnings)
    return Analysis("accuracy", sample, {"result": result}, how, sentence, warnings)
