"""The review's statements: every one has a rule, and every rule can say yes, no and unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from db.database import Database
from db.literature import Reported, Study
from metaanalysis.audit.claims import RULES, claims
from metaanalysis.audit.claims.contrasts import FEWEST_STUDIES
from metaanalysis.audit.claims.of_all import FewerParameters, Flow
from metaanalysis.audit.claims.of_studies import Best
from metaanalysis.audit.finding import Finding
from metaanalysis.audit.material import Material, gather
from tests.metaanalysis.audit.made import metric, study


@pytest.fixture(scope="module")
def material(database: Database) -> Material:
    return gather(database)


def by_id(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.id.removeprefix("claim."): finding for finding in findings}


def judged(material: Material, claim: str, *studies: Study) -> dict[str, Finding]:
    """Judge one claim by these studies alone; `refs` are theirs."""
    row = next(row for row in material.claims if row["id"] == claim)
    refs = [made.ref for made in studies] if row["refs"] else row["refs"]
    row = {**row, "refs": refs}
    return by_id(claims(replace(material, reviewed=studies, claims=(row,))))


def reviewed(ref: int, *metrics: Reported, **columns: Any) -> Study:
    return study(*metrics, key=f"s{ref}", ref=ref, origin="packaged", **columns)


def test_every_claim_has_a_rule_and_every_rule_a_claim(material: Material) -> None:
    assert {row["id"] for row in material.claims} == set(RULES)
    assert len(RULES) == 16


def test_verdicts_on_the_packaged_evidence(material: Material) -> None:
    found = by_id(claims(material))
    assert {name: f.verdict for name, f in found.items()} == {
        "prisma-flow": "contradicted",
        "inception-most-used.count": "supported",
        "inception-most-used.stronger": "not checkable",
        "deep-fe-recommended.performance": "not checkable",
        "deep-fe-recommended.cost": "not checkable",
        "ft-scratch-no-gain": "not checkable",
        "size-no-association.AUC": "not checkable",
        "size-no-association.accuracy": "not checkable",
        "inception-beats-vgg": "contradicted",
        "ref28-vgg19-best": "supported",
        "ref34-inception3-best": "supported",
        "ref35-resnet50-best": "supported",
        "ref36-googlenet-best": "contradicted",
        "ref44-two-blocks.network": "not checkable",
        "ref44-two-blocks.layers": "not checkable",
        "ref45-layers.layers": "not checkable",
        "ref46-fc-only": "not checkable",
        "ref47-densenet201": "not checkable",
        "refs53-54-3d.zhang2018": "not checkable",
        "refs53-54-3d.xiong2019": "contradicted",
        "resnet50-top5.parameters": "supported",
        "resnet50-top5.errors": "not checkable",
    }


def test_the_rows_that_decide_are_shown(material: Material) -> None:
    found = by_id(claims(material))
    rows = " ".join(found["inception-beats-vgg"].rows)
    assert "VGG16" in rows
    assert "AlexNet" in rows
    assert any("random initialisation" in row for row in found["ref36-googlenet-best"].rows)
    scratch = found["ft-scratch-no-gain"]
    assert len(scratch.rows) == 4  # AlexNet of one study on two tasks, both behind
    assert "behind in 2" in scratch.explanation


def test_a_claim_without_a_rule_is_said_to_have_none(material: Material) -> None:
    unknown = replace(material, claims=({"id": "new", "claim": "All is well.", "refs": []},))
    found = by_id(claims(unknown))["new"]
    assert (found.verdict, found.explanation) == (
        "not checkable",
        "There is no rule for this statement.",
    )


def test_a_flow_that_adds_up_is_supported(material: Material) -> None:
    (part,) = Flow(assessed=236, excluded=115, included=121)(material, {})
    assert part.verdict == "supported"


def test_the_numbers_of_a_rule_stand_in_its_statement(material: Material) -> None:
    text = {row["id"]: row["claim"] for row in material.claims}
    assert RULES["prisma-flow"] == Flow(
        *(int(number) for number in re.findall(r"\d+", text["prisma-flow"]))
    )
    fewer = dict(re.findall(r"below (\w+) with ([\d.]+) times fewer", text["resnet50-top5"]))
    assert RULES["resnet50-top5"] == FewerParameters("ResNet50", fewer)
    for name, rule in RULES.items():
        if isinstance(rule, Best):
            printed = [float(number) for number in re.findall(r"([\d.]+)%", text[name])]
            assert printed == ([] if rule.value is None else [100 * rule.value]), name


INCEPTION = metric("AUC", 0.9, backbone="InceptionV3", split="test")
VGG = metric("AUC", 0.8, backbone="VGG16", split="test")
BOTH = {"backbones": ["InceptionV3", "VGG16"], "families": ["Inception", "VGG"]}


def test_inception_ahead_in_each_study_is_supported(material: Material) -> None:
    studies = [reviewed(ref, INCEPTION, VGG, **BOTH) for ref in (29, 30)]
    found = judged(material, "inception-beats-vgg", *studies)["inception-beats-vgg"]
    assert found.verdict == "supported"


def test_one_study_without_values_leaves_it_open(material: Material) -> None:
    studies = [reviewed(29, INCEPTION, VGG, **BOTH), reviewed(30, **BOTH)]
    found = judged(material, "inception-beats-vgg", *studies)["inception-beats-vgg"]
    assert found.verdict == "not checkable"


def test_one_study_that_compares_something_else_contradicts_it(material: Material) -> None:
    other = reviewed(30, backbones=["AlexNet"], families=["AlexNet"])
    studies = [reviewed(29, INCEPTION, VGG, **BOTH), other]
    found = judged(material, "inception-beats-vgg", *studies)["inception-beats-vgg"]
    assert found.verdict == "contradicted"


def arms(ref: int, less: float, full: float, **columns: Any) -> Study:
    columns = {"backbone": "ResNet50", "split": "test"} | columns
    return reviewed(
        ref,
        metric("AUC", less, tl_type="feature extractor", **columns),
        metric("AUC", full, tl_type="fine-tuning from scratch", **columns),
    )


@pytest.mark.parametrize("claim", ["ft-scratch-no-gain", "deep-fe-recommended"])
def test_statements_on_all_studies_take_several(material: Material, claim: str) -> None:
    name = "deep-fe-recommended.performance" if claim.startswith("deep") else claim
    ahead = [arms(ref, 0.9, 0.8) for ref in range(1, FEWEST_STUDIES + 1)]
    behind = [arms(ref, 0.8, 0.9) for ref in range(1, FEWEST_STUDIES + 1)]
    assert judged(material, claim, *ahead)[name].verdict == "supported"
    assert judged(material, claim, *behind)[name].verdict == "contradicted"
    assert judged(material, claim, *ahead[:-1])[name].verdict == "not checkable"
    assert judged(material, claim, *ahead[:-1], behind[-1])[name].verdict == "not checkable"


def test_shallow_networks_do_not_speak_for_deep_ones(material: Material) -> None:
    shallow = [arms(ref, 0.8, 0.9, backbone="VGG16") for ref in range(1, 5)]
    found = judged(material, "deep-fe-recommended", *shallow)
    assert "No row" in found["deep-fe-recommended.performance"].explanation


def test_arms_on_other_data_are_not_compared(material: Material) -> None:
    apart = [
        reviewed(
            ref,
            metric("AUC", 0.9, backbone="ResNet50", tl_type="feature extractor", split="test"),
            metric(
                "AUC",
                0.8,
                backbone="ResNet50",
                tl_type="fine-tuning from scratch",
                split="external",
            ),
        )
        for ref in range(1, 5)
    ]
    found = judged(material, "ft-scratch-no-gain", *apart)["ft-scratch-no-gain"]
    assert "No row" in found.explanation


def best(material: Material, *rows: Reported, **columns: Any) -> Finding:
    columns = {"backbones": ["VGG19", "VGG16"], "families": ["VGG"]} | columns
    return judged(material, "ref28-vgg19-best", reviewed(28, *rows, **columns))["ref28-vgg19-best"]


def test_a_best_network(material: Material) -> None:
    winner = metric("accuracy", 0.893, backbone="VGG19", headline=True)
    loser = metric("accuracy", 0.8, backbone="VGG16")
    better = metric("accuracy", 0.9, backbone="VGG16")
    assert best(material, winner, loser).verdict == "supported"
    assert best(material, winner, better).verdict == "contradicted"
    assert best(material, winner).verdict == "supported"
    assert best(material, winner, backbones=["VGG19"]).verdict == "not checkable"
    assert best(material, loser).verdict == "not checkable"
    assert best(material).verdict == "not checkable"
    other_value = metric("accuracy", 0.85, backbone="VGG19", headline=True)
    assert best(material, other_value, loser).verdict == "contradicted"  # the claim has 89.3%
    beside = metric("accuracy", 0.893, backbone="VGG19")
    assert best(material, beside).verdict == "not checkable"  # no headline


def test_a_rival_that_was_not_tested_contradicts(material: Material) -> None:
    row = metric("accuracy", 0.95, backbone="InceptionV3", headline=True)
    made = reviewed(34, row, backbones=["InceptionV3", "VGG16"], families=["Inception", "VGG"])
    found = judged(material, "ref34-inception3-best", made)["ref34-inception3-best"]
    assert (found.verdict, "ResNet50" in found.explanation) == ("contradicted", True)


def test_frozen_against_scratch_in_the_studies_cited(material: Material) -> None:
    def made(first: float, second: float) -> Study:
        rows = [
            metric("AUC", value, backbone=backbone, tl_type=tl_type)
            for backbone in ("ResNet50", "InceptionV3")
            for tl_type, value in (
                ("feature extractor", first),
                ("fine-tuning from scratch", second),
            )
        ]
        return reviewed(46, *rows)

    verdicts = [
        judged(material, "ref46-fc-only", made(*pair))["ref46-fc-only"].verdict
        for pair in ((0.9, 0.8), (0.8, 0.9))
    ]
    assert verdicts == ["supported", "contradicted"]


def test_dimensions_are_read_off_the_task(material: Material) -> None:
    rows = [metric("AUC", 0.9, task="3D CNN"), metric("AUC", 0.8, task="2.5D CNN")]
    found = judged(material, "refs53-54-3d", reviewed(53, *rows))
    assert found["refs53-54-3d.s53"].verdict == "supported"
    rows = [metric("AUC", 0.8, task="3D CNN"), metric("AUC", 0.9, task="2D CNN")]
    found = judged(material, "refs53-54-3d", reviewed(53, *rows))
    assert found["refs53-54-3d.s53"].verdict == "contradicted"
    found = judged(material, "refs53-54-3d", reviewed(53, metric("AUC", 0.8, task="2D CNN")))
    assert found["refs53-54-3d.s53"].verdict == "not checkable"


def test_ratios_of_parameters(material: Material) -> None:
    found = next(iter(FewerParameters("ResNet50", {"VGG16": "5.3"})(material, {})))
    assert (found.verdict, "5.24" in found.text) == ("contradicted", True)
