"""Replications as studies: what our runs replicated, as a sample that can be pooled.

Values of runs only; reported ones are never mixed in. Runs of phantoms are left out.
"""

from __future__ import annotations

from collections import Counter

from db.database import Database
from db.errors import StatisticsError
from db.replications import Run, RunValue, read_runs
from db.vocabulary import CONTROL
from metaanalysis.samples.literature import OUTCOMES, outcome_named
from metaanalysis.samples.sample import LeftOut, Remark, Sample

#: Columns of a run by which a sample can be divided.
MODERATORS = ("fidelity", "backbone", "tl_type", "dataset", "setup")


def from_replications(database: Database, outcome: str = "accuracy") -> Sample:
    """Return the replicated values of an outcome with the images behind them.

    Parameters
    ----------
    database
        An open database.
    outcome
        ``accuracy``, ``AUC``, ``sensitivity`` or ``specificity``.

    Returns
    -------
    Sample
        One row a study, that of its newest finished run. Of runs that follow no study, such as
        those of a contest, one row an image set: more of them would count the same images again.
        Proportions carry whole events out of n test images, AUCs the run's own interval.

    Raises
    ------
    UsageError
        An unknown word, or an outcome that cannot be pooled.
    StatisticsError
        No run gives a value.

    Notes
    -----
    Images of one patient are counted as independent, as in the studies themselves. A sensitivity
    that is a mean over classes is left out: there is no count behind it.
    """
    name = outcome_named(outcome)
    counted = OUTCOMES[name] == "proportion"
    found = [
        (run, run.pooled[name])
        for run in read_runs(database).values()
        if run.state == "finished" and name in run.pooled
    ]
    kept: dict[str, tuple[Run, RunValue]] = {}
    gone: list[LeftOut] = []
    for run, value in found:  # the oldest run of a study comes first
        reason = _reason(run, value, counted)
        if reason is not None:
            gone.append(LeftOut(_label(run), run.id, reason))
            continue
        own = run.study_key or f"images {run.dataset}"
        if own in kept:
            older, _ = kept[own]
            why = "older-run" if run.study_key else "older-run-of-images"
            gone.append(LeftOut(_label(older), older.id, why))
        kept[own] = run, value
    if not kept:
        raise StatisticsError(
            f"no run has replicated the {name} on real images.",
            "medtl-meta replicate run SETUP makes one.",
        )
    runs, values = zip(*kept.values(), strict=True)
    columns: dict[str, tuple[object, ...]] = {"n": tuple(one.n for one in values)}
    if counted:
        columns["events"] = tuple(round(one.value * one.n) for one in values)
    else:
        columns |= {c: tuple(getattr(v, c) for v in values) for c in ("value", "ci_low", "ci_high")}
        columns |= dict.fromkeys(("n_positive", "n_negative"), (None,) * len(values))
    shared = Counter(run.dataset for run in runs)
    return Sample(
        outcome=name,
        kind=OUTCOMES[name],
        labels=tuple(_label(run) for run in runs),
        shorts=tuple(run.id for run in runs),
        columns=columns,
        moderators={m: tuple(getattr(run, m) for run in runs) for m in MODERATORS},
        clusters=tuple(kept),
        origin=f"replicated values of {name} of the newest run of each study in this database",
        source="replicated",
        candidates=len(found),
        left_out=tuple(gone),
        notes=(
            Remark.of("proxies", (run.id for run in runs if run.fidelity == "proxy")),
            Remark.of("shared-images", (run.id for run in runs if shared[run.dataset] > 1)),
        ),
    )


def _reason(run: Run, value: RunValue, counted: bool) -> str | None:
    if run.phantom:
        return "phantom"
    if run.tl_type == CONTROL:
        return "random-network"
    if not value.n:
        return "no-test-images"
    # Of more than two classes none is positive: all but an accuracy are means over them.
    if counted and value.metric != "accuracy" and (run.outcome or {}).get("positive") is None:
        return "mean-over-classes"
    return None


def _label(run: Run) -> str:
    name = run.study_key or run.setup or run.id
    return f"{name} [{run.ref}]" if run.ref is not None else name
