"""Which column of a table is for what: as it was said, as a published form has it, by headings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db.errors import ImagesError, UsageError
from db.wording import listed
from replicate.images.labels import Rule
from replicate.images.presets import PRESET, PRESETS, Preset, like, recognised
from replicate.images.reading import UNCERTAIN, Reading
from replicate.images.tables import Table
from replicate.notes import Note

#: Use -> the headings under which its column is found where nothing else is said.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "image": ("file", "path", "filename", "image"),
    "class": ("class", "label"),
    "part": ("split", "part"),
    "patient": ("patient_id", "patient"),
    "group": ("group_id", "group"),
    "copy": ("near_dup_group",),
    "frame": ("frame",),
}
#: What the columns are called in which messages speak of one that is missing.
_CALLED = {"image": "file", "class": "class (or label)"}
_PLAIN = Preset({}, ())


@dataclass(frozen=True, slots=True)
class Columns:
    """Places of columns by use, the rule of the classes (None without any), the form, notes."""

    places: Mapping[str, int]
    rule: Rule | None
    form: Preset
    notes: tuple[Note, ...] = ()


def columns_of(table: Table, reading: Reading, *, labelled: bool) -> Columns:
    """Find the columns of a table.

    What was said goes first, then the preset, then the usual headings. A published form is
    recognised where the usual columns are not all there and the heading leaves no doubt.

    Parameters
    ----------
    table, reading
        The table, and what was said of it.
    labelled
        Whether it must tell classes.

    Raises
    ------
    UsageError, UnknownTermError
        A column was named that is not there, or an unknown word.
    ImagesError
        A column is missing.
    """
    said = {use: _said(table, use, names) for use, names in reading.columns}
    needed = ("image", "class") if labelled else ("image",)
    name = PRESET.resolve(reading.preset) if reading.preset else None
    notes: list[Note] = []
    headings = {heading.casefold() for heading in table.heading}
    if name is None and any(not (said.get(use) or _usual(table, use)) for use in needed):
        name = recognised(headings)
        if name is not None:
            notes.append(Note("published form", {"form": name}))
    form = _PLAIN if name is None else PRESETS[name]
    found = {
        use: said.get(use) or _published(table, form, use) or _usual(table, use)
        for use in {*HEADINGS, *form.headings, *said}
    }
    for use in needed:
        if not found[use]:
            raise _missing(table, use, name, headings)
    places = {use: at[0] for use, at in found.items() if at and use != "class"}
    rule = _rule(table, found["class"], form, reading) if found["class"] else None
    return Columns(places, rule, form, tuple(notes))


def _said(table: Table, use: str, names: tuple[str, ...]) -> tuple[int, ...]:
    if len(names) > 1 and use != "class":
        raise UsageError(f"--columns: {use} is one column, not {listed(names)}.", "Name one.")
    places = []
    for name in names:
        place = table.place(name)
        if place is None:
            raise UsageError(
                f"--columns: {table.path.name} has no column {name}.",
                table.has,
            )
        places.append(place)
    return tuple(places)


def _published(table: Table, form: Preset, use: str) -> tuple[int, ...]:
    one = _first(table, form.headings.get(use, ()))
    if one or use != "class":
        return one
    return tuple(place for name in form.findings if (place := table.place(name)) is not None)


def _usual(table: Table, use: str) -> tuple[int, ...]:
    return _first(table, HEADINGS.get(use, ()))


def _first(table: Table, headings: tuple[str, ...]) -> tuple[int, ...]:
    places = (table.place(heading) for heading in headings)
    return tuple(place for place in places if place is not None)[:1]


def _missing(table: Table, use: str, name: str | None, headings: set[str]) -> ImagesError:
    hint = f"{table.has} Name it: --columns {use}=COLUMN."
    if name is not None:
        wanted = PRESETS[name].headings.get(use, ()) or PRESETS[name].findings
        what = f"there is no column {listed(wanted, last='or')}, which the form {name} has"
        return ImagesError(f"{table.path}:1: {what}.", hint)
    if forms := like(headings):
        hint += f" Or is it a published form: --preset {listed(forms, last='or')}?"
    return ImagesError(f"{table.path}:1: there is no column {_CALLED[use]}.", hint)


def _rule(table: Table, places: tuple[int, ...], form: Preset, reading: Reading) -> Rule:
    finding = reading.finding
    if finding is None and len(places) == 1 and not form.exclusive:
        finding = table.heading[places[0]]
    uncertain = UNCERTAIN.resolve(reading.uncertain or UNCERTAIN.terms[0])
    return Rule(places, form.exclusive, form.names, form.separator, finding, uncertain)
