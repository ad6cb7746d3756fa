"""Samples from the literature: the reported values of an outcome, each with the n behind it.

A value without an n has no variance and cannot be pooled. It is left out and listed; nothing is
filled in unless the caller names an assumption, which then goes with every result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, get_args

from db.database import Database
from db.errors import StatisticsError, UsageError
from db.literature import Reported, Study, each_study
from db.reader import Row
from db.vocabulary import METRICS, SYNONYMS, Lexicon, lexicon
from metaanalysis import query
from metaanalysis.query.filters import Filters
from metaanalysis.samples.counting import Assumptions, Candidate, areas, events_of
from metaanalysis.samples.sample import (
    Kind,
    LeftOut,
    Remark,
    Sample,
    counted_reasons,
    merged,
)
from metaanalysis.samples.values import (
    MODERATOR_SYNONYMS,
    MODERATORS,
    moderators_of,
    names_of,
    no_transfer,
    the_one,
)

#: What can be pooled, with how.
OUTCOMES: dict[str, Kind] = {
    "accuracy": "proportion",
    "AUC": "AUC",
    "sensitivity": "proportion",
    "specificity": "proportion",
}

Arms = Literal["headline", "all"]


def outcome_named(word: str) -> str:
    """Return the outcome that a word means.

    Raises
    ------
    UsageError
        It cannot be pooled; says what can.
    """
    name = Lexicon("outcome", METRICS, SYNONYMS["metric"]).resolve(word)
    if name not in OUTCOMES:
        raise UsageError(
            f"{name} cannot be pooled: the cases that it is a share of are not curated.",
            f"Outcomes: {', '.join(OUTCOMES)}.",
        )
    return name


def matching(count: int) -> str:
    """Return ``1 study that matches``, ``2 studies that match``."""
    return "1 study that matches" if count == 1 else f"{count} studies that match"


def from_literature(
    database: Database,
    outcome: str = "accuracy",
    filters: Filters | None = None,
    *,
    arms: Arms = "headline",
    assumptions: Assumptions | None = None,
) -> Sample:
    """Return the reported values of an outcome with the cases behind them.

    Parameters
    ----------
    database
        An open database.
    outcome
        ``accuracy``, ``AUC``, ``sensitivity`` or ``specificity``.
    filters
        As of a query; they choose studies, and those on TL type, backbone and family also the
        values of these studies: one that belongs to another arm is left out.
    arms
        ``headline`` (one value a study, its main claim) or ``all`` (every reported value).
    assumptions
        What may be assumed; None: nothing.

    Raises
    ------
    UsageError
        An unknown word, or an outcome that cannot be pooled.
    StatisticsError
        No value is left; the message says why.
    """
    name = outcome_named(outcome)
    Lexicon("arms", get_args(Arms)).resolve(arms)
    allowed = assumptions or Assumptions()
    filters = filters or Filters()
    chosen = query.select(database, filters, columns=["key"])
    studies = each_study(database, [row["key"] for row in chosen.rows], evidence=False)
    backbones = {row["name"]: row for row in query.backbones(database)}
    elsewhere = _arm_rule(database, filters, backbones)
    found = [item for study in studies for item in _values(study, name, arms)]
    kept: list[Candidate] = []
    left_out: list[LeftOut] = []
    for item in found:
        reason = _reason(item, allowed)
        what = None if reason else elsewhere(item.value, item.study)
        if reason is not None:
            left_out.append(item.out(reason))
        elif what is not None:
            left_out.append(item.out(what[0], what=what[1]))
        else:
            kept.append(item)
    if OUTCOMES[name] == "proportion":
        counted = events_of(kept, name, allowed)
    else:
        counted = areas(kept, allowed)
    used, gone = counted.used, [*left_out, *counted.left_out]
    untransferred = (item.short for item in used if no_transfer(item.value, item.study))
    moderators = [moderators_of(item.value, item.study, backbones) for item in used]
    covered = chosen.coverage
    of = matching(chosen.matched) if filters != Filters() else "all curated studies"
    origin = (
        f"{'headline' if arms == 'headline' else 'reported'} values of {name} of {of} "
        f"({covered.curated} of the review's {covered.reviewed} are curated)"
    )
    if not used:
        _refuse(name, chosen, found, gone)
    return Sample(
        outcome=name,
        kind=OUTCOMES[name],
        labels=tuple(item.label for item in used),
        shorts=tuple(item.short for item in used),
        columns=counted.columns,
        moderators={key: tuple(row[key] for row in moderators) for key in MODERATORS},
        clusters=tuple(item.study.key for item in used),
        origin=origin,
        source="curated",
        candidates=len(found),
        left_out=tuple(gone),
        assumptions=(
            Remark.of("kept-retracted", (item.short for item in used if item.study.retracted)),
            Remark.of("kept-untransferred", untransferred),
            *counted.assumptions,
        ),
        notes=(
            *(Remark("selection", values={"text": text}) for text in chosen.notes),
            *counted.remarks,
        ),
        synonyms=MODERATOR_SYNONYMS,
    )


def _refuse(name: str, chosen: query.Selection, found: list[Candidate], out: list[LeftOut]) -> None:
    if not chosen.rows:
        raise StatisticsError(
            "the selection is empty: no study matches.",
            "Loosen the filters; medtl-meta query takes the same ones.",
        )
    if not found:
        raise StatisticsError(
            f"there is no headline {name} in the {matching(chosen.matched)}.",
            "Choose another --outcome, or --arms all.",
        )
    raise StatisticsError(
        f"no value of {name} is left of {len(found)}: {counted_reasons(out)}.",
        "An explicit assumption can help: --assume-n, --assume-prevalence.",
    )


def _values(study: Study, outcome: str, arms: Arms) -> Iterator[Candidate]:
    found = [one for one in study.metrics if one.metric == outcome]
    short = f"[{study.ref}]" if study.ref is not None else study.key
    for number, value in enumerate(found, start=1):
        if arms == "all":
            yield Candidate(value, study, f"{study.name} #{number}", f"{short}#{number}")
        elif value.headline:
            yield Candidate(value, study, study.name, short)


def _reason(item: Candidate, allowed: Assumptions) -> str | None:
    if item.study.retracted and not allowed.keep_retracted:
        return "retracted"
    return None if allowed.keep_untransferred else no_transfer(item.value, item.study)


def _arm_rule(
    database: Database, filters: Filters, backbones: dict[str, Row]
) -> Callable[[Reported, Study], tuple[str, str] | None]:
    """Return what tells why a value does not belong to the arms that the filters ask for."""
    tl_types = {lexicon("tl_type").resolve(word) for word in filters.tl}
    names = query.backbone_names(database)
    networks = {names.resolve(word) for word in filters.backbone}
    families = {lexicon("family").resolve(word) for word in filters.family}

    def rule(value: Reported, study: Study) -> tuple[str, str] | None:
        own = names_of(value, study, "backbone", "backbones")
        checks = (
            ("TL type", tl_types, names_of(value, study, "tl_type", "tl_types")),
            ("backbone", networks, own),
            ("family", families, [backbones[name]["family"] for name in own]),
        )
        for what, wanted, having in checks:
            if wanted and not set(having) <= wanted:
                return ("unclear-arm" if the_one(having) is None else "other-arm"), what
        return None

    return rule


def pairs_from_literature(
    database: Database,
    filters: Filters | None = None,
    *,
    assumptions: Assumptions | None = None,
) -> Sample:
    """Return two-by-two tables from the headline sensitivities and specificities.

    A study gives a table if it prints both with the n of the same cases, and the cases with and
    without the finding are known or assumed.

    Parameters
    ----------
    database, filters, assumptions
        As of :func:`from_literature`.
    """
    first = from_literature(database, "sensitivity", filters, assumptions=assumptions)
    second = from_literature(database, "specificity", filters, assumptions=assumptions)
    place = {label: position for position, label in enumerate(second.labels)}
    keep = [label in place for label in first.labels]
    gone = {item.label for item in (*first.left_out, *second.left_out)}
    sample = first.take(keep, "no-specificity")
    alone = tuple(
        LeftOut(label, short, "no-sensitivity")
        for label, short in zip(second.labels, second.shorts, strict=True)
        if label not in first.labels and label not in gone
    )
    rows = [place[label] for label in sample.labels]
    tp, positive = sample.columns["events"], sample.columns["n"]
    tn = tuple(second.columns["events"][row] for row in rows)
    negative = tuple(second.columns["n"][row] for row in rows)
    columns = {
        "tp": tp,
        "fn": tuple(n - hit for n, hit in zip(positive, tp, strict=True)),
        "fp": tuple(n - right for n, right in zip(negative, tn, strict=True)),
        "tn": tn,
    }
    return replace(
        sample,
        outcome="sensitivity and specificity",
        kind="two-by-two",
        columns=columns,
        origin=first.origin.replace(
            "values of sensitivity", "pairs of sensitivity and specificity", 1
        ),
        candidates=first.candidates + len(alone),
        left_out=(*sample.left_out, *alone),
        assumptions=merged(first.assumptions, second.assumptions),
        notes=merged(first.notes, second.notes),
    )
