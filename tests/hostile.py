"""Text that writers and readers stumble over, and formats read by programs that are not ours."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from csv import DictReader
from itertools import chain, count
from pathlib import Path
from typing import Any

from db.plain import sign_fault

#: Titles that took an export down, or might.
TITLES = (
    "A set {a, b", "a, b} of sets", "}{", "{", "}", "{}", "{{nested} one}", "{{{", "a } b { c",
    "\\", "\\\\", "\\{", "\\}", "\\end{document}", "\\input{/etc/passwd}", "C:\\new\\table",
    "ends with \\", "{\\\"o} and \\'e", "\\textbackslash{}", "\\textbraceleft{}", "a\\ b", "{\\",
    "@", "@article{x, title={y}}", "@comment{", "@string{a=1}", "@preamble{\"x\"}", "x @inproceedings{",
    "%", "50 % of cases", "% comment", "#1", "a # b", "& co", "&amp; &lt;b&gt;", "$x^2$", "$", "~", "^",
    "x_1", "_", "a~b^c_d", "\"", "\"quoted\"", "'", "''", "``x''", "`", "--", "---", "a -- b", "?`", "!`",
    "<script>alert(1)</script>", "<<x>>", ",,", ",", ";", "a,b;c\td".replace("\t", " "), "= {x},",
    "=1+1", "=cmd|' /C calc'!A0", "+1", "+A1", "-1", "-2+3", "-A1", "@SUM(A1)", "'=1", "''=1", "'", "'a",
    "1e400", "-1e5", "NaN", "NULL", "None", "true", "0012", "[]", "{\"a\": 1}", "\\N", "\\u0041",
    "and", "Foo and Bar", "others", "et al", "A AND B", "van der Berg", "Jr",
    "ER  -", "ER  - x", "TY  - JOUR", "x ER  - y", "TI  - again", "--help", "-n",
    "'; DROP TABLE study; --", ":name", "%(x)s", "{0}", "%s", "{title}", "${x}", "`id`", "$(id)",
    "\u202egnitfel\u202c", "\u200f\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627 {x",
    "\u2066x\u2069", "zero\u200bwidth", "joined\u200d", "\ufeffmarked", "soft\u00adhyphen",
    "\U0001f9e0 brain", "\U0001d54f {", "\U00020000\U0002ffff", "e\u0301 and \u00e9", "\ufffd", "\uffff",
    "\u0130stanbul", "\u00df", "\ufb01", "\u4e2d\u6587\u6807\u9898", "\u2013 dash \u2014", "\u00a9\u2122",
    "two  blanks", "a line\u2028of its own\u2029ER  - ", "no\u00a0break", "wide\u3000blank", "thin\u2009blank", "\uff1d1+1", "\uff0bx", "\uff20x",
    "x" * 5000, "{" * 300, "\\" * 300, "@" * 300, "word " * 500 + "end", "a{b}" * 100,
)  # fmt: skip

_PIECES = (*(title for title in TITLES if len(title) < 40), " ", "a", "CNN", "OCT images", "-", "é")


def titles(seed: int) -> Iterator[str]:
    """Yield the titles above, then endlessly such as are put together of them."""
    draw = random.Random(seed)
    made = ("".join(draw.choices(_PIECES, k=draw.randint(2, 8))).strip() for _ in count())
    for text in chain(TITLES, made):
        if text and sign_fault(text) is None:  # what check lets in
            yield unicodedata.normalize("NFC", text)


def study(key: str, text: str) -> dict[str, Any]:
    """Return a study of which all that is free text is this text."""
    told = {"basis": "abstract", "source": text, "note": text}
    return {
        "key": key,
        "citation": {
            "authors": text,
            "title": text,
            "journal": text,
            "volume": text[:200].strip(),
            "year": 2024,
        },
        "values": {
            "modality": {"value": "OCT", **told},
            "subject": {"value": "sense organs", **told},
            "task": {"value": text, **told, "confirmed_by": [text]},
        },
        "other_disagreements": {"n_images": [{"value": text, "source": text, "note": text}]},
        "datasets": [{"name": text, "basis": "abstract", "source": text}],
        "metrics": [
            {"metric": "accuracy", "value": 0.5, "task": text, "basis": "abstract", "source": text}
        ],
        "notes": {"general": text, "data": text, "tl": text},
    }


_LATEX = re.compile(r"\\(textbackslash|textasciitilde|textasciicircum|textbraceleft|textbraceright)"
                    r"\{\}|\\([%#&$_{}])|\{\}|[{}]")  # fmt: skip
_WORDS = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbraceleft": "{",
          "textbraceright": "}"}  # fmt: skip


def printed(latex: str) -> str:
    """Return what LaTeX prints of a field."""
    return _LATEX.sub(lambda found: _WORDS.get(found[1] or "", found[2] or ""), latex)


def blanks(text: str) -> str:
    """Return text with each run of blanks as one: BibTeX tells no more of them."""
    return " ".join(text.split())


def _pybtex(folder: Path) -> dict[str, str]:
    from pybtex.database import parse_file

    entries = parse_file(str(folder / "studies.bib"), "bibtex").entries
    return {key: printed(entry.fields["title"]) for key, entry in entries.items()}


def _bibtexparser(folder: Path) -> dict[str, str]:
    import bibtexparser

    text = (folder / "studies.bib").read_text(encoding="utf-8")
    return {entry["ID"]: printed(entry["title"]) for entry in bibtexparser.loads(text).entries}


def _rispy(folder: Path) -> dict[str, str]:
    import rispy

    text = (folder / "studies.ris").read_text(encoding="utf-8")
    return {entry["id"]: entry["title"] for entry in rispy.loads(text)}


def _ris_lines(folder: Path) -> dict[str, str]:
    found = {}
    for record in (folder / "studies.ris").read_text(encoding="utf-8").split("ER  - \n"):
        tags = dict(line.split("  - ", 1) for line in record.splitlines() if line)
        if tags:
            found[tags["ID"]] = tags["TI"]
    return found


def _csv(folder: Path) -> dict[str, str]:
    with (folder / "csv" / "study.csv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: row["title"] for row in DictReader(file)}


def _csv_pandas(folder: Path) -> dict[str, str]:
    import pandas as pd

    frame = pd.read_csv(folder / "csv" / "study.csv", dtype=str, keep_default_na=False)
    return dict(zip(frame["key"], frame["title"], strict=True))


def _json(folder: Path) -> dict[str, str]:
    lines = (folder / "studies.jsonl").read_bytes().split(b"\n")
    return {one["key"]: one["citation"]["title"] for one in map(json.loads, filter(None, lines))}


def _json_pandas(folder: Path) -> dict[str, str]:
    import pandas as pd

    frame = pd.read_json(folder / "studies.jsonl", lines=True, dtype=False)
    return {key: one["title"] for key, one in zip(frame["key"], frame["citation"], strict=True)}


def _sqlite(folder: Path) -> dict[str, str]:
    connection = sqlite3.connect(folder / "medtl-meta.sqlite")
    try:
        return dict(connection.execute("SELECT key, title FROM study"))
    finally:
        connection.close()


def _sqlite_ours(folder: Path) -> dict[str, str]:
    from db.database import open_database
    from db.literature import read_studies

    with open_database(folder / "medtl-meta.sqlite") as base:
        return {key: study.title for key, study in read_studies(base).items()}


#: Two readers of each format, which return titles by key.
READERS: dict[str, dict[str, Callable[[Path], dict[str, str]]]] = {
    "bibtex": {"pybtex": _pybtex, "bibtexparser": _bibtexparser},
    "ris": {"rispy": _rispy, "by line": _ris_lines},
    "csv": {"csv": _csv, "pandas": _csv_pandas},
    "json": {"json": _json, "pandas": _json_pandas},
    "sqlite": {"sqlite3": _sqlite, "medtl-meta": _sqlite_ours},
}


def unformula(cell: str) -> str:
    """Take back what keeps a spreadsheet from running a cell, as the codebook says."""
    return cell[1:] if re.match(r"'+[=+\-@\t\r\n＝＋－＠]", cell) else cell
