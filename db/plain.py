"""From the text of YAML or JSON to plain values, within limits, each with its place and line.

Both kinds of text give the same values by the same rules: text, whole numbers, numbers, true,
false, null, lists, and maps with text for keys. What YAML has beyond that is refused (anchors,
aliases, tags, several documents), since all of it can make a small file large or a value another
one. A word is a number only if JSON would say so: ``012``, ``1:30``, ``0o14``, ``1_000``, ``no``
and dates are text as written, and refused wherever a number or a truth value is wanted.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # libyaml is missing: ten times slower, the same result
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

#: Steps from the top of a file to a value: names of fields and positions in lists.
Place = tuple[int | str, ...]

#: Limits, far above any honest file: the largest packaged one has 92 kB, 4,200 values, 6 levels.
MAX_BYTES = 2**20
MAX_VALUES = 50_000
MAX_DEPTH = 16
MAX_TEXT = 10_000
MAX_KEY = 200
MAX_DIGITS = 18

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

#: Signs that steer a terminal or a page, or that nobody sees. Letters of any script, the joiners
#: that Persian and Indic scripts are written with, and emoji are none of them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff\U000f0000-\U0010ffff]"
)
#: What breaks lines or parsers where it stands in a file as it is.
_RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible or direction mark",
    "Cs": "half of a surrogate pair",
    "Co": "a sign of nobody's alphabet",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


class TextError(ValueError):
    """Text that cannot be read as plain values; `line` is where, if known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(slots=True)
class Parsed:
    """What a text holds: its values, the line of each place, and what is wrong with single ones."""

    content: Any
    lines: dict[Place, int] = field(default_factory=dict)
    faults: dict[Place, str] = field(default_factory=dict)
    line: int | None = None

    def line_of(self, place: Place) -> int | None:
        """Return the line of a place, or of its nearest parent."""
        for end in range(len(place), -1, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return self.line


def sign_fault(text: str) -> str | None:
    """Say which sign of a text may not stand there, escaped; None where all may."""
    found = _HIDDEN.search(text)
    return None if found is None else f"holds {_sign(found[0])}; remove it."


def _sign(sign: str) -> str:
    if sign in "\r\n":
        return "a line break"
    what = _KINDS.get(unicodedata.category(sign), "a sign that is no character")
    return f"{what} (U+{ord(sign):04X})"


@dataclass(frozen=True, slots=True)
class _Bad:
    """Stands where a value was that cannot be kept."""

    message: str


def _number(text: str) -> int | float | _Bad:
    if len(text) > MAX_DIGITS + 14:
        return _Bad(f"is a number of {len(text)} signs; no count or fraction has so many.")
    if _WHOLE.fullmatch(text):
        if len(text) > MAX_DIGITS:
            return _Bad(f"is a number of {len(text)} digits; no count has so many.")
        return int(text)
    value = float(text)
    if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
        return _Bad(f"{text} is too {'large' if value else 'small'} for a number.")
    return value or 0.0  # a zero has no sign


def _scalar(text: str) -> Any:
    """Return what a plain word of YAML stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return _number(text)
    if _NO_NUMBER.fullmatch(text):
        return _Bad(f"{text} is no number that a study can have.")
    return text


def _refuse_json(text: str) -> _Bad:
    return _Bad(f"{text} is no number that a study can have.")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = _twice(key) if key in found else value
    return found


def _twice(key: str) -> _Bad:
    return _Bad(f"{key[:100]!r} is given twice.")


def _refuse_extras(event: Any, line: int) -> None:
    """Refuse what makes one value stand in several places, or be another than is written."""
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        what = "an alias (*)" if isinstance(event, yaml.AliasEvent) else "an anchor (&)"
        raise TextError(f"{what}; write the value out, or in quotes if it is text.", line)
    if event.tag is not None:
        raise TextError("a tag (!); leave it out, or write text that begins so in quotes.", line)


class _Builder:
    """Builds values from YAML's events, of which none is held longer than it is needed.

    Anchors are refused at the first, and depth and number are counted as the events come, so that
    nothing is built that is larger than the text.
    """

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=_Loader)
        self._count = 0
        self.lines: dict[Place, int] = {}

    def document(self) -> Any:
        """Return what the one document holds; None where there is none."""
        self._next()  # the stream begins
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        content = self._node(self._next(), ())
        self._next()  # the document ends
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            line = event.start_mark.line + 1
            raise TextError("a second document begins (---); one file, one document.", line)
        return content

    def _next(self) -> Any:
        return next(self._events)

    def _node(self, event: Any, place: Place) -> Any:
        line = event.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._count += 1
        _refuse_extras(event, line)
        if self._count > MAX_VALUES:
            raise TextError(f"more than {MAX_VALUES:,} values.", line)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event.value) if event.implicit[0] else event.value
        if len(place) >= MAX_DEPTH:
            raise TextError(f"nested deeper than {MAX_DEPTH} levels.", line)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(place)
        return self._map(place)

    def _list(self, place: Place) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self._node(event, (*place, len(found))))
        return found

    def _map(self, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            _refuse_extras(event, line)
            if not isinstance(event, yaml.ScalarEvent):
                raise TextError("a field must be named by a word, not by a list or map.", line)
            key = event.value
            self.lines[*place, key] = line
            value = self._node(self._next(), (*place, key))
            found[key] = _twice(key) if key in found else value
        return found


def _broken(error: yaml.YAMLError) -> TextError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    tab = " (a tab? indent with blanks)" if "cannot start any token" in problem else ""
    return TextError(f"broken YAML: {problem}{tab}", mark.line + 1 if mark else None)


def parse_yaml(text: str) -> Parsed:
    """Return what a YAML text holds.

    Raises
    ------
    TextError
        The text is not YAML, or beyond a limit.
    """
    if bad := _RAW.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise TextError(f"holds {_sign(bad[0])}; remove it.", line)
    builder = _Builder(text)
    try:
        content = builder.document()
    except yaml.YAMLError as error:
        raise _broken(error) from None
    return _plain(content, builder.lines)


def parse_json(text: str, line: int | None = None) -> Parsed:
    """Return what a JSON text holds; `line` is where it stands.

    Raises
    ------
    TextError
        The text is not JSON, or beyond a limit.
    """
    try:
        content = json.loads(
            text,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refuse_json,
            object_pairs_hook=_pairs,
        )
    except json.JSONDecodeError as error:
        raise TextError(f"broken JSON: {error.msg} (column {error.colno})", line) from None
    except RecursionError:
        raise TextError(f"nested deeper than {MAX_DEPTH} levels.", line) from None
    return _plain(content, {}, line)


def _plain(content: Any, lines: dict[Place, int], line: int | None = None) -> Parsed:
    """Gather what is wrong with single values."""
    parsed = Parsed(content, lines, {}, line)
    for count, (place, value) in enumerate(_walk(content, ())):
        if count > MAX_VALUES:
            raise TextError(f"more than {MAX_VALUES:,} values.", line)
        if len(place) >= MAX_DEPTH and isinstance(value, (dict, list)):
            raise TextError(f"nested deeper than {MAX_DEPTH} levels.", parsed.line_of(place))
        if place and isinstance(place[-1], str) and (fault := _text_fault(place[-1], MAX_KEY)):
            parsed.faults[place] = f"the name {fault}"
        if isinstance(value, _Bad):
            parsed.faults[place] = value.message
        elif isinstance(value, str) and (fault := _text_fault(value.strip(" \t\r\n"), MAX_TEXT)):
            parsed.faults[place] = fault
    return parsed


def _text_fault(text: str, limit: int) -> str | None:
    if len(text) > limit:
        return f"has {len(text):,} characters; at most {limit:,} are kept."
    return sign_fault(text)


def _walk(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield every value with its place, in the order of the text."""
    waiting: list[tuple[Place, Any]] = [(place, value)]
    while waiting:
        place, value = waiting.pop()
        yield place, value
        steps: Any = ()
        if isinstance(value, dict):
            steps = value.items()
        elif isinstance(value, list):
            steps = enumerate(value)
        waiting += reversed([((*place, step), inner) for step, inner in steps])
