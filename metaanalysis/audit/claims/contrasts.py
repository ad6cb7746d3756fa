"""Contrasts within a study: two arms on the same task, part of the data and metric.

Between studies the data differ, and with them what a value means. Within one, the difference
between two arms is the network's or the TL type's, if all else is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass

from db.literature import Reported, Study
from db.wording import plural
from metaanalysis.audit.claims.part import Part
from metaanalysis.audit.finding import CONTRADICTED, NOT_CHECKABLE, SUPPORTED, Shown

#: A statement on the whole literature takes at least so many studies; of one or two, the next one
#: may say the opposite.
FEWEST_STUDIES = 3


@dataclass(frozen=True, slots=True)
class Contrast:
    """The best value of each of two sides in one study, on one task and metric."""

    study: Study
    first: Reported
    second: Reported

    @property
    def difference(self) -> float:
        """Return the first value less the second."""
        return round(self.first.value - self.second.value, 9)

    @property
    def rows(self) -> tuple[Shown, Shown]:
        """Return both rows."""
        return (self.study, self.first), (self.study, self.second)


def contrasts(
    studies: Iterable[Study],
    feature: str,
    first: Collection[Hashable],
    second: Collection[Hashable],
    same: str,
    *,
    only: Callable[[Reported], bool] = lambda _: True,
) -> list[Contrast]:
    """Contrast rows whose `feature` is in `first` with rows where it is in `second`.

    Parameters
    ----------
    studies
        Where to look.
    feature
        Field that tells the sides apart, such as ``tl_type``.
    first, second
        Its values on either side.
    same
        Field that must be the same on both, beside study, metric, task and part of the data.
    only
        Rows that may take part.
    """
    found = []
    for study in studies:
        groups: dict[Hashable, list[Reported]] = defaultdict(list)
        for row in study.metrics:
            if only(row):
                groups[row.metric, row.same_task, row.split, getattr(row, same)].append(row)
        for rows in groups.values():
            sides = [
                [row for row in rows if getattr(row, feature) in side] for side in (first, second)
            ]
            if all(sides):
                one, two = (max(side, key=lambda row: row.value) for side in sides)
                found.append(Contrast(study, one, two))
    return found


def weigh(found: list[Contrast], sides: tuple[str, str], name: str = "") -> Part:
    """Judge a statement that the first side does at least as well as the second.

    Supported if it does so in every comparison, contradicted if in no study it does; with fewer
    than :data:`FEWEST_STUDIES` studies, or with studies on both sides, not checkable.
    """
    one, two = sides
    studies = {each.study.key for each in found}
    ahead = sum(each.difference > 0 for each in found)
    even = sum(each.difference == 0 for each in found)
    rows = tuple(row for each in found for row in each.rows)
    if not found:
        text = f"No row has {one} and {two} on the same task with all else equal."
        return Part(NOT_CHECKABLE, text, name)
    counted = (
        f"{plural(len(found), 'comparison')} in {plural(len(studies), 'study')}: {one} ahead in "
        f"{ahead}, even in {even}, behind in {len(found) - ahead - even}"
    )
    if len(studies) < FEWEST_STUDIES:
        verdict, text = NOT_CHECKABLE, f"Too few for a statement on all studies. {counted}."
    elif ahead + even == len(found):
        verdict, text = SUPPORTED, f"{counted}."
    elif ahead + even == 0:
        verdict, text = CONTRADICTED, f"{counted}."
    else:
        verdict, text = NOT_CHECKABLE, f"Studies point both ways. {counted}."
    return Part(verdict, text, name, counted, rows)
