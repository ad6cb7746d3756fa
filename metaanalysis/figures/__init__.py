"""The review's figures, redrawn from the database. The only package that knows Altair."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from db.vocabulary import Lexicon

if TYPE_CHECKING:
    from db.database import Database
    from metaanalysis.figures.kit.base import Figure

#: Formats in which a figure is written.
FORMATS = ("html", "svg", "png", "csv")

#: Name -> (module, what it shows). Static, so that the command line can list it without Altair.
FIGURES: dict[str, tuple[str, str]] = {
    "2": ("concepts", "the four TL approaches, drawn"),
    "3": ("prisma", "the PRISMA flow of the review"),
    "4a": ("years", "studies by year of publication"),
    "4b": ("bars", "studies by backbone, reported and curated"),
    "4c": ("bars", "studies by TL type, reported and curated"),
    "5a": ("subjects", "studies by anatomical subject and imaging modality"),
    "5b": ("classes", "studies by number of classes"),
    "5c": ("sizes", "studies by data size, bins of 600"),
    "6a": ("performance", "AUC against data size per class, by TL type and modality"),
    "6b": ("performance", "accuracy against data size per class, by TL type and modality"),
    "6c": ("performance", "AUC against data size per class, by backbone"),
    "6d": ("performance", "accuracy against data size per class, by backbone"),
    "table-1": ("table1", "the review's table of backbones"),
    "appendix-b": ("overview", "studies by modality, subject and TL type"),
    "appendix-c": ("datasets", "public medical image data sets by modality and task"),
}


def figure_names() -> Lexicon:
    """Return the names of the figures with the words that people use for them."""
    synonyms = {f"figure {name}": name for name in FIGURES}
    synonyms |= {f"fig {name}": name for name in FIGURES}
    synonyms |= {
        "table1": "table-1",
        "prisma": "3",
        "overview": "appendix-b",
        "datasets": "appendix-c",
    }
    return Lexicon("figure", FIGURES, synonyms)


def figure(name: str, database: Database | None = None) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    name
        A name out of :data:`FIGURES`, such as ``"4b"``.
    database
        An open database; None opens the default one.

    Raises
    ------
    UnknownTermError
        There is no such figure; names the nearest.

    Examples
    --------
    >>> figure("4b").data.loc[0, "reported"]
    57
    """
    known = figure_names().resolve(str(name))
    module = import_module(f"metaanalysis.figures.review.{FIGURES[known][0]}")
    kind = "" if known.startswith(("table", "appendix")) else "figure_"
    draw: Callable[[Database], Figure] = getattr(module, f"{kind}{known}".replace("-", "_"))
    if database is not None:
        return draw(database)
    from db.database import open_database

    with open_database() as opened:
        return draw(opened)
