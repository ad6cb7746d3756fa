"""The ledger as a person reads it: what the study reports, then what was assumed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from db.wording import capital, plural
from medtl_meta.cli.prose import paragraph
from medtl_meta.cli.terminal import secho
from replicate.terms import shown

#: What the ledger says of a setting that somebody asked for.
CHOSEN = "chosen on the command line"

#: A line of a ledger: ``name``, ``value``, ``mark``, ``reason``, and as far as known ``origin``,
#: ``departs`` and ``implied``; see ``replicate.spec.LedgerLine``.
Line = Mapping[str, Any]


def is_chosen(line: Line) -> bool:
    """Tell whether the caller named this very setting."""
    return line.get("origin") == "chosen" and not line.get("implied")


def summary(lines: Sequence[Line], study: str | None) -> str:
    """Return how many settings are backed by what.

    Where nothing is reported, what somebody asked for is told from what was filled in. Beside
    reported settings both are assumed, and so counted.
    """
    reported = sum(line["mark"] == "reported" for line in lines)
    assumed = len(lines) - reported
    if reported:
        return f"{plural(reported, 'setting')} reported, {assumed} assumed"
    chosen = sum(map(is_chosen, lines))
    parts = ["0 settings reported"] if study is not None else []
    parts += [f"{chosen} {CHOSEN}"] if chosen else []
    return ", ".join([*parts, f"{assumed - chosen} assumed"])


def write_ledger(lines: Iterable[Line]) -> None:
    """Write settings to stdout, those first that a reader has to know.

    Reported ones come first. Of the assumed ones those lead that depart from what is reported, then
    those that were asked for, those of the setup and the images, the house defaults, and at the
    end what only the run finds out. Those of one group that say the same share a line.
    """
    lines = list(lines)
    free = not any(line["mark"] == "reported" for line in lines)
    titles = ("Reported", capital(CHOSEN), "Assumed")
    for title in titles:
        found = [line for line in lines if _title(line, free, titles) == title]
        if not found:
            continue
        secho(f"  {title} ({len(found)})", bold=True)
        if title != titles[0]:
            found.sort(key=_rank)
        for together in _alike(found):
            first = together[0]
            names = [first["name"], *(_short(line, first) for line in together[1:])]
            text = f"{', '.join(names)}: {shown(first['value'])}"
            paragraph(f"{text} — {first['reason']}" if first["reason"] else text, 4, 6)


def _title(line: Line, free: bool, titles: Sequence[str]) -> str:
    """Return under which title a setting stands; see :func:`summary`."""
    if line["mark"] == "reported":
        return titles[0]
    return titles[1] if free and is_chosen(line) else titles[2]


def _rank(line: Line) -> int:
    origin = line.get("origin")
    if line.get("departs"):
        return 0
    if origin == "chosen":
        return 1
    if origin == "found" and line["value"] is None:
        return 4
    return 3 if origin == "house" and _group(line) != "data" else 2


def _alike(lines: Sequence[Line]) -> list[list[Line]]:
    """Bring together what has the same to say of settings of one group."""
    found: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        same = (_group(line), shown(line["value"]), line["reason"])
        found.setdefault(same, []).append(line)
    return list(found.values())


def _group(line: Line) -> str:
    return str(line["name"]).rpartition(".")[0]


def _short(line: Line, first: Line) -> str:
    group = _group(first)
    return str(line["name"])[len(group) :] if group else str(line["name"])
