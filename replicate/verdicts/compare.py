"""Replicated beside reported: each metric of a finished run with its verdict.

:mod:`replicate.verdicts.matching` says which reported value a run is held against, and
:mod:`replicate.verdicts.verdicts` what comes of it. A run of a phantom is never put beside a
reported value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from db.database import Database
from db.errors import NotFoundError, ReplicationError, UsageError
from db.literature import Reported, Study, read_studies
from db.replications import Run, RunValue, read_runs
from db.runs import metric_name
from db.vocabulary import HEADLINE_METRICS, METRICS, fold
from metaanalysis import query
from metaanalysis.audit import audit_studies
from metaanalysis.audit.finding import INCONSISTENT
from metaanalysis.query.runs import in_order, summary
from replicate.verdicts.comparison import Compared, Comparison
from replicate.verdicts.matching import Arm, Match, match
from replicate.verdicts.reruns import DIVISIONS
from replicate.verdicts.verdicts import VERDICTS, Replicated, verdict
from replicate.verdicts.words import Code, Reason, because

#: Metrics that are means over the classes where there are more than two.
_AVERAGED = ("AUC", "sensitivity", "specificity", "precision", "F1")
#: Metrics that say nothing of skill on their own: naming one class throughout makes some of them 1.
_ONE_SIDED = ("sensitivity", "specificity", "precision", "NPV", "F1")
#: What tells a reported value that a setup names among those of its study.
_SAME = ("metric", "value", "task", "backbone", "split")


def compare_run(database: Database, run_id: str, *, margin: float | None = None) -> Comparison:
    """Compare one finished run with what its setup names of the study, or else its study reports.

    Parameters
    ----------
    run_id
        The id, or as much of its beginning as is unique.
    margin
        Largest difference that is still called the same; None takes what reruns differ by.

    Raises
    ------
    NotFoundError
        No such run.
    ReplicationError
        It is not finished.
    """
    run = read_runs(database, [query.find_run(database, run_id)]).popitem()[1]
    if run.state != "finished":
        why = f" ({run.error})" if run.error else ""
        raise ReplicationError(
            f"run {run.id}: is {run.state}{why}; there is nothing to compare.",
            "medtl-meta replicate run with the same words resumes it.",
        )
    return _compare(database, [run], margin)[0]


def compare(database: Database, what: str, *, margin: float | None = None) -> list[Comparison]:
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
    of_setup = query.find_runs(database, setup=what, state="finished")
    if of_setup:
        return _compare(database, of_setup, margin)
    try:
        study = query.find_study(database, what)
    except NotFoundError as no_study:
        if not _looks_like_id(what):
            raise NotFoundError(
                f"{what}: neither a setup that was run, nor a study, nor a run.",
                no_study.hint,
            ) from None
        return [compare_run(database, what, margin=margin)]
    of_study = query.find_runs(database, study=study, state="finished")
    if not of_study:
        raise NotFoundError(f"{study}: no finished run.", f"Run: medtl-meta replicate run {study}")
    return _compare(database, of_study, margin)


def compare_runs(database: Database, *, margin: float | None = None) -> list[Comparison]:
    """Compare all finished runs but those of phantoms, in the order of their studies.

    Raises
    ------
    UsageError
        A negative margin.
    """
    finished = (run for run in read_runs(database).values() if run.state == "finished")
    return _compare(database, [run for run in finished if run.pooled and not run.phantom], margin)


def _compare(database: Database, runs: Sequence[Run], margin: float | None) -> list[Comparison]:
    """Compare runs that have been read; what they are compared with is read once for all."""
    if margin is not None and margin < 0:
        raise UsageError(f"margin: {margin:g} is negative.", "Give 0.02 for two points.")
    keys = {run.study_key for run in runs if run.study_key is not None and not run.phantom}
    studies = _audited(read_studies(database, keys)) if keys else {}
    networks = query.backbones(database) if keys else ()
    families = {fold(row["name"]): str(row["family"]) for row in networks}
    return [
        Comparison(
            {**summary(run), "ref": run.ref},
            tuple(_compared(run, studies.get(run.study_key or ""), families, margin)),
        )
        for run in runs
    ]


def _looks_like_id(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text.strip().lower())


def _audited(studies: Mapping[str, Study]) -> dict[str, Study]:
    """Return studies with what the audit finds of reported values that contradict themselves."""
    faults = [
        finding for finding in audit_studies(studies.values()) if finding.verdict == INCONSISTENT
    ]

    def judged(study: Study, value: Reported) -> Reported:
        found = [fault.explanation for fault in faults if fault.speaks_of(study, value)]
        return replace(value, impossible=" ".join(found) or None)

    return {
        key: replace(study, metrics=tuple(judged(study, value) for value in study.metrics))
        for key, study in studies.items()
    }


def _compared(
    run: Run, study: Study | None, families: Mapping[str, str], margin: float | None
) -> Iterator[Compared]:
    outcome = run.outcome if isinstance(run.outcome, dict) else {}
    rows = study.metrics if study else ()
    named = outcome.get("reported")
    if named and run.study_key is not None:
        rows = tuple(_named(one, rows) for one in named)
    arm = replace(
        _arm(run, outcome, families),
        study_classes=study.n_classes if study else None,
        chosen=bool(named),
    )
    reported_metrics = {row.metric for row in rows}
    for value in in_order(run):
        metric = value.metric
        if metric not in METRICS or (
            metric not in HEADLINE_METRICS and metric not in reported_metrics
        ):
            continue
        ours = _replicated(run, value, outcome)
        if run.phantom:
            found = Match(None, because(Code.PHANTOM))
        elif study is None:
            gone = run.study_key is not None
            why = because(Code.STUDY_GONE, study=run.study_key) if gone else because(Code.NO_STUDY)
            found = Match(None, why)
        else:
            found = match(metric, rows, arm)
        theirs = found.row
        own_class = None
        if theirs is not None and theirs.of_class is not None and theirs.of_class != arm.positive:
            own_class = run.by_class.get((metric, theirs.of_class))
        if own_class is not None:
            area = run.by_class.get(("AUC", own_class.class_label or ""))
            cases = _cases(run, metric, own_class.class_label)
            ours = replace(_of_class(own_class, area, ours), cases=cases)
        notes = [*found.remarks, *_remarks(metric, arm, run, theirs, own_class is None)]
        said = verdict(
            theirs,
            ours,
            margin=margin,
            fidelity=run.fidelity,
            mismatch=found.reason,
            remarks=notes if theirs else (),
        )
        yield Compared(theirs, ours, said)


def _named(one: Mapping[str, Any], rows: Sequence[Reported]) -> Reported:
    """Return what a setup names, with what the audit found of the study's row that it is."""
    known = {f.name for f in fields(Reported)}
    own = {name: value for name, value in one.items() if name in known}
    own["metric"] = metric_name(own["metric"])
    for row in rows:
        if all(getattr(row, name) == own.get(name) for name in _SAME):
            return replace(row, **own)
    return Reported(**own)


def _arm(run: Run, outcome: Mapping[str, Any], families: Mapping[str, str]) -> Arm:
    spec = run.spec if isinstance(run.spec, dict) else {}
    backbone = run.backbone_reported or run.backbone
    classes = outcome.get("classes") or (outcome.get("confusion") or {}).get("classes")
    if not classes:
        classes = set(((spec.get("data") or {}).get("classes") or {}).values())
    kind = (spec.get("split") or {}).get("kind")
    return Arm(
        backbone=backbone,
        built=run.backbone,
        family=families.get(fold(backbone)) if backbone else None,
        tl_type=run.tl_type,
        split={"k-fold": "cross-validation", "external": "external"}.get(str(kind), "test"),
        n_classes=len(classes) or None,
        classes=tuple(classes),
        positive=outcome.get("positive"),
    )


def _replicated(run: Run, value: RunValue, outcome: Mapping[str, Any]) -> Replicated:
    metric = value.metric
    seeds, sd = run.seeds(metric)
    kind = ((run.spec if isinstance(run.spec, dict) else {}).get("split") or {}).get("kind")
    own = Replicated(
        metric,
        value.value,
        value.ci_low,
        value.ci_high,
        value.n,
        seeds,
        sd,
        division=DIVISIONS.get(kind or ""),
        cases=_cases(run, metric, outcome.get("positive")),
    )
    found = outcome.get("baseline")
    baselines = found if isinstance(found, dict) else {"accuracy": found}
    if metric in _ONE_SIDED:
        own = replace(own, unskilled=_unskilled(baselines, metric))
    tests = {metric_name(name): test for name, test in (baselines.get("above") or {}).items()}
    if test := tests.get(metric):
        return replace(own, baseline=test["baseline"], above_baseline=bool(test["above"]))
    number = {metric_name(name): number for name, number in baselines.items()}.get(metric)
    if isinstance(number, dict):
        number = number.get("value")
    return replace(own, baseline=0.5 if number is None and metric == "AUC" else number)


def _cases(run: Run, metric: str, of_class: str | None) -> float | None:
    """Return how many images the value of one seed rests on; of a sensitivity, those of the class.

    What is tested in all seeds together is more than what each of them tests.
    """
    whole = run.pooled.get("accuracy")
    tested = [v.n for v in run.values if v.metric == metric and v.seed is not None and v.n]
    n = sum(tested) / len(tested) if tested else whole.n if whole else None
    own = run.by_class.get((metric, of_class or ""))
    if n and metric in ("sensitivity", "specificity") and own and own.n and whole and whole.n:
        return n * own.n / whole.n
    return n


def _unskilled(baselines: Mapping[str, Any], metric: str) -> Reason | None:
    test = (baselines.get("above") or {}).get("balanced_accuracy")
    if not test or test["above"]:
        return None
    return because(Code.UNSKILLED, baseline=test["baseline"], metric=metric)


def _of_class(value: RunValue, area: RunValue | None, whole: Replicated) -> Replicated:
    """Return the value of one class; the spread between seeds is known of the whole only.

    Whether the class is told from the others at all is said by its area.
    """
    blind = whole.unskilled
    if whole.metric in _ONE_SIDED and area is not None and (area.ci_low or 0.0) <= 0.5:
        blind = because(Code.BLIND, of_class=value.class_label, metric=whole.metric)
    return replace(
        whole,
        value=value.value,
        ci_low=value.ci_low,
        ci_high=value.ci_high,
        n=value.n,
        sd=None,
        baseline=0.5 if whole.metric == "AUC" else None,
        above_baseline=None,
        unskilled=blind,
    )


def _remarks(
    metric: str, arm: Arm, run: Run, row: Reported | None, whole: bool
) -> Iterator[Reason]:
    if row is not None and row.note:
        yield because(Code.NOTE, note=row.note)
    if whole and metric in _AVERAGED and arm.n_classes is not None and arm.n_classes > 2:
        yield because(Code.MEAN_OVER_CLASSES, metric=metric, classes=arm.n_classes)
    if run.backbone_reported and run.backbone:
        yield because(Code.STANDS_IN, run=run.backbone, reported=run.backbone_reported)


def counted(comparisons: Sequence[Comparison]) -> dict[str, int]:
    """Count verdicts, in the order of :data:`VERDICTS`; those that do not occur are left out."""
    found = [value.verdict.verdict for comparison in comparisons for value in comparison.values]
    return {word: found.count(word) for word in VERDICTS if word in found}
