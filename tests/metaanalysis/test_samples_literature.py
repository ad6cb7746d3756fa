"""What is pooled from the literature, against the study files read on their own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.database import Database, open_database
from db.errors import StatisticsError, UsageError
from db.literature import Reported, Study
from metaanalysis.analyses.analysis import Model
from metaanalysis.analyses.pooling import pool_sample, subgroup_sample
from metaanalysis.analyses.robustness import bias_of, multiverse_of
from metaanalysis.query.filters import Filters
from metaanalysis.samples.counting import Assumptions
from metaanalysis.samples.literature import from_literature, pairs_from_literature
from metaanalysis.samples.scales import on_scale
from metaanalysis.samples.values import class_counts, fitting_count, the_one
from tests.study_files import GOOD, curated, value, write


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    """The study files, read apart from the code under test."""
    return {study["key"]: study for study in curated()}


def headline_of(study: dict[str, Any], metric: str) -> dict[str, Any] | None:
    found = [m for m in study.get("metrics", []) if m["metric"] == metric and m.get("headline")]
    return found[0] if found else None


def transferred(study: dict[str, Any], metric: dict[str, Any]) -> bool:
    kinds = [metric["tl_type"]] if "tl_type" in metric else value(study, "tl_types") or []
    nets = [metric["backbone"]] if "backbone" in metric else value(study, "backbones") or []
    return set(kinds) != {"random initialisation"} and set(nets) != {"custom"}


def expected_accuracy(files: dict[str, dict[str, Any]]) -> dict[str, tuple[float, int]]:
    """Key -> headline accuracy and its n, by the rules of the issue."""
    found = {}
    for key, study in files.items():
        metric = headline_of(study, "accuracy")
        if metric is None or value(study, "retracted") or not transferred(study, metric):
            continue
        n = metric.get("n")
        if n is None and metric.get("split") == "test":
            n = value(study, "n_test")
        if n is not None:
            found[key] = (metric["value"], n)
    return found


def test_the_accuracies_are_those_of_the_files(
    database: Database, files: dict[str, dict[str, Any]]
) -> None:
    sample, wanted = from_literature(database), expected_accuracy(files)
    assert dict(zip(sample.clusters, zip(sample.columns["value"], sample.columns["n"], strict=True), strict=True)) == wanted  # fmt: skip
    for events, n, share in zip(
        *(sample.columns[c] for c in ("events", "n", "value")), strict=True
    ):
        assert abs(events - n * share) <= 0.5
    headlines = [key for key, study in files.items() if headline_of(study, "accuracy")]
    assert sample.candidates == len(headlines) == sample.k + len(sample.left_out)
    assert len({item.label for item in sample.left_out}) == len(sample.left_out)


def test_the_pool_is_what_the_formulas_give(
    database: Database, files: dict[str, dict[str, Any]]
) -> None:
    """DerSimonian and Laird by hand, on raw proportions of counts."""
    counts = np.array([(round(p * n), n) for p, n in expected_accuracy(files).values()])
    share = counts[:, 0] / counts[:, 1]
    spread = share * (1 - share) / counts[:, 1]
    weight = 1 / spread
    mean = (weight * share).sum() / weight.sum()
    q = (weight * (share - mean) ** 2).sum()
    free = len(share) - 1
    tau2 = max(0, (q - free) / (weight.sum() - (weight**2).sum() / weight.sum()))
    new = 1 / (spread + tau2)
    estimate, se = (new * share).sum() / new.sum(), math.sqrt(1 / new.sum())
    found = pool_sample(
        from_literature(database), Model(method="DL", test="z", transform="raw")
    ).to_dict()
    assert found["estimate"] == pytest.approx(estimate, rel=1e-10)
    assert found["se"] == pytest.approx(se, rel=1e-10)
    assert found["tau2"] == pytest.approx(tau2, rel=1e-10)
    assert found["q"] == pytest.approx(q, rel=1e-10)
    assert found["ci_high"] == pytest.approx(estimate + 1.959963984540054 * se, rel=1e-10)
    assert found["pi_low"] == pytest.approx(
        estimate - 1.959963984540054 * math.sqrt(se**2 + tau2), rel=1e-10
    )


def log_likelihood(counts: np.ndarray[Any, Any], mu: float, tau: float) -> float:
    """The binomial-normal likelihood, by a plain sum over a fine grid."""
    z = np.linspace(-9, 9, 20001)
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    total = 0.0
    for events, n in counts:
        logit = mu + tau * z
        log_p = events * -np.log1p(np.exp(-logit)) + (n - events) * -np.log1p(np.exp(logit))
        peak = log_p.max()
        total += peak + math.log((np.exp(log_p - peak) * density).sum() * (z[1] - z[0]))
    return total


def test_the_glmm_of_the_literature_is_at_its_peak(
    database: Database, files: dict[str, dict[str, Any]]
) -> None:
    counts = np.array([(round(p * n), n) for p, n in expected_accuracy(files).values()])
    found = pool_sample(from_literature(database)).to_dict()
    assert found["method"] == "GLMM"
    mu, tau = found["estimate"], math.sqrt(found["tau2"])
    top = log_likelihood(counts, mu, tau)
    for step in (1e-2, -1e-2):
        assert log_likelihood(counts, mu + step, tau) < top
        assert log_likelihood(counts, mu, tau + step) < top
    slope = (log_likelihood(counts, mu + 1e-4, tau) - log_likelihood(counts, mu - 1e-4, tau)) / 2e-4
    assert abs(slope) < 1e-3


def test_nothing_transferred_is_left_out_unless_it_is_asked_for(database: Database) -> None:
    codes = {item.short: item.code for item in from_literature(database).left_out}
    assert codes["[110]"] == "random-network"
    assert [short for short, code in codes.items() if code == "own-network"] == ["[114]"]
    kept = from_literature(database, assumptions=Assumptions(keep_untransferred=True))
    assert "[114]" in kept.shorts
    (said,) = kept.said(kept.assumptions)
    assert said.code == "kept-untransferred"
    assert "[114]" in said.to_dict()["rows"]


def test_retracted_studies_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    from db.user import add_studies

    retracted = "values:\n  retracted: {value: true, basis: title, source: title}\n"
    text = GOOD.replace("values:\n", retracted).replace("    headline: true\n", "    headline: true\n    n: 100\n")  # fmt: skip
    path = write(tmp_path / "mine2026.yaml", text)
    with open_database(tmp_path / "own.sqlite") as own:
        add_studies(own, [path])
    with open_database(tmp_path / "own.sqlite") as own:
        own_auc = Assumptions(prevalence=0.5)
        without = from_literature(own, "AUC", assumptions=own_auc)
        kept = from_literature(
            own, "AUC", assumptions=Assumptions(prevalence=0.5, keep_retracted=True)
        )
    assert [item.short for item in without.left_out if item.code == "retracted"] == ["mine2026"]
    assert set(kept.shorts) - set(without.shorts) == {"mine2026"}
    said = {remark.code: remark.to_dict()["rows"] for remark in kept.said(kept.assumptions)}
    assert said["kept-retracted"] == ["mine2026"]


def test_an_assumed_n_is_printed_with_the_studies(database: Database) -> None:
    bare = from_literature(database)
    assumed = from_literature(database, assumptions=Assumptions(n="images"))
    added = set(assumed.shorts) - set(bare.shorts)
    assert added
    (remark,) = assumed.said(assumed.assumptions)
    assert (remark.code, remark.values) == ("n-assumed", {"n": "images"})
    assert set(remark.to_dict()["rows"]) == added
    assert all(
        source == "assumed"
        for short, source in zip(assumed.shorts, assumed.columns["n_source"], strict=True)
        if short in added
    )
    assert bare.said(bare.assumptions) == []
    hundred = from_literature(database, assumptions=Assumptions(n=100))
    assert {n for n, source in zip(hundred.columns["n"], hundred.columns["n_source"], strict=True) if source == "assumed"} == {100}  # fmt: skip


def test_an_auc_has_its_variance_from_its_interval_or_from_an_assumption(
    database: Database, files: dict[str, dict[str, Any]]
) -> None:
    bare = from_literature(database, "AUC")
    wanted = set()
    for key, study in files.items():
        metric = headline_of(study, "AUC")
        if metric and "ci_low" in metric and transferred(study, metric):
            wanted.add(key)
    assert set(bare.clusters) == wanted
    assumed = from_literature(database, "AUC", assumptions=Assumptions(prevalence=0.5))
    assert set(bare.clusters) < set(assumed.clusters)
    said = {remark.code: remark.values for remark in assumed.said(assumed.assumptions)}
    assert said["prevalence-assumed"] == {"prevalence": 0.5}
    for key, n, positive, negative in zip(
        assumed.clusters,
        *(assumed.columns[name] for name in ("n", "n_positive", "n_negative")),
        strict=True,
    ):
        if positive is not None:
            assert positive + negative == n
            assert key not in wanted or value(files[key], "n_classes") in (2, None)


def test_the_variance_of_a_printed_interval_by_hand(database: Database) -> None:
    found = pool_sample(from_literature(database, "AUC"), Model(transform="raw")).to_dict()
    columns = found["sample"]["columns"]
    for low, high, variance in zip(
        columns["ci_low"], columns["ci_high"], found["variance"], strict=True
    ):
        assert variance == pytest.approx(((high - low) / (2 * 1.959963984540054)) ** 2)


def test_an_auc_by_its_cases_on_three_scales(database: Database) -> None:
    """Hanley and McNeil by hand; the delta method takes it to the other scales."""
    wanted = Assumptions(prevalence=0.5)
    sample = from_literature(database, "AUC", assumptions=wanted)
    raw, logit, arcsine = (on_scale(sample, scale).effects for scale in ("raw", "logit", "arcsine"))
    seen = 0
    for row, area in enumerate(sample.columns["value"]):
        if sample.columns["ci_low"][row] is not None:
            continue
        seen += 1
        sick, well = sample.columns["n_positive"][row], sample.columns["n_negative"][row]
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        spread = (sick - 1) * (q1 - area**2) + (well - 1) * (q2 - area**2)
        variance = (area * (1 - area) + spread) / (sick * well)
        assert raw.variance[row] == pytest.approx(variance)
        assert logit.variance[row] == pytest.approx(variance / (area * (1 - area)) ** 2)
        assert arcsine.effect[row] == pytest.approx(math.asin(math.sqrt(area)))
        assert arcsine.variance[row] == pytest.approx(variance / (4 * area * (1 - area)))
        assert arcsine.back(arcsine.effect[row]) == pytest.approx(area)
    assert seen >= 10


def test_bias_is_tested_where_a_value_does_not_make_its_own_error(database: Database) -> None:
    """Values that rise while n stays put: no small-study effect, and none may be found."""
    sample = from_literature(database)
    n = 200
    shares = np.linspace(0.6, 0.99, sample.k)
    events = tuple(round(n * share) for share in shares)
    columns = dict(sample.columns) | {"events": events, "n": (n,) * sample.k}
    with pytest.raises(StatisticsError, match=r"one value"):
        bias_of(replace(sample, columns=columns))  # on the arcsine scale all errors are equal
    logit = bias_of(replace(sample, columns=columns), Model(transform="logit")).to_dict()
    assert logit["egger"]["p"] < 0.001  # which is why the logit scale is not the usual one


def test_a_common_effect_is_defensible_only_where_studies_agree(database: Database) -> None:
    sample = from_literature(database)
    unlike = multiverse_of(sample)
    assert "common" not in {row["method"] for row in unlike.to_dict()["table"]}
    alike = dict(sample.columns) | {"events": (80,) * sample.k, "n": (100,) * sample.k}
    agreed = multiverse_of(replace(sample, columns=alike)).to_dict()
    assert "common" in {row["method"] for row in agreed["table"]}
    assert agreed["summary"]["smallest"] == pytest.approx(0.8, abs=0.01)


def test_sensitivity_needs_the_cases_with_the_finding(database: Database) -> None:
    """Study 148 prints 126 cases with COVID-19 and 2418 without: its classes are known."""
    sample = from_literature(database, "sensitivity")
    assert sample.clusters == ("heidari2020",)
    assert sample.columns["n"] == (126,)
    assert from_literature(database, "specificity").columns["n"] == (2418,)


def test_class_counts_by_rule() -> None:
    def row(metric: str, n: int | None, task: str = "t") -> Reported:
        return Reported(metric, 0.9, n=n, task=task, split="test")

    def counts(of: Reported, *values: Reported) -> tuple[float, float] | None:
        return class_counts(of, Study(key="made2026", year=2026, n_test=100, metrics=values))

    one, both, half = (row("sensitivity", n) for n in (40, 100, 50))
    assert counts(one, one, row("specificity", 60)) == (40, 60)
    assert counts(row("AUC", None), one, row("specificity", 60)) == (40, 60)
    assert counts(both, both, row("specificity", 100)) is None
    assert counts(half, half, row("specificity", 50)) == (50, 50)
    assert counts(one, one, row("specificity", 60, "other")) is None


def test_a_filter_on_an_arm_keeps_values_of_that_arm(database: Database) -> None:
    wanted = Assumptions(n="images")
    for term in ("feature extractor", "fine-tuning (extent unreported)"):
        sample = from_literature(database, filters=Filters(tl=(term,)), assumptions=wanted)
        assert set(sample.moderators["tl_type"]) == {term}
        whole = from_literature(database, assumptions=wanted)
        same = [key for key, kind in zip(whole.clusters, whole.moderators["tl_type"], strict=True) if kind == term]  # fmt: skip
        assert sorted(sample.clusters) == sorted(same)
    sample = from_literature(database, filters=Filters(family=("Inception",)), assumptions=wanted)
    assert set(sample.moderators["family"]) == {"Inception"}


def test_subgroups_of_the_literature_are_filtered_pools(database: Database) -> None:
    groups = subgroup_sample(from_literature(database), "modality").to_dict()
    shares = dict(zip(groups["names"], groups["groups"], strict=True))
    for name in ("CT", "X-ray"):
        alone = pool_sample(from_literature(database, filters=Filters(modality=(name,)))).to_dict()
        assert shares[name]["estimate"] == pytest.approx(alone["estimate"], rel=1e-9)
        assert shares[name]["k"] == alone["k"]


def test_all_arms_are_more_and_belong_to_their_studies(database: Database) -> None:
    heads = from_literature(database)
    every = from_literature(database, arms="all")
    assert every.k > heads.k
    assert set(heads.clusters) <= set(every.clusters)
    assert len(set(every.shorts)) == every.k
    found = pool_sample(every).to_dict()
    assert found["clusters"] == len(set(every.clusters))
    assert found["k"] == every.k
    assert 0.5 < found["back_transformed"]["estimate"] < 1


def test_pairs_need_a_prevalence(database: Database) -> None:
    assert pairs_from_literature(database).k == 1
    assumed = pairs_from_literature(database, assumptions=Assumptions(prevalence=0.5))
    sens = from_literature(database, "sensitivity", assumptions=Assumptions(prevalence=0.5))
    spec = from_literature(database, "specificity", assumptions=Assumptions(prevalence=0.5))
    assert set(assumed.clusters) == set(sens.clusters) & set(spec.clusters)
    at = dict(zip(sens.clusters, zip(sens.columns["events"], sens.columns["n"], strict=True), strict=True))  # fmt: skip
    for key, tp, fn in zip(assumed.clusters, assumed.columns["tp"], assumed.columns["fn"], strict=True):  # fmt: skip
        assert (tp, tp + fn) == at[key]


def test_notes_speak_of_what_is_analysed_only(database: Database) -> None:
    sample = from_literature(database)
    part = sample.take([short == "[103]" for short in sample.shorts])
    (misfit,) = [remark for remark in part.said(part.notes) if remark.code == "misfit"]
    assert misfit.names == (("[103]", "[103] (0.755 of 28: 21 taken)"),)


def test_what_cannot_be_asked(database: Database) -> None:
    with pytest.raises(UsageError, match="cannot be pooled"):
        from_literature(database, "precision")
    with pytest.raises(StatisticsError, match="the selection is empty"):
        from_literature(database, filters=Filters(modality=("PET",), year=("1990",)))
    with pytest.raises(UsageError, match="Did you mean 'depth'"):
        from_literature(database).moderator("dephth")


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(2, 4))  # fmt: skip
def test_a_rounded_share_finds_its_way_back(counts: tuple[int, int], digits: int) -> None:
    """Any count, printed with its rounding, is never called impossible."""
    events, n = counts
    _, fits = fitting_count(round(events / n, digits), n)
    assert fits


def test_an_impossible_share_is_found() -> None:
    assert fitting_count(0.755, 28) == (21, False)
    assert fitting_count(0.75, 28) == (21, True)


def test_the_one() -> None:
    assert the_one(["deep", "deep"]) == "deep"
    assert the_one(["deep", None]) is None
    assert the_one([]) is None
