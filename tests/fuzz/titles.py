"""Hostile titles, authors, journals, notes and sources through every writer and back.

Each text becomes a study; thirty at a time go into a database, on SQLite and on a server in turn where
there is one, and out of it in all formats. An attempt is one text in one format: both readers of
the format must give back what was added, and the two databases the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from db.database import Database, open_database
from db.export import export
from db.user import add_studies, check_files
from tests.conftest import POSTGRES, server_database
from tests.fuzz.outcome import Outcome, judge
from tests.hostile import READERS, blanks, study, titles, unformula

_BATCH = 30


def _same(form: str, wanted: str, found: str | None) -> bool:
    if found is None:
        return False
    if form == "csv":
        return unformula(found) == wanted
    if form == "ris":  # one line a field
        return found == " ".join(wanted.splitlines())
    return blanks(found) == blanks(wanted) if form == "bibtex" else found == wanted


def _batch(base: Database, texts: dict[str, str], out: Path) -> Iterator[Outcome]:
    """Add studies, export them, read each export twice, and yield what came of each text."""
    path = out.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(study(*one)) + "\n" for one in texts.items()))
    for call in (
        lambda: check_files([path]),
        lambda: add_studies(base, [path], replace=True),
        lambda: export(base, out),
    ):
        done = judge(f"{len(texts)} texts: {list(texts.values())!r}", call, 30)
        if done.kind != "answered":
            kind = "lost" if done.kind == "refused" else done.kind
            yield from (Outcome(kind, repr(text), done.seen) for text in texts.values())
            return
    for form, readers in READERS.items():
        read = {name: read(out) for name, read in readers.items() if name not in _missing()}
        for key, text in texts.items():
            wrong = {name: got.get(key) for name, got in read.items()
                     if not _same(form, text, got.get(key))}  # fmt: skip
            yield Outcome("lost" if wrong else "answered", f"{form}: {text!r}", repr(wrong))


def _missing() -> set[str]:
    return {name for name in ("bibtexparser", "rispy", "pybtex") if find_spec(name) is None}


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield what came of texts by formats, on the databases that there are."""
    with ExitStack() as stack:
        places = [str(folder / "titles.sqlite")]
        if POSTGRES:
            places.append(stack.enter_context(server_database()))
        bases = [stack.enter_context(open_database(place)) for place in places]
        drawn, number = titles(seed), 0
        while True:
            texts = {f"hostile{place}": text
                     for place, text in enumerate(islice(drawn, _BATCH))}  # fmt: skip
            number += len(texts)
            outs = [folder / f"{number}-{place}" for place in range(len(bases))]
            for base, out in zip(bases, outs, strict=True):
                yield from _batch(base, texts, out)
            if len(bases) > 1 and outs[0].exists() and outs[1].exists():
                names = sorted(path.relative_to(outs[0]) for path in outs[0].rglob("*.*"))
                differ = [str(name) for name in names
                          if (outs[0] / name).read_bytes() != (outs[1] / name).read_bytes()]  # fmt: skip
                yield Outcome(
                    "differs" if differ else "answered", f"batch to {number}", str(differ)
                )
