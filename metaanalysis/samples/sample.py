"""A sample: the outcomes that are analysed, those that are left out, and what was assumed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from db.errors import UsageError
from db.vocabulary import Lexicon

#: What one row of a sample measures.
Kind = Literal["proportion", "AUC", "effect", "two-by-two"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An outcome that is not analysed.

    Attributes
    ----------
    label
        Its full name, as a figure shows it.
    short
        Its shortest unmistakable name, for lists: a reference number, or a row of a file.
    reason
        Why it is left out.
    """

    label: str
    short: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about some of the rows; it is said of those that are analysed in the end.

    Attributes
    ----------
    text
        The sentence, with ``{names}`` (and ``{count}``) where the rows are to be named; without
        them it is of the whole sample.
    names
        Short name of each row with the way in which it is shown.
    separator
        Between the names.
    """

    text: str
    names: tuple[tuple[str, str], ...] = ()
    separator: str = ", "

    @classmethod
    def of(cls, text: str, shorts: Iterable[str]) -> Remark:
        """Return a remark that names rows as they are called."""
        return cls(text, tuple((short, short) for short in shorts))

    def among(self, shorts: Container[str]) -> str | None:
        """Return the sentence about the rows that are among `shorts`; None where there is none."""
        if "{names}" not in self.text:
            return self.text
        shown = [shown for short, shown in self.names if short in shorts]
        if not shown:
            return None
        return self.text.format(names=self.separator.join(shown), count=len(shown))


@dataclass(frozen=True, slots=True)
class Sample:
    """Outcomes to analyse, one a row.

    Attributes
    ----------
    outcome
        What is measured, such as ``accuracy``, or the name of a column.
    kind
        ``proportion`` (columns ``events, n``), ``AUC`` (``value, ci_low, ci_high, n_positive,
        n_negative``), ``effect`` (``effect, variance``) or ``two-by-two`` (``tp, fn, fp, tn``).
    labels, shorts
        Full and short names, one a row.
    columns
        The numbers, by the names above, each of the length of `labels`; None is unknown.
    moderators
        Further columns by name, numbers or text; None is unknown.
    clusters
        Which rows come from one study; all different where each study has one.
    origin
        What the rows are and where they come from, in one sentence.
    source
        ``curated`` from the literature, ``given`` by the caller, or ``replicated`` by our runs.
    candidates
        How many rows there were to choose from.
    left_out
        The candidates that are not analysed.
    assumptions, notes
        What every result must be printed with.
    synonyms
        Other words for the names of moderators.
    """

    outcome: str
    kind: Kind
    labels: tuple[str, ...]
    shorts: tuple[str, ...]
    columns: Mapping[str, tuple[Any, ...]]
    moderators: Mapping[str, tuple[Any, ...]]
    clusters: tuple[str, ...]
    origin: str
    source: Literal["curated", "given", "replicated"]
    candidates: int
    left_out: tuple[LeftOut, ...] = ()
    assumptions: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)

    @property
    def k(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def said(self, remarks: Iterable[Remark]) -> list[str]:
        """Return the sentences that concern the rows of this sample."""
        shorts = set(self.shorts)
        return [text for remark in remarks if (text := remark.among(shorts)) is not None]

    def moderator(self, word: str) -> str:
        """Return the name of the moderator that `word` means.

        Raises
        ------
        UsageError
            There is none; names the nearest.
        """
        if word in self.moderators:
            return word
        if not self.moderators:
            raise UsageError(f"{word!r}: this sample has no moderators.")
        return Lexicon("moderator", self.moderators, self.synonyms).resolve(word)

    def take(self, keep: Sequence[bool], reason: str = "") -> Sample:
        """Return the rows where `keep` is true; with a `reason`, the others are left out for it."""
        index = [position for position, kept in enumerate(keep) if kept]

        def chosen(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[position] for position in index)

        gone = tuple(
            LeftOut(label, short, reason)
            for label, short, kept in zip(self.labels, self.shorts, keep, strict=True)
            if reason and not kept
        )
        return replace(
            self,
            labels=chosen(self.labels),
            shorts=chosen(self.shorts),
            columns={name: chosen(values) for name, values in self.columns.items()},
            moderators={name: chosen(values) for name, values in self.moderators.items()},
            clusters=chosen(self.clusters),
            left_out=(*self.left_out, *gone),
        )

    def as_factor(self, name: str) -> Sample:
        """Return the sample with a moderator as text, so that it is taken as a factor."""
        values = self.moderators[name]
        texts = tuple(None if value is None else group_name(value) for value in values)
        return replace(self, moderators={**self.moderators, name: texts})

    def knowing(self, names: Sequence[str]) -> Sample:
        """Return the rows of which all the named moderators are known; the others are left out."""
        sample = self
        for name in names:
            keep = [value is not None for value in sample.moderators[name]]
            sample = sample.take(keep, f"{name} not known, or not one")
        return sample


def group_name(value: Any) -> str:
    """Return a value as the name of a group: 2.0 of a file is the group 2."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.10g}"
    return str(value)


def by_reason(left_out: Sequence[LeftOut]) -> dict[str, list[str]]:
    """Return the short names of what was left out, by reason, the most frequent reason first."""
    groups: dict[str, list[str]] = {}
    for item in left_out:
        groups.setdefault(item.reason, []).append(item.short)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))
