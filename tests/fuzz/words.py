"""Random words as filters and options, asked of SQLite and, where there is one, of a server.

An attempt is one selection: 100 of them in this process, then one through the command line. Whatever
is no filter is refused in words; what is one gives the same studies on both databases.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from db.database import open_database
from metaanalysis.query.filters import Filters
from tests.conftest import POSTGRES, server_database
from tests.fuzz.outcome import Outcome, command, judge

#: What is no number, or none that a database can hold.
NUMBERS = (
    "1e400", "-1e400", "nan", "inf", "-inf", "99999999999999999999999", "9" * 5000, "²", "①", "１２",
    "٣", "0x10", "1_000", "012", "1e5", ".5", "5.", "-0", "+3", "1,000", "1,00", "2018-2020", "2020-2018",
    ">=2", "=>2", "<= 3", "≥2", "0.9", "90%", "900%", ">=90%", "0-1", "1..2", "1–2", "--", "1e-5", "1e309-2",
)  # fmt: skip
TEXTS = (
    "", " ", "\t", "\0", "\n", "a\0b", "\udcff", "\ud800", "\U0001f600", "%", "_", "\\", "%%", "'", '"',
    "';--", "') OR 1=1 --", ":p0", "{among}", "{0}", "%s", "$1", "(a+)+$", "[", "*", "ß", "İ", "ÉTUDE",
    "Σ", "\u202e", "\x1b[31m", "null", "None", "true", "x" * 70000, "ct", "MRI", "brain", "vgg", "many",
    "accuracy>=0.9", "AUC", "accuracy=", "accuracy>=1e400", "accuracy>=²", "auc<=nan", "a>=b>=c", "-",
)  # fmt: skip
FILTERS = tuple(Filters.__dataclass_fields__)
NUMERIC = ("year", "classes", "size")


def _word(rng: random.Random, numeric: bool) -> str:
    kind = rng.random()
    if kind < 0.25:
        return "".join(
            chr(rng.choice((rng.randrange(32, 127), rng.randrange(1, 0xD800))))
            for _ in range(rng.randrange(1, 9))
        )
    if numeric or kind < 0.4:
        form = rng.choice(("{}", ">={}", "<{}", "{}-{}", "{}%", " {} "))
        return (
            form.format(rng.choice(NUMBERS), rng.choice(NUMBERS))
            if rng.random() < 0.5
            else form.format(rng.randrange(4000), rng.randrange(4000))
        )
    return rng.choice(TEXTS) + rng.choice(("", "", rng.choice(TEXTS[1:])))


def _filters(rng: random.Random) -> dict[str, list[str]]:
    names = rng.sample(FILTERS, rng.choice((1, 1, 2, 3)))
    return {n: [_word(rng, n in NUMERIC) for _ in range(rng.choice((1, 1, 2)))] for n in names}


def _found(database: Any, words: dict[str, list[str]]) -> Callable[[], list[str]]:
    from metaanalysis.query.select import select

    return lambda: [row["key"] for row in select(database, Filters.of(words), columns=["key"]).rows]


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield what came of selections."""
    with ExitStack() as stack:
        places = [str(folder / "words.sqlite")]
        if POSTGRES:
            places.append(stack.enter_context(server_database()))
        bases = [stack.enter_context(open_database(place)) for place in places]
        for number in count():
            rng = random.Random(f"{seed}/{number}")
            words = _filters(rng)
            answers: list[Any] = []
            outcomes = []
            for base in bases:
                ask, got = _found(base, words), []
                outcomes.append(judge(repr(words), lambda ask=ask, got=got: got.extend(ask())))
                answers.append(
                    sorted(got) if outcomes[-1].kind == "answered" else outcomes[-1].kind
                )
            if len({repr(one) for one in answers}) > 1:
                yield Outcome("differs", repr(words), repr(answers)[:800])
            else:
                yield outcomes[0]
            if number % 100 == 99:
                yield _command(rng, places[0])


def _command(rng: random.Random, place: str) -> Outcome:
    """Ask the same by the command line, where a word that is no text is one more way to be wrong."""
    words = [
        part
        for name, texts in _filters(rng).items()
        for text in texts
        for part in (f"--{name}", text)
    ]
    verb = rng.choice(
        (
            ["query"],
            ["query", "--format", "json"],
            ["audit"],
            ["stats", "pool"],
            ["show", _word(rng, True)],
        )
    )
    if verb[0] == "show":
        words = []
    outcome, _ = command(["--db", place, *verb, *words], 20)
    return outcome
