"""Whether the numbers of images, patients and cases of a study fit together."""

from __future__ import annotations

from collections.abc import Iterator

from db.literature import Study
from db.wording import listed as in_words
from db.wording import plural
from metaanalysis.audit.finding import (
    CONSISTENT,
    INCONSISTENT,
    NOT_CHECKABLE,
    SUSPICIOUS,
    Finding,
    on_study,
)

_CHECK = "counts"

_PARTS = {"n_train": "training", "n_val": "validation", "n_test": "test"}


def _parts(study: Study) -> Iterator[Finding]:
    known = {word: n for name, word in _PARTS.items() if (n := getattr(study, name)) is not None}
    if not known:
        return
    total, unit = study.total, study.split_unit
    named = " + ".join(f"{n:,} ({word})" for word, n in known.items())
    added = sum(known.values())
    column = f"n_{unit}" if unit else None
    derived = [name for name in (*_PARTS, column) if name and study.inferred(name)]
    external = {metric.n for metric in study.metrics if metric.split == "external"}
    if total is None or column is None:
        text = (
            f"The number of {unit} in all is not known."
            if unit
            else "What they count is not known."
        )
        verdict = NOT_CHECKABLE
    elif added == total:
        verdict = CONSISTENT
        text = f"They add up to the {total:,} {unit}."
        if derived:
            text += f" Perhaps by construction: {in_words(derived)} inferred."
    elif added > total:
        verdict = INCONSISTENT
        text = f"They add up to {added:,}, more than the {total:,} {unit} in all."
        if total in known.values():
            verdict = SUSPICIOUS
            text += f" The number in all is that of one part: {column} may leave out the others."
        elif derived:
            verdict = SUSPICIOUS
            text += f" Not all is printed so: {in_words(derived)} inferred."
    elif total - added in external:
        verdict = CONSISTENT
        text = f"The other {total - added:,} of {total:,} {unit} are those of an external test."
    elif len(known) == len(_PARTS):
        verdict = SUSPICIOUS
        text = f"They add up to {added:,}, {total - added:,} less than the {total:,} {unit} in all."
    else:
        missing = " and ".join(word for word in _PARTS.values() if word not in known)
        verdict = CONSISTENT
        text = f"Leaves {total - added:,} of {total:,} {unit} for {missing}, which no row gives."
    yield on_study(study, _CHECK, "parts")(
        verdict,
        text,
        reported=named,
        recomputed=None if total is None else f"{total:,} in all",
        source=next((study.source(name) for name in _PARTS if study.source(name)), None),
    )


def counts(study: Study) -> Iterator[Finding]:
    """Check the parts of a split against the whole, patients against images, n against both."""
    yield from _parts(study)
    images, patients = study.n_images, study.n_patients
    if images is not None and patients is not None:
        fits = patients <= images
        yield on_study(study, _CHECK, "patients")(
            CONSISTENT if fits else SUSPICIOUS,
            f"{images:,} images of {patients:,} patients"
            + ("." if fits else ": a patient without an image."),
            reported=f"{patients:,} patients",
            recomputed=f"{images:,} images",
            source=study.source("n_patients"),
        )
    if study.cv_folds is not None and study.total is not None:
        fits = study.cv_folds <= study.total
        yield on_study(study, _CHECK, "folds")(
            CONSISTENT if fits else INCONSISTENT,
            f"{plural(study.cv_folds, 'fold')} of {study.total:,} {study.split_unit}.",
            reported=plural(study.cv_folds, "fold"),
            recomputed=f"at most {study.total:,}",
            source=study.source("cv_folds"),
        )
    for metric in study.metrics:
        if metric.n is None:
            continue
        most = max((n for n in (images, patients) if n is not None), default=None)
        if most is not None and images is not None and metric.n > most:
            limit, of = most, f"more than the {most:,} that the study has in all"
        elif metric.split == "test" and study.n_test is not None and metric.n > study.n_test:
            limit = study.n_test
            of = f"and the test set has {limit:,} {study.split_unit or 'cases'}"
        else:
            continue
        yield on_study(study, _CHECK, metric)(
            SUSPICIOUS,
            f"Rests on {metric.n:,} cases, {of}; they may be of another kind.",
            reported=f"n = {metric.n:,}",
            recomputed=f"at most {limit:,}",
        )
