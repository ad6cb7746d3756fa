"""A sample: the outcomes that are analysed, those that are left out, and what was assumed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from db.errors import UsageError
from db.vocabulary import Lexicon
from metaanalysis.samples.wording import REASONS, remark_words

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
    code, values
        Why it is left out: out of ``metaanalysis.samples.wording.REASONS``.
    """

    label: str
    short: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def reason(self) -> str:
        """Why it is left out, in words."""
        return REASONS[self.code].format(**self.values)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON has of it."""
        what = {"code": self.code, "values": dict(self.values)}
        return {"label": self.label, **what, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of some of the rows; it is said of those that are analysed in the end.

    Attributes
    ----------
    code, values
        What: out of ``metaanalysis.samples.wording.REMARKS``.
    names
        Short name of each row with the way in which it is shown; None for the whole sample.
    """

    code: str
    names: tuple[tuple[str, str], ...] | None = None
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, code: str, shorts: Iterable[str], **values: Any) -> Remark:
        """Return a remark that names rows as they are called."""
        return cls(code, tuple((short, short) for short in shorts), values)

    def among(self, shorts: Container[str]) -> Remark | None:
        """Return the remark on the rows that are among `shorts`; None where there is none."""
        if self.names is None:
            return self
        kept = tuple(pair for pair in self.names if pair[0] in shorts)
        return replace(self, names=kept) if kept else None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON has of it."""
        rows = [short for short, _ in self.names or ()]
        return {"code": self.code, "rows": rows, "values": dict(self.values), "text": str(self)}

    def __str__(self) -> str:
        return remark_words(self.code, self.values, [shown for _, shown in self.names or ()])


def merged(*groups: Sequence[Remark]) -> tuple[Remark, ...]:
    """Return remarks that differ in their rows alone as one, in the order of the first."""
    found: dict[str, Remark] = {}
    for remark in (remark for group in groups for remark in group):
        key = f"{remark.code} {remark.values}"
        before = found.get(key, remark)
        if before.names is not None:
            names = dict(before.names) | dict(remark.names or ())
            before = replace(before, names=tuple(names.items()))
        found[key] = before
    return tuple(found.values())


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

    def said(self, remarks: Iterable[Remark]) -> list[Remark]:
        """Return the remarks that concern the rows of this sample, on these rows alone."""
        shorts = set(self.shorts)
        return [own for remark in remarks if (own := remark.among(shorts)) is not None]

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

    def take(self, keep: Sequence[bool], reason: str = "", **values: Any) -> Sample:
        """Return the rows where `keep` is true.

        Parameters
        ----------
        keep
            One truth a row.
        reason, values
            Code and values of why the others are left out; without it they are not listed.
        """

        def chosen(cells: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(cell for cell, kept in zip(cells, keep, strict=True) if kept)

        gone = tuple(
            LeftOut(label, short, reason, values)
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
            sample = sample.take(keep, "moderator-unknown", moderator=name)
        return sample


def group_name(value: Any) -> str:
    """Return a value as the name of a group: 2.0 of a file is the group 2."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.10g}"
    return str(value)


def by_reason(left_out: Iterable[LeftOut]) -> dict[str, list[str]]:
    """Return the short names of what was left out, by reason, the most frequent reason first."""
    groups: dict[str, list[str]] = {}
    for item in left_out:
        groups.setdefault(item.reason, []).append(item.short)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def counted_reasons(left_out: Iterable[LeftOut]) -> str:
    """Return the reasons with how often each is one: ``number of cases not known (39); ...``."""
    return "; ".join(f"{why} ({len(names)})" for why, names in by_reason(left_out).items())


def listed_reasons(left_out: Iterable[LeftOut]) -> list[str]:
    """Return a list with a line a reason: how often and of whom."""
    return [
        f"- {why} ({len(names)}): {', '.join(names)}." for why, names in by_reason(left_out).items()
    ]
