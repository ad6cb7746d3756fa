"""What the review says in words, set beside what the curated studies say to it."""

from __future__ import annotations

import textwrap

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.diagram import down
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
    lines = []
    for kind, text in (("reported", reported), ("curated", curated)):
        wrapped = textwrap.wrap(text, width)
        head = [kind, *[""] * (len(wrapped) - 1)]
        lines += [{"kind": kind, "head": h, "line": t} for h, t in zip(head, wrapped, strict=True)]
        lines.append({"kind": kind, "head": "", "line": ""})
    frame = pd.DataFrame(lines).assign(y=lambda table: top + _LINE * table.index)
    base = alt.Chart(frame).encode(y=down())
    colour = alt.condition(
        "datum.kind === 'reported'", alt.value(theme.MUTED), alt.value(theme.CURATED)
    )
    heads = base.mark_text(align="left", fontSize=13, fontWeight="bold").encode(
        x=alt.value(left), text="head:N", color=colour
    )
    texts = base.mark_text(align="left", fontSize=13).encode(x=alt.value(left + 70), text="line:N")
    return heads + texts


def statement_table(statement: str, said: str) -> pd.DataFrame:
    """Return what stands beside the marks: the review's statement, and what the studies say."""
    return pd.DataFrame({"kind": ["reported", "curated"], "statement": [statement, said]})
