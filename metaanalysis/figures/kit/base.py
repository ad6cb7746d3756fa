"""A finished figure: the chart, exactly the data that it draws, and how it is written."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from db import __version__
from db.csvfiles import safe
from db.errors import MedtlError
from db.files import advice, replace_file
from metaanalysis.figures import FORMATS
from metaanalysis.figures.kit.page import drawable, figure_page
from metaanalysis.figures.kit.theme import compose

#: Pixels per drawn pixel of a PNG: sharp on a projector and in print.
PNG_SCALE = 2.0

SOURCE = "Source: Kim et al., BMC Med Imaging 2022;22:69 (CC BY 4.0)"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name
        Short name, such as ``4b``.
    title
        What it says.
    chart
        The Altair chart, complete with title and small print.
    data
        Exactly what is drawn, one row a mark; what the CSV holds.
    beside
        Tables and statements that stand beside the marks, or what is left out of them, by a short
        name; each becomes a CSV of its own.
    """

    name: str
    title: str
    chart: alt.VConcatChart
    data: pd.DataFrame
    beside: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Return the name of the figure's files, without ending."""
        kind = "" if self.name.startswith(("table", "appendix")) else "figure-"
        return f"{kind}{self.name}"

    def rendered(self, form: str) -> bytes:
        """Return the figure in one of ``figures.FORMATS``; the HTML needs no network."""
        if form == "csv":
            return _csv(self.data)
        import vl_convert as vlc

        spec = drawable(self.chart.to_dict())
        match form:
            case "png":
                return bytes(vlc.vegalite_to_png(spec, scale=PNG_SCALE, allowed_base_urls=[]))
            case "svg":
                return str(vlc.vegalite_to_svg(spec, allowed_base_urls=[])).encode()
            case "html":
                return figure_page(self.title, spec).encode()
        raise ValueError(f"unknown format {form!r}")

    def save(self, folder: Path, forms: tuple[str, ...] = FORMATS) -> list[Path]:
        """Write the figure into a folder; each file appears whole or not at all.

        Raises
        ------
        MedtlError
            The folder cannot be made or written to.
        """
        written = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for form in forms:
                target = folder / f"{self.stem}.{form}"
                replace_file(target, self.rendered(form))
                written.append(target)
            for name, table in self.beside.items() if "csv" in forms else ():
                target = folder / f"{self.stem}-{name}.csv"
                replace_file(target, _csv(table))
                written.append(target)
        except OSError as error:
            raise MedtlError(
                f"{folder}: cannot be written ({error.strerror or error}).",
                advice(error),
            ) from None
        return written

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> Any:
        return self.chart._repr_mimebundle_(*args, **kwargs)


def _csv(table: pd.DataFrame) -> bytes:
    texts = table.select_dtypes(exclude=["number", "bool", "datetime"])
    table = table.assign(**{name: texts[name].map(safe) for name in texts})
    table = table.rename(columns=safe)
    return bytes(table.to_csv(index=False, lineterminator="\n").encode())


def finish(
    name: str,
    title: str,
    subtitle: str | list[str],
    body: Any,
    data: pd.DataFrame,
    notes: list[str],
    data_hash: str | None,
    *,
    line_length: int = 118,
    beside: Mapping[str, pd.DataFrame] | None = None,
    source: str = SOURCE,
) -> Figure:
    """Complete a figure with title and small print.

    Parameters
    ----------
    name, title, subtitle, body, data
        As of :class:`Figure` and :func:`metaanalysis.figures.kit.theme.compose`.
    notes
        Sentences under the figure: n, what was left out and why.
    data_hash
        Hash of the packaged data that the numbers come from; None where they come from a table
        of somebody's own, to which the review is no source.
    beside
        As of :class:`Figure`.
    source
        What the small print names as the source.
    """
    lines = [line for note in notes for line in textwrap.wrap(note, line_length)]
    made = f"medtl-meta {__version__}"
    lines.append(f"{source}. {made}, data {data_hash}." if data_hash else f"{made}.")
    return Figure(name, title, compose(body, title, subtitle, lines), data, beside or {})
