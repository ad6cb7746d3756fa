"""``medtl-meta stats correlate``: the review's rank correlations, printed and recomputed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from db.errors import UsageError
from db.vocabulary import Lexicon
from medtl_meta.cli.options import database_option, format_option, opened, remark
from medtl_meta.cli.output import write_rows
from medtl_meta.cli.stats.options import level_option
from medtl_meta.cli.stats.running import tell


@click.command()
@click.option("--outcome", metavar="WORD", help="AUC or accuracy.  [default: both]")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Correlate two columns of a CSV file in place of the literature.",
)
@click.option("--x", metavar="COL", help="CSV column: the one.")
@click.option("--y", metavar="COL", help="CSV column: the other.")
@click.option(
    "--missing",
    type=click.Choice(("error", "exclude")),
    help="CSV rows without a value: refuse them, or leave them out and list them.  "
    "[default: error]",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=99),
    default=9999,
    show_default=True,
    help="Permutations (above 12 pairs; below, all orders are counted) and bootstrap samples.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the resamples.")
@level_option
@format_option
@database_option
def correlate(
    outcome: str | None,
    csv_file: Path | None,
    x: str | None,
    y: str | None,
    missing: Any,
    resamples: int,
    seed: int,
    level: float,
    form: str,
    where: str | None,
) -> None:
    """Recompute the review's rank correlations of data size with AUC and accuracy.

    Spearman's rho over the curated studies that the review's Figure 6 shows by its own rule, with
    n, an exact or permutation p and a bootstrap interval, beside the printed rho and p and the
    number of studies that these two would need to fit each other.

    \b
    Examples:
      medtl-meta stats correlate
      medtl-meta stats correlate --csv mine.csv --x size --y auc
    """
    if csv_file is not None:
        if outcome is not None:
            raise UsageError("--outcome speaks of the literature.", "Name columns: --x, --y.")
        if x is None or y is None:
            raise UsageError("--csv: two columns are needed.", "Name them with --x and --y.")
        _columns(csv_file, x, y, missing or "error", resamples, seed, level, form)
        return
    for option, value in (("--x", x), ("--y", y), ("--missing", missing)):
        if value is not None:
            raise UsageError(f"{option} speaks of a CSV file.", "Name the file with --csv.")
    known = Lexicon("--outcome", ("AUC", "accuracy"), {"AUROC": "AUC", "acc": "accuracy"})
    metrics = known.terms if outcome is None else (known.resolve(outcome),)
    _review(metrics, resamples, seed, level, form, where)


def _review(
    metrics: tuple[str, ...], resamples: int, seed: int, level: float, form: str, where: str | None
) -> None:
    from medtl_meta.cli.stats.tables import p_cell, span, text
    from metaanalysis.analyses.ranks import review_correlations
    from metaanalysis.samples.sample import by_reason

    with opened(where) as database:
        found = review_correlations(database, metrics, resamples=resamples, seed=seed, level=level)
    if form == "json":
        click.echo(json.dumps([one.to_dict() for one in found], indent=2, ensure_ascii=False))
        return
    rows: list[dict[str, Any]] = []
    lines, sentences = [], []
    for one in found:
        ours = one.recomputed
        rows += [
            {
                "data size per class and": one.metric,
                "kind": "reported",
                "rho": one.printed.r,
                "p": one.printed.p,
                "n": None,
                "ci_low": None,
                "ci_high": None,
            },
            {
                "data size per class and": one.metric,
                "kind": "recomputed",
                "rho": ours.rho,
                "p": ours.p,
                "n": ours.n,
                "ci_low": ours.ci_low,
                "ci_high": ours.ci_high,
            },
        ]
        low, high = one.printed.n_low, one.printed.n_high
        lines.append(
            f"{one.metric}, printed: rho {one.printed.r} and p {one.printed.p} fit each other for "
            f"{'no number of' if low is None else f'{low} to {high}' if high else f'{low} or more'}"
            f" studies; the figure shows {one.shown} in all."
        )
        lines.append(
            f"{one.metric}, recomputed: p by {ours.p_method}; interval by {ours.resamples} "
            f"bootstrap samples, {100 * ours.level:g} %. Analysed: {', '.join(one.keys)}."
        )
        many = f"{len(one.left_out)} curated stud{'y' if len(one.left_out) == 1 else 'ies'}"
        lines.append(f"Left out for {one.metric}: {many}:")
        lines += [
            f"- {reason} ({len(names)}): {', '.join(names)}."
            for reason, names in by_reason(one.left_out).items()
        ]
        sentences.append(one.sentence)
    if form == "csv":
        write_rows(rows, tuple(rows[0]), form)
        for line in [*lines, *sentences]:
            remark(line)
        return
    shown = [
        {
            "data size per class and": row["data size per class and"],
            "kind": row["kind"],
            "rho": row["rho"] if row["kind"] == "reported" else text(row["rho"], 2),
            "p": row["p"] if row["kind"] == "reported" else p_cell(row["p"]),
            "n": None if row["n"] is None else str(row["n"]),
            "interval": None if row["n"] is None else span(row["ci_low"], row["ci_high"], 2),
        }
        for row in rows
    ]
    write_rows(shown, tuple(shown[0]), form)
    plain = "In plain words: "
    first, *others = (sentence.removeprefix(plain) for sentence in sentences)
    joined = " ".join([f"{plain}{first}", *(f"{text[0].upper()}{text[1:]}" for text in others)])
    tell(lines, joined, form)


def _columns(
    path: Path, x: str, y: str, missing: Any, resamples: int, seed: int, level: float, form: str
) -> None:
    from medtl_meta.cli.stats.tables import p_cell, span, text
    from metaanalysis.analyses.sentences import PLAIN
    from metaanalysis.samples.csv_file import pairs_of_numbers
    from metaanalysis.stats.correlation import spearman
    from metaanalysis.stats.results import p_text

    left, right, out = pairs_of_numbers(path, x, y, missing=missing)
    found = spearman(left, right, resamples=resamples, seed=seed, level=level, columns=(x, y))
    link = (
        f"{y} tends to be {'higher' if found.rho > 0 else 'lower'} where {x} is higher"
        if found.p < 0.05
        else f"nothing shows that {y} goes up or down with {x}"
    )
    sentence = f"{PLAIN}{link} (rank correlation {found.rho:.2f}, {p_text(found.p)})."
    gone = [f"{item.short}: {item.reason}" for item in out]
    if form == "json":
        values = found.to_dict() | {"x": x, "y": y, "left_out": gone, "sentence": sentence}
        values.pop("excluded")
        click.echo(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False))
        return
    lines = [f"Analysed: {found.n} rows of {path.name}; p by {found.p_method}."]
    lines += [f"Left out: {'; '.join(gone)}."] if gone else []
    if form == "csv":
        rows = found.rows()
        write_rows(rows, tuple(rows[0]), form)
        for line in [*lines, sentence]:
            remark(line)
        return
    row = {
        "rho": text(found.rho, 3),
        "p": p_cell(found.p),
        "n": str(found.n),
        f"{100 * level:g} % interval": span(found.ci_low, found.ci_high, 3),
    }
    write_rows([row], tuple(row), form)
    tell(lines, sentence, form)
