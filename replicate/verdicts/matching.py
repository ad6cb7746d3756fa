"""Which reported value a run is held against, and why that one.

A study prints many values: of several networks, TL types, tasks and splits. The rule, in order:

1. Only values of the same metric.
2. Backbone: the run's own (or the one that it stands in for); else a value of which the study does
   not say the backbone; else one of the same family, which is said. A value of another family is
   that of another arm and is not taken.
3. TL type: the same; else one of unreported extent for a run that fine-tunes; else one of which
   the study does not say it. A value of another TL type is not taken - but for the recommended
   protocol, which no study reports: it is held against any, which is said. A run from random
   weights is held against nothing but a value that is said to be of one: the studies are on
   transfer learning, and what they leave unsaid is of their pretrained networks.
4. Number of classes, as far as the value's task gives it, or the study where it has only one
   value: the same; else unknown. A value of another number is not taken. A value of one class
   against all others needs only that class.
5. Split: what the run tested on (k-fold: cross-validation; else test); else not said; else another.
6. The study's headline; else the first in its file.

What a setup names as its comparison comes before all this; the rule then only checks and remarks,
but for random weights and numbers of classes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from db.literature import Reported
from db.vocabulary import CONTROL, EXTENT_UNREPORTED, RANDOM, fold
from replicate.verdicts.words import Code, Reason, because

_COUNTED = re.compile(r"\b(\d+|two|three|four|five|six|seven|eight|nine|ten)[- ](?:\w+[- ])?"
                      r"(?:class(?:es)?|types?|way)\b", re.IGNORECASE)  # fmt: skip
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_VERSUS = re.compile(r"\s(?:vs\.?|versus)\s", re.IGNORECASE)

#: Runs that train more than the head: what "fine-tuned" without its extent may mean.
_FINE_TUNED = ("fine-tuning", "fine-tuning from scratch", "recommended protocol")


@dataclass(frozen=True, slots=True)
class Arm:
    """What a run is, as far as a reported value must be of the same, and what it is held against.

    Attributes
    ----------
    backbone
        The study's own where another stands in for it; canonical name.
    built
        What was run.
    family
        Of `backbone`; None if unknown.
    split
        ``cross-validation`` or ``test``.
    n_classes
        Of the run; None if unknown.
    classes, positive
        Their names, and which of two counts as positive, as far as known.
    study_classes
        Number of classes of the study, for values whose task does not tell.
    chosen
        The reported values are those that the setup names: another backbone or TL type is only
        remarked.
    """

    backbone: str | None
    built: str | None
    family: str | None
    tl_type: str | None
    split: str
    n_classes: int | None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    study_classes: int | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """The value that was chosen, or why none was.

    Attributes
    ----------
    row
        The reported value; None where none is of the same arm.
    reason
        Where there is none: why.
    remarks
        In what the value may differ from the run.
    """

    row: Reported | None
    reason: Reason | None = None
    remarks: tuple[Reason, ...] = ()


def classes_of(task: str | None) -> int | None:
    """Return how many classes a task's words name: ``3-class``, ``AMD vs DME vs normal``."""
    if not task:
        return None
    if "binary" in task.lower():
        return 2
    if found := _COUNTED.search(task):
        word = found[1].lower()
        return int(word) if word.isdigit() else _WORDS.index(word) + 2
    versus = len(_VERSUS.findall(task))
    return versus + 1 if versus else None


def match(metric: str, rows: Sequence[Reported], arm: Arm) -> Match:
    """Choose the reported value of a metric for a run.

    Parameters
    ----------
    metric
        By the vocabulary's name.
    rows
        The study's reported values, or those that the setup names.
    """
    of_metric = [row for row in rows if row.metric == metric]
    if not of_metric:
        return Match(None, because(Code.NOT_REPORTED, metric=metric))
    fitting: list[tuple[tuple[int, ...], Match]] = []
    against: list[Reason] = []
    for place, row in enumerate(of_metric):
        steps = (
            _backbone(row, arm),
            _tl_type(row, arm),
            _classes(row, arm, alone=len(of_metric) == 1),
            _split(row, arm),
        )
        refused = [why for rank, why in steps if rank is None and why is not None]
        if refused:
            against += refused
            continue
        ranks = [rank for rank, _ in steps if rank is not None]
        # A setup names first what it wants first; a file is in the order of the article.
        order = (*ranks, 0 if arm.chosen or row.headline else 1, place)
        remarks = tuple(remark for _, remark in steps if remark is not None)
        fitting.append((order, Match(row, None, remarks)))
    if not fitting:
        return Match(None, because(Code.OTHER_ARM, metric=metric, against=tuple(against)))
    return min(fitting, key=itemgetter(0))[1]


#: Rank (smaller is nearer, None is refused), and why or what must be said.
Step = tuple[int | None, Reason | None]


def _backbone(row: Reported, arm: Arm) -> Step:
    stated = row.backbone
    if stated is None:
        return 1, None
    if fold(stated) in (fold(name) for name in (arm.backbone, arm.built) if name is not None):
        return 0, None
    run = arm.backbone or arm.built or "another network"
    if arm.chosen or (arm.family is not None and row.family == arm.family):
        return 2, because(Code.OTHER_BACKBONE, reported=stated, run=run)
    return None, because(Code.OF_BACKBONE, reported=stated)


def _tl_type(row: Reported, arm: Arm) -> Step:
    stated = row.tl_type
    if stated == arm.tl_type and stated is not None:
        return 0, None
    if arm.tl_type == CONTROL:
        return None, because(Code.NOT_A_CONTROL)
    if arm.tl_type == RANDOM:
        if stated is None:
            return None, because(Code.NOT_FROM_RANDOM)
        return None, because(Code.OF_TL_TYPE, reported=stated)
    if stated is None:
        return 2, None
    if stated == EXTENT_UNREPORTED and arm.tl_type in _FINE_TUNED:
        return 1, None
    if arm.chosen or arm.tl_type == "recommended protocol":
        return 3, because(Code.OTHER_TL_TYPE, reported=stated, run=arm.tl_type)
    return None, because(Code.OF_TL_TYPE, reported=stated)


def _classes(row: Reported, arm: Arm, *, alone: bool) -> Step:
    if row.of_class is not None and arm.classes:
        return _one_class(row.of_class, arm)
    stated, of_study = classes_of(row.task), arm.study_classes
    if stated is None and alone and not arm.chosen:
        # The study's one value is of the study's one task; of several values this is not known.
        stated = of_study
    if stated is None or arm.n_classes is None:
        if not arm.chosen or None in (of_study, arm.n_classes) or of_study == arm.n_classes:
            return 1, None
        return 1, because(Code.OTHER_CLASSES, reported=of_study, run=arm.n_classes)
    if stated == arm.n_classes:
        return 0, None
    return None, because(Code.OF_CLASSES, reported=stated, run=arm.n_classes)


def _one_class(name: str, arm: Arm) -> Step:
    others = tuple(one for one in arm.classes if one != name)
    if len(others) < len(arm.classes):
        return 0, because(Code.ONE_CLASS, of_class=name, others=others)
    if len(others) == 2:
        positive = arm.positive or arm.classes[-1]
        return 1, because(Code.OTHER_CLASS, reported=name, run=positive)
    return None, because(Code.OF_ABSENT_CLASS, reported=name)


def _split(row: Reported, arm: Arm) -> Step:
    if row.split == arm.split:
        return 0, None
    if row.split is None:
        return 1, None
    return 2, because(Code.OTHER_SPLIT, reported=row.split, run=arm.split)
