"""What came of a run, as a person reads it: what was run, on what, how well, and the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from db.wording import metric_words
from medtl_meta.cli.options import remark
from medtl_meta.cli.output import UNKNOWN, width, write_rows
from medtl_meta.cli.prose import WIDEST, counted, heading, paragraph
from medtl_meta.cli.replicate.ledger import summary
from replicate.evaluation.values import Evaluation, MetricValue
from replicate.outcome import RunResult
from replicate.splits.splits import GROUPS
from replicate.verdicts.words import Code

if TYPE_CHECKING:
    from replicate.setup.specify import Specified

#: Metrics of the table, as they are called there.
SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}
#: Of them, those that are shown for each class where there are more than two.
BY_CLASS = ("auc", "sensitivity", "specificity")
#: Phases whose time is shown, in the order in which they are gone through.
PHASES = ("features", "training", "testing")
#: Seeds that are shown one by one; of more only their standard deviation.
FEW_SEEDS = 5


def write_result(result: RunResult, specified: Specified) -> None:
    """Write a result to stdout, its cost to stderr."""
    room = min(width(), WIDEST)
    phantom = result.images.phantom
    kind = "phantom values" if phantom else "replicated values"
    click.secho(f"Run {result.id}: {kind}", bold=True)
    if phantom:
        paragraph("Made images: this tries the pipeline and is no evidence on a study.", room)
    _write_what(result, room)
    if specified.fidelity is not None and not phantom:
        paragraph(f"Fidelity: {specified.fidelity.sentence}", room, 2, 4)
    paragraph(
        f"Ledger: {summary(result.ledger, result.spec.study)} "
        f"(medtl-meta replicate runs {result.id[:6]} lists them).",
        room,
        2,
        4,
    )
    heading("Split and leakage")
    for text in leakage_sentences(result):
        paragraph(text, room, 2, 4)
    heading("Metrics")
    _write_metrics(result.evaluation)
    for text in result.evaluation.remarks:
        paragraph(text, room, 2, 4)
    for text in result.notes:
        paragraph(f"{_begun(text)}.", room, 2, 4)
    if len(result.evaluation.classes) > 2:
        heading("By class")
        write_rows(_class_rows(result.evaluation), _class_columns(), "table")
    heading("Verdicts")
    for text in verdict_sentences(result):
        paragraph(text, room, 2, 4)
    earlier = result.earlier
    if earlier is not None and earlier.whole:
        remark(earlier.sentence)
    else:
        resumed = earlier is not None and earlier.sentence
        remark(f"Time{' of all sittings' if resumed else ''}: {_timing(result)}.")


def _write_what(result: RunResult, room: int) -> None:
    spec, images = result.spec, result.images
    network = spec.network.name
    if spec.network.reported and spec.network.reported != network:
        network += f" in place of {spec.network.reported}"
    side = spec.preprocessing.size
    paragraph(
        f"Network: {network}, {spec.transfer.words}; weights: {result.weights}; "
        f"{result.trained_parameters:,} of {result.parameters:,} parameters trained.",
        room,
        2,
        4,
    )
    classes = ", ".join(
        f"{name} {int((images.labels == label).sum()):,}"
        for label, name in enumerate(images.classes)
    )
    paragraph(f"Images: {len(images):,} of {images.name} ({classes}), {side} x {side}.", room, 2, 4)


def leakage_sentences(result: RunResult) -> list[str]:
    """Return in words how the images were divided and what the parts share, each thing once.

    Splits of several seeds and folds are summed up: the first in full, of all the range.
    """
    split, leakage = result.spec.split, result.leakage
    seeds, folds = len(result.spec.seeds), leakage.folds
    kind = f"{split.kind} by {split.by}" if split.kind != "official" else "official parts"
    models = counted(len(result.fitted), "model")
    texts = [f"Split: {kind}, {counted(seeds, 'seed')}, {models}."]
    if folds:
        first = result.shared[0]
        if len(folds) > 1:
            first = f"First split{',' if first.startswith(GROUPS) else ':'} {first}"
        texts.append(f"{_begun(first)}.")
        shared = [fold.groups for fold in folds if fold.groups is not None]
        if shared and len(folds) > 1:
            texts.append(
                f"Test groups that training or validation shares, by split: {_range(shared)}."
            )
        if leakage.near.groups:
            texts.append(
                "Test images with a copy in training or validation: "
                f"{_range([fold.near for fold in folds])} of "
                f"{_range([fold.tested for fold in folds])}, "
                f"{_range([fold.exact for fold in folds])} of them exact."
            )
    found = leakage.of_set()
    if not leakage.near.groups:
        found = ["no copies, exact or near.", *found[2:]]
    if folds and leakage.groups is None:
        found = found[:-1]  # the split has said so
    return [*texts, *map(_begun, found)]


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _begun(text: str) -> str:
    """Return a sentence with a capital letter."""
    return text[:1].upper() + text[1:]


def verdict_sentences(result: RunResult) -> list[str]:
    """Return the verdicts in words; metrics of which there is the same to say share a line."""
    if result.images.phantom:
        return ["Not comparable: phantom values are compared with nothing."]
    if result.comparison is None or not result.comparison.values:
        return ["Nothing to compare with."]
    together: dict[tuple[str, str], list[str]] = {}
    bare: list[str] = []
    word = "not comparable"
    for value in result.comparison.values:
        metric, said = metric_words(value.replicated.metric), value.verdict
        if value.reported is not None and value.reported.of_class:
            metric += f" of {value.reported.of_class}"
        if said.why.code is Code.NOT_REPORTED:
            bare.append(metric)
            continue
        theirs = "" if value.reported is None else f" ({_pair(value)})"
        together.setdefault((said.verdict, said.reason), []).append(f"{metric}{theirs}")
    texts = [
        f"{', '.join(metrics)}: {verdict}. {reason}"
        for (verdict, reason), metrics in together.items()
    ]
    if bare:
        texts.append(f"{', '.join(bare)}: {word}. None is on record of the study.")
    return texts


def _pair(value: Any) -> str:
    return f"reported {value.reported.value:.3f}, replicated {value.replicated.value:.3f}"


def _write_metrics(evaluation: Evaluation) -> None:
    seeds = evaluation.by_seed("accuracy")
    columns = ["metric", "value", "95% interval", "n", "baseline"]
    if len(seeds) > 1:
        columns.append("seeds")
    rows = []
    for name, called in SHOWN.items():
        value = evaluation.pooled(name)
        test = evaluation.tests.get(name)
        row = {
            "metric": called,
            "value": _number(value.value),
            "95% interval": _interval(value),
            "n": value.n,
            "baseline": UNKNOWN if test is None else f"{test.baseline:.3f}",
        }
        if len(seeds) > 1:
            row["seeds"] = _spread(evaluation, name)
        rows.append(row)
    headings = {"seeds": "by seed" if len(seeds) <= FEW_SEEDS else "SD over seeds"}
    write_rows(rows, columns, "table", headings=headings)


def _spread(evaluation: Evaluation, metric: str) -> str:
    values = list(evaluation.by_seed(metric).values())
    if len(values) <= FEW_SEEDS:
        return " ".join(_number(value) for value in values)
    return _number(evaluation.spread.get(metric))


def _class_columns() -> tuple[str, ...]:
    return ("class", *(SHOWN[name] for name in BY_CLASS), "n")


def _class_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for label in evaluation.classes:
        row: dict[str, Any] = {"class": label}
        for name in BY_CLASS:
            value = evaluation.of_class(name, label)
            row[SHOWN[name]] = f"{_number(value.value)} {_bracketed(value)}".rstrip()
        row["n"] = evaluation.of_class("sensitivity", label).n
        rows.append(row)
    return rows


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _interval(value: MetricValue) -> str:
    if value.ci_low is None or value.ci_high is None:
        return UNKNOWN
    return f"{value.ci_low:.3f} to {value.ci_high:.3f}"


def _bracketed(value: MetricValue) -> str:
    if value.ci_low is None or value.ci_high is None:
        return ""
    return f"[{value.ci_low:.2f}, {value.ci_high:.2f}]"


def _timing(result: RunResult) -> str:
    from replicate.cost.estimate import size

    timing = result.timing
    order = [*(name for name in PHASES if name in timing)]
    order += [name for name in timing if name not in PHASES and name != "total"]
    parts = [f"{name} {_seconds(timing[name])}" for name in (*order, "total") if name in timing]
    if result.peak_memory_bytes is not None:
        parts.append(f"peak memory {size(result.peak_memory_bytes)}")
    return ", ".join(parts)


def _seconds(seconds: float) -> str:
    from replicate.cost.estimate import duration

    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
