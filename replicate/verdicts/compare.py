"""Replicated beside reported: each metric of a finished run with its verdict.

:mod:`replicate.verdicts.matching` says which reported value a run is held against, and
:mod:`replicate.verdicts.verdicts` what comes of it. A run of a phantom is never put beside a
reported value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from db.database import Database
from db.errors import NotFoundError, ReplicationError, UsageError
from db.runs import metric_name
from db.vocabulary import HEADLINE_METRICS, METRICS, fold
from metaanalysis import query
from metaanalysis.audit import audit
from metaanalysis.audit.finding import INCONSISTENT
from metaanalysis.audit.material import Material, Study, gather
from metaanalysis.query.runs import find_run, values_by_class
from replicate.verdicts.comparison import ROW_COLUMNS, Compared, Comparison
from replicate.verdicts.matching import Arm, match
from replicate.verdicts.verdicts import (
    MARGIN,
    VERDICTS,
    Replicated,
    Reported,
    Verdict,
    verdict,
)

__all__ = [
    "MARGIN",
    "ROW_COLUMNS",
    "VERDICTS",
    "Compared",
    "Comparison",
    "Replicated",
    "Reported",
    "Verdict",
    "compare",
    "compare_run",
    "compare_runs",
    "counted",
    "verdict",
]

#: Metrics that are means over the classes where there are more than two.
_AVERAGED = ("AUC", "sensitivity", "specificity", "precision", "F1")
#: Metrics that say nothing of skill on their own: naming one class throughout makes some of them 1.
_ONE_SIDED = ("sensitivity", "specificity", "precision", "NPV", "F1")


class Outcome(Protocol):
    """A reported value as a setup names it (``replicate.setup.literature.ReportedValue``)."""

    def to_dict(self) -> dict[str, Any]:
        """Return its fields by name."""


def compare_run(
    database: Database,
    run_id: str,
    *,
    margin: float = MARGIN,
    reported: Sequence[Outcome | Mapping[str, Any]] | None = None,
) -> Comparison:
    """Compare one finished run with what its study reports.

    Parameters
    ----------
    run_id
        The id, or as much of its beginning as is unique.
    margin
        Largest difference that is still called the same.
    reported
        What the setup names as its comparison; None takes what the run's outcome keeps under
        ``reported``, and where that is missing the study's values by the rule of
        :mod:`replicate.verdicts.matching`.

    Raises
    ------
    NotFoundError
        No such run.
    ReplicationError
        It is not finished.
    """
    row = find_run(database, run_id)
    if row["state"] != "finished":
        why = f" ({row['error']})" if row["error"] else ""
        raise ReplicationError(
            f"run {row['id']}: is {row['state']}{why}; there is nothing to compare.",
            "medtl-meta replicate run with the same words resumes it.",
        )
    return compare_runs(database, [row["id"]], margin=margin, reported=reported)[0]


def compare(database: Database, what: str, *, margin: float = MARGIN) -> list[Comparison]:
    """Compare all finished runs of a setup, of a study, or one run.

    Parameters
    ----------
    what
        A setup's name, a study (key, reference number, DOI) or the beginning of a run's id.

    Raises
    ------
    NotFoundError
        It is none of these, or nothing was run of it.
    """
    of_setup = query.runs(database, setup=what, state="finished")
    if of_setup:
        return compare_runs(database, [row["id"] for row in of_setup], margin=margin)
    try:
        study = query.find_study(database, what)["key"]
    except NotFoundError as no_study:
        if not _looks_like_id(what):
            raise NotFoundError(
                f"{what}: neither a setup that was run, nor a study, nor a run.",
                no_study.hint,
            ) from None
        return [compare_run(database, what, margin=margin)]
    of_study = query.runs(database, study=study, state="finished")
    if not of_study:
        raise NotFoundError(f"{study}: no finished run.", f"Run: medtl-meta replicate run {study}")
    return compare_runs(database, [row["id"] for row in of_study], margin=margin)


def compare_runs(
    database: Database,
    run_ids: Sequence[str] | None = None,
    *,
    margin: float = MARGIN,
    reported: Sequence[Outcome | Mapping[str, Any]] | None = None,
) -> list[Comparison]:
    """Compare finished runs, in the order of their studies; None takes all.

    Runs of phantoms are among them only where they are named.

    Raises
    ------
    UsageError
        A negative margin.
    """
    if margin < 0:
        raise UsageError(f"margin: {margin:g} is negative.", "Give 0.02 for two points.")
    values = query.replicated(database, run_ids, phantom=run_ids is not None)
    short = {row["id"]: row for row in query.runs(database, state="finished")}
    by_run: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for value in values:
        by_run[value["run"]].append(value)
    if run_ids is not None:
        order = {run: place for place, run in enumerate(run_ids)}
        by_run = defaultdict(
            list, {run: by_run[run] for run in sorted(by_run, key=order.__getitem__)}
        )
        for run in run_ids:
            by_run.setdefault(run, [])
    known = _Literature(database) if any(short[run]["study"] for run in by_run) else None
    single = values_by_class(database, list(by_run))
    return [
        _compared(
            find_run(database, run),
            short[run],
            of_run,
            single.get(run, {}),
            known,
            margin,
            reported,
        )
        for run, of_run in by_run.items()
    ]


def _looks_like_id(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text.strip().lower())


class _Literature:
    """What the studies report, with the audit's faults beside each value; read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._material: Material = gather(database)
        self.families = {name: str(row["family"]) for name, row in self._material.backbones.items()}
        self._studies = {study.key: study for study in self._material.studies}
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def study(self, key: str | None) -> Study | None:
        return self._studies.get(key or "")

    def rows(self, key: str | None) -> list[dict[str, Any]]:
        """Return the reported values of a study, each with `impossible`."""
        study = self.study(key)
        if study is None:
            return []
        if study.key not in self._rows:
            faults = [
                finding
                for finding in audit(self._database, studies=[study.key])
                if finding.verdict == INCONSISTENT
            ]
            self._rows[study.key] = [
                {
                    **asdict(metric),
                    "impossible": " ".join(
                        fault.explanation
                        for fault in faults
                        if metric.described(study) in fault.rows
                    )
                    or None,
                }
                for metric in study.metrics
            ]
        return self._rows[study.key]


def _compared(
    run: Mapping[str, Any],
    short: Mapping[str, Any],
    values: Sequence[Mapping[str, Any]],
    single: Mapping[tuple[str, str], Mapping[str, Any]],
    known: _Literature | None,
    margin: float,
    named: Sequence[Outcome | Mapping[str, Any]] | None,
) -> Comparison:
    outcome = run["outcome"] if isinstance(run["outcome"], dict) else {}
    study = known.study(run["study_key"]) if known else None
    about = {**short, "ref": study.ref if study else None}
    rows: list[dict[str, Any]] = []
    chosen = False
    if known is not None and not run["phantom"]:
        rows = known.rows(run["study_key"])
        picked = named if named is not None else outcome.get("reported")
        if picked:
            chosen, rows = True, [_named(one, rows) for one in picked]
    arm = _arm(run, outcome, known)
    reported_metrics = {row["metric"] for row in rows}
    compared = []
    for value in values:
        metric = value["metric"]
        if metric not in METRICS or (
            metric not in HEADLINE_METRICS and metric not in reported_metrics
        ):
            continue
        ours = _replicated(value, outcome)
        if run["phantom"]:
            said = verdict(None, ours, margin=margin, phantom=True)
            compared.append(Compared(None, ours, said))
            continue
        if study is None:
            text = f"The study {run['study_key']} is not in the database."
            why = text if run["study_key"] else "The run is of no study: nothing is reported."
            compared.append(Compared(None, ours, verdict(None, ours, margin=margin, mismatch=why)))
            continue
        found = match(
            metric,
            rows,
            arm,
            families=known.families if known else {},
            study_classes=study.n_classes,
            chosen=chosen,
        )
        theirs = _reported(found.row) if found.row is not None else None
        own_class = None
        if theirs is not None and theirs.of_class is not None and theirs.of_class != arm.positive:
            own_class = single.get((metric, theirs.of_class))
        if own_class is not None:
            ours = _of_class(own_class, single.get(("AUC", own_class["class_label"])), ours)
        notes = [*found.remarks, *_remarks(metric, arm, run, found.row, own_class is None)]
        said = verdict(
            theirs,
            ours,
            margin=margin,
            fidelity=run["fidelity"],
            mismatch=found.reason,
            remarks=notes if theirs else (),
        )
        compared.append(Compared(theirs, ours, said))
    return Comparison(about, tuple(compared))


def _named(one: Outcome | Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a setup names, with what the audit found of the study's row that it is."""
    own = dict(one) if isinstance(one, Mapping) else one.to_dict()
    own["metric"] = metric_name(own["metric"])
    for row in rows:
        same = ("metric", "value", "task", "backbone", "split")
        if all(row.get(name) == own.get(name) for name in same):
            return {**row, **own, "impossible": row["impossible"], "position": row["position"]}
    return own


def _arm(run: Mapping[str, Any], outcome: Mapping[str, Any], known: _Literature | None) -> Arm:
    spec = run["spec"] if isinstance(run["spec"], dict) else {}
    backbone = run["backbone_reported"] or run["backbone"]
    families = known.families if known else {}
    names = {fold(name): family for name, family in families.items()}
    classes = outcome.get("classes") or (outcome.get("confusion") or {}).get("classes")
    if not classes:
        classes = set(((spec.get("data") or {}).get("classes") or {}).values())
    kind = (spec.get("split") or {}).get("kind")
    return Arm(
        backbone=backbone,
        built=run["backbone"],
        family=names.get(fold(backbone)) if backbone else None,
        tl_type=run["tl_type"],
        split="cross-validation" if kind == "k-fold" else "test",
        n_classes=len(classes) or None,
        classes=tuple(classes),
        positive=outcome.get("positive"),
    )


def _replicated(value: Mapping[str, Any], outcome: Mapping[str, Any]) -> Replicated:
    metric = value["metric"]
    own = Replicated(
        metric,
        value["value"],
        value["ci_low"],
        value["ci_high"],
        value["n"],
        value["seeds"],
        value["sd"],
    )
    found = outcome.get("baseline")
    baselines = found if isinstance(found, dict) else {"accuracy": found}
    if metric in _ONE_SIDED:
        own = replace(own, unskilled=_unskilled(baselines, metric))
    tests = {metric_name(name): test for name, test in (baselines.get("above") or {}).items()}
    if test := tests.get(metric):
        return replace(own, baseline=test["baseline"], above_baseline=bool(test["above"]))
    by_metric = {metric_name(name): number for name, number in baselines.items()}
    number = by_metric.get(metric)
    if isinstance(number, dict):
        number = number.get("value")
    if number is None and metric == "AUC":
        number = 0.5
    return replace(own, baseline=number)


def _unskilled(baselines: Mapping[str, Any], metric: str) -> str | None:
    test = (baselines.get("above") or {}).get("balanced_accuracy")
    if not test or test["above"]:
        return None
    return (
        f"The run's balanced accuracy is not significantly above {test['baseline']:.3f}, which "
        f"takes no skill: a {metric} of such a run says nothing."
    )


def _of_class(
    value: Mapping[str, Any], area: Mapping[str, Any] | None, whole: Replicated
) -> Replicated:
    """Return the value of one class; the spread between seeds is known of the whole only.

    Whether the class is told from the others at all is said by its area.
    """
    blind = whole.unskilled
    if whole.metric in _ONE_SIDED and area is not None and (area["ci_low"] or 0.0) <= 0.5:
        blind = (
            f"The run does not tell {value['class_label']} from the others (the interval of its "
            f"AUC reaches down to 0.5): a {whole.metric} of such a run says nothing."
        )
    return replace(
        whole,
        value=value["value"],
        ci_low=value["ci_low"],
        ci_high=value["ci_high"],
        n=value["n"],
        sd=None,
        baseline=0.5 if whole.metric == "AUC" else None,
        above_baseline=None,
        unskilled=blind,
    )


def _reported(row: Mapping[str, Any]) -> Reported:
    names = (
        "metric", "value", "n", "ci_low", "ci_high", "backbone", "tl_type", "task", "split",
        "source", "impossible", "position", "of_class",
    )  # fmt: skip
    return Reported(**{name: row[name] for name in names if name in row})


def _remarks(
    metric: str, arm: Arm, run: Mapping[str, Any], row: Mapping[str, Any] | None, whole: bool
) -> list[str]:
    texts = []
    if row is not None and row.get("note"):
        texts.append(f"Note: {row['note']}")
    if whole and metric in _AVERAGED and arm.n_classes is not None and arm.n_classes > 2:
        texts.append(f"The replicated {metric} is the mean over {arm.n_classes} classes.")
    if run["backbone_reported"] and run["backbone"]:
        texts.append(f"{run['backbone']} stands in for {run['backbone_reported']}.")
    return texts


def counted(comparisons: Sequence[Comparison]) -> dict[str, int]:
    """Count verdicts, in the order of :data:`VERDICTS`; those that do not occur are left out."""
    found = [value.verdict.verdict for comparison in comparisons for value in comparison.values]
    return {word: found.count(word) for word in VERDICTS if word in found}
