"""Meta-regression of a sample on its moderators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from db.errors import UsageError
from metaanalysis.analyses import sentences
from metaanalysis.analyses.analysis import Analysis, Model, prepared
from metaanalysis.analyses.several import fit_several, has_several
from metaanalysis.samples.sample import Sample
from metaanalysis.stats.record import Result, Row
from metaanalysis.stats.regression import Permutations, predict, regress
from metaanalysis.stats.results import NATURAL, RegressionResult
from metaanalysis.stats.wording import method_words


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
    (model or Model()).without_glmm("A regression")
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
    scaled, chosen = prepared(sample, model, "A meta-regression", 3)
    sample = scaled.sample
    columns: dict[str, Any] = {name: list(sample.moderators[name]) for name in names}
    terms: list[tuple[str, float | None, float]]
    expected: list[Row] = []
    result: Result
    if has_several(sample):
        if permutations:
            raise UsageError("--permutations: not with several effects of one study.")
        result, how = fit_several(scaled, chosen, columns)
        slopes = [item for item in result.coefficients if item.name != "intercept"]
        terms = [(item.name, item.estimate, item.p) for item in slopes]
    else:
        result = single = regress(
            scaled.effects,
            None,
            columns,
            permutations=Permutations(permutations, seed),
            **chosen.normal,
        )
        of = {item.name: item.estimate for item in single.coefficients}
        terms = [(term.term, of.get(term.term), term.p) for term in single.terms]
        words = method_words(single.method, single.test, scaled.scale, chosen.level)
        how, expected = f"meta-regression; {words}", _expected(single)
    sentence = sentences.linked(sample.outcome, terms)
    said, values = scaled.said(result), {"expected": expected}
    return Analysis("regress", sample, {"result": result}, how, sentence, said, values)


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
