"""From the options of a statistics command to its sample, its model and its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from db.errors import UsageError
from db.vocabulary import Lexicon
from db.wording import folded, whole_number
from medtl_meta.cli.options import chosen_formats, opened, remark
from medtl_meta.cli.output import width, write_rows
from medtl_meta.cli.prose import WIDEST
from medtl_meta.cli.query import FILTER_HELP
from medtl_meta.cli.stats.options import ROLES
from medtl_meta.cli.terminal import echo, echo_json, markdown_text
from metaanalysis.analyses.choices import METHODS, TESTS, TRANSFORMS
from metaanalysis.figures import FORMATS

if TYPE_CHECKING:
    from metaanalysis.analyses.analysis import Analysis, Model
    from metaanalysis.samples.sample import Sample

Given = Mapping[str, Any]

#: Options that speak of the literature alone, and of a CSV alone.
_LITERATURE = ("arms", "assume_n", "assume_prevalence", "keep_retracted", "keep_untransferred")
_CSV = (*ROLES, "label", "cluster", "missing")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def sample_of(
    given: Given, *, pairs: bool = False, by: str = "", moderators: Sequence[str] = ()
) -> Sample:
    """Return the sample that the options name, from the literature or from a CSV.

    Parameters
    ----------
    given
        The options of the command.
    pairs
        Take two-by-two tables from the literature.
    by
        The option that names the moderators.
    moderators
        Columns of a CSV that the analysis needs further.

    Raises
    ------
    UsageError
        Options of the one with the other.
    """
    if given["csv_file"] is None:
        _refuse(given, _CSV, "speaks of a CSV file", "Name the file with --csv.")
        if given.get("replicated"):
            return _from_replications(given, pairs=pairs)
        return _from_literature(given, pairs=pairs)
    literature = (*FILTER_HELP, "outcome", *_LITERATURE, "replicated")
    _refuse(
        given, literature, "speaks of the literature, not of a CSV file", "Drop it, or drop --csv."
    )
    from metaanalysis.samples.csv_file import from_csv

    return from_csv(
        given["csv_file"],
        columns={role: given[role] for role in ROLES if given.get(role) is not None},
        label=given["label"],
        moderators=moderators,
        # What makes groups may be called 1, 2 and 3a.
        factors=moderators if by == "--by" else given.get("factors") or (),
        option=by,
        cluster=given.get("cluster"),
        missing=given["missing"] or "error",
    )


def _refuse(given: Given, names: Sequence[str], what: str, hint: str) -> None:
    """Refuse the first of these options that was given; flags and lists are where they are not."""
    for name in names:
        value = given.get(name)
        if value is not None and value is not False and value != ():
            raise UsageError(f"{_option(name)} {what}.", hint)


def _from_replications(given: Given, *, pairs: bool) -> Sample:
    from metaanalysis.samples.replications import from_replications

    if pairs:
        raise UsageError("--replicated gives one outcome a run, no pairs.", "Leave it away.")
    what = "speaks of the literature, not of replications"
    _refuse(given, (*FILTER_HELP, *_LITERATURE), what, "Drop it, or drop --replicated.")
    with opened(given["where"]) as database:
        return from_replications(database, given.get("outcome") or "accuracy")


def _from_literature(given: Given, *, pairs: bool) -> Sample:
    from metaanalysis.query.filters import Filters
    from metaanalysis.samples.counting import Assumptions
    from metaanalysis.samples.literature import from_literature, pairs_from_literature

    allowed = Assumptions(
        n=_assumed_n(given["assume_n"]),
        prevalence=given["assume_prevalence"],
        keep_retracted=given["keep_retracted"],
        keep_untransferred=given["keep_untransferred"],
    )
    filters = Filters.of({name: given[name] for name in FILTER_HELP})
    with opened(given["where"]) as database:
        if pairs:
            return pairs_from_literature(database, filters, assumptions=allowed)
        return from_literature(
            database,
            given.get("outcome") or "accuracy",
            filters,
            arms=given.get("arms") or "headline",
            assumptions=allowed,
        )


def _assumed_n(text: str | None) -> str | int | None:
    if text is None:
        return None
    word = text.strip()
    number = whole_number(word.removeprefix("-"))
    if number is None:
        return word.lower()
    return -number if word.startswith("-") else number


def _word(given: Given, name: str, known: Sequence[str]) -> str | None:
    word = given.get(name)
    return None if word is None else Lexicon(_option(name), known).resolve(word)


def model_of(given: Given) -> Model:
    """Return the model that the options name.

    Raises
    ------
    UsageError
        An unknown word; names the nearest.
    """
    from metaanalysis.analyses.analysis import Model

    known = {"method": METHODS, "test": TESTS, "transform": TRANSFORMS}
    return Model(
        **{name: _word(given, name, of) for name, of in known.items()}, level=given["level"]
    )


def write(analysis: Analysis, given: Given) -> None:
    """Write an analysis in the format that was asked for, and draw it where that was asked for.

    A table or Markdown carries its account (what was analysed, left out, assumed) below it, on
    stdout like the numbers, which mean nothing without it. With CSV the account goes to stderr.
    """
    from medtl_meta.cli.stats.tables import records, table

    chosen = _figure_formats(analysis, given)
    rows, below = table(analysis)
    account = analysis.paragraphs()
    match given["form"]:
        case "json":
            put_json(analysis.to_dict())
        case "csv":
            put_csv(records(analysis), [*account, analysis.sentence])
        case form:
            put_table(rows, [*below, *account], analysis.sentence, form)
    if chosen:
        draw(analysis, given, chosen)


def _figure_formats(analysis: Analysis, given: Given) -> tuple[str, ...]:
    """Return the formats of the figure, none where none is asked for.

    Raises
    ------
    UsageError
        There is no figure of this analysis, or no such format; before anything is written.
    """
    if given["figure_folder"] is None:
        if given["figure_format"] is not None:
            raise UsageError(
                "--figure-format: no figure is asked for.", "Name a folder with --figure."
            )
        return ()
    from metaanalysis.figures.stats.drawing import has_figure

    if not has_figure(analysis):
        raise UsageError("--figure: there is no figure of this analysis.", "Drop the option.")
    words = given["figure_format"]
    return FORMATS if words is None else chosen_formats(words, FORMATS, option="--figure-format")


def put_json(values: Any) -> None:
    """Write values as JSON."""
    echo_json(values, allow_nan=False)


def put_csv(rows: Sequence[Mapping[str, Any]], account: Sequence[str]) -> None:
    """Write rows as CSV, and what there is to say about them to stderr."""
    write_rows(rows, tuple(rows[0]), "csv")
    for line in account:
        remark(line)


def put_table(
    rows: Sequence[Mapping[str, Any]], lines: Sequence[str], sentence: str, form: str
) -> None:
    """Write a table with prose below it; the last line is the sentence in plain words."""
    write_rows(rows, tuple(rows[0]), form)
    echo()
    for line in lines:
        _paragraph(line, form)
    echo()
    _paragraph(sentence, form)


def _paragraph(text: str, form: str) -> None:
    """Write a paragraph, folded to the terminal; Markdown folds its own."""
    item = text.startswith("- ")
    if form == "markdown":
        echo(markdown_text(text if item else f"{text}\n"))
        return
    for line in folded(text, min(width(), WIDEST), hang=2 if item else 0):
        echo(line)


def draw(analysis: Analysis, given: Given, forms: tuple[str, ...]) -> None:
    """Draw an analysis into a folder; the paths of the files go to stderr, as they are no data."""
    from metaanalysis.figures.stats.drawing import drawn

    data_hash = None
    if given["csv_file"] is None:
        with opened(given["where"]) as database:
            data_hash = database.data_hash
    for path in drawn(analysis, data_hash).save(given["figure_folder"], forms):
        remark(str(path))
