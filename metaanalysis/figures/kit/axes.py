"""Values on the scale that a reader knows: their names, their texts, the axis that holds them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import altair as alt

from db.wording import minus, significant
from metaanalysis.figures.kit.diagram import exactly

if TYPE_CHECKING:
    from metaanalysis.stats.results import PoolResult, RegressionResult
    from metaanalysis.stats.transforms import BackTransform

_SCALES = re.compile(r"^(raw|log|logit|arcsine|freeman-tukey) ")

#: Natural scales of shares: proportions and areas under a curve, between 0 and 1.
_SHARES = ("logit", "arcsine", "freeman-tukey")

#: Stands for 0 where a logarithm is taken.
_TINY = 1e-300

#: An axis narrower than this part of its values, or of a share or logarithm, is widened.
_NARROWEST = 1e-6

#: A logarithm below this stands for 0.
_LEAST_LOG = -500.0


def quantity(measure: str) -> str:
    """Return what a measure is on the natural scale: ``logit AUC`` is an AUC.

    Parameters
    ----------
    measure
        As in a result, such as ``"logit proportion (binomial-normal)"``.
    """
    return _SCALES.sub("", measure.partition(" (")[0])


def scale_words(scale: str) -> str:
    """Return on which scale values were pooled, in words; empty where it is their own."""
    names = {"exp": "log", "identity": "", "freeman-tukey": "double arcsine"}
    return f"{names.get(scale, scale)} scale".removeprefix(" scale")


def is_share(scale: str, measure: str) -> bool:
    """Return whether natural values lie between 0 and 1: a proportion or an AUC."""
    named = quantity(measure)
    return scale in _SHARES or named == "AUC" or named.endswith("proportion")


def study_back(back: BackTransform, variance: float) -> BackTransform:
    """Return the way back for one study.

    Pooled double arcsines are inverted at the harmonic mean of the sample sizes, a study's own
    at its own n, which its variance 1 / (4 n + 2) holds; else 10 of 10 would not be 100 %.
    """
    if back.scale != "freeman-tukey":
        return back
    return replace(back, n=(1.0 / variance - 2.0) / 4.0)


def study_values(result: PoolResult | RegressionResult) -> list[tuple[float, float, float]]:
    """Return the studies as analysed, on the natural scale: value and both ends of its interval.

    Notes
    -----
    The interval is effect ± z se on the scale of the analysis, as in metafor's forest plots;
    results hold the effect and its variance only.
    """
    critical = NormalDist().inv_cdf(0.5 + 0.5 * result.level)
    values = []
    for effect, variance in zip(result.effect, result.variance, strict=True):
        back, half = study_back(result.back, variance), critical * math.sqrt(variance)
        values.append((back(effect), back(effect - half), back(effect + half)))
    return values


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """An axis of natural values.

    Attributes
    ----------
    title
        What the values are.
    low, high
        Ends of the axis.
    ticks
        Where it has labels.
    decimals
        Of the tick labels and, one more, of the values in text columns; None for a log axis.
    log
        Whether it is logarithmic, as for ratios.
    null
        The value of no effect, None where there is none (a proportion has none).
    """

    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int | None
    log: bool = False
    null: float | None = None

    def clipped(self, value: float) -> float:
        """Return a value, or the end of the axis that it lies beyond."""
        return min(max(value, self.low), self.high)

    def text(self, value: float) -> str:
        """Return a value for a text column."""
        if not math.isfinite(value):
            return significant(value)
        if self.decimals is None:
            return f"{value:.2f}" if 0.095 <= value < 100 else significant(value, 2)
        return minus(f"{value:.{self.decimals}f}")

    def span(self, low: float, high: float) -> str:
        """Return ``[low, high]`` for a text column; empty where there is no interval."""
        if math.isnan(low) or math.isnan(high):
            return ""
        return f"[{self.text(low)}, {self.text(high)}]"

    def with_span(self, value: float, low: float, high: float) -> str:
        """Return ``value [low, high]`` for a text column."""
        return f"{self.text(value)} {self.span(low, high)}".rstrip()

    @property
    def shows_null(self) -> bool:
        """Tell whether there is a value of no effect and the axis reaches it."""
        return self.null is not None and self.low <= self.null <= self.high

    def scale(self, ends: tuple[float, float] | None = None) -> alt.Scale:
        """Return the Altair scale, over a range of pixels if given."""
        options: dict[str, Any] = {} if ends is None else {"range": list(ends)}
        options["type"] = "log" if self.log else "linear"
        return exactly(self.low, self.high, **options)

    def axis(self, **options: Any) -> alt.Axis:
        """Return the Altair axis with its ticks and title."""
        step = min(
            (b - a for a, b in zip(self.ticks, self.ticks[1:], strict=False)), default=self.high
        )
        places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
        # Quarters need one more place than their size says.
        places += round(step * 10**places, 6) % 1 != 0
        shape = "~g" if self.log else f".{places}f"
        return alt.Axis(values=list(self.ticks), format=shape, title=self.title, **options)

    def x(self, name: str, ends: tuple[float, float] | None = None, **options: Any) -> alt.X:
        """Return a column as the horizontal position, over a range of pixels if given."""
        return alt.X(f"{name}:Q", scale=self.scale(ends), axis=self.axis(**options))

    def y(self, name: str) -> alt.Y:
        """Return a column as the vertical position, on a grid."""
        shown = self.axis(grid=True, domain=False, ticks=False)
        return alt.Y(f"{name}:Q", scale=self.scale(), axis=shown)


def value_axis(
    title: str,
    estimates: Iterable[float],
    intervals: Iterable[tuple[float, float]],
    *,
    scale: str,
    measure: str,
    ticks: int = 7,
    patience: float = 1.0,
) -> ValueAxis:
    """Choose an axis that holds all estimates, and their intervals as far as is reasonable.

    Parameters
    ----------
    title
        Of the axis, which adds that it is logarithmic where it is.
    estimates, intervals
        On the natural scale; what is not finite is passed over.
    scale, measure
        Of the result: whether values are shares, ratios or neither.
    ticks
        How many there may be at most.
    patience
        How many times as far as described below an interval may reach and still be drawn whole.

    Notes
    -----
    One enormous interval must not squeeze all others: intervals are followed as far beyond the
    estimates as the estimates' own range, or as three in four of the intervals need; what lies
    beyond is drawn as an arrow.
    """
    log = scale == "exp"
    share = is_share(scale, measure)
    points = sorted(value for value in estimates if math.isfinite(value) and (value > 0 or not log))
    move = math.log if log else float
    back = math.exp if log else float
    if not points:
        points = [0.5] if share else [1.0]
    low, high = move(points[0]), move(points[-1])
    pairs = [
        tuple(move(max(end, _TINY)) if log else end for end in pair)
        for pair in intervals
        if not any(math.isnan(end) for end in pair)
    ]
    floor = min((pair[0] for pair in pairs), default=low)
    ceiling = max((pair[1] for pair in pairs), default=high)
    least = _LEAST_LOG if log else -math.inf
    finite = [pair for pair in pairs if all(least < end < math.inf for end in pair)]
    needs = sorted(max(low - pair[0], pair[1] - high, 0.0) for pair in finite)
    needed = needs[math.ceil(0.75 * len(needs)) - 1] if needs else 0.0
    reach = max(high - low, needed) or 0.1
    reach = max([reach, *(need for need in needs if need <= patience * reach)])
    # What the null is, and whether it is near enough to be shown.
    null = None if share else (1.0 if log else 0.0)
    first, last = max(floor, low - reach), min(ceiling, high + reach)
    first, last = min(first, low), max(last, high)
    if null is not None and first - 0.25 * reach <= move(null) <= last + 0.25 * reach:
        first, last = min(first, move(null)), max(last, move(null))
    size = 1.0 if share or log else max(abs(first), abs(last)) or 1.0
    pad = 0.03 * (last - first) if last - first > _NARROWEST * size else 0.05 * size
    first, last = first - pad, last + pad
    if share:
        first, last = max(first, 0.0), min(last, 1.0)
    if log:
        places = _log_ticks(back(first), back(last), ticks + 2)
        if len(places) < 3:
            places = even_ticks(back(first), back(last), ticks)
        title = f"{title} (log scale)"
        return ValueAxis(title, back(first), back(last), tuple(places), None, True, null)
    places = even_ticks(first, last, ticks)
    # 0.17 - 0.05 is a last bit above the tick at 0.12.
    first, last = min([first, *places]), max([last, *places])
    decimals = 3 if share else min(max(0, 2 - math.floor(math.log10(last - first))), 6)
    return ValueAxis(title, first, last, tuple(places), decimals, False, null)


def _step(width: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that gives at most so many ticks."""
    power = 10.0 ** math.floor(math.log10(width / most))
    return next(lead * power for lead in (1, 2, 5, 10, 20) if width / (lead * power) <= most)


def even_ticks(low: float, high: float, most: int) -> list[float]:
    """Return ticks a round number apart, in at most `most` steps."""
    return multiples(low, high, _step(high - low, most))


def multiples(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of a step between two ends."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    places = 2 - math.floor(math.log10(step))
    return [round(index * step, places) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leads in ((1, 2, 5), (1, 3), (1,)):
        found = [
            value
            for power in decades
            for lead in leads
            if low * (1 - 1e-9) <= (value := lead * 10.0**power) <= high * (1 + 1e-9)
        ]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


#: Shares at which an axis that is not linear in them may have labels.
_SHARE_TICKS = (
    0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99,
    0.995, 0.999, 0.9999,
)  # fmt: skip


def natural_ticks(
    back: BackTransform, low: float, high: float, *, share: bool, most: int = 8
) -> list[tuple[float, float]]:
    """Return ticks of an axis of pooled values that is labelled in natural ones.

    Parameters
    ----------
    back
        The way from the axis to the labels.
    low, high
        Ends of the axis, on the pooled scale.
    share
        Whether the labels are shares (see :func:`is_share`).
    most
        How many ticks there may be.

    Returns
    -------
    list of (float, float)
        Place on the axis and natural value, rising.
    """
    if back.scale == "exp":
        values: Iterable[float] = _log_ticks(math.exp(low), math.exp(high), most)
    elif share and back.scale != "identity":
        values = _SHARE_TICKS
    else:
        values = even_ticks(low, high, most)
    found = [(place, value) for value in values if (place := _place(back, value, low, high))]
    kept: list[tuple[float, float]] = []
    for place, value in found:
        if not kept or place[0] - kept[-1][0] >= 0.8 * (high - low) / most:
            kept.append((place[0], value))
    return kept


def _place(back: BackTransform, natural: float, low: float, high: float) -> tuple[float] | None:
    """Return where on the pooled scale a natural value lies, by bisection; None if outside."""
    bottom, top = low, high
    if not back(bottom) - 1e-12 <= natural <= back(top) + 1e-12:
        return None
    for _ in range(80):
        middle = 0.5 * (bottom + top)
        if back(middle) < natural:
            bottom = middle
        else:
            top = middle
    return (0.5 * (bottom + top),)
