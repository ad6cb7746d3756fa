"""How images are read: what a caller says of a set beside where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from db.errors import UsageError
from db.vocabulary import Lexicon

#: What is done with images whose label is uncertain (-1 in CheXpert); the first is the default.
UNCERTAIN = Lexicon("uncertain", ("left-out", "positive", "negative"))
#: What columns of a table can be named for.
COLUMNS = ("image", "class", "patient", "group", "part", "frame", "copy")


@dataclass(frozen=True, slots=True)
class Reading:
    """How images are read; the names are those of the command line's options.

    Parameters
    ----------
    allow_outside
        Whether a class folder or table may name files outside its own folder, by paths or links.
    columns
        Column of a table by what it is for (:data:`COLUMNS`); ``class`` may name several, of which
        one holds 1 in each row.
    preset
        Published form of a table (see :mod:`replicate.images.presets`).
    uncertain
        What is done with images of an uncertain label: a word of :data:`UNCERTAIN`, None for
        the first.
    finding
        The finding that is told from all others, where images have several.
    group_copies
        Whether near copies stay on one side of a split; :func:`replicate.splits.copies.read_images`
        looks for them.
    window
        What grey values beyond 8 bits are shown by; see
        :func:`replicate.images.ranges.showings`.
    """

    allow_outside: bool = False
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    preset: str | None = None
    uncertain: str | None = None
    finding: str | None = None
    group_copies: bool = False
    window: str | None = None

    @property
    def of_tables(self) -> tuple[str, ...]:
        """Names of what was said that only a table can follow."""
        names = ("columns", "preset", "uncertain", "finding")
        return tuple(name for name in names if getattr(self, name))


#: Nothing said.
USUAL = Reading()


def taken(words: Mapping[str, Any]) -> tuple[Reading, dict[str, Any]]:
    """Return how images are read, from words by the options' names, and the other words.

    Raises
    ------
    UsageError
        Columns that are not of the form ``image=image_id,class=dx``.
    """
    names = {one.name for one in fields(Reading)}
    own = {name: words[name] for name in names & words.keys() if words[name] is not None}
    if "columns" in own:
        own["columns"] = _columns(own["columns"])
    return Reading(**own), {name: one for name, one in words.items() if name not in names}


def _columns(given: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read columns by their use from ``image=image_id,class=MEL|NV``, or from a mapping."""
    if isinstance(given, Mapping):
        pairs = [(use, [one] if isinstance(one, str) else list(one)) for use, one in given.items()]
    else:
        words = [word.partition("=") for word in given.split(",")]
        pairs = [(use.strip(), column.split("|")) for use, _, column in words]
    found: dict[str, tuple[str, ...]] = {}
    for use, columns in pairs:
        names = tuple(filter(None, map(str.strip, columns)))
        if use not in COLUMNS or not names or use in found:
            wrong = "is named twice" if use in found else "is not of the form USE=COLUMN"
            raise UsageError(
                f"--columns: {'='.join(filter(None, (use, *names))) or 'an empty word'} {wrong}.",
                f"As in image=image_id,class=dx; uses are {', '.join(COLUMNS)}.",
            )
        found[use] = names
    return tuple(found.items())
