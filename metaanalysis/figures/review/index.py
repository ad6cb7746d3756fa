"""A page that shows all figures of a folder, for whoever opens the folder and wants to look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from db import __version__
from db.files import replace_file
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.page import attribute, page, shown

_STYLE = """
body { font: 15px/1.5 "Liberation Sans", Arial, Helvetica, sans-serif; color: #1f2933;
       max-width: 60rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } nav { columns: 2; margin-bottom: 2rem; } nav a { display: block; }
a { color: #1f6f8b; } figure { margin: 0 0 3rem; border-top: 1px solid #cbd2d9; padding-top: 1rem; }
img { max-width: 100%; height: auto; } figcaption { color: #616e7c; }
"""


def _label(stem: str) -> str:
    kind, _, name = stem.partition("-")
    return f"{kind.capitalize()} {name.upper() if kind == 'appendix' else name}"


def write_index(folder: Path, figures: Sequence[tuple[str, Figure]], forms: Sequence[str]) -> Path:
    """Write ``index.html`` beside the figures; it points at their files and needs no network.

    Parameters
    ----------
    folder
        Where the figures were written.
    figures
        What each shows in a line, and the figure.
    forms
        The formats that were written; ``svg`` or ``png`` must be one of them.
    """
    image = "svg" if "svg" in forms else "png"
    contents, parts = [], []
    for what, figure in figures:
        stem, label = attribute(figure.stem), shown(f"{_label(figure.stem)}: {what}")
        contents.append(f'<a href="#{stem}">{label}</a>')
        links = ", ".join(f'<a href="{stem}.{form}">{form}</a>' for form in forms)
        parts.append(
            f'<figure id="{stem}"><img src="{stem}.{image}" alt="{attribute(figure.title)}">'
            f"<figcaption>{label} ({links})</figcaption></figure>"
        )
    title = "The review's figures, redrawn"
    body = (
        f"<h1>{title}</h1>\n"
        "<p>Kim et al., Transfer learning for medical image classification: a literature review, "
        '<a href="https://doi.org/10.1186/s12880-022-00793-7">BMC Med Imaging 2022;22:69</a> '
        f"(CC BY 4.0). Drawn by medtl-meta {__version__}.</p>\n<nav>\n"
        + "\n".join(contents)
        + "\n</nav>\n"
        + "\n".join(parts)
    )
    target = folder / "index.html"
    replace_file(target, page(title, body, _STYLE, images="'self'").encode())
    return target
