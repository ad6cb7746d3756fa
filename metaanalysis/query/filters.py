"""What a query asks for: words of the user, checked and turned into conditions.

Values of one filter are alternatives (or); different filters must all hold (and). A study whose
value is unknown never matches; :attr:`Condition.unknown` finds those, so that they can be counted
and said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.errors import UsageError
from db.reader import AMONG
from db.vocabulary import SYNONYMS, Lexicon, fold, fold_case, lexicon
from metaanalysis.organs import ORGANS, names_organ

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?"
#: Counts in the database are of 32 bits; what is compared with them may be somewhat larger.
_MOST = 1e15
#: Characters of a filter's word; titles are shorter.
_LONGEST = 1000
_COMPARISON = re.compile(rf"^(>=|<=|==|=|>|<)?\s*({_NUMBER})(%?)$")
_BETWEEN = re.compile(rf"^({_NUMBER})(%?)\s*(?:-|\.\.|–)\s*({_NUMBER})(%?)$")
_METRIC = re.compile(r"^\s*([A-Za-z][A-Za-z0-9 _-]*?)\s*((?:>=|<=|==|=|>|<|≥|≤).*)?$")


class Parameters:
    """Values on their way into SQL: each gets a name, none enters the text."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: Any) -> str:
        """Take a value and return its placeholder."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def add_all(self, values: Iterable[Any]) -> str:
        """Take values and return their placeholders, for ``IN (...)``."""
        return ", ".join(self.add(value) for value in values)


#: Builds the SQL of a condition, with its values added to the parameters.
Build = Callable[[Parameters], str]


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: what must hold, and how to find the studies of which it cannot be told.

    `notes` say how a word was understood, where that may surprise.
    """

    name: str
    holds: Build
    unknown: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """An interval of numbers; None is open."""

    low: float | None = None
    high: float | None = None
    strict_low: bool = False
    strict_high: bool = False

    def sql(self, column: str, parameters: Parameters) -> str:
        """Return the condition that `column` lies in the range."""
        parts = []
        if self.low is not None:
            parts.append(f"{column} {'>' if self.strict_low else '>='} {parameters.add(self.low)}")
        if self.high is not None:
            parts.append(
                f"{column} {'<' if self.strict_high else '<='} {parameters.add(self.high)}"
            )
        return " AND ".join(parts)


def parse_range(text: str, option: str, *, fraction: bool = False) -> Range:
    """Parse ``2``, ``2018-2020``, ``>=1000``, ``<3`` or, for fractions, also ``90%``.

    Raises
    ------
    UsageError
        The text is no range; the message shows the forms.
    """
    # As people write: a comma every three digits, signs of print.
    stripped = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.strip())
    stripped = stripped.replace("≥", ">=").replace("≤", "<=")
    between, single = _BETWEEN.match(stripped), _COMPARISON.match(stripped)
    if between:
        low, high = (
            _number(between[i], between[i + 1], option, text, fraction=fraction) for i in (1, 3)
        )
        if low > high:
            raise UsageError(
                f"{option} {text!r}: the range runs backwards.", f"Write {high:g}-{low:g}."
            )
        return Range(low, high)
    if single:
        value = _number(single[2], single[3], option, text, fraction=fraction)
        match single[1]:
            case ">=":
                return Range(low=value)
            case ">":
                return Range(low=value, strict_low=True)
            case "<=":
                return Range(high=value)
            case "<":
                return Range(high=value, strict_high=True)
        return Range(value, value)
    example = "0.9, 0.8-0.9 or >=0.9" if fraction else "3, 2018-2020, >=1000 or <500"
    raise UsageError(
        f"{option} {text!r}: not a number or a range.", f"Write for example {example}."
    )


def _number(digits: str, percent: str, option: str, text: str, *, fraction: bool) -> float:
    value = float(digits)
    if value > _MOST:
        raise UsageError(f"{option} {text!r}: no count is so large.", "Write a smaller number.")
    if not fraction and not value.is_integer():
        raise UsageError(f"{option} {text!r}: counts are whole numbers.", f"Write {round(value)}.")
    if percent and not fraction:
        raise UsageError(f"{option} {text!r}: a percentage makes no sense here.", "Drop the %.")
    if percent:
        value /= 100
    if fraction and value > 1:
        raise UsageError(
            f"{option} {text!r}: metrics are fractions from 0 to 1.",
            f"Write {value / 100:g} or {value:g}%.",
        )
    return value


def _any_of(parts: Iterable[str]) -> str:
    return "(" + " OR ".join(f"({part})" for part in parts) + ")"


def _terms(name: str, column: str, terms: Sequence[str]) -> Condition:
    return Condition(name, lambda p: f"{column} IN ({p.add_all(terms)})", f"{column} IS NULL")


def _child_terms(name: str, source: str, column: str, terms: Sequence[str]) -> Condition:
    among = f"s.id IN (SELECT c.study_id FROM {source} WHERE {column} IN"
    return Condition(
        name,
        lambda p: f"{among} ({p.add_all(terms)}))",
        f"NOT EXISTS (SELECT 1 FROM {source.split()[0]} u WHERE u.study_id = s.id)",
    )


def _family(families: Sequence[str]) -> Condition:
    source = "study_backbone c JOIN backbone b ON b.name = c.backbone"
    return _child_terms("family", source, "b.family", families)


def _ranges(name: str, option: str, column: str, texts: Sequence[str]) -> Condition:
    ranges = [parse_range(text, option) for text in texts]
    return Condition(
        name, lambda p: _any_of(one.sql(column, p) for one in ranges), f"{column} IS NULL"
    )


def _pattern(word: str) -> str:
    escaped = fold_case(word).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _metrics(texts: Sequence[str]) -> Condition:
    names = lexicon("metric")
    wanted: list[tuple[str, Range | None]] = []
    for text in texts:
        found = _METRIC.match(text)
        if not found:
            raise UsageError(
                f"--metric {text!r}: not understood.", 'Write for example "accuracy>=0.9" or "AUC".'
            )
        condition = found[2]
        if condition and _BETWEEN.match(condition.lstrip("=").strip()):
            condition = condition.lstrip("=")
        limits = parse_range(condition, "--metric", fraction=True) if condition else None
        wanted.append((names.resolve(found[1]), limits))

    def holds(parameters: Parameters) -> str:
        parts = []
        for metric, limits in wanted:
            part = f"m.metric = {parameters.add(metric)}"
            parts.append(f"{part} AND {limits.sql('m.value', parameters)}" if limits else part)
        return (
            "s.id IN (SELECT m.study_id FROM reported_metric m "
            f"WHERE m.headline AND {_any_of(parts)})"
        )

    listed = ", ".join("'" + metric + "'" for metric, _ in wanted)
    missing = (
        "NOT EXISTS (SELECT 1 FROM reported_metric u WHERE u.study_id = s.id AND u.headline "
        f"AND u.metric IN ({listed}))"
    )
    return Condition("headline value", holds, missing)


def _check_word(name: str, text: str) -> None:
    """Refuse what is no word: no database would find it, and some would not even look."""
    if not text.strip():
        raise UsageError(f"--{name}: an empty word says nothing.", "Leave the option out.")
    if len(text) > _LONGEST:
        raise UsageError(
            f"--{name}: {len(text)} characters are no word.", f"Write {_LONGEST} at most."
        )
    bad = next((sign for sign in text if sign < " " or "\ud800" <= sign <= "\udfff"), None)
    if bad is not None:
        raise UsageError(f"--{name} {text!r}: {bad!r} is no character of a text.", "Leave it out.")


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one query, each a list of alternatives in the user's words.

    Attributes
    ----------
    modality, subject, backbone, family, tl
        Terms by any synonym and case. `subject` also takes an organ (``brain``, ``breast``), which
        is then looked for in the anatomy.
    year, classes, size
        Ranges such as ``2018-2020`` or ``>=1000``; `size` is the number of images.
    metric
        Headline values, such as ``accuracy>=0.9``.
    dataset
        Text that the name of a data set contains.
    text
        Words that must all stand in title, authors, journal, task, anatomy, classifier or notes.
    """

    modality: Sequence[str] = ()
    subject: Sequence[str] = ()
    backbone: Sequence[str] = ()
    family: Sequence[str] = ()
    tl: Sequence[str] = ()
    year: Sequence[str] = ()
    classes: Sequence[str] = ()
    size: Sequence[str] = ()
    metric: Sequence[str] = ()
    dataset: Sequence[str] = ()
    text: Sequence[str] = ()

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Filters:
        """Make filters from keyword arguments; a single value stands for a list of one.

        Raises
        ------
        UsageError
            A filter that does not exist.
        """
        names = Lexicon("filter", cls.__dataclass_fields__)
        clean: dict[str, tuple[str, ...]] = {}
        for name, given in words.items():
            if given is None:
                continue
            alone = isinstance(given, (str, int, float))
            texts = tuple(str(item) for item in ([given] if alone else given))
            for text in texts:
                _check_word(name, text)
            clean[names.resolve(name)] = texts
        return cls(**clean)

    def conditions(
        self,
        backbones: Lexicon,
        anatomies: Callable[[], set[str]],
        dataset_names: Callable[[], set[str]] = set,
    ) -> list[Condition]:
        """Check the words and return the conditions.

        Parameters
        ----------
        backbones
            The names of backbones with their synonyms.
        anatomies
            Gives all anatomies; called only for a subject that is no body system.
        dataset_names
            Gives all names of data sets, the studies' own and those of our list.

        Raises
        ------
        UsageError
            A word or range that is not understood; names the nearest right words.
        """
        found: list[Condition] = []
        if self.modality:
            terms = [lexicon("modality").resolve(word) for word in self.modality]
            found.append(_terms("modality", "s.modality", terms))
        if self.subject:
            found.append(self._subject(anatomies))
        if self.backbone:
            found.append(self._backbone(backbones))
        if self.family:
            found.append(_family([lexicon("family").resolve(word) for word in self.family]))
        if self.tl:
            terms = [lexicon("tl_type").resolve(word) for word in self.tl]
            found.append(_child_terms("TL type", "study_tl_type c", "c.tl_type", terms))
        if self.year:
            found.append(_ranges("year", "--year", "s.year", self.year))
        if self.classes:
            found.append(_ranges("number of classes", "--classes", "s.n_classes", self.classes))
        if self.size:
            found.append(_ranges("number of images", "--size", "s.n_images", self.size))
        if self.metric:
            found.append(_metrics(self.metric))
        if self.dataset:
            found.append(self._dataset(dataset_names()))
        if self.text:
            found.append(self._text())
        return found

    def _backbone(self, backbones: Lexicon) -> Condition:
        """Take the name of a family that is no backbone of its own for the whole family."""
        families = lexicon("family")
        terms, whole, notes = [], [], []
        for word in self.backbone:
            family = families.find(word)
            spelt = fold(word)
            if family is not None and spelt == fold(family) and not backbones.is_term(word):
                whole.append(family)
                notes.append(f"{word!r} names a family: all its backbones count.")
            else:
                terms.append(backbones.resolve(word))

        def holds(parameters: Parameters) -> str:
            parts = []
            if terms:
                source = "study_backbone c"
                parts.append(_child_terms("", source, "c.backbone", terms).holds(parameters))
            if whole:
                parts.append(_family(whole).holds(parameters))
            return _any_of(parts)

        return Condition("backbone", holds, _family(whole).unknown, tuple(notes))

    def _subject(self, anatomies: Callable[[], set[str]]) -> Condition:
        subjects = lexicon("subject")
        systems: list[str] = []
        organs: list[str] = []
        notes = []
        for word in self.subject:
            term = subjects.find(word)
            if term is not None:
                systems.append(term)
                continue
            meant = [anatomy for anatomy in sorted(anatomies()) if names_organ(word, anatomy)]
            if not meant:
                words = {**{organ: organ for organ in ORGANS}, **SYNONYMS["subject"]}
                Lexicon("subject", subjects.terms, words).resolve(word)
            organs += meant
            notes.append(
                f"{word!r} is no body system of the review; it was looked for in the anatomy."
            )

        def holds(parameters: Parameters) -> str:
            parts = []
            if systems:
                parts.append(_terms("subject", "s.subject", systems).holds(parameters))
            if organs:
                parts.append(_terms("subject", "s.anatomy", organs).holds(parameters))
            return _any_of(parts)

        return Condition("subject", holds, "s.subject IS NULL", tuple(notes))

    def _text(self) -> Condition:
        """Ask for every word of one option somewhere in the study; options are alternatives."""
        return Condition(
            "text",
            lambda p: _any_of(
                " AND ".join(
                    f"s.search_text LIKE {p.add(_pattern(word))} ESCAPE '\\'"
                    for word in text.split()
                )
                for text in self.text
            ),
            None,
        )

    def _dataset(self, names: set[str]) -> Condition:
        # Here and not in SQL, which folds case as the server's locale has it, or ASCII alone.
        words = [fold_case(word) for word in self.dataset]
        meant = sorted(name for name in names if any(word in fold_case(name) for word in words))

        def holds(parameters: Parameters) -> str:
            among = AMONG.format(parameters.add(json.dumps(meant)))
            return (
                "s.id IN (SELECT d.study_id FROM study_dataset d "
                f"WHERE d.name {among} OR d.dataset {among})"
            )

        return Condition(
            "data set",
            holds,
            "NOT EXISTS (SELECT 1 FROM study_dataset u WHERE u.study_id = s.id)",
        )
