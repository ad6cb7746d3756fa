"""``medtl-meta db``: load, check, extend and export the database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from db.errors import DataFileError
from db.wording import plural
from medtl_meta.cli.options import (
    chosen_formats,
    chosen_place,
    database_option,
    format_option,
    formats_option,
    formulas_option,
    opened,
    out_option,
    remark,
)
from medtl_meta.cli.output import chosen, csv_formulas, width, write_rows
from medtl_meta.cli.terminal import echo, echo_json

EXISTING = click.Path(path_type=Path, readable=False)

#: As of `db.export`, which would import what only an export needs.
FORMATS = ("csv", "json", "bibtex", "ris", "sqlite")


@click.group()
def database() -> None:
    """Load, check, extend, mend and export the database."""


@database.command()
@click.argument("paths", nargs=-1, type=EXISTING, metavar="[PATH]...")
@database_option
def load(paths: tuple[Path, ...], where: str | None) -> None:
    """Load the packaged data again, or many studies of your own.

    Without PATH the packaged studies are refreshed; your own studies and your runs stay as they
    are. PATH is a study file, a folder of them, or a .jsonl file as `db export` writes it; studies
    of your own with the same keys are replaced, packaged ones passed over. All of it is loaded or
    nothing.

    \b
    Examples:
      medtl-meta db load
      medtl-meta db load my-studies/
    """
    if paths:
        from db.user import add_studies

        with opened(where) as base:
            report = add_studies(base, paths, replace=True, spare_packaged=True)
        echo(f"Your own studies: {report}.")
        return
    from db.database import refresh
    from db.location import locate

    location = locate(chosen_place(where))
    echo(f"Packaged studies: {refresh(location, force=True)}. Database: {location}")


@database.command()
@click.argument("paths", nargs=-1, type=EXISTING, metavar="[PATH]...")
def check(paths: tuple[Path, ...]) -> None:
    """Check study files and report every problem with file, line and field.

    Without PATH the packaged data are checked. Exit code 1 if there is a problem.

    \b
    Examples:
      medtl-meta db check
      medtl-meta db check my-study.yaml
    """
    if paths:
        from db.user import check_files

        count, problems = check_files(paths)
        if problems:
            raise DataFileError(problems)
        echo(f"{plural(count, 'file')} checked: no problem.")
        return
    from db.packaged import read

    data = read()
    echo(
        f"Packaged data {data.hash}: {len(data.studies)} studies, {len(data.backbones)} backbones, "
        f"{len(data.datasets)} data sets, {len(data.second_coding.codings)} second codings: "
        "no problem."
    )


@database.command()
@click.argument("path", type=EXISTING, metavar="FILE.yaml")
@click.option("--replace", is_flag=True, help="Replace a study of your own with the same key.")
@database_option
def add(path: Path, replace: bool, where: str | None) -> None:
    """Add a study of your own, in the format of the packaged ones.

    The codebook (data/README.md) defines every field. The study is found by queries like any
    other; figures that follow the review leave it out.

    \b
    Example:
      medtl-meta db add my-study.yaml
    """
    from db.user import add_studies

    with opened(where) as base:
        report = add_studies(base, [path], replace=replace)
    echo(f"Your own studies: {report}.")


@database.command()
@click.argument("key", metavar="KEY")
@database_option
def remove(key: str, where: str | None) -> None:
    """Remove a study that you added, or one of yours that was set aside.

    \b
    Example:
      medtl-meta db remove mine2026
    """
    from db.user import remove_study

    with opened(where) as base:
        remove_study(base, key)
    echo(f"Removed {key}.")


@database.command("set-aside")
@click.argument("key", metavar="[KEY]", required=False)
@format_option
@database_option
def set_aside(key: str | None, form: str, where: str | None) -> None:
    """List your studies that made way for packaged ones of the same paper.

    A release may package a paper that you had added. The packaged study is counted then, yours is
    kept here. With KEY it is printed as a study file (JSON, which `db add` reads as YAML).

    \b
    Examples:
      medtl-meta db set-aside
      medtl-meta db set-aside mine2026 > mine2026.yaml
    """
    from db.errors import NotFoundError
    from db.literature import read_set_aside

    with opened(where) as base:
        rows = read_set_aside(base)
    if key is None:
        write_rows(rows, ("key", "taken_by", "why", "release"), form)
        return
    found = [row["record"] for row in rows if row["key"] == key]
    if not found:
        raise NotFoundError(f"no study of yours with the key {key!r} was set aside.")
    echo_json(found[-1])


@database.command()
@database_option
def verify(where: str | None) -> None:
    """Check the whole database and report every fault; nothing is changed.

    Is the file sound, do its rows fit the tables and each other, are the packaged rows those of the
    packaged data, do your studies pass the rules of `db check`? Exit code 1 if there is a fault.

    \b
    Example:
      medtl-meta db verify
    """
    from db.errors import DatabaseError
    from db.location import locate
    from db.verify import verify as check_all

    location = locate(chosen_place(where))
    faults = check_all(location)
    for fault in faults:
        echo(f"{fault.code}: {fault}")
    if faults:
        raise DatabaseError(
            f"{location}: {plural(len(faults), 'fault')} found; nothing was changed.",
            "medtl-meta db repair loads the packaged data anew and keeps what is yours.",
        )
    echo(f"{location}: no fault.")


@database.command()
@database_option
def repair(where: str | None) -> None:
    """Load the packaged data anew and keep what is yours, also from a damaged file.

    A sound database is refreshed in place. From a damaged or altered file all rows of yours that
    can be read go into a new one; the old file is kept beside it. What was lost is told.

    \b
    Example:
      medtl-meta db repair
    """
    from db.location import locate
    from db.repair import repair as mend

    location = locate(chosen_place(where))
    done = mend(location)
    echo(f"Packaged studies: {done.report}. Database: {location}")
    if done.kept is None:
        return
    names = sorted((+done.saved | +done.lost).keys())
    rows = [{"what": n, "saved": done.saved[n], "lost": done.lost[n]} for n in names]
    write_rows(rows, ("what", "saved", "lost"), "table")
    if done.unreadable:
        echo(f"Not all of these could be read: {', '.join(done.unreadable)}.")
    echo(f"The old file is kept as {done.kept}")


@database.command()
@out_option("export")
@formats_option(
    FORMATS,
    "What to write: a CSV a table, the studies as JSON lines (which `db load` reads), their "
    "references, the whole database as an SQLite file.",
)
@formulas_option
@database_option
def export(out: Path, forms: str, where: str | None) -> None:
    """Write the database to files that are the same to the byte for the same content.

    \b
    Examples:
      medtl-meta db export --out export
      medtl-meta db export --format bibtex
    """
    from db.export import export as write

    chosen = chosen_formats(forms, FORMATS, {"bib": "bibtex", "jsonl": "json"})
    with opened(where) as base:
        for path in write(base, out, chosen, formulas=csv_formulas()):
            echo(str(path))


@database.command()
@format_option
@database_option
def info(form: str, where: str | None) -> None:
    """Say where the database is, what it holds and how complete it is.

    \b
    Example:
      medtl-meta db info
    """
    from db.literature import read_set_aside
    from metaanalysis.query import contents, coverage

    with opened(where) as base:
        rows = contents(base)
        covered = coverage(base)
        left = read_set_aside(base)
        place, data = str(base.location), base.data_hash
    if form == "json":
        known = {row["what"]: row["count"] for row in rows}
        facts = {"database": place, "data_hash": data, "reviewed": covered.reviewed, **known}
        echo_json(facts)
        return
    write_rows(rows, ("what", "count"), form)
    remark(f"Database: {place}; data {data}. {covered}")
    if left:
        remark(f"{plural(len(left), 'study')} of yours set aside: medtl-meta db set-aside")


@database.command()
@format_option
@database_option
def agreement(form: str, where: str | None) -> None:
    """Compare the blind second coding with the first: percent, kappa, every difference.

    Thirty studies were coded twice. Values are compared where both coders give one; for a list the
    whole set must be the same. Each difference is listed with what was decided.

    \b
    Example:
      medtl-meta db agreement
    """
    from metaanalysis.coder_agreement import COLUMNS
    from metaanalysis.coder_agreement import agreement as compare

    with opened(where) as base:
        found = compare(base)
    differences = [{**asdict(one), "decision": one.adjudication} for one in found.differences]
    columns = ("ref", "key", "field", "first", "second", "decision")
    fields = chosen(
        [
            {**field.to_dict(), "kappa": None if field.kappa is None else round(field.kappa, 3)}
            for field in found.fields
        ],
        [name for name in COLUMNS if name != "read_by_either"],
    )
    if form == "json":
        both = {"studies": found.studies, "fields": fields}
        both["differences"] = chosen(differences, columns)
        echo_json(both)
        return
    write_rows(fields, tuple(fields[0]), form)
    echo()
    write_rows(differences, columns, form, spare=("ref",) if width() < 100 else ())
    remark(
        f"{found.studies} studies coded twice; {len(differences)} differences. Kappa is given for "
        "values that are categories. only_first and only_second: one coder saw a value and the "
        "other none."
    )


#: As the command is called.
db = database
