"""Meta-regression of a sample on its moderators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from db.errors import UsageError
from metaanalysis.analyses import sentences
from metaanalysis.analyses.analysis import Analysis, Model, require, three_level_method
from metaanalysis.analyses.pooling import method_words
from metaanalysis.samples.sample import Sample
from metaanalysis.samples.scales import effect_sizes, named, scale_of
from metaanalysis.stats.multilevel import pool_multilevel
from metaanalysis.stats.regression import predict, regress
from metaanalysis.stats.results import RegressionResult, Row

NATURAL = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


def regress_sample(
    sample: Sample,
    moderators: Sequence[str],
    model: Model | None = None,
    *,
    factors: Sequence[str] = (),
    permutations: int = 0,
    seed: int = 1,
) -> Analysis:
    """Regress the effects of a sample on one or more moderators.

    Parameters
    ----------
    sample
        As of :mod:`metaanalysis.samples`; rows of which a moderator is not known are left out.
        With several effects of one study a three-level model is fitted.
    moderators
        Names; text is a factor, its first level in alphabetical order the reference.
    factors
        Those of `moderators` that are taken as factors even where they are numbers.
    model
        How. There is no regression by GLMM: proportions are taken on the logit scale.
    permutations, seed
        For permutation p, as of ``metaanalysis.regress``.

    Raises
    ------
    UsageError
        There is no such moderator, or it is named twice.
    StatisticsError
        A moderator with one level, collinear moderators, too few studies.
    """
    chosen = (model or Model()).without_glmm("A regression")
    if not moderators:
        raise UsageError("a regression needs a moderator.", "Name one with --moderator.")
    names = [sample.moderator(word) for word in moderators]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--moderator {name} is given twice.", "Name each moderator once.")
    for word in factors:
        name = sample.moderator(word)
        if name not in names:
            raise UsageError(
                f"--factor {name}: not among the moderators.", f"Add --moderator {name}."
            )
        sample = sample.as_factor(name)
    sample = sample.knowing(names)
    require(sample, 3, "A meta-regression")
    effects, sample, said = effect_sizes(sample, chosen.transform)
    require(sample, 3, "A meta-regression")
    columns: dict[str, Any] = {name: list(sample.moderators[name]) for name in names}
    scale = scale_of(sample, chosen.transform)
    terms: list[tuple[str, float | None, float]]
    clustered = len(set(sample.clusters)) < sample.k
    if clustered:
        method = three_level_method(sample, chosen)
        if permutations:
            raise UsageError("--permutations: not with several effects of one study.")
        several = pool_multilevel(
            effects,
            None,
            sample.clusters,
            columns,
            method,
            correction="CR2",
            test="z" if chosen.test == "z" else "t",
            level=chosen.level,
        )
        terms = [
            (item.name, item.estimate, item.p)
            for item in several.coefficients
            if item.name != "intercept"
        ]
        how = (
            f"three-level model of {several.k} effects in {sentences.studies(several.clusters)} "
            f"({several.method.partition(' ')[0]}), on the {scale} scale; "
            f"errors robust to dependence within a study (CR2), {100 * chosen.level:g} %"
        )
        warnings = several.warnings
        result: Any = several
    else:
        single = regress(
            effects,
            None,
            columns,
            chosen.method or "REML",
            chosen.test,
            level=chosen.level,
            permutations=permutations,
            seed=seed,
        )
        slopes = {item.name: item.estimate for item in single.coefficients}
        terms = [(term.term, slopes.get(term.term), term.p) for term in single.terms]
        how = f"meta-regression; {method_words(single.method, single.test, scale, chosen.level)}"
        warnings = single.warnings
        result = single
    said = (*said, *(named(text, sample.shorts) for text in warnings))
    sentence = sentences.linked(sample.outcome, terms)
    values = {"expected": [] if clustered else _expected(result)}
    return Analysis("regress", sample, {"result": result}, how, sentence, tuple(said), values)


def _expected(result: RegressionResult) -> list[Row]:
    """Return what to expect at the ends and the middle of a single number, in natural values."""
    if len(result.moderators) != 1 or result.levels:
        return []
    (name, cells) = next(iter(result.moderators.items()))
    places = sorted({min(cells), float(np.median(cells)), max(cells)})
    rows = predict(result, {name: places})
    return [
        {name: place, **{key: row[f"natural_{key}"] for key in NATURAL}}
        for place, row in zip(places, rows, strict=True)
    ]
