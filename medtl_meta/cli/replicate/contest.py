"""``medtl-meta replicate contest``: TL types x backbones x seeds under equal conditions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from db.errors import ReplicationError, UsageError
from db.wording import RECOMMENDED_IS, method_words, metric_words, minus
from medtl_meta.cli.options import (
    chosen_formats,
    database_option,
    format_option,
    opened,
    out_option,
    remark,
)
from medtl_meta.cli.output import UNKNOWN, write_rows
from medtl_meta.cli.prose import heading
from medtl_meta.cli.sections import SectionedCommand
from metaanalysis.figures import FORMATS
from replicate.setup.overrides import TL_TYPE, overrides
from replicate.spec import RECOMMENDED, TL_TYPES

METRICS = ("auc", "accuracy", "balanced_accuracy")
RESULTS, PARTIAL, SUMMARY = "results.csv", "results.partial.csv", "summary.json"

#: Options that go into the conditions, by the names that all commands share.
_SHARED = (
    "weights",
    "head",
    "unfreeze",
    "size",
    "augment",
    "epochs",
    "head_epochs",
    "batch_size",
    "optimiser",
    "lr",
    "backbone_lr",
    "patience",
    "schedule",
    "class_weights",
    "split",
    "folds",
    "test",
    "max_images",
    "amp",
)
_COLUMNS: tuple[str, ...] = (
    "tl_type", "backbone", "value", "mean_rank", "seconds", "trained_parameters", "pareto",
)  # fmt: skip
_COMPARED = ("question", "comparison", "sets", "wins", "difference", "ci_low", "ci_high", "p_holm")
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_RATE = click.FloatRange(min=0, min_open=True)


@click.command(cls=SectionedCommand)
@click.option(
    "--images", multiple=True, metavar="WHERE", help="Image set; give it once for each set."
)
@click.option(
    "--modality", multiple=True, metavar="WORD", help="Of each set in turn, for the reader."
)
@click.option(
    "--backbone", default="MobileNetV2", show_default=True, metavar="A,B,...", help="Networks."
)
@click.option(
    "--tl",
    default="all",
    show_default=True,
    metavar="A,B,...",
    help=f"TL types: {', '.join(TL_TYPES)} ({RECOMMENDED_IS}).",
)
@click.option("--seeds", default="0,1,2", show_default=True, metavar="A,B,...", help="Seeds.")
@click.option(
    "--size", type=click.IntRange(16, 1024), metavar="N", help="Side of the input in pixels."
)
@click.option(
    "--epochs", type=click.IntRange(min=1), metavar="N", help="Passes over the training images."
)
@click.option(
    "--head-epochs",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Of them with the head alone; {RECOMMENDED} only.",
)
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Images a step.")
@click.option("--optimiser", metavar="NAME", help="adam, adamw, sgd or rmsprop.")
@click.option("--lr", type=_RATE, metavar="RATE", help="Learning rate of the head.")
@click.option("--backbone-lr", type=_RATE, metavar="RATE", help="Of unfrozen pretrained layers.")
@click.option("--schedule", metavar="NAME", help="constant, cosine or step.")
@click.option(
    "--patience", type=click.IntRange(min=1), metavar="N", help="Stop early after so many epochs."
)
@click.option("--class-weights", metavar="KIND", help="none or balanced.")
@click.option("--augment", metavar="KIND", help="none, flips or standard; not with hybrids.")
@click.option("--unfreeze", metavar="EXTENT", help="By fine-tuning, such as blocks:2.")
@click.option("--head", metavar="KIND", help="Classifier of feature extractor hybrids.")
@click.option("--weights", metavar="W", help="pretrained, or a path.")
@click.option("--split", metavar="KIND", help="group (patient), image, official.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="N",
    help="Folds of cross-validation.  [default: 5]",
)
@click.option("--test", type=_SHARE, metavar="SHARE", help="Hold out this share instead of folds.")
@click.option(
    "--max-images", type=click.IntRange(min=2), metavar="N", help="Use a sample of each set."
)
@click.option("--amp", is_flag=True, default=None, help="Train in mixed precision.")
@click.option("--device", default="auto", show_default=True, help="auto, cuda, mps or cpu.")
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default="auc",
    show_default=True,
    help="What is compared.",
)
@click.option(
    "--from",
    "earlier",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Summarise and draw an earlier {RESULTS}; runs nothing.",
)
@click.option(
    "--figure",
    "forms",
    default="html,png",
    show_default=True,
    metavar="A,B,...",
    help=f"What to write of the figures, out of {', '.join(FORMATS)}.",
)
@out_option("contest")
@format_option
@database_option
@click.pass_context
def contest(
    context: click.Context,
    /,
    images: tuple[str, ...],
    modality: tuple[str, ...],
    backbone: str,
    tl: str,
    seeds: str,
    device: str,
    metric: str,
    earlier: Path | None,
    forms: str,
    out: Path,
    form: str,
    where: str | None,
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
    from replicate.contest.summary import summarise

    wanted = chosen_formats(forms, FORMATS)
    if earlier is not None:
        if images:
            raise UsageError("--from and --images: one runs nothing, the other does.", "Drop one.")
        rows = contest_rows.read(earlier)
    else:
        rows = _held(context, images, modality, backbone, tl, seeds, device, out, where, given)
    summary = summarise(rows, metric)
    drawn = _draw(summary, rows, metric, out, wanted)
    _say(summary, rows, metric, form)
    for note in summary.notes:
        remark(note)
    for path in drawn:
        remark(f"Written: {path}")


def _held(
    context: click.Context,
    images: Sequence[str],
    modality: Sequence[str],
    backbone: str,
    tl: str,
    seeds: str,
    device: str,
    out: Path,
    where: str | None,
    given: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Hold the contest; rows so far are on the disk after every run."""
    from medtl_meta.cli.bar import progress_bar
    from replicate.contest import rows as contest_rows
    from replicate.contest.grid import Entrant, cells, conditions_of, hold
    from replicate.images.opening import open_images
    from replicate.run import replicate
    from replicate.setup.overrides import parse_seeds
    from replicate.training.compute import choose

    if modality and len(modality) != len(images):
        raise UsageError(
            f"--modality: {len(modality)} words for {len(images)} image sets.",
            "Give one for each --images, in the same order, or none.",
        )
    conditions = conditions_of(overrides({name: given[name] for name in _SHARED}))
    size = conditions.preprocessing.size
    words: list[str | None] = [*modality] or [None] * len(images)
    entrants = [
        Entrant(open_images(one, size=size), word) for one, word in zip(images, words, strict=True)
    ]
    runs = cells(entrants, _networks(backbone, size), _tl_types(tl), parse_seeds(seeds), conditions)
    compute = choose(device)
    contest_rows.check_folder(out)
    rows: list[dict[str, Any]] = []
    with opened(where) as database, progress_bar() as report:
        going = hold(
            runs,
            lambda spec, of, ledger: replicate(
                spec, of, ledger=ledger, compute=compute, database=database, progress=report
            ),
            command=_command(context),
        )
        try:
            for cell, row in zip(runs, going, strict=True):
                rows.append(row)
                contest_rows.write(rows, out / PARTIAL)
                value = f"failed: {row['error']}" if row["error"] else _values(row)
                remark(f"{len(rows)} of {len(runs)}  {cell.name}: {value}")
        except KeyboardInterrupt:
            raise ReplicationError(
                f"Stopped by hand after {len(rows)} of {len(runs)} runs.",
                "What was done is kept: the same command goes on from there.",
            ) from None
    contest_rows.write(rows, out / RESULTS)
    (out / PARTIAL).unlink(missing_ok=True)
    return rows


def _values(row: Mapping[str, Any]) -> str:
    parts = [
        f"{metric_words(name)} {row[name]:.3f}"
        for name in ("auc", "accuracy")
        if row[name] is not None
    ]
    return ", ".join(parts) or "undefined"


def _networks(text: str, size: int) -> list[Any]:
    """Resolve names of backbones that take this size; what stands in for another says so."""
    from replicate.networks.builders import builder_for, check_size
    from replicate.spec import Network

    found = []
    for name in filter(None, (word.strip() for word in text.split(","))):
        choice = builder_for(name)
        check_size(choice.builder, size)
        if choice.substitution:
            remark(f"{choice.reported}: {choice.builder.name} stands in. {choice.substitution}")
        reported = choice.reported if choice.substitution else None
        found.append(Network(name=choice.builder.name, reported=reported))
    return found


def _tl_types(text: str) -> list[Any]:
    if text.strip().lower() == "all":
        return list(TL_TYPES)
    return [TL_TYPE.resolve(word.strip()) for word in text.split(",") if word.strip()]


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


def _extents(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what each TL type is called, with how far it unfroze, where rows say it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        extents = found.setdefault(row["tl_type"], [])
        if (extent := row.get("unfrozen")) and extent not in extents:
            extents.append(extent)
    return {name: method_words(name, " or ".join(extents)) for name, extents in found.items()}


def _draw(
    summary: Any,
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    out: Path,
    wanted: tuple[str, ...],
) -> list[Path]:
    import json

    from db.errors import MedtlError
    from db.files import replace_file
    from metaanalysis.figures.runs.contest import Cost
    from metaanalysis.figures.runs.contest import contest as figure

    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(summary.to_dict(), indent=2, ensure_ascii=False)
        replace_file(out / SUMMARY, text.encode())
    except OSError as error:
        raise MedtlError(
            f"{out}: cannot be written ({error.strerror or error}).",
            "Name a folder that you may write to with --out.",
        ) from None
    written = [out / SUMMARY]
    partial = [words for name, words in _extents(rows).items() if words != name]
    notes = [*summary.notes, *([f"Unfrozen by {', '.join(partial)}."] if partial else [])]
    costs: dict[Cost, str] = {
        "seconds": "contest-time",
        "trained_parameters": "contest-parameters",
    }
    for cost, name in costs.items():
        drawn = figure(
            summary.methods,
            summary.points,
            metric=metric,
            phantom=summary.phantom,
            notes=notes,
            cost=cost,
            name=name,
        )
        written += drawn.save(out, wanted)
    return written


def _say(summary: Any, rows: Sequence[Mapping[str, Any]], metric: str, form: str) -> None:
    import json

    from replicate.contest.grid import COLUMNS

    if form == "json":
        text = {"summary": summary.to_dict(), "rows": list(rows)}
        click.echo(json.dumps(text, indent=2, ensure_ascii=False))
        return
    if form == "csv":
        write_rows(rows, COLUMNS, form)
        return
    words = _extents(rows)
    methods = [
        _rounded({**row, "tl_type": words.get(row["tl_type"], row["tl_type"])})
        for row in summary.methods
    ]
    if form == "table":
        methods = [_aligned(row) for row in methods]
    headings = {
        "value": metric_words(metric), "trained_parameters": "trained", "tl_type": "TL type",
        "mean_rank": "mean rank", "pareto": "Pareto",
    }  # fmt: skip
    columns = _COLUMNS
    if form == "table" and len(summary.sets) < 2:  # a rank among sets takes several
        columns = tuple(name for name in columns if name != "mean_rank")
    one = len({row["backbone"] for row in methods}) == 1
    spare = ("backbone",) * one + ("mean_rank", "pareto")
    write_rows(methods, columns, form, headings=headings, spare=spare)
    if len(summary.sets) > 1:
        _say_compared(summary.to_dict()["comparisons"], form)


def _say_compared(comparisons: Mapping[str, Sequence[Mapping[str, Any]]], form: str) -> None:
    rows = {
        question: [
            {"question": question, "comparison": f"{one['first']} minus {one['second']}", **one}
            for one in found
        ]
        for question, found in comparisons.items()
        if found
    }
    if form != "table":
        together = [_rounded(row) for of_question in rows.values() for row in of_question]
        if together:
            click.echo()
            write_rows(together, _COMPARED, form)
        return
    headings = {"ci_low": "95% interval", "p_holm": "p (Holm)"}
    for question, found in rows.items():
        heading(f"Difference: {question}")
        shown = [
            {
                **row,
                "difference": _signed(row["difference"]),
                "ci_low": UNKNOWN
                if row["ci_low"] is None
                else f"{_signed(row['ci_low'])} to {_signed(row['ci_high'])}",
                "p_holm": UNKNOWN if row["p_holm"] is None else f"{row['p_holm']:.3f}",
            }
            for row in found
        ]
        columns = tuple(name for name in _COMPARED if name not in ("question", "ci_high"))
        write_rows(shown, columns, form, headings=headings, spare=("sets",))


def _signed(value: float | None) -> str:
    if value is None or value != value:
        return UNKNOWN
    return minus(f"{value:+.3f}")


def _aligned(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose numbers have their digits below each other."""
    value, rank, trained = row["value"], row["mean_rank"], row["trained_parameters"]
    return {
        **row,
        "mean_rank": UNKNOWN if rank is None else f"{rank:.2f}",
        "value": UNKNOWN if value is None else f"{value:.3f}",
        "trained_parameters": UNKNOWN if trained is None else f"{trained:>11,}",
    }


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    def short(name: str, value: Any) -> Any:
        if not isinstance(value, float):
            return value
        if value != value:
            return None
        return round(value, 1 if name == "seconds" else 2 if name == "mean_rank" else 3)

    return {name: short(name, value) for name, value in row.items()}
