"""A contest's answer on the disk: its summary, its pairs, and a figure for each kind of cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.files import replace_file
from replicate.contest.answer import Summary, compared_rows, tl_type_words
from replicate.contest.rows import COMPARISONS, SUMMARY, unwritable, write

if TYPE_CHECKING:
    from metaanalysis.figures.runs.contest import Cost


def write_answer(
    summary: Summary, rows: Sequence[Mapping[str, Any]], folder: Path, formats: Sequence[str]
) -> list[Path]:
    """Write the summary and draw its figures; return the files.

    Parameters
    ----------
    rows
        Of the contest: they say how far each TL type unfroze.
    folder
        Made if it does not exist.
    formats
        Of the figures, out of ``html``, ``svg``, ``png`` and ``csv``.

    Raises
    ------
    MedtlError
        The folder cannot be written to.
    """
    from metaanalysis.figures.runs.contest import contest as figure

    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(summary.to_dict(), indent=2, ensure_ascii=False)
        replace_file(folder / SUMMARY, text.encode())
    except OSError as error:
        raise unwritable(folder, error) from None
    written = [folder / SUMMARY]
    if pairs := compared_rows(summary.comparisons):
        write(pairs, folder / COMPARISONS, pairs[0])
        written.append(folder / COMPARISONS)
    partial = [words for name, words in tl_type_words(rows).items() if words != name]
    notes = [*summary.notes, *([f"Unfrozen by {', '.join(partial)}."] if partial else [])]
    costs: dict[Cost, str] = {
        "seconds": "contest-time",
        "trained_parameters": "contest-parameters",
    }
    for cost, name in costs.items():
        drawn = figure(
            summary.methods,
            summary.points,
            metric=summary.metric,
            phantom=summary.phantom,
            notes=notes,
            cost=cost,
            name=name,
        )
        written += drawn.save(folder, tuple(formats))
    return written
