"""All of one run out of the database, as a person reads it; csv and json hold every detail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from db.wording import extent_words, method_words, metric_words
from medtl_meta.cli.output import UNKNOWN, cell, width, write_rows
from medtl_meta.cli.prose import WIDEST, counted, heading, paragraph
from medtl_meta.cli.replicate.ledger import write_ledger
from replicate.splits.splits import GROUPS

#: Facts of a run at the top: column, label.
_FACTS = (
    ("setup", "setup"), ("state", "state"), ("error", "error"), ("fidelity", "fidelity"),
    ("dataset", "images"), ("backbone", "backbone"), ("backbone_reported", "in place of"),
    ("tl_type", "TL type"), ("created_at", "begun"), ("finished_at", "finished"),
)  # fmt: skip
#: Different findings on splits that are listed.
FEW_SPLITS = 2
#: Of the environment, what is said in one line each.
_MACHINE = ("system", "release", "machine", "cpu", "cores")


def write_run(found: Mapping[str, Any]) -> None:
    """Write a run to stdout.

    Parameters
    ----------
    found
        As of ``metaanalysis.query.run_details``.
    """
    room = min(width(), WIDEST)
    run, metrics = found["run"], found["metrics"]
    outcome, leakage, environment = (
        run[part] if isinstance(run[part], dict) else {}
        for part in ("outcome", "leakage", "environment")
    )
    of = f" of {run['study_key']}" if run["study_key"] else ""
    click.secho(f"Run {run['id']}{of}: {run['kind']}", bold=True)
    for name, label in _FACTS:
        if run.get(name) is not None:
            said = _method(run) if name == "tl_type" else run[name]
            paragraph(f"{label + ':':<13}{said}", room, 2, 15)
    if metrics:
        _write_metrics(metrics, outcome, room)
    for one in outcome.get("verdicts") or ():
        if one is outcome["verdicts"][0]:
            heading("Verdicts")
        if isinstance(one, dict):
            said = f"{metric_words(one['metric'])}: {one['verdict']}. {one['reason']}"
            paragraph(said, room, 2, 4)
    heading("Ledger")
    write_ledger(map(_setting, found["settings"]), room)
    _write_leakage(leakage, outcome, room)
    _write_cost(outcome, room)
    _write_environment(environment, room)


def _method(run: Mapping[str, Any]) -> str:
    spec = run["spec"] if isinstance(run["spec"], dict) else {}
    extent = spec.get("transfer", {}).get("unfreezing") or {}
    return method_words(run["tl_type"], extent_words(extent.get("kind"), extent.get("amount")))


def _setting(row: Mapping[str, Any]) -> dict[str, Any]:
    from replicate.setup.ledger import shown

    return {**row, "setting": row["name"], "value": shown(row["value"])}


def _write_metrics(
    metrics: Sequence[Mapping[str, Any]], outcome: Mapping[str, Any], room: int
) -> None:
    pooled = [row for row in metrics if _plain(row)]
    seeds = sorted({row["seed"] for row in metrics if row["seed"] is not None})
    by_seed = {(row["metric"], row["seed"]): row for row in metrics if _of_seed(row)}
    heading("Metrics")
    rows = []
    for row in pooled:
        line = {
            "metric": metric_words(row["metric"]),
            "value": _number(row["value"]),
            "95% interval": _interval(row),
            "n": row["n"],
        }
        for seed in seeds if len(seeds) > 1 else ():
            own = by_seed.get((row["metric"], seed))
            line[f"seed {seed}"] = UNKNOWN if own is None else _number(own["value"])
        rows.append(line)
    if rows:
        # Seeds are left out from the last where there is no room.
        columns = list(rows[0])
        write_rows(rows, columns, "table", spare=columns[:3:-1])
    for text in outcome.get("remarks") or ():
        paragraph(str(text), room, 2, 4)
    methods: dict[str, list[str]] = {}
    for row in pooled:
        if row["method"]:
            methods.setdefault(row["method"], []).append(metric_words(row["metric"]))
    for method, names in methods.items():
        paragraph(f"{', '.join(names)}: {method}.", room, 2, 4)
    _write_classes(metrics)
    if any(row["fold"] is not None for row in metrics):
        paragraph("Values of each fold: --format csv.", room)
    _write_confusion(outcome.get("confusion"))


def _write_classes(metrics: Iterable[Mapping[str, Any]]) -> None:
    classes: dict[str, dict[str, Any]] = {}
    for row in metrics:
        if row["class_label"] is not None:
            line = classes.setdefault(row["class_label"], {"class": row["class_label"]})
            line[metric_words(row["metric"])] = _number(row["value"])
    if classes:
        heading("By class")
        columns = list(dict.fromkeys(name for line in classes.values() for name in line))
        write_rows(list(classes.values()), columns, "table", spare=columns[:0:-1])


def _write_confusion(confusion: Any) -> None:
    if not isinstance(confusion, dict) or "counts" not in confusion:
        return
    classes = confusion["classes"]
    heading("Confusion (rows: true class, columns: predicted)")
    rows = [
        {"true": name, **dict(zip(classes, counts, strict=True))}
        for name, counts in zip(classes, confusion["counts"], strict=True)
    ]
    write_rows(rows, ("true", *classes), "table")


def _write_leakage(leakage: Mapping[str, Any], outcome: Mapping[str, Any], room: int) -> None:
    sentences = [str(text) for text in leakage.get("sentences") or ()]
    shared = [str(text) for text in outcome.get("shared") or ()]
    if not sentences and not shared:
        return
    heading("Leakage")
    folds = len(leakage.get("folds") or ())
    for text in sentences[: len(sentences) - folds]:
        paragraph(text[:1].upper() + text[1:], room, 2, 4)
    several = _times(shared)
    for text, count in several[:FEW_SPLITS]:
        word = "Split" if len(shared) == 1 else f"{count} of {len(shared)} splits"
        said = f"{word}, {text}" if text.startswith(GROUPS) else f"{word}: {text}"
        paragraph(f"{said}.", room, 2, 4)
    if len(several) > FEW_SPLITS:
        paragraph("The other splits: --format json.", room, 2, 4)


def _times(texts: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return list(counts.items())


def _write_cost(outcome: Mapping[str, Any], room: int) -> None:
    from replicate.cost.estimate import duration, size

    lines = []
    if isinstance(outcome.get("timing"), dict):
        parts = [f"{name} {duration(float(value))}" for name, value in outcome["timing"].items()]
        lines.append(f"Time: {', '.join(parts)}.")
    if outcome.get("images_per_second"):
        lines.append(f"Throughput of the backbone: {outcome['images_per_second']:.1f} images/s.")
    if outcome.get("peak_memory_bytes"):
        lines.append(f"Peak memory: {size(outcome['peak_memory_bytes'])}.")
    if outcome.get("parameters"):
        trained = outcome.get("trained_parameters") or 0
        lines.append(f"Parameters: {trained:,} of {outcome['parameters']:,} trained.")
    if outcome.get("weights"):
        lines.append(f"Weights: {outcome['weights']}.")
    frozen = [str(text) for text in outcome.get("frozen") or ()]
    for text, count in _times(frozen):
        lines.append(text if len(frozen) == 1 else f"{counted(count, 'model')}: {text}")
    if lines:
        heading("Cost")
    for text in lines:
        paragraph(text, room, 2, 4)


def _write_environment(environment: Mapping[str, Any], room: int) -> None:
    if not environment:
        return
    heading("Environment")
    machine = [f"{environment[name]}" for name in _MACHINE if environment.get(name) is not None]
    if environment.get("cores") is not None:
        machine[-1] += " cores"
    texts = [", ".join(machine)]
    texts += [
        f"{name} {environment[name]}"
        for name in ("medtl-meta", "python")
        if environment.get(name) is not None
    ]
    for name, value in environment.items():
        if isinstance(value, dict):
            said = ", ".join(f"{key} {cell(one)}" for key, one in value.items() if one is not None)
            texts.append(f"{name}: {said}")
    for text in filter(None, texts):
        paragraph(text, room, 2, 4)


def _plain(row: Mapping[str, Any]) -> bool:
    return all(row[name] is None for name in ("seed", "repeat", "fold", "class_label"))


def _of_seed(row: Mapping[str, Any]) -> bool:
    return row["seed"] is not None and row["fold"] is None and row["class_label"] is None


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _interval(row: Mapping[str, Any]) -> str:
    if row["ci_low"] is None or row["ci_high"] is None:
        return UNKNOWN
    return f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"
