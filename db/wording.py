"""Words for a reader: numbers, p values, plurals, lists, paragraphs, and terms of replications.

These are the only helpers of their kind. Facts travel as codes and values; whoever words them at
the edge (command line, captions, messages) does it with these.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterable

#: What stands for a value that is not known.
UNKNOWN = "–"
#: Below this a p value is not told apart.
LEAST_P = 1e-4
#: Stands for a blank that is no place to break a line.
_TIE = "\N{NO-BREAK SPACE}"

#: What the TL type of that name does, in one line.
RECOMMENDED_IS = (
    "recommended protocol: feature extractor first, then unfreezing from the top at a low rate"
)
#: TL types of which an extent is told: the others train nothing of the backbone, or all.
_PARTIAL = ("fine-tuning", "recommended protocol")
#: Metrics that are not called as they are written down, each in both spellings that are stored.
_METRICS = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
    "f1": "F1",
    "npv": "NPV",
}


#: What is not seen where text is shown, or moves what is: controls (but line feed and tab),
#: escapes, marks of direction, blanks without width, halves of characters, what no XML may hold.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
    # Joiners belong to words of many scripts, not to any in ASCII.
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


def visible(text: str) -> str:
    """Return text in which what would not be seen stands as an escape: ``\\x1b``, ``\\u202e``."""
    if text.isascii() and text.isprintable():  # nearly all is: tables have a million cells
        return text
    return _UNSEEN.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_visible(text: str) -> str:
    """Return JSON that means the same, with escapes of its own in place of what is not seen."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def whole_number(word: str) -> int | None:
    """Return a number of one to nine plain digits; None for any other word, such as ``²``."""
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 9 else None


def extent_words(kind: str | None, amount: float | None) -> str | None:
    """Return how much of a backbone is trained, such as ``last 2 blocks``; None for nothing.

    Parameters
    ----------
    kind, amount
        As of ``replicate.spec.Unfreezing``.
    """
    if kind == "all":
        return "all layers"
    if amount is None or kind not in ("blocks", "layers", "ratio"):
        return None
    if kind == "ratio":
        return f"{100 * amount:g} % of layers"
    return f"last {kind.removesuffix('s')}" if amount == 1 else f"last {amount:g} {kind}"


def method_words(tl_type: str, extent: str | None) -> str:
    """Return a TL type with its extent where it has one: ``fine-tuning (last 2 blocks)``."""
    return f"{tl_type} ({extent})" if extent and tl_type in _PARTIAL else tl_type


def metric_words(name: str) -> str:
    """Return what a metric is called: ``balanced accuracy`` for ``balanced_accuracy``."""
    return _METRICS.get(name, _METRICS.get(name.lower(), name.replace("_", " ")))


def minus(text: str) -> str:
    """Return a number's text with a minus sign in place of a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def fixed(value: float | None, decimals: int = 3) -> str:
    """Return a number to so many decimals; one far from 1 as a power of ten; a dash if unknown."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{decimals - 1}e}"
    return f"{value:.{decimals}f}"


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number to so many significant digits, without a power of ten where it can be."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return minus(f"{value}".replace("inf", "∞"))
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        return minus(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return minus(f"{value:.{min(max(places, 0), 6)}f}")


def interval_words(low: float | None, high: float | None, decimals: int = 3) -> str:
    """Return ``0.812 to 0.931``; a dash where an end is unknown."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return UNKNOWN
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def bracketed(value: float | None, low: float | None, high: float | None, decimals: int = 3) -> str:
    """Return a value with its limits to so many decimals: ``0.871 [0.812, 0.931]``."""
    interval = "" if low is None or high is None else f" [{low:.{decimals}f}, {high:.{decimals}f}]"
    return f"{fixed(value)}{interval}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent, with a decimal where it is next to 0 or 1."""
    places = 1 if min(fraction, 1 - fraction) < 0.015 else 0
    return f"{100 * fraction:.{places}f} %"


def p_words(p: float) -> str:
    """Return a p value for prose: ``p = 0.031``, ``p = 0.45``, ``p < 0.0001``."""
    if math.isnan(p):
        return "p not defined"
    if p < LEAST_P:
        return f"p < {LEAST_P:.4f}"
    # Two digits that count, and no fewer: 0.030, not 0.03.
    places = 2 if p >= 0.0995 else 1 - math.floor(math.log10(float(f"{p:.1e}")))
    return f"p = {p:.{places}f}"


def p_cell(p: float) -> str | None:
    """Return a p value for a column of them: four decimals; None where it is not defined."""
    if math.isnan(p):
        return None
    return f"< {LEAST_P:.4f}" if p < LEAST_P else f"{p:.4f}"


def duration(seconds: float) -> str:
    """Return a time in the unit that fits it."""
    if seconds < 1:
        return "under a second"
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.{0 if seconds / unit >= 10 else 1}f} {name}"
    return f"{seconds / 86400:.0f} days"


def size(count: int) -> str:
    """Return a number of bytes in the unit that fits it."""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.{0 if count >= 10 * unit else 1}f} {name}"
    return f"{count / 1000:.0f} kB"


def capital(text: str) -> str:
    """Return words with a capital letter at their beginning."""
    return text[:1].upper() + text[1:]


def listed(words: Iterable[object], last: str = "and") -> str:
    """Join words as in a sentence: ``a, b and c``."""
    *others, final = [str(word) for word in words] or [""]
    return f"{', '.join(others)} {last} {final}" if others else final


def plural(count: int, one: str, more: str | None = None) -> str:
    """Return a count with its noun: ``1 study``, ``2 studies``, ``2,000 cases``.

    Parameters
    ----------
    more
        The plural, where it is neither with -s nor, after a consonant and y, with -ies.
    """
    if count == 1:
        return f"1 {one}"
    if more is None:
        ends = re.search(r"[^aeiou]y$", one)
        more = f"{one[:-1]}ies" if ends else f"{one}s"
    return f"{count:,} {more}"


def folded(text: str, room: int, indent: int = 0, hang: int | None = None) -> list[str]:
    """Return the lines of a paragraph.

    Numbers stay with what belongs to them (``95 %``, ``p = 0.03``); paths and addresses are not
    broken.

    Parameters
    ----------
    room
        Columns; only a single word that is longer than a line goes beyond.
    indent, hang
        Blanks before the first line and before the others; `hang` is `indent` where not given.
    """
    tied = re.sub(r" (%|[=<] )", lambda found: found[0].replace(" ", _TIE), text)
    lines = textwrap.wrap(
        tied,
        room,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hang is None else hang),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_TIE, " ") for line in lines]
