"""``medtl-meta replicate contest``: TL types x backbones x seeds under equal conditions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from db.errors import ReplicationError, UsageError
from db.wording import RECOMMENDED_IS, UNKNOWN, fixed, metric_words, minus
from medtl_meta.cli.options import (
    chosen_formats,
    database_option,
    figure_option,
    format_option,
    opened,
    out_option,
    remark,
)
from medtl_meta.cli.output import write_rows
from medtl_meta.cli.prose import heading
from medtl_meta.cli.replicate.settings import reading_options, spec_options
from medtl_meta.cli.sections import SectionedCommand
from medtl_meta.cli.terminal import echo, echo_json
from replicate.setup.overrides import overrides, parse_seeds
from replicate.terms import CONTEST_METRICS, RECOMMENDED, TL_TYPES

if TYPE_CHECKING:
    from replicate.contest.answer import Summary

#: What options mean here that mean something else to a single run: placeholder and help.
_OTHERWISE = {
    "backbone": ("A,B,...", "Networks.  [default: MobileNetV2]"),
    "tl": ("A,B,...", f"TL types: {', '.join(TL_TYPES)} ({RECOMMENDED_IS}).  [default: all]"),
    "seeds": ("A,B,...", "Seeds.  [default: 0,1,2]"),
    "weights": ("W", "pretrained, or a path."),
    "head": ("KIND", "Classifier of feature extractor hybrids."),
    "unfreeze": ("EXTENT", "By fine-tuning, such as blocks:2."),
    "augment": ("KIND", "none, flips or standard; not with hybrids."),
    "head_epochs": ("N", f"Of them with the head alone; {RECOMMENDED} only."),
    "split": ("KIND", "group (patient), image, official."),
    "folds": ("N", "Folds of cross-validation.  [default: 5]"),
    "test": ("SHARE", "Hold out this share instead of folds."),
    "max_images": ("N", "Use a sample of each set."),
}
_COLUMNS: tuple[str, ...] = (
    "tl_type", "backbone", "value", "mean_rank", "seconds", "trained_parameters", "pareto",
)  # fmt: skip
_COMPARED = (
    "question", "comparison", "sets", "wins", "difference", "ci_low", "ci_high", "p_holm",
    "p_wrong", "p_equal", "rope",
)  # fmt: skip


@click.command(cls=SectionedCommand)
@click.option(
    "--images", multiple=True, metavar="WHERE", help="Image set; give it once for each set."
)
@click.option(
    "--modality", multiple=True, metavar="WORD", help="Of each set in turn, for the reader."
)
@reading_options
@spec_options(left_out=("positive",), **_OTHERWISE)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, mps or cpu.")
@click.option(
    "--metric",
    type=click.Choice(CONTEST_METRICS),
    default="auc",
    show_default=True,
    help="What is compared.",
)
@click.option(
    "--from",
    "earlier",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Summarise and draw an earlier results.csv; runs nothing.",
)
@figure_option("What to write of the figures")
@out_option("contest")
@format_option
@database_option
@click.pass_context
def contest(
    context: click.Context,
    /,
    words: dict[str, Any],
    earlier: Path | None,
    forms: str,
    out: Path,
    **given: Any,
) -> None:
    """Run TL types x backbones x seeds on several image sets, under equal conditions.

    All runs of a set share its splits, preprocessing and schedule. Rows (one a run), summary and
    figures go to --out; a contest that was stopped goes on with the same command. The data sets
    are the n of the tests: seeds and images of one set are not.

    \b
    Examples:
      medtl-meta replicate contest --images phantom --tl "feature extractor,random" --epochs 3
      medtl-meta replicate contest --images sets/covid_ct --images sets/busi --size 96 --out ct
      medtl-meta replicate contest --from ct/results.csv --metric accuracy
    """
    from replicate.contest import rows as contest_rows
    from replicate.contest.drawing import write_answer
    from replicate.contest.summary import summarise

    wanted = chosen_formats(forms)
    if earlier is not None:
        if given["images"]:
            raise UsageError("--from and --images: one runs nothing, the other does.", "Drop one.")
        rows = contest_rows.read(earlier)
    else:
        from replicate.contest.call import Design, contest_cells
        from replicate.images.reading import taken

        asked = {**words}
        networks, types = asked.pop("backbone", "MobileNetV2"), asked.pop("tl", "all")
        design = Design(
            backbones=_words(networks),
            tl_types=TL_TYPES if types.strip().lower() == "all" else _words(types),
            seeds=parse_seeds(asked.pop("seeds", "0,1,2")),
            settings=overrides(asked),
        )
        cells = contest_cells(
            given["images"],
            design,
            modalities=given["modality"],
            reading=taken(given["reading"])[0],
        )
        rows = _held(cells, given["device"], _command(context), out, given["where"])
    summary = summarise(rows, given["metric"])
    drawn = write_answer(summary, rows, out, wanted)
    _say(summary, rows, given["form"])
    for note in summary.notes:
        remark(note)
    for path in drawn:
        remark(f"Written: {path}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _held(
    cells: Sequence[Any], device: str, command: str, out: Path, where: str | None
) -> list[dict[str, Any]]:
    """Run the cells and tell of each; rows so far are on the disk after every run."""
    from medtl_meta.cli.bar import progress_bar
    from replicate.contest.call import run_cells
    from replicate.networks.builders import builder_for
    from replicate.training.compute import choose

    for name in dict.fromkeys(cell.spec.network.reported for cell in cells):
        if name is not None:
            choice = builder_for(name)
            remark(f"{choice.reported}: {choice.builder.name} stands in. {choice.substitution}")
    compute = choose(device)
    rows: list[dict[str, Any]] = []
    with opened(where) as database, progress_bar() as report:
        going = run_cells(
            cells,
            command=command,
            folder=out,
            compute=compute,
            database=database,
            progress=report,
        )
        try:
            for row in going:
                cell = cells[len(rows)]
                rows.append(row)
                value = f"failed: {row['error']}" if row["error"] else _values(row)
                remark(f"{len(rows)} of {len(cells)}  {cell.name}: {value}")
        except KeyboardInterrupt:
            raise ReplicationError(
                f"Stopped by hand after {len(rows)} of {len(cells)} runs.",
                "What was done is kept: the same command goes on from there.",
            ) from None
    return rows


def _values(row: Mapping[str, Any]) -> str:
    parts = [
        f"{metric_words(name)} {row[name]:.3f}"
        for name in ("auc", "accuracy")
        if row[name] is not None
    ]
    return ", ".join(parts) or "undefined"


def _command(context: click.Context) -> str:
    """Return what to type to have it again; of places on this machine only their names."""
    words = ["medtl-meta", "replicate", "contest"]
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in ("out", "form", "forms", "where", "metric"):
            continue
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        for one in value if isinstance(value, tuple) else (value,):
            words.append(parameter.opts[0])
            if one is not True:
                words.append(Path(one).name if name in ("images", "weights") else str(one))
    return shlex.join(words)


def _say(summary: Summary, rows: Sequence[Mapping[str, Any]], form: str) -> None:
    from replicate.contest.answer import tl_type_words
    from replicate.contest.rows import COLUMNS

    if form == "json":
        text = {"summary": summary.to_dict(), "rows": list(rows)}
        echo_json(text)
        return
    if form == "csv":
        write_rows(rows, list(COLUMNS), form)
        return
    words = tl_type_words(rows)
    methods = [
        {**_rounded(row), "tl_type": words.get(row["tl_type"], row["tl_type"])}
        for row in summary.methods
    ]
    columns = _COLUMNS
    if form == "table":
        # Numbers of a column have their digits below each other.
        for row in methods:
            row |= {"mean_rank": fixed(row["mean_rank"], 2), "value": fixed(row["value"])}
            row["trained_parameters"] = f"{row['trained_parameters']:>11,}"
        if len(summary.sets) < 2:  # a rank among sets takes several
            columns = tuple(name for name in columns if name != "mean_rank")
    headings = {
        "value": metric_words(summary.metric), "trained_parameters": "trained",
        "tl_type": "TL type", "mean_rank": "mean rank", "pareto": "Pareto",
    }  # fmt: skip
    one = len({row["backbone"] for row in methods}) == 1
    spare = ("backbone",) * one + ("mean_rank", "pareto")
    write_rows(methods, columns, form, headings=headings, spare=spare)
    if len(summary.sets) > 1:
        _say_compared(summary, form)


def _say_compared(summary: Summary, form: str) -> None:
    from replicate.contest.answer import compared_rows, probability
    from replicate.contest.summary import AMONG_METHODS

    rows = compared_rows(summary.comparisons)
    if form != "table":
        if rows:
            echo()
            write_rows(list(map(_rounded, rows)), _COMPARED, form)
        return
    headings = {
        "ci_low": "95% interval", "p_holm": "p (Holm)", "p_wrong": "P(wrong)",
        "p_equal": "P(equal)",
    }  # fmt: skip
    columns = tuple(name for name in _COMPARED if name not in ("question", "ci_high", "rope"))
    # Of all pairs of methods those with the best one; the files have the others.
    best = next((row["first"] for row in rows if row["question"] == AMONG_METHODS), None)
    rows = [row for row in rows if row["question"] != AMONG_METHODS or row["first"] == best]
    for row in rows:
        low, high = _signed(row["ci_low"]), _signed(row["ci_high"])
        row |= {
            "difference": _signed(row["difference"]),
            "ci_low": UNKNOWN if row["ci_low"] is None else f"{low} to {high}",
            "p_holm": fixed(row["p_holm"]),
            **{name: probability(row[name]) for name in ("p_wrong", "p_equal")},
        }
    for question, found in groupby(rows, key=lambda row: row["question"]):
        heading(f"Difference: {question}")
        write_rows(list(found), columns, form, headings=headings, spare=("sets", "p_equal"))


def _signed(value: float | None) -> str:
    return UNKNOWN if value is None else minus(f"{value:+.3f}")


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its numbers rounded; what is not defined is None."""
    digits = {"seconds": 1, "mean_rank": 2}
    return {
        name: (None if value != value else round(value, digits.get(name, 3)))
        if isinstance(value, float)
        else value
        for name, value in row.items()
    }
