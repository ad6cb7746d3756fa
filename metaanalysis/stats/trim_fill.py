"""Trim-and-fill: how many studies a lopsided funnel seems to lack.

Sources: Duval & Tweedie (2000), Biometrics 56:455 and J Am Stat Assoc 95:89.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from db.errors import ConvergenceError, StatisticsError
from metaanalysis.stats.columns import FloatArray
from metaanalysis.stats.inference import Settings, settings
from metaanalysis.stats.notes import Note
from metaanalysis.stats.pool import pool_studies
from metaanalysis.stats.regression import regress
from metaanalysis.stats.result_tables import TrimFillResult
from metaanalysis.stats.results import NAN
from metaanalysis.stats.studies import EffectSizes, studies_of

_MAX_ROUNDS = 100
_FEW_STUDIES = 10


def trim_and_fill(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    estimator: Literal["L0", "R0"] = "L0",
    side: Literal["left", "right"] | None = None,
    method: str = "REML",
    test: str | None = None,
    level: float = 0.95,
) -> TrimFillResult:
    """Estimate how many studies are missing, and pool with their mirror images.

    Parameters
    ----------
    effect, variance
        Shape (k,), k >= 3; or one `EffectSizes`.
    estimator
        ``"L0"`` or ``"R0"``.
    side
        Where studies are missing; default the side that Egger's slope points to.
    method, test, level
        As in `pool`; `method` serves both the trimming and the final estimate.

    Raises
    ------
    ConvergenceError
        If the number of missing studies does not settle.
    """
    if estimator not in ("L0", "R0"):
        raise StatisticsError(f"estimator must be 'L0' or 'R0', not {estimator!r}.")
    if side not in (None, "left", "right"):
        raise StatisticsError(f"side must be 'left' or 'right', not {side!r}.")
    studies = studies_of(effect, variance, 3, "Trim-and-fill")
    model = settings(method, test, level)
    chosen = side or _side(studies, model)
    sign = 1.0 if chosen == "left" else -1.0
    order = np.argsort(sign * studies.effect, kind="stable")
    values, spread = sign * studies.effect[order], studies.variance[order]
    k0, raw, centre = _trim(values, spread, model, estimator)
    k = studies.k
    mirrored = sign * (2.0 * centre - values[k - k0 :])
    filled = replace(
        studies,
        effect=np.concatenate([studies.effect, mirrored]),
        variance=np.concatenate([studies.variance, spread[k - k0 :]]),
        labels=(*studies.labels, *(f"filled {i + 1}" for i in range(k0))),
        rows=(*studies.rows, *(0 for _ in range(k0))),
        size=None,
        events=None,
        excluded=(),
        warnings=(),
    )
    few = (Note.of("few-to-fill", k=k, least=_FEW_STUDIES),) if k < _FEW_STUDIES else ()
    return TrimFillResult(
        estimator=estimator,
        side=chosen,
        k0=k0,
        k0_se=_standard_error(raw, k, estimator),
        k0_p=0.5 ** (k0 + 1) if estimator == "R0" else NAN,
        k=k,
        adjusted=pool_studies(filled, model),
        unadjusted=pool_studies(studies, model),
        filled_effect=tuple(mirrored.tolist()),
        filled_variance=tuple(spread[k - k0 :].tolist()),
        excluded=studies.excluded,
        warnings=(*studies.warnings, *few),
    )


def _side(studies: EffectSizes, model: Settings) -> Literal["left", "right"]:
    errors = np.sqrt(studies.variance)
    if np.ptp(errors) <= 1e-12 * errors.max():
        raise StatisticsError(
            "All studies have the same standard error, so no side can be told.", "Name the side."
        )
    fitted = regress(studies, None, {"standard error": errors}, model.method, "z")
    return "right" if fitted.coefficients[1].estimate < 0 else "left"


def _trim(
    values: FloatArray, spread: FloatArray, model: Settings, estimator: str
) -> tuple[int, float, float]:
    """Trim from the top until the number to trim repeats: that, before rounding, and centre."""
    k = values.size
    k0, raw = 0, 0.0
    for _ in range(_MAX_ROUNDS):
        kept = slice(0, k - k0)
        between = model.between(values[kept], spread[kept]) if k - k0 > 1 else 0.0
        weights = 1.0 / (spread[kept] + between)
        centre = float((weights * values[kept]).sum() / weights.sum())
        shifted = values - centre
        place = np.empty(k)
        place[np.argsort(np.abs(shifted), kind="stable")] = np.arange(1.0, k + 1.0)
        positive = shifted > 0
        if estimator == "L0":
            raw = (4.0 * place[positive].sum() - k * (k + 1)) / (2.0 * k - 1.0)
        else:
            negative = place[shifted < 0]
            raw = k - (negative.max() if negative.size else 0.0) - 1.0
        raw = max(0.0, float(raw))
        following = min(int(np.round(raw)), k - 1)
        if following == k0:
            return k0, raw, centre
        k0 = following
    raise ConvergenceError(
        f"Trim-and-fill ({estimator}) did not settle on a number of missing studies.",
        "Try the other estimator.",
    )


def _standard_error(k0: float, k: int, estimator: str) -> float:
    if estimator == "R0":
        return math.sqrt(2.0 * k0 + 2.0)
    cubic = k * (k + 1.0) * (2.0 * k + 1.0) + 10.0 * k0**3 + 27.0 * k0**2 + 17.0 * k0
    mixed = -18.0 * k * k0**2 - 18.0 * k * k0 + 6.0 * k**2 * k0
    return 4.0 * math.sqrt(max(0.0, (cubic + mixed) / 24.0)) / (2.0 * k - 1.0)
