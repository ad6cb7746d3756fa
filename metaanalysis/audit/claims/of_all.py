"""Statements of the review on the literature as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from db.reader import Row
from db.vocabulary import EXTENT_UNREPORTED
from db.wording import listed as in_words
from metaanalysis.audit.claims.contrasts import contrasts, weigh
from metaanalysis.audit.claims.part import Part
from metaanalysis.audit.finding import CONTRADICTED, NOT_CHECKABLE, SUPPORTED
from metaanalysis.audit.material import Material
from metaanalysis.review import counts
from metaanalysis.review.labels import MANY
from metaanalysis.review.performance import METRIC_COLUMNS, points
from metaanalysis.stats.correlation import spearman

#: Smallest rank correlation that one may call relevant: Cohen (1988) calls 0.3 medium.
RELEVANT = 0.3

_FROZEN = ("feature extractor", "feature extractor hybrid")
_TRAINED = ("fine-tuning", "fine-tuning from scratch", EXTENT_UNREPORTED)
_FROM_SCRATCH = ("fine-tuning from scratch",)
_TRAINED_LESS = (*_FROZEN, "fine-tuning")


@dataclass(frozen=True, slots=True)
class Flow:
    """A rule for "of so many, so many were excluded": the numbers must add up."""

    assessed: int
    excluded: int
    included: int

    def __call__(self, _: Material, claim: Row) -> Iterator[Part]:
        """Judge the numbers that the claim names."""
        left = self.assessed - self.excluded
        holds = left == self.included
        text = f"{self.assessed} less {self.excluded} is {left}"
        text += "." if holds else f", not {self.included}."
        yield Part(SUPPORTED if holds else CONTRADICTED, text, recomputed=str(left))


def most_used(material: Material, _: Row) -> Iterator[Part]:
    """Whether Inception leads the bars, printed and curated, and whether ResNet beats it."""
    wanted = "Inception"
    table = counts.backbones(material.database)
    single = table.table[table.table["category"] != MANY].set_index("category")
    leaders = {
        kind: list(single[kind][single[kind] == single[kind].max()].index)
        for kind in ("reported", "curated")
    }
    bars = {
        kind: in_words(f"{name} {count}" for name, count in single[kind].items())
        for kind in leaders
    }
    holds = all(names == [wanted] for names in leaders.values())
    runner_up = int(single["curated"].drop(wanted).max())
    lead = int(single["curated"][wanted]) - runner_up
    yield Part(
        SUPPORTED if holds else CONTRADICTED,
        f"Of the studies with one model, printed: {bars['reported']}; curated: {bars['curated']}, "
        f"with {table.unknown} of unknown model, which would have to add {max(lead, 0) + 1} to the "
        "next bar and none to this one to turn it.",
        "count",
        f"{int(single['curated'][wanted])} curated",
        (bars["curated"],),
    )
    pairs = contrasts(material.reviewed, "family", ("ResNet",), (wanted,), "tl_type")
    yield weigh(pairs, ("ResNet", wanted), "stronger")


def frozen_recommended(material: Material, _: Row) -> Iterator[Part]:
    """Whether deep networks lose nothing when their convolutional layers stay frozen."""
    deep = {name for name, row in material.backbones.items() if row["depth_group"] == "deep"}
    pairs = contrasts(
        material.reviewed,
        "tl_type",
        _FROZEN,
        _TRAINED,
        "backbone",
        only=lambda row: row.backbone in deep,
    )
    yield weigh(pairs, ("a frozen deep network", "the same network trained further"), "performance")
    yield Part(NOT_CHECKABLE, "What training costs is in no row.", "cost")


def scratch_no_gain(material: Material, _: Row) -> Iterator[Part]:
    """Whether training all layers ever does better than training fewer."""
    pairs = contrasts(material.reviewed, "tl_type", _TRAINED_LESS, _FROM_SCRATCH, "backbone")
    yield weigh(pairs, ("training fewer layers", "fine-tuning from scratch"))


def size(material: Material, _: Row) -> Iterator[Part]:
    """Whether data size per class goes with performance, over the points of Figure 6.

    Supported if the interval of the rank correlation lies within +-0.3, contradicted if it lies
    wholly beyond; an interval that holds both leaves it open.
    """
    for metric in METRIC_COLUMNS:
        frame = points(material.database, metric)
        if len(frame) < 3 or frame["x"].nunique() < 2 or frame["y"].nunique() < 2:
            yield Part(NOT_CHECKABLE, f"{len(frame)} studies have both.", metric)
            continue
        found = spearman(frame["x"].astype(float), frame["y"].astype(float))
        said = (
            f"rho {found.rho:.2f} [{found.ci_low:.2f}, {found.ci_high:.2f}], p = {found.p:.2f}, "
            f"{found.n} studies"
        )
        inside = max(abs(found.ci_low), abs(found.ci_high)) < RELEVANT
        beyond = found.ci_low > RELEVANT or found.ci_high < -RELEVANT
        if inside:
            verdict, text = SUPPORTED, f"{said}: the interval holds no relevant correlation."
        elif beyond:
            verdict, text = CONTRADICTED, f"{said}: the interval holds relevant ones only."
        else:
            verdict = NOT_CHECKABLE
            text = f"{said}: the interval holds correlations below and beyond {RELEVANT}."
        rows = tuple(
            f"{row.key} [{row.ref}]: {row.x:.0f} {row.counted} a class, {metric} {row.y}"
            for row in frame.itertuples()
        )
        yield Part(verdict, text, metric, said, rows)


@dataclass(frozen=True, slots=True)
class FewerParameters:
    """A rule for "with so many times fewer parameters": as of the review's Table 1.

    Attributes
    ----------
    model
        That has fewer.
    times
        Model -> how many times fewer than that, as printed.
    """

    model: str
    times: Mapping[str, str]

    def __call__(self, material: Material, claim: Row) -> Iterator[Part]:
        """Judge the ratios that the claim names."""
        rows = {row["model"]: row["parameters"] for row in material.facts["table_1"]["rows"]}
        own = rows[self.model]
        ratios = {other: rows[other] / own for other in self.times}
        computed = in_words(
            f"{other} {rows[other]:,} / {own:,} = {ratio:.2f}" for other, ratio in ratios.items()
        )
        holds = all(f"{ratios[other]:.1f}" == printed for other, printed in self.times.items())
        yield Part(
            SUPPORTED if holds else CONTRADICTED,
            f"By Table 1 itself, {computed}. The check table-1 says of what networks its "
            "numbers are.",
            "parameters",
            computed,
        )
        yield Part(NOT_CHECKABLE, "Error rates on ILSVRC are in no row.", "errors")
