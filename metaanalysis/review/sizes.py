"""Studies by data size (the review's Figure 5c), and the review's rule for what size means.

The review counts the patients of studies in CT, MRI and microscopy and the images of all others
(it says so of its Figure 6). A study whose number of the kind that the rule asks for is not known
has no size: images never stand in for patients, nor patients for images.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from db.database import Database
from db.vocabulary import COUNTED_BY_PATIENT
from db.wording import listed
from metaanalysis import query
from metaanalysis.review.curated import Recount, curated
from metaanalysis.review.statements import Majority

#: So many empty bins in a row end the part of the axis that is drawn bin by bin.
GAP = 3

#: Reasons why a study has no size by the rule.
ONLY_IMAGES = "patients count, and only the number of images is known"
ONLY_PATIENTS = "images count, and only the number of patients is known"
NEITHER = "neither number of images nor of patients is known"
NO_MODALITY = "modality not known, so it is open what to count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes(Recount):
    """Studies in bins of data size.

    Attributes
    ----------
    table
        One row a study with a size: ``key, ref, modality, counted, size, bin_from, bin_to,
        position``. A bin holds the sizes above `bin_from` up to and including `bin_to`; the last
        one is open (`bin_to` missing). `position` counts from 1 within a bin, by size.
    bin_width
        Of all bins but the last; the review's.
    overflow_from
        Where the open bin starts.
    excluded
        Reason -> number of curated studies without a size.
    statement
        What the review says of the sizes (reported).
    first_bin
        The counts that speak to that statement.
    """

    bin_width: int
    overflow_from: int
    excluded: dict[str, int]
    statement: str
    first_bin: Majority


def size_rule() -> str:
    """Return in words what is counted: patients of some modalities, images of all others."""
    return f"patients for {listed(COUNTED_BY_PATIENT)}, images otherwise"


def with_size(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the data size by the review's rule.

    Parameters
    ----------
    frame
        With columns ``modality, n_images, n_patients``.

    Returns
    -------
    pandas.DataFrame
        A copy with ``counted`` (``patients``, ``images``, None where the modality is unknown),
        ``size`` (missing where unknown) and ``no_size`` (the reason, None where there is a size).
    """
    named, by_patient = frame["modality"].notna(), frame["modality"].isin(COUNTED_BY_PATIENT)
    size = frame["n_patients"].where(by_patient, frame["n_images"]).where(named)
    other = frame["n_images"].where(by_patient, frame["n_patients"])
    unit = pd.Series("images", frame.index, dtype="object").mask(by_patient, "patients")
    reason = pd.Series(ONLY_PATIENTS, frame.index, dtype="object").mask(by_patient, ONLY_IMAGES)
    reason = reason.mask(other.isna(), NEITHER).mask(~named, NO_MODALITY)
    return frame.assign(
        counted=unit.where(named, None),
        size=size.astype("Int64"),
        no_size=reason.where(size.isna(), None),
    )


def overflow_start(bins: set[int], width: int, gap: int = GAP) -> int:
    """Return the size above which studies share one open bin.

    Parameters
    ----------
    bins
        Indices of the bins that hold a study (0 is the first).
    width
        Of a bin.
    gap
        So many empty bins in a row end the part that is drawn bin by bin.

    Returns
    -------
    int
        The upper end of the last bin before the first such gap.
    """
    last = -1
    for index in sorted(bins):
        if index - last > gap:
            break
        last = index
    return (last + 1) * width


def bin_studies(frame: pd.DataFrame, width: int) -> tuple[pd.DataFrame, int]:
    """Put the studies with a size into bins of `width` and one open bin; return also its start."""
    known = frame.dropna(subset=["size"]).copy()
    # A bin includes its upper end, so that the first is "0 to 600", as the review writes.
    index = (known["size"].astype(int) - 1).clip(lower=0) // width
    start = overflow_start(set(index), width)
    known["bin_from"] = (index * width).clip(upper=start).astype("Int64")
    known["bin_to"] = (known["bin_from"] + width).where(known["bin_from"] < start)
    known = known.sort_values(["size", "ref"], kind="stable")
    known["position"] = known.groupby("bin_from").cumcount() + 1
    return known.sort_values(["bin_from", "position"]).reset_index(drop=True), start


def sizes(database: Database) -> Sizes:
    """Put the curated studies into the review's bins of data size."""
    facts = query.review_facts(database, "figure_5")
    width = int(facts["bin_width"])
    frame = with_size(curated(database, ["key", "ref", "modality", "n_images", "n_patients"]))
    binned, start = bin_studies(frame, width)
    reasons = frame["no_size"].dropna().value_counts()
    coverage = query.coverage(database)
    first = int(((binned["bin_from"] == 0) & binned["bin_to"].notna()).sum())
    columns = ["key", "ref", "modality", "counted", "size", "bin_from", "bin_to", "position"]
    return Sizes(
        table=binned[columns],
        bin_width=width,
        overflow_from=start,
        counted=len(binned),
        unknown=len(frame) - len(binned),
        excluded={str(reason): int(count) for reason, count in reasons.items()},
        statement=facts["c"],
        first_bin=Majority(first, len(binned), coverage.reviewed),
        coverage=coverage,
    )
