"""The kinds of fields that data files have: text, counts, fractions, years, terms, identifiers.

Types are strict: a text is no number, ``true`` is no 1, and a number with decimals no count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from db import vocabulary as v
from db.plain import MAX_TEXT, sign_fault

#: Names that are data, not code: who reads study files sets them before.
known_backbones: ContextVar[v.Lexicon] = ContextVar("known_backbones")
known_datasets: ContextVar[Callable[[], v.Lexicon]] = ContextVar("known_datasets")

#: The largest set of medical images that is listed has 5 million; pooling settles up to 10 million
#: cases. A count beyond is a slip, or of something else than images.
MOST_IMAGES = 100_000_000
MOST_CASES = 10_000_000
MOST_CLASSES = 100_000
#: A clock that is behind must not turn packaged studies into ones of the future.
_THIS_YEAR_AT_LEAST = 2026
_FIRST_YEAR = 1950


def _clean(text: str) -> str:
    """Refuse signs that steer whoever prints them; bring one text to one form (NFC)."""
    if fault := sign_fault(text):
        raise ValueError(fault)
    return unicodedata.normalize("NFC", text)


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT),
    AfterValidator(_clean),
]
#: Text that the database has in an index.
Name = Annotated[Text, Field(max_length=300)]
Positive = Annotated[int, Field(gt=0, le=2**31 - 1, strict=True)]
Images = Annotated[Positive, Field(le=MOST_IMAGES)]
Cases = Annotated[Positive, Field(le=MOST_CASES)]
Classes = Annotated[Positive, Field(ge=2, le=MOST_CLASSES)]
Folds = Annotated[Positive, Field(ge=2, le=MOST_CASES)]
Reference = Annotated[Positive, Field(le=9999)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
#: Values from 0 to 1 do not deviate by more than half of the way.
Deviation = Annotated[float, Field(ge=0, lt=0.5, strict=True, allow_inf_nan=False)]


def _published(year: int) -> int:
    last = max(date.today().year, _THIS_YEAR_AT_LEAST) + 1
    if not _FIRST_YEAR <= year <= last:
        raise ValueError(f"{year} is no year of publication: {_FIRST_YEAR} to {last}.")
    return year


Year = Annotated[int, Field(strict=True), AfterValidator(_published)]

#: Names that Windows gives to devices: no file can have them.
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def _fit_for_a_file(key: str) -> str:
    if _DEVICES.fullmatch(key):
        raise ValueError(f"{key!r} is the name of a device on Windows; a file cannot have it.")
    return key


Key = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=100),
    AfterValidator(_fit_for_a_file),
]


def _resolved(find: Callable[[], v.Lexicon], *, exact: bool = False) -> AfterValidator:
    def resolve(word: str) -> str:
        lexicon = find()
        term = lexicon.find(word)
        if term is None or (exact and term != word):
            # What is near is looked for only if the fault is told: it takes a while.
            raise PydanticCustomError(
                "unknown_term", "no such term", {"lexicon": lexicon, "word": word}
            )
        return term

    return AfterValidator(resolve)


def _term(field: str) -> AfterValidator:
    lexicon = v.lexicon(field)
    return _resolved(lambda: lexicon)


Modality = Annotated[str, _term("modality")]
Subject = Annotated[str, _term("subject")]
TlType = Annotated[str, _term("tl_type")]
Metric = Annotated[str, _term("metric")]
Basis = Annotated[str, _term("basis")]
Split = Annotated[str, _term("split")]
SplitUnit = Annotated[str, _term("split_unit")]
Family = Annotated[str, _term("family")]
Access = Annotated[str, _term("access")]
BackboneName = Annotated[str, _resolved(known_backbones.get)]
DatasetName = Annotated[str, _resolved(lambda: known_datasets.get()(), exact=True)]

_DOI = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/[!-~]{1,250}")


def _doi(text: str) -> str:
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", text)
    if not _DOI.fullmatch(bare):
        raise ValueError(f"{text!r:.120} is not a DOI; one looks like 10.1186/s12880-022-00793-7.")
    return bare


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that are none
        fine = False
    if not fine or re.search(r"[\s<>\"`\\{}|^]", text):
        raise ValueError(f"{text!r:.120} is not a web address; write https://... or leave it out.")
    return text


def _written(value: Any) -> Any:
    """Return the digits of a whole number: as a name they are text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _of_form(pattern: str, what: str) -> AfterValidator:
    def fits(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r:.60} is not {what}.")
        return text

    return AfterValidator(fits)


Doi = Annotated[str, AfterValidator(_doi)]
WebAddress = Annotated[Text, Field(max_length=2000), AfterValidator(_web_address)]
Identifier = Annotated[Name, BeforeValidator(_written)]
Pmid = Annotated[Identifier, _of_form("[1-9][0-9]{0,7}", "a PubMed number (1 to 8 digits)")]
Pmcid = Annotated[Text, _of_form("PMC[1-9][0-9]{0,7}", "a PMC number, such as PMC5774804")]


def _shown(value: Any) -> Any:
    """Refuse what is neither plain nor a list of what is plain (a map counts as a list)."""
    deep = value
    for inner in deep if isinstance(deep, list) else [deep]:
        items = inner.values() if isinstance(inner, dict) else [inner]
        if isinstance(inner, dict) and not isinstance(value, list):
            raise ValueError("must be a plain value or a list of such, not a map.")
        if any(isinstance(item, (dict, list)) for item in items):
            raise ValueError("must be a plain value or a list of such; it is nested too deep.")
    return value


#: What another source gives: any plain value, a list of such, or a list of maps of such.
Other = Annotated[Any, AfterValidator(_shown)]
