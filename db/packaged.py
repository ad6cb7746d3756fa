"""The packaged data as a whole: read, checked across files, and named by a hash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from db.datafiles import line_of, read_list, read_record
from db.datafolder import data_hash, folder
from db.errors import DataFileError, Problem, gathering
from db.fields import known_backbones, known_datasets
from db.records import (
    BackboneRecord,
    DatasetRecord,
    NetworkRecord,
    ReviewRecord,
    SecondCodingRecord,
    StudyRecord,
)
from db.vocabulary import Lexicon


@dataclass(frozen=True, slots=True)
class PackagedData:
    """Everything that ``data/`` holds."""

    hash: str
    backbones: list[BackboneRecord]
    networks: list[NetworkRecord]
    datasets: list[DatasetRecord]
    review: ReviewRecord
    second_coding: SecondCodingRecord
    studies: list[StudyRecord]


def use_backbones(root: Path | None = None) -> list[BackboneRecord]:
    """Read ``backbones.yaml`` and let study files be checked against it and ``datasets.yaml``."""
    root = root or folder()
    backbones = read_list(BackboneRecord, root / "backbones.yaml")
    synonyms = {word: backbone.name for backbone in backbones for word in backbone.synonyms}
    known_backbones.set(Lexicon("backbone", [one.name for one in backbones], synonyms))
    known_datasets.set(cache(partial(_dataset_names, root)))  # few study files name one
    return backbones


def _dataset_names(root: Path) -> Lexicon:
    listed = read_list(DatasetRecord, root / "datasets.yaml")
    return Lexicon("data set", [one.name for one in listed])


def read_networks(root: Path | None = None) -> list[NetworkRecord]:
    """Read ``networks.yaml``, apart from all else: the audit needs no other file."""
    root = root or folder()
    use_backbones(root)
    return read_list(NetworkRecord, root / "networks.yaml")


@dataclass(frozen=True, slots=True)
class Named:
    """By what a study is known, and where it stands: the line only in a file of many."""

    path: Path
    line: int | None
    names: tuple[tuple[str, str | int | None], ...]

    @classmethod
    def of(cls, study: StudyRecord, path: Path, line: int | None = None) -> Named:
        """Return the names of a study that was read."""
        doi = study.citation.doi
        return cls(path, line, (("key", study.key), ("ref", study.ref), ("citation.doi", doi)))


def cross_check(studies: Iterable[Named]) -> list[Problem]:
    """Find what no single study shows: keys, references and DOIs that stand twice."""
    problems = []
    seen: dict[tuple[str, object], Named] = {}
    for study in studies:
        for name, value in study.names:
            if value is None:
                continue
            same = value.lower() if isinstance(value, str) else value  # a DOI has no case
            first = seen.setdefault((name, same), study)
            if first is not study:
                line = study.line or line_of(study.path, tuple(name.split(".")))
                other = f"{first.path}:{first.line}" if first.line else first.path
                problems.append(
                    Problem(study.path, line, name, f"{value} is also that of {other}.")
                )
    return problems


def read(root: Path | None = None) -> PackagedData:
    """Read and check all packaged files.

    Raises
    ------
    DataFileError
        With the faults of all files together.
    """
    root = root or folder()
    problems: list[Problem] = []
    networks, datasets, review, coding = [], [], None, None
    studies: list[tuple[Path, StudyRecord]] = []
    with gathering(problems, root):
        backbones = use_backbones(root)
    if problems:  # nothing else can be checked without the names
        raise DataFileError(problems)
    with gathering(problems, root):
        networks = read_list(NetworkRecord, root / "networks.yaml")
    with gathering(problems, root):
        datasets = read_list(DatasetRecord, root / "datasets.yaml")
    with gathering(problems, root):
        review = read_record(ReviewRecord, root / "review.yaml")
    with gathering(problems, root):
        coding = read_record(SecondCodingRecord, root / "second_coding.yaml")
    for path in sorted((root / "studies").glob("*.yaml")):
        with gathering(problems, root):
            record = read_record(StudyRecord, path)
            studies.append((path, record))
            if record.key != path.stem:
                fault = f"the file must be named {record.key}.yaml."
                problems.append(Problem(path, 1, "key", fault))
    problems += cross_check(Named.of(record, path) for path, record in studies)
    keys = {record.key for _, record in studies}
    for coded in coding.codings if coding else ():
        if coded.key not in keys:
            text = f"no study {coded.key!r}."
            problems.append(Problem(root / "second_coding.yaml", None, "key", text))
    if problems or review is None or coding is None:
        raise DataFileError(problems)
    return PackagedData(
        hash=data_hash(root),
        backbones=backbones,
        networks=networks,
        datasets=datasets,
        review=review,
        second_coding=coding,
        studies=[record for _, record in studies],
    )
