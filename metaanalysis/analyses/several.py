"""Several effects of one study: the three-level model that pooling and regression fall back on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from db.errors import UsageError
from db.wording import plural
from metaanalysis.analyses.analysis import Model
from metaanalysis.samples.sample import Sample
from metaanalysis.samples.scales import Scaled
from metaanalysis.stats.multilevel import Errors, pool_multilevel
from metaanalysis.stats.result_tables import MultilevelResult
from metaanalysis.stats.wording import level_words


def has_several(sample: Sample) -> bool:
    """Tell whether a study has more than one row."""
    return len(set(sample.clusters)) < sample.k


def one_effect_a_study(sample: Sample, what: str) -> None:
    """Refuse several effects of one study where an analysis takes them for independent.

    Raises
    ------
    UsageError
        A study has more than one row.
    """
    if has_several(sample):
        raise UsageError(
            f"{what} takes one effect a study; this sample has several of some.",
            "Use --arms headline, drop --cluster, or use stats pool or stats regress.",
        )


def fit_several(
    scaled: Scaled, model: Model, moderators: Mapping[str, Any] | None = None
) -> tuple[MultilevelResult, str]:
    """Fit three levels, with errors robust to what the model gets wrong (CR2).

    Returns
    -------
    tuple
        The result, and how it was found, in words.

    Raises
    ------
    UsageError
        A method that the model does not offer.
    """
    sample = scaled.sample
    if model.method not in (None, "REML", "ML"):
        one = "--arms headline" if sample.source == "curated" else "drop --cluster"
        raise UsageError(
            f"--method {model.method}: several effects of one study take a three-level model, "
            "which is fitted by REML or ML.",
            f"Choose one of these, or {one} for one effect a study.",
        )
    method = cast("Literal['REML', 'ML']", model.method or "REML")
    result = pool_multilevel(
        scaled.effects,
        None,
        sample.clusters,
        moderators,
        method,
        errors=Errors("CR2", "z" if model.test == "z" else "t"),
        level=model.level,
    )
    how = (
        f"three-level model of {result.k} effects in {plural(result.clusters, 'study')} "
        f"({method}), on the {scaled.scale} scale; "
        f"errors robust to dependence within a study (CR2), {level_words(model.level)}"
    )
    return result, how
