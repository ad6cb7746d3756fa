"""The ledger as a person reads it: what the study reports, then what was assumed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from medtl_meta.cli.prose import counted, paragraph

if TYPE_CHECKING:
    from replicate.spec import Ledger

#: How the reason of a setting begins that somebody asked for.
CHOSEN = "chosen on the command line"


def summary(ledger: Ledger, study: str | None) -> str:
    """Return how many settings are backed by what.

    Where nothing is reported, what somebody asked for is told from what was filled in. Beside
    reported settings both are assumed, and so counted.
    """
    reported, assumed = len(ledger.reported), len(ledger.assumed)
    if reported:
        return f"{counted(reported, 'setting')} reported, {assumed} assumed"
    chosen = sum(line.reason.startswith(CHOSEN) for line in ledger.assumed)
    parts = ["0 settings reported"] if study is not None else []
    parts += [f"{chosen} {CHOSEN}"] if chosen else []
    return ", ".join([*parts, f"{assumed - chosen} assumed"])


def write_ledger(rows: Iterable[Mapping[str, Any]], room: int) -> None:
    """Write settings to stdout, those first that a reader has to know.

    Reported ones come first. Of the assumed ones those lead that depart from what is reported, then
    those that were asked for, those with a reason of their own, the house defaults, and at the end
    what only the run finds out. Those of one group that say the same share a line.

    Parameters
    ----------
    rows
        With ``setting``, ``value`` (as text), ``mark`` and ``reason``.
    room
        Columns.
    """
    house = _house_reasons()
    rows = list(rows)
    free = not any(row["mark"] == "reported" for row in rows)
    titles = ("Reported", CHOSEN[:1].upper() + CHOSEN[1:], "Assumed")
    for title in titles:
        found = [row for row in rows if _title(row, free, titles) == title]
        if not found:
            continue
        click.secho(f"  {title} ({len(found)})", bold=True)
        if title != titles[0]:
            found.sort(key=lambda row: _rank(row, house))
        for together in _alike(found):
            first = together[0]
            names = [first["setting"], *(_short(row, first) for row in together[1:])]
            text = f"{', '.join(names)}: {first['value']}"
            paragraph(f"{text} — {first['reason']}" if first["reason"] else text, room, 4, 6)


def _title(row: Mapping[str, Any], free: bool, titles: Sequence[str]) -> str:
    """Return under which title a setting stands; see :func:`summary`."""
    if row["mark"] == "reported":
        return titles[0]
    return titles[1] if free and (row["reason"] or "").startswith(CHOSEN) else titles[2]


def _house_reasons() -> frozenset[str]:
    from replicate.setup.defaults import BY_TL_TYPE, COMMON

    return frozenset(
        reason for table in (COMMON, *BY_TL_TYPE.values()) for _, reason in table.values()
    )


def _rank(row: Mapping[str, Any], house: frozenset[str]) -> int:
    reason = row["reason"] or ""
    if "; reported: " in reason:
        return 0
    if CHOSEN in reason:
        return 1
    if reason.startswith("known when "):
        return 4
    ours = reason.startswith(("house default", "the side that ")) or reason in house
    return 3 if ours else 2


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Bring together what has the same to say of settings of one group."""
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((_group(row), row["value"], row["reason"]), []).append(row)
    return list(found.values())


def _group(row: Mapping[str, Any]) -> str:
    return str(row["setting"]).rpartition(".")[0]


def _short(row: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    group = _group(first)
    return str(row["setting"])[len(group) :] if group else str(row["setting"])
