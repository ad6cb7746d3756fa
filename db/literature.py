"""The literature in memory: studies with what they report, each value with its evidence.

They are read once, in a number of queries that does not grow with the number of studies, and do not
change afterwards; :mod:`db.replications` does the same for runs. What a setup adds to a reported
value (`note`, `of_class`) and what the audit finds of it (`impossible`) is added by
``dataclasses.replace``.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from db.reader import BY_CODE, Row, Rows, chunks

#: Studies that are read at a time where they are many.
AT_ONCE = 500

#: Sources that stand for a place rather than an address.
PLACES = {"title": "the study's title", "review text": "the review's text"}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A source that gives another value of a field."""

    field: str
    value: Any
    source: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A curated value with how and where it was read; None was looked for and not seen."""

    value: Any
    basis: str
    source: str | None = None
    note: str | None = None
    confirmed_by: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Where the value can be checked, with the strength of the evidence."""
        if self.source in PLACES:
            return PLACES[self.source]
        return f"{self.basis}, {self.source}" if self.source else self.basis


@dataclass(frozen=True, slots=True)
class UsedData:
    """A data set as a study names it; `dataset` is its name in our list of public ones."""

    name: str
    public: bool | None = None
    url: str | None = None
    dataset: str | None = None
    basis: str = "not_found"
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """An outcome as a study prints it; fractions from 0 to 1, what is unknown is None.

    Attributes
    ----------
    metric, value
        By the vocabulary's name; a fraction.
    n
        Cases behind it.
    family
        Of the backbone.
    position
        Place among the study's reported values, from 1; 0 for a value that is none of them.
    note
        What a setup says a comparison should bear in mind.
    of_class
        The class whose own value it is, against all others, as a setup names it; None: of the task
        as a whole.
    impossible
        Why the audit finds that it contradicts itself; None where it found nothing.
    """

    metric: str
    value: float
    basis: str = "not_found"
    source: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    sd: float | None = None
    n: int | None = None
    split: str | None = None
    backbone: str | None = None
    tl_type: str | None = None
    task: str | None = None
    headline: bool = False
    note: str | None = None
    of_class: str | None = None
    family: str | None = None
    position: int = 0
    impossible: str | None = None

    @property
    def same_task(self) -> str:
        """The task without its remarks in brackets: what arms of one contrast share."""
        return re.sub(r"\s*\([^)]*\)", "", self.task or "").strip(" ,;")

    def to_dict(self) -> dict[str, Any]:
        """Return the value with all that study and setup say of it."""
        own = [f.name for f in fields(self)]
        return {name: getattr(self, name) for name in own[: own.index("of_class") + 1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study of the literature; what is unknown is None.

    Attributes
    ----------
    key, ref
        Its key, and its number in the review's reference list (None: not of the review).
    origin
        ``packaged`` or ``user``.
    backbones, families, tl_types
        What it tests, in its own order.
    metrics
        Reported values, in the order of its file.
    values
        Curated values by field, with their evidence.
    disagreements
        Sources that give another value, of curated fields and of others.
    """

    key: str
    ref: int | None = None
    origin: str = "user"
    authors: str = ""
    title: str = ""
    journal: str | None = None
    year: int
    volume: str | None = None
    pages: str | None = None
    doi: str | None = None
    pmid: str | None = None
    pmcid: str | None = None
    url: str | None = None
    modality: str | None = None
    subject: str | None = None
    anatomy: str | None = None
    task: str | None = None
    n_classes: int | None = None
    n_images: int | None = None
    n_patients: int | None = None
    n_train: int | None = None
    n_val: int | None = None
    n_test: int | None = None
    split_unit: str | None = None
    cv_folds: int | None = None
    pretrained_on: str | None = None
    classifier: str | None = None
    finetune_detail: str | None = None
    inclusion: str = "added"
    tl_seen: bool = False
    retracted: bool = False
    data_note: str | None = None
    tl_note: str | None = None
    note: str | None = None
    backbones: tuple[str, ...] | None = None
    families: tuple[str, ...] | None = None
    tl_types: tuple[str, ...] | None = None
    datasets: tuple[UsedData, ...] = ()
    metrics: tuple[Reported, ...] = ()
    values: Mapping[str, Evidence] = field(default_factory=dict)
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def name(self) -> str:
        """Key and reference number."""
        return self.key if self.ref is None else f"{self.key} [{self.ref}]"

    @property
    def citation(self) -> str:
        """Authors, title and year in one line."""
        return f"{self.authors.removesuffix('.')}. {self.title.removesuffix('.')}. {self.year}."

    @property
    def address(self) -> str | None:
        """Where the study itself is found."""
        return f"https://doi.org/{self.doi}" if self.doi else self.url

    @property
    def notes(self) -> dict[str, str]:
        """What the curators say beside the values, on ``data``, ``tl`` and in ``general``."""
        found = {"data": self.data_note, "tl": self.tl_note, "general": self.note}
        return {name: text for name, text in found.items() if text is not None}

    @property
    def total(self) -> int | None:
        """The cases in all, of the kind that the split counts."""
        if self.split_unit == "images":
            return self.n_images
        return self.n_patients if self.split_unit == "patients" else None

    def value(self, name: str) -> Any:
        """Return a curated value; None where it is unknown."""
        return self.values[name].value if name in self.values else None

    def source(self, name: str) -> str | None:
        """Return where a curated value was read."""
        return self.values[name].source if name in self.values else None

    def inferred(self, name: str) -> bool:
        """Return whether a curated value was concluded, not read."""
        return name in self.values and self.values[name].basis == "inferred"


#: Fields of a study that are columns of its own row.
STUDY_FIELDS = tuple(
    f.name for f in fields(Study) if f.name not in
    ("backbones", "families", "tl_types", "datasets", "metrics", "values", "disagreements")
)  # fmt: skip
#: Tables of what a study tests and what came of it, as they begin.
_ARMS = ("study_backbone", "study_tl_type", "reported_metric")
#: Fields of a reported value that are columns of its row.
REPORTED_FIELDS = (
    "metric", "value", "ci_low", "ci_high", "sd", "headline", "backbone", "tl_type", "task",
    "split", "n", "basis", "source",
)  # fmt: skip


def read_studies(
    database: Rows, keys: Collection[str] | None = None, *, evidence: bool = True
) -> dict[str, Study]:
    """Read studies in full, by key, in the order of reference numbers.

    Parameters
    ----------
    database
        An open database.
    keys
        Which ones; those that there are not are left out. None takes all.
    evidence
        False: without curated values, data sets and disagreements, which are most of what there is.
    """
    own = ", ".join(STUDY_FIELDS)
    found = database.rows_among(
        f"SELECT id, {own} FROM study WHERE {{among}} "
        f"ORDER BY CASE WHEN ref IS NULL THEN 1 ELSE 0 END, ref, key {BY_CODE}",
        "key",
        keys,
    )
    ids = None if keys is None else [row["id"] for row in found]

    def children(
        table: str, columns: str, order: str, make: Callable[[Row], Any] = lambda row: row
    ) -> dict[int, list[Any]]:
        sql = f"SELECT c.study_id, {columns} FROM {table} WHERE {{among}} ORDER BY {order}"
        gathered: dict[int, list[Any]] = defaultdict(list)
        asked = evidence or table.startswith(_ARMS)
        for row in database.rows_among(sql, "c.study_id", ids) if asked else ():
            gathered[row.pop("study_id")].append(make(row))
        return gathered

    networks = children(
        "study_backbone c JOIN backbone b ON b.name = c.backbone",
        "c.backbone, b.family",
        "c.study_id, c.position",
    )
    tl_types = children("study_tl_type c", "c.tl_type", "c.study_id, c.position")
    used = children(
        "study_dataset c", "name, public, url, dataset, basis, source", "c.study_id, c.position",
        lambda row: UsedData(**{**row, "public": _truth(row["public"])}),
    )  # fmt: skip
    metrics = children(
        "reported_metric c LEFT JOIN backbone b ON b.name = c.backbone",
        f"b.family, {', '.join(f'c.{name}' for name in REPORTED_FIELDS)}",
        "c.study_id, c.position",
    )
    read = children("evidence c", "field, value, basis, source, note", "c.id")
    confirmed = children("confirmation c", "field, source", "c.id")
    others = children(
        "disagreement c", "field, other_value AS value, source, note", "c.id",
        lambda row: Disagreement(**{**row, "value": _decoded(row["value"])}),
    )  # fmt: skip
    studies = {}
    for row in found:
        mine = row.pop("id")
        agree: dict[str, list[str]] = defaultdict(list)
        for one in confirmed[mine]:
            agree[one["field"]].append(one["source"])
        values = {}
        for one in read[mine]:
            name = one.pop("field")
            told = {**one, "value": _decoded(one["value"])}
            values[name] = Evidence(**told, confirmed_by=tuple(agree[name]))
        studies[row["key"]] = Study(
            **{**row, "tl_seen": bool(row["tl_seen"]), "retracted": bool(row["retracted"])},
            backbones=_distinct(one["backbone"] for one in networks[mine]),
            families=_distinct(one["family"] for one in networks[mine]),
            tl_types=_distinct(one["tl_type"] for one in tl_types[mine]),
            datasets=tuple(used[mine]),
            metrics=tuple(
                Reported(**{**one, "headline": bool(one["headline"])}, position=place)
                for place, one in enumerate(metrics[mine], start=1)
            ),
            values=values,
            disagreements=tuple(others[mine]),
        )
    return studies


def study_order(database: Rows) -> list[tuple[str, int]]:
    """Return key and id of every study, in the order of reference numbers and keys.

    Sorting is done here: the order of text in SQL differs between databases and their locales.
    """
    rows = database.stream("SELECT ref, key, id FROM study")
    last = float("inf")
    found = sorted((last if r["ref"] is None else r["ref"], r["key"], r["id"]) for r in rows)
    return [(key, number) for _, key, number in found]


def each_study(
    database: Rows, keys: Iterable[str] | None = None, *, evidence: bool = True
) -> Iterator[Study]:
    """Yield studies in full, a chunk at a time: memory does not grow with their number.

    Parameters
    ----------
    database
        An open database.
    keys
        Which ones, in this order; those that there are not are left out. None takes all, in the
        order of reference numbers and keys.
    evidence
        As of :func:`read_studies`.
    """
    wanted = (key for key, _ in study_order(database)) if keys is None else iter(keys)
    for chunk in chunks(wanted, AT_ONCE):
        found = read_studies(database, chunk, evidence=evidence)
        yield from (found[key] for key in chunk if key in found)


def _distinct(values: Any) -> tuple[str, ...] | None:
    """Return each value once; None, unknown, where there is none."""
    return tuple(dict.fromkeys(values)) or None


def _truth(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _decoded(text: str | None) -> Any:
    """Read JSON; a list becomes a tuple, as what is read does not change."""
    value = None if text is None else json.loads(text)
    return tuple(value) if isinstance(value, list) else value


def read_set_aside(database: Rows) -> list[dict[str, Any]]:
    """Return the studies that were set aside, in the order of their keys."""
    rows = database.rows("SELECT key, taken_by, why, release, record FROM set_aside")
    rows.sort(key=lambda row: (row["key"], row["taken_by"]))
    return [{**row, "record": json.loads(row["record"])} for row in rows]
