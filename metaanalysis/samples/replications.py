"""Replications as studies: what our runs replicated, as a sample that can be pooled.

Values of runs only; reported ones are never mixed in. Runs of phantoms are left out.
"""

from __future__ import annotations

import re
from collections import Counter

from db.database import Database
from db.errors import StatisticsError
from db.reader import Row
from metaanalysis import query
from metaanalysis.samples.literature import OUTCOMES, outcome_named
from metaanalysis.samples.sample import LeftOut, Remark, Sample

#: Columns of a run by which a sample can be divided.
MODERATORS = ("fidelity", "backbone", "tl_type", "dataset", "setup")

#: How a run says that a value is a mean over classes and so no share of its images.
_MEAN_OVER_CLASSES = re.compile(r"mean of \d+ classes")


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
    found = [row for row in query.replicated(database, phantom=True) if row["metric"] == name]
    kept: dict[str, Row] = {}
    gone: list[LeftOut] = []
    for row in found:  # the oldest run of a study comes first
        reason = _reason(row, OUTCOMES[name] == "proportion")
        if reason is not None:
            gone.append(LeftOut(_label(row), row["run"], reason))
            continue
        own = row["study"] or f"images {row['dataset']}"
        if own in kept:
            why = "older-run" if row["study"] else "older-run-of-images"
            gone.append(LeftOut(_label(kept[own]), kept[own]["run"], why))
        kept[own] = row
    if not kept:
        raise StatisticsError(
            f"no run has replicated the {name} on real images.",
            "medtl-meta replicate run SETUP makes one.",
        )
    rows = list(kept.values())
    columns: dict[str, tuple[object, ...]] = {"n": tuple(row["n"] for row in rows)}
    if OUTCOMES[name] == "proportion":
        columns["events"] = tuple(round(row["value"] * row["n"]) for row in rows)
    else:
        columns |= {c: tuple(row[c] for row in rows) for c in ("value", "ci_low", "ci_high")}
        columns |= {c: tuple(None for _ in rows) for c in ("n_positive", "n_negative")}
    shared = Counter(row["dataset"] for row in rows)
    again = [row["run"] for row in rows if shared[row["dataset"]] > 1]
    proxies = [row["run"] for row in rows if row["fidelity"] == "proxy"]
    return Sample(
        outcome=name,
        kind=OUTCOMES[name],
        labels=tuple(_label(row) for row in rows),
        shorts=tuple(row["run"] for row in rows),
        columns=columns,
        moderators={m: tuple(row[m] for row in rows) for m in MODERATORS},
        clusters=tuple(kept),
        origin=f"replicated values of {name} of the newest run of each study in this database",
        source="replicated",
        candidates=len(found),
        left_out=tuple(gone),
        notes=(
            Remark.of("proxies", proxies),
            Remark.of("shared-images", again),
        ),
    )


def _reason(row: Row, counted: bool) -> str | None:
    if row["kind"] == "phantom":
        return "phantom"
    if not row["n"]:
        return "no-test-images"
    if counted and _MEAN_OVER_CLASSES.match(row["method"] or ""):
        return "mean-over-classes"
    return None


def _label(row: Row) -> str:
    name = row["study"] or row["setup"] or row["run"]
    return f"{name} [{row['ref']}]" if row["ref"] is not None else str(name)
