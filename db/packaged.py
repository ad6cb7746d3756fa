"""The packaged data as a whole: read, checked across files, and named by a hash."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from db.datafiles import line_of, read_list, read_record, read_text
from db.datafolder import data_hash, folder
from db.errors import DataFileError, Problem, gathering
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
            same = value.lower() if isinstance(value, str) else value
            first = seen.setdefault((name, same), path)
            if first is not path:
                line = line_of(read_text(path), tuple(name.split("."))) if path.exists() else None
                problems.append(Problem(path, line, name, f"{value} is also that of {first}."))
    return problems


def unknown_datasets(path: Path, study: StudyRecord, known: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each name of a public data set that is in no list."""
    for place, used in enumerate(study.datasets):
        if used.dataset is not None and used.dataset not in known:
            text = f"{used.dataset!r} is not a name in datasets.yaml."
            yield Problem(path, None, f"datasets.{place}.dataset", text)


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
    problems += cross_check(studies)
    known = {dataset.name for dataset in datasets}
    for path, record in studies if datasets else ():
        problems += unknown_datasets(path, record, known)
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
