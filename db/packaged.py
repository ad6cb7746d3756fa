"""The packaged data as a whole: read, checked across files, and named by a hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from db.datafiles import line_of, read_list, read_record, read_text
from db.datafolder import data_hash, folder
from db.errors import DataFileError, MedtlError, Problem
from db.records import (
    BackboneRecord,
    DatasetRecord,
    NetworkRecord,
    ReviewRecord,
    SecondCodingRecord,
    StudyRecord,
    known_backbones,
)
from db.vocabulary import Lexicon

T = TypeVar("T")


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
    """Read ``backbones.yaml`` and let study files be checked against it."""
    backbones = read_list(BackboneRecord, (root or folder()) / "backbones.yaml")
    synonyms = {word: backbone.name for backbone in backbones for word in backbone.synonyms}
    known_backbones.set(Lexicon("backbone", [one.name for one in backbones], synonyms))
    return backbones


def read_networks(root: Path | None = None) -> list[NetworkRecord]:
    """Read ``networks.yaml``, apart from all else: the audit needs no other file."""
    root = root or folder()
    use_backbones(root)
    return read_list(NetworkRecord, root / "networks.yaml")


def cross_check(studies: Iterable[tuple[Path, StudyRecord]]) -> list[Problem]:
    """Find what no single file shows: keys, references and DOIs that stand twice."""
    problems = []
    seen: dict[tuple[str, object], Path] = {}
    for path, study in studies:
        doi = study.citation.doi
        for name, value in (("key", study.key), ("ref", study.ref), ("citation.doi", doi)):
            if value is None:
                continue
            first = seen.setdefault((name, value), path)
            if first is not path:
                line = line_of(read_text(path), tuple(name.split("."))) if path.exists() else None
                problems.append(Problem(path, line, name, f"{value} is also that of {first}."))
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

    def attempt(reading: Callable[[], T]) -> T | None:
        try:
            return reading()
        except DataFileError as error:
            problems.extend(error.problems)
        except MedtlError as error:
            problems.append(Problem(root, None, "", error.message))
        return None

    backbones = attempt(lambda: use_backbones(root))
    if backbones is None:  # nothing else can be checked without the names
        raise DataFileError(problems)
    networks = attempt(lambda: read_list(NetworkRecord, root / "networks.yaml"))
    datasets = attempt(lambda: read_list(DatasetRecord, root / "datasets.yaml"))
    review = attempt(lambda: read_record(ReviewRecord, root / "review.yaml"))
    coding = attempt(lambda: read_record(SecondCodingRecord, root / "second_coding.yaml"))
    studies: list[tuple[Path, StudyRecord]] = []
    for path in sorted((root / "studies").glob("*.yaml")):
        record = attempt(lambda path=path: read_record(StudyRecord, path))  # type: ignore[misc]
        if record is None:
            continue
        studies.append((path, record))
        if record.key != path.stem:
            problems.append(Problem(path, 1, "key", f"the file must be named {record.key}.yaml."))
    problems += cross_check(studies)
    known = {dataset.name for dataset in datasets or ()}
    for path, record in studies if datasets is not None else ():
        for place, used in enumerate(record.datasets):
            if used.dataset is not None and used.dataset not in known:
                text = f"{used.dataset!r} is not a name in datasets.yaml."
                problems.append(Problem(path, None, f"datasets.{place}.dataset", text))
    keys = {record.key for _, record in studies}
    for coded in coding.codings if coding else ():
        if coded.key not in keys:
            text = f"no study {coded.key!r}."
            problems.append(Problem(root / "second_coding.yaml", None, "key", text))
    if problems or networks is None or datasets is None or review is None or coding is None:
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
