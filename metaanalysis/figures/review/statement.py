"""What the review says in words, set beside what the curated studies say to it."""

from __future__ import annotations

import textwrap
from typing import Any

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.diagram import words
from metaanalysis.review.statements import Majority

_LINE = 19


def verdict(counts: Majority, what: str) -> str:
    """Return in words whether most studies are of a kind, whatever the unknown ones are.

    Parameters
    ----------
    counts
        The counts that speak to the statement.
    what
        What makes a study one of the kind, such as "have 2 classes".
    """
    share = f"{counts.count} of {counts.known} ({counts.share:.0%}) {what}"
    of_all = f"of the review's {counts.total} studies"
    match counts.verdict:
        case "holds":
            return f"{share}: a majority {of_all}, whatever the other {counts.unknown} are."
        case "open":
            return (
                f"{share}: not decided. For a majority {of_all}, {counts.missing} of the other "
                f"{counts.unknown} would have to as well."
            )
    return f"{share}: no majority {of_all}, whatever the other {counts.unknown} are."


def side_by_side(
    reported: str, curated: str, *, left: float, top: float, width: int = 48
) -> alt.LayerChart:
    """Return a text layer: the review's statement, and the curated counts, each by its name.

    Parameters
    ----------
    reported
        What the review says.
    curated
        What the curated studies say.
    left, top
        Place of the first line in the drawing, in pixels.
    width
        Of a line, in characters.
    """
    layers: list[alt.Chart] = []
    for kind, said, colour in (
        ("reported", reported, theme.MUTED),
        ("curated", curated, theme.CURATED),
    ):
        look: dict[str, Any] = {"fontSize": 13, "lineHeight": _LINE}
        wrapped = textwrap.wrap(said, width)
        layers.append(words([(left, top, kind)], fontWeight="bold", color=colour, **look))
        layers.append(words([(left + 70, top, "\n".join(wrapped))], **look))
        top += _LINE * (len(wrapped) + 1)
    return alt.LayerChart(layer=layers)


def statement_table(statement: str, said: str) -> pd.DataFrame:
    """Return what stands beside the marks: the review's statement, and what the studies say."""
    return pd.DataFrame({"kind": ["reported", "curated"], "statement": [statement, said]})
