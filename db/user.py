"""The user's own studies: read from files, checked like the packaged ones, written at once.

Many files are parsed by several processes, a chunk at a time; memory does not grow with their
number.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import delete, select

from db.database import Database
from db.datafiles import line_of, read_json_lines, read_record
from db.datafolder import folder
from db.errors import DataFileError, NotFoundError, Problem, gathering
from db.load import CHUNK, NO_REF, LoadReport, delete_studies, load_user_studies
from db.packaged import Named, cross_check, use_backbones
from db.reader import chunks
from db.records import StudyRecord
from db.rows import StudyRows, study_rows
from db.tables import table

set_aside, study = table("set_aside"), table("study")

#: Fewer files than this are parsed faster in one process than others can be started.
PARALLEL_FROM = 400


def study_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files among `paths`, folders replaced by the YAML files in them.

    Raises
    ------
    NotFoundError
        A path does not exist, or a folder holds no YAML file.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
            if not inside:
                raise NotFoundError(f"{path}: holds no .yaml file.", "One study, one file.")
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise NotFoundError(f"{path}: no such file or folder.")
    return files


def check_files(paths: Iterable[Path]) -> tuple[int, list[Problem]]:
    """Check study files, also against the packaged ones; return how many, and their problems."""
    use_backbones()
    problems: list[Problem] = []
    named: list[Named] = []
    files = study_files(paths)
    for path in files:
        with gathering(problems, path):
            if path.suffix == ".jsonl":
                for line, record in read_json_lines(StudyRecord, path):
                    named.append(Named.of(record, path, line))
            else:
                named.append(Named.of(read_record(StudyRecord, path), path))
    given = {path.resolve() for path in files}
    home = (folder() / "studies").resolve()
    problems += [
        Problem(one.path, one.line or line_of(one.path, ("ref",)), "ref", NO_REF)
        for one in named
        if dict(one.names)["ref"] is not None and one.path.resolve().parent != home
    ]
    others = [path for path in sorted(home.glob("*.yaml")) if path.resolve() not in given]
    packaged = [Named.of(read_record(StudyRecord, path), path) for path in others]
    return len(files), problems + cross_check([*packaged, *named])


def _parse(paths: Sequence[Path]) -> tuple[list[StudyRows], list[Problem]]:
    rows: list[StudyRows] = []
    problems: list[Problem] = []
    for path in paths:
        with gathering(problems, path):
            rows.append(study_rows(read_record(StudyRecord, path), "user", path))
    return rows, problems


def _parse_all(files: list[Path]) -> Iterator[tuple[list[StudyRows], list[Problem]]]:
    groups = chunks(files, CHUNK // 4)
    workers = min(os.cpu_count() or 1, 8)
    if len(files) < PARALLEL_FROM or workers == 1:
        yield from map(_parse, groups)
        return
    # spawn: a forked copy of a process with threads (numpy's, a notebook's) may hang.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=use_backbones)
    with pool:
        waiting: list[Future[tuple[list[StudyRows], list[Problem]]]] = []
        for group in groups:
            waiting.append(pool.submit(_parse, group))
            if len(waiting) > 2 * workers:  # no more in memory than the workers can chew
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _stream(files: list[Path]) -> Iterator[StudyRows]:
    problems: list[Problem] = []
    for path in (path for path in files if path.suffix == ".jsonl"):
        with gathering(problems, path):
            for line, record in read_json_lines(StudyRecord, path):
                yield study_rows(record, "user", path, line)
    for rows, found in _parse_all([path for path in files if path.suffix != ".jsonl"]):
        problems += found
        if not problems:  # with a fault nothing is kept; go on only to find the other faults
            yield from rows
    if problems:
        raise DataFileError(problems)


def add_studies(
    database: Database,
    paths: Iterable[Path],
    *,
    replace: bool = False,
    spare_packaged: bool = False,
) -> LoadReport:
    """Add the user's own studies from YAML files, folders of them, or JSON lines.

    Parameters
    ----------
    database
        An open database.
    paths
        Files and folders; see ``data/README.md`` for the format.
    replace
        Replace studies of the user's that have the same key.
    spare_packaged
        Pass over studies whose key is a packaged one, as an export holds them.

    Raises
    ------
    DataFileError, DatabaseError, NotFoundError
        Nothing was added.
    """
    use_backbones()
    files = study_files(paths)
    with database.writing() as connection:
        return load_user_studies(
            connection, _stream(files), replace=replace, spare_packaged=spare_packaged
        )


def remove_study(database: Database, key: str) -> None:
    """Remove a study that the user added, or one that was set aside; its runs stay.

    Raises
    ------
    NotFoundError
        There is none of the user's with this key.
    """
    with database.writing() as connection:
        mine = (study.c.key == key) & (study.c.origin == "user")
        found = connection.execute(select(study.c.id).where(mine)).scalar()
        if found is not None:
            delete_studies(connection, [found])
        elif not connection.execute(delete(set_aside).where(set_aside.c.key == key)).rowcount:
            raise NotFoundError(
                f"no study of your own with the key {key!r}.",
                "Packaged studies cannot be removed; filter them out of a query instead.",
            )
