"""``medtl-meta replicate plan`` and ``setups``: what can be rerun, how, and at what cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from medtl_meta.cli.options import database_option, format_option, opened, remark
from medtl_meta.cli.output import width, write_rows
from medtl_meta.cli.prose import WIDEST, heading, paragraph
from medtl_meta.cli.replicate.ledger import CHOSEN, summary, write_ledger
from medtl_meta.cli.replicate.settings import images_option, spec_options
from medtl_meta.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from db.literature import Reported
    from replicate.cost.estimate import Estimate
    from replicate.setup.specify import Setup, Specified

SETUP_COLUMNS = (
    "setup",
    "ref",
    "modality",
    "task",
    "backbone",
    "tl_type",
    "reported",
    "fidelity",
    "data",
)
#: TL types where there is little room; no two of them can be taken for each other.
SHORT_TL_TYPES = {
    "feature extractor": "FE",
    "feature extractor hybrid": "FE hybrid",
    "fine-tuning": "FT",
    "fine-tuning from scratch": "FT scratch",
    "random initialisation": "random",
}
#: Metrics where there is little room.
SHORT_METRICS = {"accuracy": "acc.", "sensitivity": "sens.", "specificity": "spec."}
LEDGER_COLUMNS = ("setting", "value", "mark", "reason")
#: Settings that a reader looks for first, and how they are called.
SUMMARY = (
    ("data.name", "images"),
    ("network.name", "backbone"),
    ("network.reported", "in place of"),
    ("network.weights", "weights"),
    ("transfer.tl_type", "TL type"),
    ("transfer.head.kind", "head"),
    ("preprocessing.size", "size"),
    ("training.epochs", "epochs"),
    ("split.kind", "split"),
    ("split.by", "split by"),
    ("seeds", "seeds"),
)


@click.command()
@format_option
@database_option
def setups(form: str, where: str | None) -> None:
    """List the cited studies that come with a setup to rerun them.

    Any other study of the database can be planned and run as well: what its record holds is taken,
    the rest assumed.

    \b
    Examples:
      medtl-meta replicate setups
      medtl-meta replicate setups --format csv
    """
    from replicate.setup.specify import read_setup, setup_names, specify

    rows: list[dict[str, Any]] = []
    with opened(where) as database:
        plans = {
            name: specify(read_setup(name, database), database=database) for name in setup_names()
        }
    for name, specified in plans.items():
        study, spec = specified.study, specified.spec
        row = {
            "setup": name,
            "ref": study.ref if study else None,
            "modality": study.value("modality") if study else None,
            "task": study.value("task") if study else None,
            "backbone": spec.network.reported or spec.network.name,
            "tl_type": spec.transfer.tl_type,
            "data": spec.data.name,
            "fidelity": spec.fidelity,
            "reported": _values(specified.reported) or None,
        }
        first = specified.reported[0] if specified.reported else None
        rows.append(_shortened(row, first) if form == "table" else row)
    left_out = _left_out(width()) if form == "table" else ()
    columns = [name for name in SETUP_COLUMNS if name not in left_out]
    write_rows(rows, columns, form, headings={"tl_type": "TL type"})
    if form == "table":
        if left_out:
            remark(f"Not shown in {width()} columns: {', '.join(left_out)}.")
        remark("FE: feature extractor, FT: fine-tuning; of several reported values the first.")
    remark(f"{len(rows)} setups; medtl-meta replicate plan SETUP shows one in full.")


def _left_out(room: int) -> tuple[str, ...]:
    """Return the columns of setups without which each of them has a line of its own."""
    if room >= 160:
        return ()
    return ("task", "data") if room >= 86 else ("task", "data", "ref")


def _shortened(row: Mapping[str, Any], first: Reported | None) -> dict[str, Any]:
    """Return a row as a table has room for it."""
    value = None
    if first is not None:
        value = f"{SHORT_METRICS.get(first.metric, first.metric)} {round(first.value, 3):g}"
    return {
        **row,
        "backbone": row["backbone"].removesuffix(" (unspecified)"),
        "tl_type": SHORT_TL_TYPES.get(row["tl_type"], row["tl_type"]),
        "reported": value,
    }


def _values(reported: Sequence[Reported]) -> list[str]:
    return [f"{value.metric} {value.value}" for value in reported]


@click.command(cls=SectionedCommand)
@click.argument("setup", required=False)
@images_option
@spec_options
@click.option("--no-probe", is_flag=True, help="Estimate without timing the network.")
@format_option
@database_option
def plan(
    setup: str | None,
    images: str | None,
    source: str | None,
    chosen: Mapping[str, Any],
    no_probe: bool,
    form: str,
    where: str | None,
) -> None:
    """Show what a replication would do, before anything runs.

    Every setting stands there with its source, if the study reports it, or with the reason why it
    was assumed; then how near the rerun comes to the study, what it is compared with, where the
    images come from, and an estimate of time and memory on this machine. SETUP is a setup, or any
    study of the database by key, reference number or DOI; without it the run follows no study.

    \b
    Examples:
      medtl-meta replicate plan deepak2019
      medtl-meta replicate plan 134 --images busi/ --backbone MobileNetV2 --no-probe
      medtl-meta replicate plan --images phantom --tl "fine-tuning" --unfreeze blocks:2
    """
    from replicate.cost.estimate import estimate
    from replicate.networks.builders import find_builder
    from replicate.setup.data import address_of

    specified, found = planned(setup, images, source, chosen, where)
    count = address_of(specified.source)[2] if specified.source else None
    if found is not None:
        from replicate.images.task import task_images

        found = task_images(found, specified.spec.data)
    builder = find_builder(specified.spec.network.name)
    cost = estimate(specified.spec, builder, images=found, count=count, measure=not no_probe)
    if form == "json":
        click.echo(json.dumps(as_dict(specified, cost), indent=2, ensure_ascii=False))
    elif form == "table":
        _print(specified, cost)
    else:
        write_rows(ledger_rows(specified), LEDGER_COLUMNS, form)


def planned(
    name: str | None,
    images: str | None,
    source: str | None,
    chosen: Mapping[str, Any],
    where: str | None,
) -> tuple[Specified, Any]:
    """Specify what a command asks for; return it with the images, or None where there are none.

    Raises
    ------
    UsageError
        Neither a setup nor images.
    NotFoundError
        No such setup or study.
    """
    from db.errors import UsageError

    try:
        return _planned(name, images, source, chosen, where)
    except UsageError as error:
        # Both commands plan; the help to look at is that of the one that was called.
        context = click.get_current_context(silent=True)
        if context is not None and error.hint:
            called = f"replicate {context.info_name} --help"
            error.hint = error.hint.replace("replicate plan --help", called)
        raise


def _planned(
    name: str | None,
    images: str | None,
    source: str | None,
    chosen: Mapping[str, Any],
    where: str | None,
) -> tuple[Specified, Any]:
    from db.errors import UsageError
    from replicate.setup.specify import specify, specify_free

    found = None
    if images is not None:
        from replicate.images.opening import open_images

        found = open_images(images, size=chosen.get("preprocessing.size"))
    if name is None:
        if found is None:
            raise UsageError(
                "Give a setup, or images to run without a study.",
                "medtl-meta replicate setups lists the setups; --images phantom needs no files.",
            )
        if source is not None:
            raise UsageError("--source names a source of a setup, and there is none.")
        return specify_free(found, overrides=chosen, chosen=CHOSEN), found
    setup, study = find_setup(name, where)
    specified = specify(
        setup, study=study, source=source, images=found, overrides=chosen, chosen=CHOSEN
    )
    if found is None and specified.source is not None and specified.source.images is None:
        remark("No --images given: planned for the setup's own source.")
    return specified, found


def find_setup(name: str, where: str | None) -> tuple[Setup, Any]:
    """Return a packaged setup, or the one that the record of a study in the database supports.

    Raises
    ------
    NotFoundError
        Neither is there; names the nearest.
    """
    from db.errors import NotFoundError
    from metaanalysis.query import study_named
    from replicate.setup.specify import from_study, read_setup

    with opened(where) as database:
        try:
            setup = read_setup(name, database)
            return setup, study_named(database, setup.study) if setup.study else None
        except NotFoundError as missing:
            try:
                study = study_named(database, name)
            except NotFoundError:
                raise missing from None
    remark(f"{study.key} has no setup of its own: what its record holds, and house defaults.")
    return from_study(study), study


def ledger_rows(specified: Specified) -> list[dict[str, Any]]:
    """Return one row a setting: value, mark and reason."""
    from replicate.setup.ledger import shown

    return [
        {
            "setting": line.name,
            "value": shown(line.value),
            "mark": line.mark,
            "reason": line.reason,
        }
        for line in specified.ledger.lines
    ]


def as_dict(specified: Specified, cost: Estimate | None) -> dict[str, Any]:
    """Return the plan as data."""
    from replicate.setup.data import address_of

    source, fidelity = specified.source, specified.fidelity
    images = None
    if source is not None:
        url, licence, count = address_of(source)
        images = {
            **source.model_dump(mode="json", exclude={"settings"}),
            "url": url,
            "licence": licence,
            "n_images": count,
        }
    return {
        "id": specified.spec.id,
        "spec": specified.spec.model_dump(mode="json"),
        "ledger": specified.ledger.model_dump(mode="json")["lines"],
        "fidelity": None
        if fidelity is None
        else {
            "level": fidelity.level,
            "reason": fidelity.reason,
            "departures": list(fidelity.departures),
            "reduced": list(fidelity.reduced),
        },
        "substitution": specified.substitution,
        "reported": [value.to_dict() for value in specified.reported],
        "source": images,
        "missing": list(specified.missing),
        "estimate": None if cost is None else cost.to_dict(),
    }


def _print(specified: Specified, cost: Estimate | None) -> None:
    from replicate.setup.ledger import shown

    room = min(width(), WIDEST)
    study, setup = specified.study, specified.setup
    lines = {line.name: line for line in specified.ledger.lines}

    title = setup.title if setup is not None and setup.study is not None else "A run of its own"
    click.secho(f"{title} (plan {specified.spec.id})", bold=True)
    if study is not None:
        number = f"[{study.ref}] " if study.ref else ""
        paragraph(f"{number}{study.citation} {study.address or ''}".rstrip(), room, 0)
    if setup is not None and setup.about:
        paragraph(setup.about, room, 0)
    click.echo()
    known = [(label, lines[path]) for path, label in SUMMARY if lines[path].value is not None]
    words = {
        line.name: specified.spec.transfer.words
        if line.name == "transfer.tl_type"
        else shown(line.value)
        for _, line in known
    }
    broad = max(map(len, words.values()))
    free = specified.spec.study is None
    for label, line in known:
        mark = "chosen" if free and line.reason.startswith(CHOSEN) else line.mark
        click.echo(f"  {label:<13}{words[line.name]:<{broad}}  {mark}")

    if specified.fidelity is not None:
        heading("Fidelity")
        paragraph(specified.fidelity.sentence, room)
    if specified.substitution:
        heading("Substitution")
        reported = specified.spec.network.reported
        text = f"{specified.spec.network.name} in place of {reported}: {specified.substitution}"
        paragraph(text, room)
    if study is not None:
        heading("Reported, to compare with")
        for value in specified.reported:
            paragraph(_reported(value), room, 2, 4)
        if not specified.reported:
            paragraph("No reported value is at hand.", room)
    _print_source(specified, room)

    heading(f"Ledger: {summary(specified.ledger, specified.spec.study)}")
    write_ledger(ledger_rows(specified), room)

    if cost is not None:
        heading("Cost")
        paragraph(cost.sentence, room)
        if cost.remarks:
            paragraph(f"Note: {'; '.join(cost.remarks)}.", room)


def _print_source(specified: Specified, room: int) -> None:
    from replicate.setup.data import address_of

    source, setup = specified.source, specified.setup
    if source is not None:
        heading("Images")
        url, licence, count = address_of(source)
        known = [f"{count:,} images"] if count else []
        known += [f"licence {licence}" if licence else "licence not stated"]
        paragraph(f"{source.name}: {source.title} ({', '.join(known)})", room)
        if url:
            paragraph(url, room)
        for label, text in (
            ("How to get them", source.get),
            ("Layout", source.layout),
            ("Patients", source.groups),
        ):
            paragraph(f"{label}: {text}", room, 2, 4)
        if source.images:
            paragraph(f"Given by name: --images {source.images}", room)
        others = [other for other in setup.sources if other is not source] if setup else []
        if others:
            names = "; ".join(f"{other.name} ({other.fidelity})" for other in others)
            paragraph(f"Other sources (--source): {names}.", room)
    elif specified.missing:
        heading("Missing")
        for text in specified.missing:
            paragraph(f"{text}.", room)


def _reported(value: Reported) -> str:
    text = f"{value.metric} {value.value}"
    if value.ci_low is not None and value.ci_high is not None:
        text += f" (interval {value.ci_low}–{value.ci_high})"
    parts = [value.backbone, value.tl_type, value.task, value.split]
    if value.n is not None:
        parts.append(f"n = {value.n}")
    known = [part for part in parts if part]
    if known:
        text += f"; {', '.join(known)}"
    text += f"; {value.basis}, {value.source}"
    return f"{text}. Note: {value.note}." if value.note else f"{text}."
