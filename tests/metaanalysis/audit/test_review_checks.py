"""The checks of the review: on what it prints, and on what it might have printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from db.database import Database
from metaanalysis.audit import arithmetic, recounts
from metaanalysis.audit.correlations import correlations
from metaanalysis.audit.finding import Finding
from metaanalysis.audit.material import Material, gather
from metaanalysis.audit.table1 import table_1


@pytest.fixture(scope="module")
def material(database: Database) -> Material:
    return gather(database)


def with_facts(material: Material, section: str, **facts: Any) -> Material:
    """Return the material as if the review printed other numbers."""
    changed: Mapping[str, Any] = {**material.facts, section: {**material.facts[section], **facts}}
    return replace(material, facts=changed)


def by_id(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.id: finding for finding in findings}


def test_the_flow_is_off_by_one_at_the_last_step(material: Material) -> None:
    found = by_id(arithmetic.flow(material))
    assert {name: f.verdict for name, f in found.items()} == {
        "flow.screened": "consistent",
        "flow.full_text_assessed": "consistent",
        "flow.included": "inconsistent",
    }
    last = found["flow.included"]
    assert (last.reported, last.recomputed) == ("121", "122")
    assert "236" in last.explanation


def test_a_flow_that_adds_up_passes(material: Material) -> None:
    mended = with_facts(material, "figure_3", excluded_at_full_text=115)
    assert {f.verdict for f in arithmetic.flow(mended)} == {"consistent"}


def test_all_sums_of_the_review_add_up(material: Material) -> None:
    found = by_id(arithmetic.sums(material))
    assert set(found) == {
        "sum.figure-4b",
        "sum.figure-4c",
        "sum.figure-4b-depth",
        "sum.figure-4b-deep",
        "sum.figure-4b-shallow",
        "sum.figure-6",
    }
    assert {f.verdict for f in found.values()} == {"consistent"}


@pytest.mark.parametrize(
    ("section", "facts", "broken"),
    [
        ("figure_4b", {"VGG": 11}, {"sum.figure-4b", "sum.figure-4b-shallow"}),
        ("figure_4c", {"fine-tuning": 4}, {"sum.figure-4c"}),
        ("figure_4b_depth", {"deep": 34}, {"sum.figure-4b-depth", "sum.figure-4b-deep"}),
        ("figure_6", {"excluded_minor_models": 7}, {"sum.figure-6"}),
        ("figure_6", {"shown": 42}, {"sum.figure-6"}),
    ],
)
def test_a_wrong_number_breaks_its_sums(
    material: Material, section: str, facts: dict[str, int], broken: set[str]
) -> None:
    found = by_id(arithmetic.sums(with_facts(material, section, **facts)))
    assert {name for name, f in found.items() if f.verdict == "inconsistent"} == broken


def test_minor_models_in_two_places(material: Material) -> None:
    found = by_id(arithmetic.text(material))["text.minor-models"]
    assert found.verdict == "suspicious"
    assert "Inception-ResNet (2)" in found.explanation
    same = by_id(arithmetic.text(with_facts(material, "figure_6", excluded_minor_models=7)))
    assert same["text.minor-models"].verdict == "consistent"
    unexplained = by_id(arithmetic.text(with_facts(material, "figure_6", excluded_minor_models=8)))
    assert unexplained["text.minor-models"].verdict == "inconsistent"


def test_text_against_text(material: Material) -> None:
    found = by_id(arithmetic.text(material))
    assert found["text.included"].verdict == "consistent"
    assert found["text.published-until"].verdict == "suspicious"
    assert found["text.public-datasets"].verdict == "not checkable"
    other = by_id(arithmetic.text(with_facts(material, "totals", included=122)))
    assert other["text.included"].verdict == "inconsistent"


def test_a_count_below_what_is_curated_is_noticed(material: Material) -> None:
    found = by_id(recounts.recounts(material))
    assert found["recount.figure-4b.Inception"].verdict == "consistent"
    assert found["recount.figure-4b.Inception"].recomputed == "16 to 51"
    assert found["recount.figure-4b.ResNet"].verdict == "suspicious"  # 5 printed, 8 curated


def test_statements_on_the_figures(material: Material) -> None:
    found = by_id(recounts.statements(material))
    verdicts = {name: f.verdict for name, f in found.items()}
    assert verdicts["statement.figure-5b"] == "supported"
    assert verdicts["statement.figure-5c"] == "not checkable"
    assert verdicts["statement.figure-5a"] == "not checkable"


def test_printed_correlations_need_more_studies_than_there_are(material: Material) -> None:
    found = by_id(correlations(material))
    auc, accuracy = found["correlation.spearman-auc"], found["correlation.spearman-accuracy"]
    assert auc.verdict == "inconsistent"
    assert "1,470 to 2,480" in auc.explanation
    assert accuracy.verdict == "suspicious"
    assert "103 to 124" in accuracy.explanation


def test_a_correlation_that_fits_passes(material: Material) -> None:
    fine = with_facts(material, "spearman_auc", rho=0.05, p=0.76)
    assert by_id(correlations(fine))["correlation.spearman-auc"].verdict == "consistent"


def test_a_further_correlation_is_checked_without_a_word(material: Material) -> None:
    more = replace(
        material,
        facts={**material.facts, "spearman_f1": {"rho": 0.5, "p": 0.67}},
        places={**material.places, "spearman_f1": "nowhere"},
    )
    found = by_id(correlations(more))["correlation.spearman-f1"]
    assert found.verdict == "consistent"  # three studies give p = 2/3
    assert "n = 41" in (found.recomputed or "")


def test_table_1(material: Material) -> None:
    found = by_id(table_1(material))
    verdicts = {name.removeprefix("table-1."): f.verdict for name, f in found.items()}
    assert verdicts == {
        "LeNet5.parameters": "consistent",
        "LeNet5.layers": "consistent",
        "LeNet5.released": "consistent",
        "AlexNet.parameters": "suspicious",
        "AlexNet.layers": "consistent",
        "AlexNet.released": "consistent",
        "VGG16.parameters": "suspicious",
        "VGG16.layers": "consistent",
        "VGG16.released": "consistent",
        "GoogLeNet.parameters": "inconsistent",
        "GoogLeNet.layers": "consistent",
        "GoogLeNet.released": "consistent",
        "ResNet50.parameters": "consistent",
        "ResNet50.layers": "inconsistent",
        "ResNet50.released": "consistent",
    }
    assert "without its two groups" in found["table-1.AlexNet.parameters"].explanation
    assert "2 classes" in found["table-1.VGG16.parameters"].explanation
    assert found["table-1.ResNet50.layers"].recomputed == "50 (49 + 1) or 54 (53 + 1)"


@pytest.mark.parametrize(
    ("printed", "what", "verdict"),
    [
        ({"parameters": 138_400_000}, "parameters", "consistent"),
        ({"parameters": 138_300_000}, "parameters", "consistent"),  # cut off
        ({"parameters": 138_500_000}, "parameters", "inconsistent"),
        ({"trainable_layers": "16 (13 + 2)"}, "layers", "inconsistent"),
        ({"trainable_layers": "17 (13 + 3)"}, "layers", "inconsistent"),
        ({"trainable_layers": "sixteen"}, "layers", "not checkable"),
        ({"released": 2015}, "released", "inconsistent"),
    ],
)
def test_other_numbers_in_table_1(
    material: Material, printed: dict[str, Any], what: str, verdict: str
) -> None:
    rows = [dict(row) for row in material.facts["table_1"]["rows"]]
    row = next(row for row in rows if row["model"] == "VGG16")
    row |= printed
    found = by_id(table_1(with_facts(material, "table_1", rows=rows)))
    assert found[f"table-1.VGG16.{what}"].verdict == verdict


def test_a_model_that_is_not_stored_is_not_checkable(material: Material) -> None:
    row = {**material.facts["table_1"]["rows"][0], "model": "DenseNet121", "released": 2016}
    found = by_id(table_1(with_facts(material, "table_1", rows=[row])))
    assert found["table-1.DenseNet121.parameters"].verdict == "not checkable"
    assert found["table-1.DenseNet121.released"].verdict == "consistent"
