"""Studies as references: BibTeX and RIS, for any text that a study may hold."""

from __future__ import annotations

import re
from urllib.parse import quote

from db.literature import Study

_INITIALS = re.compile(r"^(?P<last>.+?)(?: (?P<initials>[A-Z]{1,4}(?:-[A-Z])?))?$", re.DOTALL)


def authors_of(text: str) -> tuple[list[tuple[str, str]], bool]:
    """Split ``Karri SPK, Chatterjee J, et al`` into names; tell whether there are more."""
    names, more = [], False
    for part in (part.strip() for part in text.split(",")):
        if part.rstrip(".").lower() in ("et al", "and others"):
            more = True
        elif part:
            found = _INITIALS.match(part)
            last, initials = (found["last"], found["initials"] or "") if found else (part, "")
            names.append((last, " ".join(f"{letter}." for letter in initials if letter.isalpha())))
    return names, more


def issue_of(volume: str | None) -> tuple[str | None, str | None]:
    """Split ``15(3 Pt B)`` into volume and issue."""
    found = re.fullmatch(r"([^()]+)\((.+)\)", volume or "")
    return (found[1].strip(), found[2]) if found else (volume, None)


def _one_line(text: str) -> str:
    """Return text on one line: neither format has a way to write a line break into a field."""
    return " ".join(text.splitlines())


#: What LaTeX would not print as it stands.
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "%#&$_{}"},
}
#: BibTeX counts braces even behind a backslash; those that do not pair are written as words.
_LONE_BRACES = {"{": r"\textbraceleft{}", "}": r"\textbraceright{}"}
#: Two signs of which LaTeX makes one.
_LIGATURE = re.compile(r"([-`'<>,])(?=\1)|[?!](?=`)")


def _braces_pair(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            return False
    return depth == 0


def latex(text: str) -> str:
    """Return text such that LaTeX prints it as it is, on one line."""
    line = _one_line(text)
    signs = _LATEX if _braces_pair(line) else {**_LATEX, **_LONE_BRACES}
    split = _LIGATURE.sub("\\g<0>\0", line)
    return "".join(signs.get(sign, sign) for sign in split).replace("\0", "{}")


def _verbatim(text: str) -> str:
    """Return an address, which is not for LaTeX to read; what would end the field is encoded."""
    return re.sub(r"[{}\\\s]", lambda found: quote(found[0]), text)


def _bibtex_name(last: str, first: str) -> str:
    """Return a name; one that BibTeX would take apart is held together by braces."""
    whole = re.search(r"\s", last) if not first else re.search(r"(?i)\band\b", last)
    held = f"{{{latex(last)}}}" if whole or last == "others" else latex(last)
    return f"{held}, {first}" if first else held


def bibtex(study: Study) -> str:
    """Return a study as a BibTeX entry."""
    names, more = authors_of(study.authors)
    persons = [_bibtex_name(*name) for name in names] + ["others"] * more
    volume, issue = issue_of(study.volume)
    pages = re.sub(r"(?<=\d)-(?=\d)", "\u2013", study.pages or "")
    fields = {
        "author": " and ".join(persons),
        "title": f"{{{latex(study.title)}}}",  # braces: a style must not lower CNN to cnn
        "year": str(study.year),
        "journal": latex(study.journal or ""),
        "volume": latex(volume or ""),
        "number": latex(issue or ""),
        "pages": latex(pages).replace("\u2013", "--"),
        "doi": _verbatim(study.doi or ""),
        "url": _verbatim(study.url or ""),
        "pmid": latex(study.pmid or ""),
        "note": f"Reference {study.ref} of Kim et al. 2022" if study.ref else "",
    }
    lines = (f",\n    {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@article{{{study.key}{''.join(lines)}\n}}\n\n"


def ris(study: Study) -> str:
    """Return a study as a RIS record."""
    names, _ = authors_of(study.authors)
    first, _, last = (study.pages or "").partition("-")
    if first.isdigit() and last.isdigit() and len(last) < len(first):
        last = first[: len(first) - len(last)] + last  # 1257-65 is short for 1257-1265
    volume, issue = issue_of(study.volume)
    fields = [
        ("TY", "JOUR"),
        ("ID", study.key),
        *(("AU", f"{name}, {initials}" if initials else name) for name, initials in names),
        ("TI", study.title),
        ("JO", study.journal),
        ("PY", str(study.year)),
        ("VL", volume),
        ("IS", issue),
        ("SP", first),
        ("EP", last),
        ("DO", study.doi),
        ("AN", study.pmid),
        ("UR", study.url),
    ]
    lines = (f"{tag}  - {_one_line(value)}\n" for tag, value in fields if value)
    return f"{''.join(lines)}ER  - \n\n"
