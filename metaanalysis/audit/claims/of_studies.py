"""Statements of the review on studies that it cites."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from db.literature import Reported, Study
from db.reader import Row
from db.wording import listed as in_words
from db.wording import plural
from metaanalysis.audit.claims.contrasts import contrasts, weigh
from metaanalysis.audit.claims.part import Part
from metaanalysis.audit.finding import (
    CONTRADICTED,
    NOT_CHECKABLE,
    SUPPORTED,
    Shown,
    named,
)
from metaanalysis.audit.material import Material

#: Metrics that rank networks; sensitivity alone can be had by calling everything positive.
_RANKING = ("accuracy", "AUC", "F1")

_DIMENSION = re.compile(r"\b(2\.5|2|3)D\b")


@dataclass(frozen=True, slots=True)
class Best:
    """A rule for "this network is best": the best row must be its, on each main task.

    Attributes
    ----------
    winner
        Backbone, or family, that the claim names.
    tl_type
        TL type that it names, if any.
    rivals
        Backbones or families that it says were beaten.
    value
        Value of the winner that it prints, if any.
    """

    winner: str
    tl_type: str | None = None
    rivals: tuple[str, ...] = ()
    value: float | None = None

    def wins(self, row: Reported) -> bool:
        """Return whether a row belongs to the arm that the claim names."""
        named = self.winner in (row.backbone, row.family)
        return named and self.tl_type in (None, row.tl_type)

    @property
    def name(self) -> str:
        """Return the arm in words."""
        return f"{self.winner}, {self.tl_type}" if self.tl_type else self.winner

    def __call__(self, material: Material, claim: Row) -> Iterator[Part]:
        """Judge the claim by the rows of each study that it cites."""
        for study in material.cited(claim["refs"]):
            yield self._of(study)

    def _of(self, study: Study) -> Part:
        tasks: dict[tuple[str, str, str | None], list[Reported]] = defaultdict(list)
        for row in study.metrics:
            if row.metric in _RANKING and row.backbone is not None:
                tasks[row.metric, row.same_task, row.split].append(row)
        mine = {
            task: max((row for row in rows if self.wins(row)), key=_value)
            for task, rows in tasks.items()
            if any(self.wins(row) for row in rows)
        }
        if not mine:
            return Part(NOT_CHECKABLE, f"No row of {study.name} has a value of {self.name}.")
        shown = tuple((study, row) for task in mine for row in tasks[task])
        for task, best in mine.items():
            top = max(tasks[task], key=_value)
            if top.value > best.value:
                arm = ", ".join(filter(None, (top.backbone, top.tl_type)))
                return Part(
                    CONTRADICTED,
                    f"{top.metric} {top.value} of {arm} is above {best.value} of {self.name} "
                    f"({best.same_task}).",
                    recomputed=f"{top.value} ({arm})",
                    rows=shown,
                )
        return self._ahead(study, mine, tasks, shown)

    def _ahead(
        self,
        study: Study,
        mine: dict[tuple[str, str, str | None], Reported],
        tasks: dict[tuple[str, str, str | None], list[Reported]],
        shown: tuple[Shown, ...],
    ) -> Part:
        values = {row.value for row in mine.values()}
        if self.value is not None and self.value not in values:
            text = (
                f"The claim has {self.value:.1%}; the rows of {self.name} have {in_words(values)}."
            )
            return Part(CONTRADICTED, text, recomputed=in_words(values), rows=shown)
        listed = {*(study.backbones or ()), *(study.families or ())}
        absent = [rival for rival in self.rivals if rival not in listed]
        if absent:
            text = f"{study.name} does not list {in_words(absent, 'or')}."
            return Part(CONTRADICTED, text, rows=shown)
        if not any(row.headline for row in mine.values()):
            text = f"No headline value of {study.name} is of {self.name}."
            return Part(NOT_CHECKABLE, text, rows=shown)
        beaten = sum(1 for task in mine for row in tasks[task] if not self.wins(row))
        best = min(mine.values(), key=lambda row: (not row.headline, _RANKING.index(row.metric)))
        text = f"The headline value is of {self.name}: {named(best)}"
        if beaten:
            text += f", and none of {plural(beaten, 'row')} of other arms is above it."
            return Part(SUPPORTED, text, recomputed=named(best), rows=shown)
        others = [b for b in study.backbones or () if b != best.backbone]
        if self.rivals or (others and self.tl_type is None):
            text += (
                f", among {len(others) + 1} backbones that {study.name} lists. No other has a "
                "value in the rows."
            )
            return Part(SUPPORTED, text, recomputed=named(best), rows=shown)
        text += ". The rows hold no other arm to compare it with."
        return Part(NOT_CHECKABLE, text, recomputed=named(best), rows=shown)


def _value(row: Reported) -> float:
    return row.value


@dataclass(frozen=True, slots=True)
class BeatsInEach:
    """A rule for "these studies compare two families and find the first better"."""

    first: str
    second: str

    def __call__(self, material: Material, claim: Row) -> Iterator[Part]:
        """Judge the claim by each study that it cites."""
        said: list[str] = []
        rows: list[Shown] = []
        against = for_it = 0
        studies = material.cited(claim["refs"])
        for study in studies:
            listed = set(study.families or ())
            pairs = contrasts([study], "family", (self.first,), (self.second,), "tl_type")
            for pair in pairs:
                rows += pair.rows
            if any(pair.difference < 0 for pair in pairs):
                against += 1
                said.append(f"{study.name} has {self.second} ahead")
            elif pairs:
                for_it += 1
                said.append(f"{study.name} has {self.first} ahead or even")
            elif study.backbones is not None and not {self.first, self.second} <= listed:
                against += 1
                said.append(f"{study.name} lists {in_words(study.backbones)}")
                rows.append(f"{study.name}: backbones {in_words(study.backbones)}")
            else:
                said.append(f"{study.name} has no value of both")
        verdict = NOT_CHECKABLE
        if against:
            verdict = CONTRADICTED
        elif for_it and for_it == len(claim["refs"]):
            verdict = SUPPORTED
        yield Part(
            verdict,
            f"{'; '.join(said)}.",
            recomputed=f"{against} of {len(studies)} studies speak against it, {for_it} for it",
            rows=tuple(rows),
        )


def frozen_beats_scratch(material: Material, claim: Row) -> Iterator[Part]:
    """Whether training only the new layers beats training all of them, in the studies cited."""
    studies = material.cited(claim["refs"])
    pairs = contrasts(
        studies, "tl_type", ("feature extractor",), ("fine-tuning from scratch",), "backbone"
    )
    if pairs and len({pair.first.backbone for pair in pairs}) > 1:
        worse = [pair for pair in pairs if pair.difference <= 0]
        rows = tuple(row for pair in pairs for row in pair.rows)
        verdict = CONTRADICTED if worse else SUPPORTED
        yield Part(verdict, f"{len(worse)} of {len(pairs)} comparisons are not so.", rows=rows)
        return
    found = weigh(pairs, ("a feature extractor", "fine-tuning from scratch"))
    yield Part(NOT_CHECKABLE, found.text, rows=_all_rows(studies))


def _all_rows(studies: Iterable[Study]) -> tuple[Shown, ...]:
    return tuple((study, row) for study in studies for row in study.metrics)


def trained_layers(material: Material, claim: Row) -> Iterator[Part]:
    """Say that how many layers were trained is in no column, and show what the rows have."""
    for study in material.cited(claim["refs"]):
        detail = f" Its rows say: {study.finetune_detail}." if study.finetune_detail else ""
        types = in_words(study.tl_types or ("unknown",))
        yield Part(
            NOT_CHECKABLE,
            f"How many layers were trained for which value is in no column; TL types of "
            f"{study.name}: {types}.{detail}",
            "layers",
            rows=_all_rows([study]),
        )


@dataclass(frozen=True, slots=True)
class FamilyAndLayers:
    """A rule for "this network is best with so many layers trained"."""

    best: Best

    def __call__(self, material: Material, claim: Row) -> Iterator[Part]:
        """Judge the network; say what is known of the layers."""
        for part in self.best(material, claim):
            yield Part(part.verdict, part.text, "network", part.recomputed, part.rows)
        yield from trained_layers(material, claim)


def three_dimensions(material: Material, claim: Row) -> Iterator[Part]:
    """Whether the values of 3D networks are ahead, by the dimension that their task names."""
    for study in material.cited(claim["refs"]):
        found = [
            (said[0], row)
            for row in study.metrics
            if row.metric in _RANKING and (said := _DIMENSION.search(row.task or ""))
        ]
        rows = tuple((study, row) for _, row in found)
        if not found:
            text = f"No row of {study.name} says whether its network is 2D or 3D."
            yield Part(NOT_CHECKABLE, text, study.key, rows=_all_rows([study]))
            continue
        dimension, best = max(found, key=lambda pair: (pair[1].value, pair[1].headline))
        alone = len({name for name, _ in found}) == 1
        if alone and not best.headline:
            text = f"{study.name} has values of {dimension} networks only."
            yield Part(NOT_CHECKABLE, text, study.key, named(best), rows)
            continue
        how = "headline" if alone else "best"
        yield Part(
            SUPPORTED if dimension == "3D" else CONTRADICTED,
            f"The {how} value of {study.name}, {named(best)}, is of a {dimension} network.",
            study.key,
            f"{named(best)} ({dimension})",
            rows,
        )
