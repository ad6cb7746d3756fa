"""Queries against the curated truth, read apart from the code, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from db.database import Database
from db.errors import NotFoundError, UnknownTermError, UsageError
from metaanalysis.query import (
    COLUMNS,
    METRIC_FIELDS,
    contents,
    coverage,
    find_study,
    metrics,
    review_claims,
    review_facts,
    select,
    study_in_full,
)
from metaanalysis.query.filters import Filters
from tests.study_files import curated, headline, value

STUDIES = curated()


def refs(database: Database, **words: Any) -> list[int]:
    return [row["ref"] for row in select(database, Filters.of(words)).rows]


def truth(holds: Callable[[dict[str, Any]], Any]) -> list[int]:
    return sorted(study["ref"] for study in STUDIES if holds(study))


@pytest.mark.parametrize("word", ["OCT", "oct", "optical coherence tomography"])
def test_the_oct_studies(either: Database, word: str) -> None:
    assert refs(either, modality=word) == [49, 112, 113, 115, 116, 122]


def searched(study: dict[str, Any]) -> list[Any]:
    citation = study["citation"]
    fields = [citation.get(name) for name in ("title", "authors", "journal")]
    fields += [value(study, name) for name in ("task", "anatomy", "classifier")]
    return [*fields, *study.get("notes", {}).values()]


def text_of(study: dict[str, Any]) -> str:
    return "\n".join(str(part) for part in searched(study) if part).lower()


EYE = r"\beye\b|retina|fundus|optic disc"
VGGS = {"VGG16", "VGG19", "VGG (unspecified)"}
INCEPTIONS = {"GoogLeNet", "InceptionV2", "InceptionV3", "InceptionV4", "Inception (unspecified)"}

CASES: list[tuple[dict[str, Any], Callable[[dict[str, Any]], Any]]] = [
    ({}, lambda s: True),
    ({"modality": ["CT", "x-ray"]}, lambda s: value(s, "modality") in ("CT", "X-ray")),
    ({"subject": "sense organs"}, lambda s: value(s, "subject") == "sense organs"),
    ({"subject": "breast"}, lambda s: "breast" in (value(s, "anatomy") or "").lower()),
    ({"subject": "eye"}, lambda s: re.search(EYE, (value(s, "anatomy") or "").lower())),
    (
        {"subject": ["breast", "bones"]},
        lambda s: "breast" in (value(s, "anatomy") or "").lower() or value(s, "subject") == "bones",
    ),
    ({"backbone": "vgg"}, lambda s: VGGS & set(value(s, "backbones") or ())),
    ({"backbone": "AlexNet"}, lambda s: "AlexNet" in (value(s, "backbones") or ())),
    ({"text": "polyp detection"}, lambda s: all(w in text_of(s) for w in ("polyp", "detection"))),
    ({"backbone": "Inception v1"}, lambda s: "GoogLeNet" in (value(s, "backbones") or ())),
    (
        {"backbone": ["vgg-16", "VGG19"]},
        lambda s: {"VGG16", "VGG19"} & set(value(s, "backbones") or ()),
    ),
    ({"family": "Inception"}, lambda s: INCEPTIONS & set(value(s, "backbones") or ())),
    ({"tl": "FE"}, lambda s: "feature extractor" in (value(s, "tl_types") or ())),
    (
        {"tl": ["hybrid", "fine-tuning"]},
        lambda s: {"feature extractor hybrid", "fine-tuning"} & set(value(s, "tl_types") or ()),
    ),
    ({"year": "2018-2019"}, lambda s: 2018 <= s["citation"]["year"] <= 2019),
    ({"year": ["2016", ">=2021"]}, lambda s: s["citation"]["year"] in (2016, 2021)),
    ({"classes": "3-5"}, lambda s: 3 <= (value(s, "n_classes") or 0) <= 5),
    ({"classes": ">2"}, lambda s: (value(s, "n_classes") or 0) > 2),
    ({"size": ">=1000"}, lambda s: (value(s, "n_images") or 0) >= 1000),
    ({"size": "<600"}, lambda s: value(s, "n_images") is not None and value(s, "n_images") < 600),
    ({"metric": "accuracy>=0.95"}, lambda s: (headline(s, "accuracy") or 0) >= 0.95),
    ({"metric": "AUROC"}, lambda s: headline(s, "AUC") is not None),
    (
        {"metric": ["sens>=90%", "specificity>=90%"]},
        lambda s: max(headline(s, "sensitivity") or 0, headline(s, "specificity") or 0) >= 0.9,
    ),
    (
        {"dataset": "lidc"},
        lambda s: any("lidc" in d["name"].lower() for d in s.get("datasets", ())),
    ),
    ({"text": "polyp"}, lambda s: "polyp" in text_of(s)),
    ({"text": ["zebra", "larynx"]}, lambda s: "larynx" in text_of(s)),
    (
        {"modality": "X-ray", "backbone": "DenseNet121", "year": ">=2019"},
        lambda s: (
            value(s, "modality") == "X-ray"
            and "DenseNet121" in (value(s, "backbones") or ())
            and s["citation"]["year"] >= 2019
        ),
    ),
]


@pytest.mark.parametrize(("words", "holds"), CASES, ids=[str(words) for words, _ in CASES])
def test_each_filter_against_the_files(
    either: Database, words: dict[str, Any], holds: Callable[[dict[str, Any]], Any]
) -> None:
    expected = truth(holds)
    assert expected, "a case that selects nothing would show nothing"
    assert refs(either, **words) == expected


def test_the_rows_hold_the_curated_values(either: Database) -> None:
    rows = {row["ref"]: row for row in select(either).rows}
    for study in STUDIES:
        row = rows[study["ref"]]
        assert row["key"] == study["key"]
        assert row["title"] == study["citation"]["title"]
        assert row["doi"] == study["citation"].get("doi")
        for name in ("modality", "subject", "n_classes", "n_images", "n_patients"):
            assert row[name] == value(study, name)
        assert row["backbones"] == value(study, "backbones")
        assert row["tl_types"] == value(study, "tl_types")
        for column, metric in (
            ("accuracy", "accuracy"),
            ("auc", "AUC"),
            ("sensitivity", "sensitivity"),
            ("specificity", "specificity"),
        ):
            assert row[column] == headline(study, metric)
        assert row["retracted"] is (study["ref"] == 73)


def test_what_is_unknown_is_counted_not_matched(either: Database) -> None:
    found = select(either, Filters.of({"modality": "OCT", "tl": "fine-tuned"}))
    assert [row["ref"] for row in found.rows] == [49]
    octs = [study for study in STUDIES if value(study, "modality") == "OCT"]
    unknown = sum(value(study, "tl_types") is None for study in octs)
    assert found.unknown == {"modality": 0, "TL type": unknown}
    assert found.possible == unknown
    said = f"{unknown} more studies might match if this were known of them: TL type ({unknown})."
    assert said in found.sentences()


def test_what_lacks_several_values_is_counted_once(either: Database) -> None:
    found = select(either, Filters.of({"tl": "FE", "metric": "accuracy>=0.95"}))
    might = [
        (value(study, "tl_types") is None, headline(study, "accuracy") is None)
        for study in STUDIES
        if (value(study, "tl_types") is None or "feature extractor" in value(study, "tl_types"))
        and (headline(study, "accuracy") is None or headline(study, "accuracy") >= 0.95)
    ]
    lacking = [entry for entry in might if any(entry)]
    assert found.matched == len(might) - len(lacking)
    assert found.possible == len(lacking)
    assert found.unknown == {
        "TL type": sum(tl for tl, _ in lacking),
        "headline value": sum(metric for _, metric in lacking),
    }


def test_the_seven_unidentified_studies_are_always_said(either: Database) -> None:
    assert str(coverage(either)) == (
        "114 of the review's 121 studies are curated; the other 7 cannot be identified from its text."
    )
    assert str(coverage(either)) in select(either).sentences()[0]


@pytest.mark.parametrize(
    ("sort", "column", "reverse"),
    [("year", "year", False), ("-accuracy", "accuracy", True), ("n_images", "n_images", False)],
)
def test_sorting_puts_the_unknown_last(
    either: Database, sort: str, column: str, reverse: bool
) -> None:
    rows = select(either, columns=["ref", column], sort=[sort]).rows
    values = [row[column] for row in rows]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=reverse) + [None] * (len(values) - len(known))


def test_a_limit_keeps_the_count_of_all(either: Database) -> None:
    everything = select(either, Filters.of({"modality": "CT"}), sort=["-auc"])
    few = select(either, Filters.of({"modality": "CT"}), sort=["-auc"], limit=3)
    assert few.rows == everything.rows[:3]
    assert few.matched == everything.matched == 17
    assert "(3 shown)" in few.sentences()[0]


def test_columns_in_the_order_asked_for(either: Database) -> None:
    rows = select(either, columns=["AUC", "families", "key"], limit=1).rows
    assert list(rows[0]) == ["auc", "families", "key"]
    assert select(either, columns=COLUMNS, limit=1).rows[0].keys() == set(COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE study; --",
        "%",
        "_",
        "\\",
        ":p0",
        '" OR 1=1 --',
        "é'ü",
    ],
)
def test_query_text_is_data_never_sql(either: Database, text: str) -> None:
    found = refs(either, text=text)
    assert found == truth(lambda s: all(word in text_of(s) for word in text.lower().split()))
    assert refs(either, dataset=text) == []
    for name in ("modality", "backbone", "tl", "family", "subject"):
        with pytest.raises(UnknownTermError):
            refs(either, **{name: text})
    assert contents(either)[0] == {"what": "curated studies", "count": 114}


@pytest.mark.parametrize("name", ["text", "subject", "dataset", "modality"])
def test_an_empty_word_is_refused(either: Database, name: str) -> None:
    with pytest.raises(UsageError, match="an empty word says nothing"):
        refs(either, **{name: " "})


def test_a_word_inside_another_is_no_organ(either: Database) -> None:
    with pytest.raises(UnknownTermError):
        refs(either, subject="ear")  # which stands in heart and near


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"columns": ["kee"]}, "column: no such term 'kee'"),
        ({"sort": ["backbones"]}, "a list has no order"),
        ({"sort": ["-acuracy"]}, "no such term 'acuracy'"),
    ],
)
def test_wrong_columns(either: Database, words: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        select(either, **words)


@pytest.mark.parametrize(
    "name", ["karri2017", "KARRI2017", "49", "[49]", "10.1364/BOE.8.000579", "https://doi.org/10.1364/boe.8.000579", "doi:10.1364/BOE.8.000579", "28270969"]
)  # fmt: skip
def test_a_study_by_key_number_or_doi(either: Database, name: str) -> None:
    assert find_study(either, name) == "karri2017"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("kari2017", "karri2017"),
        ("95", "4, 26, 28-36, 41-47, 49-54, 60, 64-94, 96-153"),
        ("10.1/none", "--text"),
    ],
)
def test_a_study_that_is_not_there(either: Database, name: str, hint: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_study(either, name)
    assert hint in caught.value.hint


def test_a_study_in_full_is_its_file(either: Database) -> None:
    for study in STUDIES:
        shown = study_in_full(either, study["key"])
        assert shown["values"].keys() == study["values"].keys()
        for field, entry in study["values"].items():
            told = shown["values"][field]
            for part in ("value", "basis", "source", "note"):
                assert told[part] == entry.get(part), (study["key"], field, part)
            assert told["confirmed_by"] == entry.get("confirmed_by", [])
            others = [
                {"value": o["value"], "source": o["source"], "note": o.get("note")}
                for o in entry.get("disagreements", ())
            ]
            assert told["disagreements"] == others
        assert [m["value"] for m in shown["metrics"]] == [
            m["value"] for m in study.get("metrics", ())
        ]
        assert [d["name"] for d in shown["datasets"]] == [
            d["name"] for d in study.get("datasets", ())
        ]


def test_every_reported_value_is_a_row(either: Database) -> None:
    rows = metrics(either)
    assert len(rows) == sum(len(study.get("metrics", ())) for study in STUDIES)
    assert tuple(rows[0]) == METRIC_FIELDS
    oct_rows = metrics(either, Filters(modality=["OCT"]))
    assert {row["ref"] for row in oct_rows} <= {49, 112, 113, 115, 116, 122}
    assert oct_rows


def test_what_the_review_prints(either: Database) -> None:
    assert review_facts(either, "figure_4b")["many"] == 57
    assert sum(review_facts(either, "figure_4b").values()) == 121
    assert sum(review_facts(either, "figure_4c").values()) == 121
    assert review_facts(either, "spearman_auc") == {"rho": 0.05, "p": 0.03}
    assert {claim["id"]: claim["refs"] for claim in review_claims(either)}["inception-beats-vgg"] == [29, 30, 31, 32, 33]  # fmt: skip
