"""Selecting studies: filters in, rows out, with what was left out and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from sys import intern

from db.database import Database
from db.errors import UsageError
from db.literature import REPORTED_FIELDS
from db.reader import BY_CODE, Row, chunks
from db.vocabulary import METRICS, Lexicon
from db.wording import plural
from metaanalysis.query.facts import Coverage, backbone_names, coverage
from metaanalysis.query.filters import Condition, Filters, Parameters

#: Columns of ``study`` that a query can show.
STUDY_COLUMNS = (
    "key",
    "ref",
    "title",
    "authors",
    "journal",
    "year",
    "doi",
    "pmid",
    "url",
    "modality",
    "subject",
    "anatomy",
    "task",
    "n_classes",
    "n_images",
    "n_patients",
    "n_train",
    "n_val",
    "n_test",
    "split_unit",
    "cv_folds",
    "pretrained_on",
    "classifier",
    "finetune_detail",
    "inclusion",
    "origin",
    "retracted",
)

#: Studies of which lists and metrics are fetched at a time.
_AT_ONCE = 5000

#: Those that hold no text.
NUMBER_COLUMNS = ("ref", "year", "n_classes", "n_images", "n_patients", "n_train", "n_val",
                  "n_test", "cv_folds", "retracted")  # fmt: skip
TEXT_COLUMNS = tuple(name for name in STUDY_COLUMNS if name not in NUMBER_COLUMNS)

#: Columns that are lists, from the tables of what a study has several of.
LIST_COLUMNS = ("backbones", "families", "tl_types", "datasets")

#: Headline values: column name -> metric.
METRIC_COLUMNS = {metric.lower().replace(" ", "_"): metric for metric in METRICS}

COLUMNS = (*STUDY_COLUMNS, *LIST_COLUMNS, *METRIC_COLUMNS)

#: What a row holds unless columns are named.
DEFAULT_COLUMNS = (
    "key",
    "ref",
    "title",
    "year",
    "modality",
    "subject",
    "anatomy",
    "task",
    "backbones",
    "tl_types",
    "n_classes",
    "n_images",
    "n_patients",
    "accuracy",
    "auc",
    "sensitivity",
    "specificity",
    "doi",
    "retracted",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a query with what a reader must know about them.

    Attributes
    ----------
    rows
        One dictionary a study; what is unknown is None, also where a list would stand.
    matched
        How many studies match, before a limit.
    coverage
        How many studies there were to choose from.
    possible
        How many more studies might match: no known value speaks against them, some are unknown.
    unknown
        For each filter, how many of those lack its value (one study may lack several).
    notes
        How words were understood.
    """

    rows: list[Row]
    matched: int
    coverage: Coverage
    possible: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Return what was selected from what, and what was left out, in sentences."""
        matching = plural(self.matched, "study matches", "studies match")
        shown = f" ({len(self.rows)} shown)" if len(self.rows) < self.matched else ""
        lines = [f"{matching}{shown}. {self.coverage}"]
        if self.possible:
            lacking = ", ".join(f"{name} ({n})" for name, n in self.unknown.items() if n)
            more = plural(self.possible, "more study")
            lines.append(f"{more} might match if this were known of them: {lacking}.")
        return [*lines, *self.notes]


def _columns(names: Iterable[str] | None) -> tuple[str, ...]:
    if names is None:
        return DEFAULT_COLUMNS
    known = Lexicon("column", COLUMNS)
    return tuple(dict.fromkeys(known.resolve(name) for name in names))


def _order(sort: Sequence[str]) -> str:
    known = Lexicon("column", COLUMNS)
    parts = []
    for name in sort:
        column = known.resolve(name.removeprefix("-"))
        if column in LIST_COLUMNS:
            raise UsageError(f"--sort {name}: a list has no order.", "Sort by another column.")
        if column in METRIC_COLUMNS:
            expression = (
                "(SELECT o.value FROM reported_metric o WHERE o.study_id = s.id AND o.headline "
                f"AND o.metric = '{METRIC_COLUMNS[column]}')"
            )
        else:
            expression = f"s.{column}"
        if column in TEXT_COLUMNS:
            expression = f"{expression} {BY_CODE}"
        direction = "DESC" if name.startswith("-") else "ASC"
        # Unknown values come last in either direction, on either database.
        parts += [f"CASE WHEN {expression} IS NULL THEN 1 ELSE 0 END", f"{expression} {direction}"]
    return ", ".join(
        [*parts, "CASE WHEN s.ref IS NULL THEN 1 ELSE 0 END", "s.ref", f"s.key {BY_CODE}"]
    )


def _conditions(database: Database, filters: Filters) -> list[Condition]:
    def anatomies() -> set[str]:
        sql = "SELECT DISTINCT anatomy AS a FROM study WHERE anatomy IS NOT NULL"
        return {row["a"] for row in database.rows(sql)}

    def dataset_names() -> set[str]:
        found = database.rows("SELECT DISTINCT name, dataset FROM study_dataset")
        return {name for row in found for name in row.values() if name is not None}

    names = backbone_names(database) if filters.backbone else Lexicon("backbone", ())
    return filters.conditions(names, anatomies, dataset_names)


def _where(conditions: Sequence[Condition], parameters: Parameters) -> str:
    return " AND ".join(condition.holds(parameters) for condition in conditions) or "1 = 1"


def _unknown(
    database: Database, conditions: Sequence[Condition], matched: int
) -> tuple[int, dict[str, int]]:
    """Count the studies against which no known value speaks, though not all is known of them."""
    open_ones = [condition for condition in conditions if condition.unknown is not None]
    if not open_ones:
        return 0, {}
    parameters = Parameters()
    where = " AND ".join(
        condition.holds(parameters)
        if condition.unknown is None
        else f"({condition.holds(parameters)} OR {condition.unknown})"
        for condition in conditions
    )
    counts = ", ".join(
        f"SUM(CASE WHEN {condition.unknown} THEN 1 ELSE 0 END) AS c{place}"
        for place, condition in enumerate(open_ones)
    )
    found = database.rows(
        f"SELECT COUNT(*) AS n, {counts} FROM study s WHERE {where}", parameters.values
    )[0]
    unknown = {one.name: int(found[f"c{place}"] or 0) for place, one in enumerate(open_ones)}
    return int(found["n"]) - matched, unknown


_LISTS = {
    "backbones": "SELECT c.study_id, c.backbone AS v FROM study_backbone c",
    "families": (
        "SELECT c.study_id, b.family AS v FROM study_backbone c "
        "JOIN backbone b ON b.name = c.backbone"
    ),
    "tl_types": "SELECT c.study_id, c.tl_type AS v FROM study_tl_type c",
    "datasets": "SELECT c.study_id, c.name AS v FROM study_dataset c",
}


def _fill_lists(database: Database, name: str, rows: dict[int, Row]) -> None:
    sql = f"{_LISTS[name]} WHERE {{among}} ORDER BY c.study_id, c.position"
    for ids in chunks(rows, _AT_ONCE):
        found: dict[int, dict[str, None]] = {study_id: {} for study_id in ids}
        for item in database.rows_among(sql, "c.study_id", ids):
            # Terms come again and again: each is kept in memory once.
            found[item["study_id"]][intern(item["v"])] = None
        for study_id in ids:
            # An empty list would say that there are none; unknown is None.
            rows[study_id][name] = list(found[study_id]) or None


def _fill_metrics(database: Database, columns: Sequence[str], rows: dict[int, Row]) -> None:
    column_of = {METRIC_COLUMNS[column]: column for column in columns}
    for row in rows.values():
        row.update(dict.fromkeys(columns))
    sql = "SELECT study_id, metric, value FROM reported_metric WHERE headline AND {among}"
    for ids in chunks(rows, _AT_ONCE):
        for item in database.rows_among(sql, "study_id", ids):
            if item["metric"] in column_of:
                rows[item["study_id"]][column_of[item["metric"]]] = item["value"]


def select(
    database: Database,
    filters: Filters | None = None,
    *,
    columns: Iterable[str] | None = None,
    sort: Sequence[str] = (),
    limit: int | None = None,
) -> Selection:
    """Select studies.

    Parameters
    ----------
    database
        An open database.
    filters
        What to ask for; None selects all.
    columns
        Names out of :data:`COLUMNS`; None takes :data:`DEFAULT_COLUMNS`.
    sort
        Columns to sort by, a ``-`` before the name for descending; then by reference number.
    limit
        At most so many rows.

    Raises
    ------
    UsageError
        An unknown word, column or range.
    """
    filters = filters or Filters()
    wanted = _columns(columns)
    conditions = _conditions(database, filters)
    parameters = Parameters()
    where = _where(conditions, parameters)
    ordered = f"ORDER BY {_order(sort)}" + ("" if limit is None else f" LIMIT {limit:d}")
    own = [column for column in wanted if column in STUDY_COLUMNS]
    fields = ", ".join(["s.id", *(f"s.{column}" for column in own)])
    found = database.stream(
        f"SELECT {fields} FROM study s WHERE {where} {ordered}", parameters.values
    )
    # In the order of the columns, so that what is filled in later needs no second copy.
    rows = {row["id"]: {name: row.get(name) for name in wanted} for row in found}
    for name in LIST_COLUMNS:
        if name in wanted:
            _fill_lists(database, name, rows)
    metrics = [column for column in wanted if column in METRIC_COLUMNS]
    if metrics:
        _fill_metrics(database, metrics, rows)
    result = list(rows.values())
    for row in result:
        if "retracted" in row:
            row["retracted"] = bool(row["retracted"])
    if limit is None or len(result) < limit:
        matched = len(result)
    else:
        sql = f"SELECT COUNT(*) AS n FROM study s WHERE {where}"
        matched = int(database.rows(sql, parameters.values)[0]["n"])
    possible, unknown = _unknown(database, conditions, matched)
    notes = [note for condition in conditions for note in condition.notes]
    return Selection(result, matched, coverage(database), possible, unknown, notes)


#: Columns of :func:`metrics`.
METRIC_FIELDS = ("key", "ref", *REPORTED_FIELDS)


def metrics(database: Database, filters: Filters | None = None) -> list[Row]:
    """Return every reported value of the studies that match, one row each.

    Raises
    ------
    UsageError
        An unknown word or range.
    """
    parameters = Parameters()
    where = _where(_conditions(database, filters or Filters()), parameters)
    own = ", ".join(f"m.{name}" for name in REPORTED_FIELDS)
    rows = database.rows(
        f"SELECT s.key, s.ref, {own} FROM reported_metric m JOIN study s ON s.id = m.study_id "
        f"WHERE {where} "
        "ORDER BY CASE WHEN s.ref IS NULL THEN 1 ELSE 0 END, "
        f"s.ref, s.key {BY_CODE}, m.position",
        parameters.values,
    )
    return [{**row, "headline": bool(row["headline"])} for row in rows]
