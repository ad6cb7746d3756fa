"""A run as a person reads it: what was run, on what, how well, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db.wording import (
    UNKNOWN,
    bracketed,
    capital,
    duration,
    extent_words,
    fixed,
    interval_words,
    listed,
    method_words,
    metric_words,
    plural,
    size,
)
from medtl_meta.cli.output import cell, write_rows
from medtl_meta.cli.prose import heading, paragraph, section
from medtl_meta.cli.replicate.ledger import summary, write_ledger
from medtl_meta.cli.terminal import secho
from replicate.notes import Note
from replicate.record import COSTS
from replicate.verdicts.words import Code, standing_words

#: Metrics that a short view shows.
SHOWN = ("accuracy", "balanced_accuracy", "auc", "sensitivity", "specificity")
#: Of them, those that it shows for each class where there are more than two.
BY_CLASS = ("auc", "sensitivity", "specificity")
#: Phases whose time is shown, in the order in which they are gone through.
PHASES = ("features", "training", "testing")
#: Seeds that are shown one by one; of more only their standard deviation.
FEW_SEEDS = 5
#: What only a run in full says of itself at the top: name in the record, label.
_FACTS = (
    ("setup", "setup"), ("state", "state"), ("error", "error"), ("fidelity", "fidelity"),
    ("created_at", "begun"), ("finished_at", "finished"),
)  # fmt: skip
#: And what was to be run, where it has not come so far that a sentence says more.
_ASKED = (
    ("dataset", "images"), ("backbone", "backbone"), ("backbone_reported", "in place of"),
    ("tl_type", "TL type"),
)  # fmt: skip
#: Of the environment, what is said in one line.
_MACHINE = ("system", "release", "machine", "cpu", "cores")

#: Splits of which there is no more to say than what they take.
WHOLE = {"official": "official parts", "external": "external, tested on another set"}

Record = Mapping[str, Any]


def write_run(record: Record, *, full: bool, fidelity: str | None = None) -> None:
    """Write a run to stdout.

    Parameters
    ----------
    record
        See :mod:`replicate.record`.
    full
        Whether all metrics, the ledger line by line, cost and environment are written too.
    fidelity
        How near it comes to its study, in words.
    """
    run = record["run"]
    phantom = run["kind"] == "phantom"
    of = f" of {run['study']}" if full and run["study"] else ""
    secho(f"Run {run['id']}{of}: {run['kind']}{' values' if record['metrics'] else ''}", bold=True)
    if phantom:
        paragraph("Made images: this tries the pipeline and is no evidence on a study.")
    known = run["parameters"] is not None
    for name, label in (*_FACTS, *(() if known else _ASKED)) if full else ():
        if run.get(name) is not None:
            said = method(record) if name == "tl_type" else run[name]
            paragraph(f"{label + ':':<13}{said}", 2, 15)
    if known:
        _write_what(record)
    if fidelity is not None and not phantom:
        paragraph(f"Fidelity: {fidelity}", 2, 4)
    if not full:
        said = summary(record["ledger"], run["study"])
        lists = f"medtl-meta replicate runs {run['id'][:6]} lists them"
        paragraph(f"Ledger: {said} ({lists}).", 2, 4)
    section("Split and leakage", leakage_sentences(record))
    if record["metrics"]:
        _write_metrics(record, full)
    section("Verdicts", verdict_sentences(record))
    if record.get("reruns"):
        section("Other results of the same settings", _rerun_sentences(record["reruns"]))
    if full:
        heading("Ledger")
        write_ledger(record["ledger"])
        section("Cost", _cost(record))
        section("Environment", _environment(run["environment"]))


def method(record: Record) -> str:
    """Return the TL type with its extent."""
    transfer = record["spec"].get("transfer", {})
    extent = transfer.get("unfreezing") or {}
    name = transfer.get("tl_type") or record["run"].get("tl_type")
    return method_words(name, extent_words(extent.get("kind"), extent.get("amount")))


def _write_what(record: Record) -> None:
    run, spec = record["run"], record["spec"]
    network, reported = spec["network"]["name"], spec["network"]["reported"]
    if reported and reported != network:
        network += f" in place of {reported}"
    paragraph(
        f"Network: {network}, {method(record)}; weights: {run['weights']}; "
        f"{run['trained_parameters']:,} of {run['parameters']:,} parameters trained.",
        2,
        4,
    )
    side = spec["preprocessing"]["size"]
    paragraph(f"Images: {images_words(run['images'], f', {side} x {side}')}", 2, 4)


def images_words(images: Mapping[str, Any], more: str = "") -> str:
    """Return in words how many images there are of which class, and what was left out."""
    classes = ", ".join(f"{name} {count:,}" for name, count in images["classes"].items())
    notes = [str(Note.of(told)) for told in images.get("notes") or ()]
    return " ".join([f"{images['n']:,} of {images['name']} ({classes}){more}.", *notes])


def leakage_sentences(record: Record) -> list[str]:
    """Return in words how the images were divided and what the parts share, each thing once.

    Splits of several seeds and folds are summed up: the first in full, of all the range.
    """
    leakage, spec = record["leakage"], record["spec"]
    if "sentences" not in leakage:
        return []
    split, folds = spec["split"], leakage["folds"]
    # Groups that are only copies of each other are not patients, nor any unit of a study.
    by = "copies" if split["by"] == "group" and leakage.get("unit") == "copies" else split["by"]
    kind = WHOLE.get(split["kind"]) or f"{split['kind']} by {by}"
    seeds, models = plural(len(spec["seeds"]), "seed"), plural(len(folds), "model")
    texts = [f"Split: {kind}, {seeds}, {models}."]
    grouped, copied = leakage["groups"] is not None, leakage["near"]["groups"] > 0
    if folds:
        first = leakage["shared"][0]
        if len(folds) > 1:
            first = f"First split{',' if grouped else ':'} {first}"
        texts.append(f"{capital(first)}.")
        if grouped and len(folds) > 1:
            shared = _range(folds, "groups")
            texts.append(f"Test groups that training or validation shares, by split: {shared}.")
        if copied:
            texts.append(
                f"Test images with a copy in training or validation: {_range(folds, 'near')} of "
                f"{_range(folds, 'tested')}, {_range(folds, 'exact')} of them exact."
            )
    # Those of the set come first: exact copies, near copies, groups; then one a fold.
    exact, near, groups = leakage["sentences"][:3]
    texts += [capital(exact), capital(near)] if copied else ["No copies, exact or near."]
    # Of unknown groups the split has spoken.
    return [*texts, capital(groups)] if grouped or not folds else texts


def _range(folds: Sequence[Mapping[str, int]], name: str) -> str:
    numbers = [fold[name] for fold in folds]
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _write_metrics(record: Record, full: bool) -> None:
    heading("Metrics")
    above = (record["baseline"] or {}).get("above") or {}
    seeds = record["per_seed"]
    rows = []
    for name, value in record["metrics"].items():
        if not full and name not in SHOWN:
            continue
        row = {
            "metric": metric_words(name),
            "value": fixed(value["value"]),
            "95% interval": interval_words(value["ci_low"], value["ci_high"]),
            "n": value["n"],
            "baseline": fixed(above[name]["baseline"]) if name in above else UNKNOWN,
        }
        if len(seeds) > 1:
            own = [fixed(one.get(name)) for one in seeds.values()]
            spread = fixed(value.get("sd_over_seeds"))
            row["seeds"] = " ".join(own) if len(own) <= FEW_SEEDS else spread
        rows.append(row)
    headings = {"seeds": "by seed" if len(seeds) <= FEW_SEEDS else "SD over seeds"}
    write_rows(rows, list(rows[0]), "table", headings=headings)
    for text in record["remarks"]:
        paragraph(str(text), 2, 4)
    for text in record["run"]["notes"]:
        paragraph(f"{capital(text)}.", 2, 4)
    classes = record["per_class"]
    if full:
        methods: dict[str, list[str]] = {}
        for name, value in record["metrics"].items():
            if value["method"]:
                methods.setdefault(value["method"], []).append(metric_words(name))
        for text, names in methods.items():
            paragraph(f"{', '.join(names)}: {text}.", 2, 4)
    if len(classes) > 2 or (full and classes):
        heading("By class")
        _write_classes(classes, full)
    if full and record["per_fold"]:
        paragraph("Values of each fold: --format csv.")
    confusion = record["confusion"]
    if full and confusion:
        heading("Confusion (rows: true class, columns: predicted)")
        names = confusion["classes"]
        table = [
            {"true": name, **dict(zip(names, counts, strict=True))}
            for name, counts in zip(names, confusion["counts"], strict=True)
        ]
        write_rows(table, ("true", *names), "table")


def _write_classes(classes: Mapping[str, Mapping[str, Any]], full: bool) -> None:
    """Write a row a class: in full with all metrics, else with intervals of the first of them."""
    rows = []
    for label, values in classes.items():
        row: dict[str, Any] = {"class": label}
        for name, value in values.items():
            if full:
                row[metric_words(name)] = fixed(value["value"])
            elif name in BY_CLASS:
                limits = value["ci_low"], value["ci_high"]
                row[metric_words(name)] = bracketed(value["value"], *limits, 2)
        if not full:
            row["n"] = values["sensitivity"]["n"]
        rows.append(row)
    columns = list(rows[0])
    # Metrics are left out from the last where there is no room.
    write_rows(rows, columns, "table", spare=columns[:0:-1] if full else ())


def verdict_sentences(record: Record) -> list[str]:
    """Return the verdicts in words; metrics of which there is the same to say share a line."""
    if record["run"]["kind"] == "phantom":
        return ["Not comparable: phantom values are compared with nothing."]
    if not record["verdicts"]:
        return ["Nothing to compare with."]
    together: dict[tuple[str, str], list[str]] = {}
    bare: list[str] = []
    for one in record["verdicts"]:
        metric, reported = metric_words(one["metric"]), one["reported"]
        if (one.get("why") or {}).get("code") == Code.NOT_REPORTED:
            bare.append(metric)
            continue
        if reported is not None:
            metric += f" of {reported['of_class']}" if reported["of_class"] else ""
            values = (
                f"reported {reported['value']:.3f}, replicated {one['replicated']['value']:.3f}"
            )
            metric += f" ({values})"
        standing = standing_words(one) if reported is not None else ""
        said = f"{one['reason']} {standing}".strip()
        together.setdefault((one["verdict"], said), []).append(metric)
    texts = [
        f"{', '.join(metrics)}: {verdict}. {reason}"
        for (verdict, reason), metrics in together.items()
    ]
    if bare:
        texts.append(f"{', '.join(bare)}: not comparable. None is on record of the study.")
    return texts


def timing_words(timing: Mapping[str, Any]) -> str:
    """Return the seconds of each phase and the peak of memory, in words."""
    seconds = {name: value for name, value in timing.items() if name not in COSTS}
    parts = []
    for name in dict.fromkeys((*PHASES, *(name for name in seconds if name != "total"), "total")):
        if name in seconds:
            value = seconds[name]
            parts.append(f"{name} {f'{value:.1f} s' if value < 10 else duration(value)}")
    if timing.get("peak_memory_bytes"):
        parts.append(f"peak memory {size(timing['peak_memory_bytes'])}")
    return ", ".join(parts)


def _cost(record: Record) -> list[str]:
    """Return in words what a run took, and what was kept frozen."""
    timing = record["timing"]
    lines = [f"Time: {words}."] if (words := timing_words(timing)) else []
    if timing.get("images_per_second"):
        lines.append(f"Throughput of the backbone: {timing['images_per_second']:.1f} images/s.")
    frozen = record["run"]["frozen"]
    for text in dict.fromkeys(frozen):
        count = plural(frozen.count(text), "model")
        lines.append(text if len(frozen) == 1 else f"{count}: {text}")
    return lines


def _rerun_sentences(reruns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words what other runs of the same settings came to, and what may be why."""
    return [
        f"On {one['at'][:10]} {plural(one['different'], 'value')} differed: {_changes(one)}. "
        f"{_surroundings(one['apart'])} The first results are kept, and verdicts are of them."
        for one in reruns
    ]


def _changes(rerun: Mapping[str, Any]) -> str:
    pairs = [(v["metric"], v["first"], v["value"]) for v in rerun["values"]]
    said = [
        f"{metric} undefined in one of them"
        if None in (first, value)
        else f"{metric} {first:.4f} first, then {value:.4f} ({value - first:+.1g})"
        for metric, first, value in pairs
        if first != value
    ]
    return listed(said) if said else "none of those over all"


def _surroundings(apart: Mapping[str, Sequence[Any]]) -> str:
    if not apart:
        return "Nothing that is known of the surroundings had changed."
    said = [f"{name} ({cell(first)}, then {cell(other)})" for name, (first, other) in apart.items()]
    return f"What had changed: {listed(said)}."


def _environment(environment: Mapping[str, Any]) -> list[str]:
    """Return in words what a run was computed with, a line a thing."""
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
    return list(filter(None, texts))
