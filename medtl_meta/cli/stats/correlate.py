"""``medtl-meta stats correlate``: the review's rank correlations, printed and recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from db.errors import UsageError
from db.vocabulary import Lexicon
from db.wording import p_cell, plural
from medtl_meta.cli.options import database_option, format_option, opened, whole
from medtl_meta.cli.stats.options import SAMPLE, level_option
from medtl_meta.cli.stats.running import put_csv, put_json, put_table


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
@click.option("--missing", **SAMPLE["missing"])
@click.option(
    "--resamples",
    type=whole(99),
    default=9999,
    show_default=True,
    help="Permutations (above 12 pairs; below, all orders are counted) and bootstrap samples.",
)
@click.option("--seed", type=whole(0), default=1, show_default=True, help="Of the resamples.")
@level_option
@format_option
@database_option
def correlate(
    outcome: str | None, csv_file: Path | None, form: str, where: str | None, **given: Any
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
    if not 0 < given["level"] < 1:
        raise UsageError(f"--level {given['level']:g}: not between 0 and 1.", "Write 0.95, say.")
    # How p and interval are found.
    drawn = {name: given[name] for name in ("resamples", "seed", "level")}
    if csv_file is not None:
        if outcome is not None:
            raise UsageError("--outcome speaks of the literature.", "Name columns: --x, --y.")
        x, y = given["x"], given["y"]
        if x is None or y is None:
            raise UsageError("--csv: two columns are needed.", "Name them with --x and --y.")
        _columns(csv_file, x, y, given["missing"] or "error", drawn, form)
        return
    for name in ("x", "y", "missing"):
        if given[name] is not None:
            raise UsageError(f"--{name} speaks of a CSV file.", "Name the file with --csv.")
    known = Lexicon("--outcome", ("AUC", "accuracy"), {"AUROC": "AUC", "acc": "accuracy"})
    metrics = known.terms if outcome is None else (known.resolve(outcome),)
    _review(metrics, drawn, form, where)


def _review(metrics: tuple[str, ...], drawn: dict[str, Any], form: str, where: str | None) -> None:
    from medtl_meta.cli.stats.tables import span, text
    from metaanalysis.analyses.ranks import review_correlations
    from metaanalysis.analyses.sentences import PLAIN
    from metaanalysis.samples.sample import listed_reasons

    with opened(where) as database:
        found = review_correlations(database, metrics, **drawn)
    if form == "json":
        put_json([one.to_dict() for one in found])
        return
    rows: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    lines = []
    for one in found:
        name = {"data size per class and": one.metric}
        ours, printed = one.recomputed, one.printed
        theirs = {**name, "kind": "reported", "rho": printed.r, "p": printed.p, "n": None}
        mine = {**name, "kind": "recomputed", "rho": ours.rho, "p": ours.p, "n": ours.n}
        ends = {"ci_low": ours.ci_low, "ci_high": ours.ci_high}
        rows += [theirs | dict.fromkeys(ends), mine | ends]
        told = {"rho": text(ours.rho, 2), "p": p_cell(ours.p), "n": str(ours.n)}
        interval = span(ours.ci_low, ours.ci_high, 2)
        shown += [{**theirs, "interval": None}, {**mine, **told, "interval": interval}]
        low, high = printed.n_low, printed.n_high
        fits = "no number of" if low is None else f"{low} to {high}" if high else f"{low} or more"
        lines += [
            f"{one.metric}, printed: rho {printed.r} and p {printed.p} fit each other for {fits} "
            f"studies; the figure shows {one.shown} in all.",
            f"{one.metric}, recomputed: p by {ours.p_method}; interval by {ours.resamples} "
            f"bootstrap samples, {100 * ours.level:g} %. Analysed: {', '.join(one.keys)}.",
            f"Left out for {one.metric}: {plural(len(one.left_out), 'curated study')}:",
            *listed_reasons(one.left_out),
        ]
    if form == "csv":
        put_csv(rows, [*lines, *(one.sentence for one in found)])
        return
    first, *others = (one.finding for one in found)
    joined = " ".join([f"{PLAIN}{first}", *(f"{text[0].upper()}{text[1:]}" for text in others)])
    put_table(shown, lines, joined, form)


def _columns(path: Path, x: str, y: str, missing: Any, drawn: dict[str, Any], form: str) -> None:
    from medtl_meta.cli.stats.tables import span, text
    from metaanalysis.analyses.sentences import goes_with
    from metaanalysis.samples.csv_file import pairs_of_numbers
    from metaanalysis.stats.correlation import spearman

    left, right, out = pairs_of_numbers(path, x, y, missing=missing)
    found = spearman(left, right, columns=(x, y), **drawn)
    sentence = goes_with(x, y, found)
    if form == "json":
        gone = [item.to_dict() for item in out]
        values = found.to_dict() | {"x": x, "y": y, "left_out": gone, "sentence": sentence}
        values.pop("excluded")
        put_json(values)
        return
    lines = [f"Analysed: {found.n} rows of {path.name}; p by {found.p_method}."]
    gone_words = "; ".join(f"{item.short}: {item.reason}" for item in out)
    lines += [f"Left out: {gone_words}."] if out else []
    if form == "csv":
        put_csv(found.rows(), [*lines, sentence])
        return
    row = {
        "rho": text(found.rho, 3),
        "p": p_cell(found.p),
        "n": str(found.n),
        f"{100 * drawn['level']:g} % interval": span(found.ci_low, found.ci_high, 3),
    }
    put_table([row], lines, sentence, form)
