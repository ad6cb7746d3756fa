"""The arms of a study: values of one network on one task, and how many cases they rest on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from db.literature import Reported, Study
from metaanalysis.audit.averages import CROSS_VALIDATION, OF_ALL

#: Bases on which a value is the study's own print, and not what another says of it.
OWN_PRINT = ("fulltext", "abstract", "title")


@dataclass(frozen=True, slots=True)
class Cases:
    """How many cases a value rests on, and where that number comes from, in words.

    It is `assumed` where the row itself does not give it, so that it may be of other cases.
    """

    n: int
    said: str
    assumed: bool


def cases(study: Study, metric: Reported) -> Cases | None:
    """Return the number of cases behind a value: its own, else that of the test set; or None."""
    if metric.n is not None:
        return Cases(metric.n, f"{metric.n:,} cases", False)
    if metric.metric not in ("accuracy", "AUC"):
        return None  # other values may be of a class, or of patients where the split is of images
    if study.n_test is not None and metric.split in (None, "test"):
        said = f"the {study.n_test:,} test cases"
        if study.inferred("n_test"):
            said += " (inferred)"
        if metric.split == "test":
            return Cases(study.n_test, said, True)
        if study.cv_folds is None:
            return Cases(study.n_test, f"{said}, if it is of these", True)
    if metric.split == CROSS_VALIDATION and study.total is not None:
        return Cases(study.total, f"all {study.total:,} {study.split_unit}", True)
    return None


@dataclass(frozen=True, slots=True)
class Arm:
    """Values of one network, on one task, on one part of the data: at most one a metric."""

    rows: Mapping[str, Reported]

    @property
    def all(self) -> tuple[Reported, ...]:
        """Return the rows in the order of the file."""
        return tuple(sorted(self.rows.values(), key=lambda row: row.position))

    def get(self, *names: str) -> list[Reported]:
        """Return the rows of these metrics, those that there are."""
        return [self.rows[name] for name in names if name in self.rows]


def arms(study: Study) -> Iterable[Arm]:
    """Return the arms of a study; rows that stand twice for a metric make no arm."""
    groups: dict[tuple[str | None, ...], list[Reported]] = defaultdict(list)
    for metric in study.metrics:
        key = (metric.backbone, metric.tl_type, metric.same_task, metric.split)
        groups[key].append(metric)
    for rows in groups.values():
        named = {row.metric: row for row in rows}
        if len(named) == len(rows):
            yield Arm(named)


def class_counts(study: Study, arm: Arm) -> tuple[int, int] | None:
    """Return the cases with and without the finding, where the rows tell; else None.

    They tell where sensitivity and specificity have an n each, and the two add up to the n of
    another value on the same part of the data, or to the test set: then each n is that of its
    class. An n that is that of all cases itself is not.
    """
    if not {"sensitivity", "specificity"} <= arm.rows.keys():
        return None
    sensitivity, specificity = arm.rows["sensitivity"], arm.rows["specificity"]
    if sensitivity.n is None or specificity.n is None:
        return None
    totals = {
        row.n
        for row in study.metrics
        if row.split == sensitivity.split and row.metric in (*OF_ALL, "AUC")
    } | ({study.n_test} if sensitivity.split in (None, "test") else set())
    if sensitivity.n + specificity.n in totals and not {sensitivity.n, specificity.n} & totals:
        return sensitivity.n, specificity.n
    return None


def class_cases(study: Study) -> dict[int, Cases]:
    """Return, by position, the cases of the class that a sensitivity or specificity is of."""
    known: dict[int, Cases] = {}
    for arm in arms(study):
        if counts := class_counts(study, arm):
            for name, n in zip(("sensitivity", "specificity"), counts, strict=True):
                known[arm.rows[name].position] = Cases(n, f"the {n:,} cases of its class", False)
    return known


def own_print(rows: Iterable[Reported]) -> bool:
    """Return whether all values are the study's own print."""
    return all(row.basis in OWN_PRINT for row in rows)
