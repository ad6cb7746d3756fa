"""Every option of every command, with words that are no value: words back, exit code 2."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from db.errors import MedtlError
from medtl_meta.cli import cli

#: A number, though no count.
HUGE = "9" * 23
#: No number, or none that anything can be counted or measured with.
NO_NUMBERS = (
    "",
    "x",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "9" * 23,
    "9" * 5000,
    "²",
    "½",
    "0x10",
    "1,5",
    "--",
)


def leaves(command: click.Command, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each command that does something."""
    if not isinstance(command, click.Group):
        yield names
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, (*names, name))


def found(names: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in names:
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        command = inner
    return command


LEAVES = list(leaves(cli))


def test_all_commands_are_walked() -> None:
    assert len(LEAVES) > 30


@pytest.mark.parametrize("names", LEAVES, ids=" ".join)
def test_a_number_that_is_none_is_refused(names: tuple[str, ...]) -> None:
    numeric = (click.types.IntParamType, click.types.FloatParamType)
    for parameter in found(names).params:
        if not isinstance(parameter, click.Option) or not isinstance(parameter.type, numeric):
            continue
        whole = isinstance(parameter.type, click.types.IntParamType)
        for word in (one for one in NO_NUMBERS if whole or one != HUGE):
            outcome = CliRunner().invoke(cli, [*names, f"{parameter.opts[0]}={word}"])
            error = outcome.exception
            code = error.exit_code if isinstance(error, MedtlError) else outcome.exit_code
            assert code == 2, (names, parameter.name, word[:30], outcome.output, error)
            assert isinstance(error, (SystemExit, MedtlError))


@pytest.mark.parametrize("names", LEAVES, ids=" ".join)
@pytest.mark.parametrize("word", ["a\ud800", "\udcff"])
def test_what_is_no_text_is_refused(names: tuple[str, ...], word: str) -> None:
    outcome = CliRunner().invoke(cli, [*names, word])
    assert isinstance(outcome.exception, MedtlError)
    assert outcome.exception.exit_code == 2


@pytest.mark.parametrize("word", ["99999999999999999999999", "²", "[²]", "ref 9e9", "\x1b[2J"])
def test_no_study_of_that_name(word: str, database: object) -> None:
    place = str(database.location)  # type: ignore[attr-defined]
    outcome = CliRunner().invoke(cli, ["--db", place, "show", word])
    assert isinstance(outcome.exception, MedtlError)
    assert outcome.exception.exit_code in (1, 2)
