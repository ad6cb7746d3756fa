"""Evaluation against scikit-learn, by hand, and by what must hold of any predictions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import ReplicationError, UsageError
from replicate.evaluation.areas import area_variance
from replicate.evaluation.evaluate import evaluate
from replicate.evaluation.intervals import areas_of
from replicate.evaluation.joining import gathered
from replicate.evaluation.metrics import OVERALL, PER_CLASS, overall, tallies
from replicate.evaluation.predictions import Predictions
from replicate.evaluation.shares import share_of
from replicate.evaluation.smooth import SMOOTH, variance_of
from replicate.images.image_set import ImageSet
from replicate.notes import Note
from replicate.spec import Split
from replicate.splits.splits import make_folds
from tests.replicate.judged import drawn_labels, image_set, predictions, probabilities

sklearn_metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_scikit_learns(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = drawn_labels(rng, 90, k)
    shares = probabilities(rng, labels, k)
    chosen = shares.argmax(axis=1)
    found = evaluate([predictions(shares, labels)], image_set(labels, k))
    m = sklearn_metrics
    average = {"average": "binary"} if k == 2 else {"average": "macro"}
    area = shares[:, 1] if k == 2 else shares
    expected = {
        "accuracy": m.accuracy_score(labels, chosen),
        "balanced_accuracy": m.balanced_accuracy_score(labels, chosen),
        "auc": m.roc_auc_score(labels, area, multi_class="ovr"),
        "sensitivity": m.recall_score(labels, chosen, **average),
        "precision": m.precision_score(labels, chosen, **average),
        "f1": m.f1_score(labels, chosen, **average),
        "kappa": m.cohen_kappa_score(labels, chosen),
        "log_loss": m.log_loss(labels, shares, labels=range(k)),
        "brier": m.brier_score_loss(labels, shares[:, 1])
        if k == 2
        else np.mean(((shares - np.eye(k)[labels]) ** 2).sum(axis=1)),
    }
    if k == 2:
        expected["specificity"] = m.recall_score(labels, chosen, pos_label=0)
    for name, value in expected.items():
        assert found.pooled(name).value == pytest.approx(value, abs=1e-12), name
    assert np.array_equal(found.confusion, m.confusion_matrix(labels, chosen))
    for label in range(k):
        one = found.of_class("auc", f"class {label}").value
        assert one == pytest.approx(m.roc_auc_score(labels == label, shares[:, label]))
        own = found.of_class("f1", f"class {label}").value
        assert own == pytest.approx(m.f1_score(labels == label, chosen == label))


def test_calibration_by_hand() -> None:
    labels = np.array([0, 1, 1, 0])
    shares = np.array([[0.95, 0.05], [0.92, 0.08], [0.35, 0.65], [0.31, 0.69]])
    found = evaluate([predictions(shares, labels)], image_set(labels, 2))
    # Two bins of two images: confidence .935 against 1/2 right, .67 against 1/2.
    assert found.pooled("ece").value == pytest.approx((0.435 + 0.17) / 2)


def test_folds_are_pooled_before_and_seeds_averaged_after() -> None:
    rng = np.random.default_rng(4)
    labels = drawn_labels(rng, 60, 2)
    images = image_set(labels, 2)
    parts = []
    areas = []
    for seed in (0, 1):
        shares = probabilities(rng, labels, 2)
        areas.append(sklearn_metrics.roc_auc_score(labels, shares[:, 1]))
        for fold in range(3):
            where = np.arange(60)[fold::3]
            parts.append(predictions(shares, labels, seed=seed, fold=fold, indices=where))
    found = evaluate(parts, images)
    assert found.pooled("auc").value == pytest.approx(np.mean(areas))
    assert found.by_seed("auc") == pytest.approx({0: areas[0], 1: areas[1]})
    assert found.spread["auc"] == pytest.approx(np.std(areas, ddof=1))
    assert found.models == 2
    assert found.confusion.sum() == 120
    assert len(found.to_dict()["per_fold"]) == 6
    assert "mean of 2 models" in found.pooled("accuracy").method
    assert found.pooled("accuracy").n == 60


#: A confusion matrix of a rare class, one that is often missed and one that dominates.
MISSED = np.array([[2, 0, 3, 17], [0, 52, 0, 1], [0, 4, 15, 29], [0, 2, 0, 174]])
WITH_INTERVAL = [name for name in OVERALL if name != "ece"]


def of_confusion(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and sure predictions that give a confusion matrix, true class first."""
    k = len(table)
    labels = np.repeat(np.arange(k), table.sum(axis=1))
    called = np.concatenate([np.repeat(np.arange(k), row) for row in table])
    shares = np.full((labels.size, k), 0.01)
    shares[np.arange(labels.size), called] = 1 - 0.01 * (k - 1)
    return labels, shares


@pytest.mark.parametrize(
    "table", [MISSED, [[40, 10], [5, 45]], [[95, 0], [4, 1]], [[3, 2], [1, 60]]]
)
def test_a_pair_or_the_same_seed_again_never_narrows(table: object) -> None:
    labels, shares = of_confusion(np.asarray(table))
    k, n = shares.shape[1], labels.size
    pair = [str(max(i, 1)) for i in range(n)]
    once = evaluate([predictions(shares, labels)], image_set(labels, k))
    paired = evaluate([predictions(shares, labels)], image_set(labels, k, pair))
    often = evaluate([predictions(shares, labels, seed=s) for s in range(3)], image_set(labels, k))
    for name in WITH_INTERVAL:
        one = once.pooled(name)
        for other in (paired.pooled(name), often.pooled(name)):
            assert other.value == pytest.approx(one.value)
            if other.ci_low is None:  # the pair may be all that a class rests on
                assert one.ci_low is None or "alone" in other.method
                continue
            assert other.ci_low <= one.ci_low + 1e-3, (name, one, other)
            assert other.ci_high >= one.ci_high - 1e-3, (name, one, other)
    accuracy = often.pooled("accuracy")
    assert (accuracy.ci_low, accuracy.ci_high) == pytest.approx(
        (once.pooled("accuracy").ci_low, once.pooled("accuracy").ci_high), abs=1e-9
    )


def test_seeds_that_differ_widen_intervals() -> None:
    rng = np.random.default_rng(5)
    labels = drawn_labels(rng, 300, 2)
    images = image_set(labels, 2)
    signals = (0.2, 1.5, 3.5)
    parts = [
        predictions(probabilities(rng, labels, 2, signal), labels, seed=s)
        for s, signal in enumerate(signals)
    ]
    found = evaluate(parts, images)
    alike = [predictions(parts[1].probabilities, labels, seed=s) for s in range(3)]
    calm = evaluate(alike, images)
    for name in ("accuracy", "auc", "balanced_accuracy", "kappa", "log_loss"):
        wide, narrow = found.pooled(name), calm.pooled(name)
        assert wide.ci_high - wide.ci_low > 2 * (narrow.ci_high - narrow.ci_low), name
        assert "models added" in wide.method


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_are_those_of_a_bootstrap_of_units(k: int, grouped: bool) -> None:
    """The spread behind each interval, against units drawn with replacement, classes as they fall."""
    rng = np.random.default_rng(12)
    units = np.repeat(np.arange(150), 3) if grouped else np.arange(450)
    of_units = rng.integers(0, k, units.max() + 1)
    labels = of_units[units]
    own = rng.normal(size=(units.max() + 1, k))[units] + rng.normal(size=(labels.size, k))
    own[np.arange(labels.size), labels] += 2.0
    shares = np.exp(own) / np.exp(own).sum(axis=1, keepdims=True)
    groups = [f"p{u}" for u in units] if grouped else None
    tested, _ = gathered([predictions(shares, labels)], image_set(labels, k, groups), None)
    members = [np.flatnonzero(units == u) for u in range(units.max() + 1)]
    drawn: dict[str, list[float]] = {
        name: [] for name in (*SMOOTH, "balanced_accuracy", "accuracy", "auc")
    }
    for _ in range(400):
        picked = np.concatenate([members[u] for u in rng.integers(0, len(members), len(members))])
        sums = tallies(shares[picked], labels[picked]).sum(axis=0)
        values = overall(sums, k, tested.positive)
        for name, kept in drawn.items():
            kept.append(
                float(values[name])
                if name != "auc"
                else float(np.nanmean(areas_of(shares[picked], labels[picked], k)[0]))
            )
    for name in (*SMOOTH, "balanced_accuracy"):
        found = variance_of(name, tested).variance
        assert found**0.5 == pytest.approx(np.std(drawn[name]), rel=0.12), name
    share = share_of("accuracy", None, tested)
    error = (share.value * (1 - share.value) * share.effect / share.counted) ** 0.5
    assert error == pytest.approx(np.std(drawn["accuracy"]), rel=0.12)
    found = area_variance(range(k), tested).variance
    assert found**0.5 == pytest.approx(np.std(drawn["auc"]), rel=0.12)


def test_the_mean_of_folds_stands_beside_a_pooled_area() -> None:
    """Two models that rank perfectly, on scales that do not meet: pooled they look poor."""
    labels = np.array([0, 0, 1, 1] * 10)
    upper = np.where(labels == 1, 0.2, 0.1)
    upper[20:] += 0.6
    shares = np.column_stack([1 - upper, upper])
    parts = [
        predictions(shares, labels, fold=f, indices=np.arange(20 * f, 20 * f + 20)) for f in (0, 1)
    ]
    found = evaluate(parts, image_set(labels, 2))
    assert found.pooled("auc").value == pytest.approx(0.75)
    (note,) = [note for note in found.notes if note.code == "area pooled over folds"]
    assert (note.values["pooled"], note.values["mean"]) == (pytest.approx(0.75), pytest.approx(1.0))
    assert found.to_dict()["metrics"]["auc"]["mean_over_folds"] == pytest.approx(1.0)


def test_groups_widen_intervals_where_their_images_agree() -> None:
    rng = np.random.default_rng(6)
    few = drawn_labels(rng, 40, 2)
    of_few = probabilities(rng, few, 2)
    labels, shares = np.repeat(few, 6), np.repeat(of_few, 6, axis=0)
    groups = [f"patient {i}" for i in np.repeat(np.arange(40), 6)]
    loose = evaluate([predictions(shares, labels)], image_set(labels, 2))
    tied = evaluate([predictions(shares, labels)], image_set(labels, 2, groups))
    for name in ("accuracy", "auc", "sensitivity", "balanced_accuracy"):
        wide, narrow = tied.pooled(name), loose.pooled(name)
        assert wide.value == pytest.approx(narrow.value)
        ratio = (wide.ci_high - wide.ci_low) / (narrow.ci_high - narrow.ci_low)
        assert ratio == pytest.approx(6**0.5, rel=0.25), name
    assert tied.groups == 40
    assert "groups" in tied.pooled("accuracy").method
    assert loose.pooled("accuracy").method == "Wilson"
    assert tied.tests["accuracy"].p >= loose.tests["accuracy"].p


def test_a_fold_without_a_class_is_undefined_and_says_so() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    shares = np.array([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.4, 0.6]] * 2)
    images = image_set(labels, 2)
    parts = [
        predictions(shares, labels, fold=0, indices=np.array([0, 1, 2])),
        predictions(shares, labels, fold=1, indices=np.array([3, 4, 5, 6, 7])),
    ]
    found = evaluate(parts, images)
    first = found.to_dict()["per_fold"][0]
    assert first["auc"] is None
    assert first["sensitivity"] is None
    assert first["accuracy"] == 1.0
    alone = evaluate(parts[:1], images)
    assert alone.pooled("auc").value is None
    assert "no tested image of class 1" in alone.pooled("auc").method
    assert alone.pooled("accuracy").ci_low == pytest.approx(0.4385, abs=1e-4)
    assert "auc" not in alone.tests


def test_perfection_keeps_an_interval() -> None:
    labels = np.array([0, 1] * 15)
    shares = np.where(labels[:, None] == np.arange(2), 0.9, 0.1)
    groups = [f"patient {i // 2}" for i in range(30)]
    for images in (image_set(labels, 2), image_set(labels, 2, groups)):
        found = evaluate([predictions(shares, labels)], images)
        for name in ("accuracy", "balanced_accuracy", "auc", "sensitivity", "precision"):
            value = found.pooled(name)
            assert (value.value, value.ci_high) == (1.0, 1.0)
            assert value.ci_low is not None
            assert 0.6 < value.ci_low < 0.97, (name, value)
        assert found.tests["auc"].above
        assert 0.6 < found.pooled("f1").ci_low < 0.97
        assert found.pooled("kappa").ci_low is None
        assert found.pooled("kappa").method.startswith("no interval")


MACRO = ("balanced_accuracy", "sensitivity", "specificity", "f1")


def rare_class_in_different_hold_outs() -> tuple[list[Predictions], ImageSet]:
    """97 images, 12 of the rarest of four classes, a fifth held out anew for each of three seeds."""
    labels = np.repeat(np.arange(4), [35, 28, 22, 12])
    images = image_set(labels, 4)
    rng = np.random.default_rng(11)
    parts = []
    for seed in (0, 1, 2):
        (fold,) = make_folds(images, Split(kind="hold-out", by="image", test=0.2), seed)
        shares = probabilities(rng, labels, 4, 1.5)
        parts.append(predictions(shares, labels, seed=seed, indices=fold.test))
    return parts, images


def test_a_rare_class_that_few_hold_outs_test_costs_no_interval() -> None:
    parts, images = rare_class_in_different_hold_outs()
    found = evaluate(parts, images)
    for name in MACRO:
        value = found.pooled(name)
        assert value.ci_low < value.value < value.ci_high
    wide, narrow = (found.pooled(name) for name in ("balanced_accuracy", "accuracy"))
    assert wide.ci_high - wide.ci_low < 2 * (narrow.ci_high - narrow.ci_low)


def test_what_rests_on_one_group_has_no_interval() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    groups = ["a", "a", "b", "b", "c", "c", "c"]
    rng = np.random.default_rng(0)
    found = evaluate(
        [predictions(probabilities(rng, labels, 2), labels)], image_set(labels, 2, groups)
    )
    for name in ("balanced_accuracy", "sensitivity", "auc"):
        assert found.pooled(name).ci_low is None
        assert "alone" in found.pooled(name).method
    assert found.pooled("accuracy").ci_low is not None


def test_the_majority_is_not_above_itself() -> None:
    labels = np.array([0] * 70 + [1] * 30)
    shares = np.tile([0.7, 0.3], (100, 1))
    found = evaluate([predictions(shares, labels)], image_set(labels, 2))
    assert found.baseline.majority == "class 0"
    assert found.baseline.accuracy.value == pytest.approx(0.7)
    assert found.baseline.prevalence == pytest.approx({"class 0": 0.7, "class 1": 0.3})
    assert found.pooled("auc").value == 0.5
    assert found.pooled("precision").value is None
    for name in ("accuracy", "auc", "balanced_accuracy", "kappa"):
        test = found.tests.get(name)
        assert test is None or not test.above, name
    assert found.tests["accuracy"].p == 1.0


def test_a_good_model_is_above_it() -> None:
    rng = np.random.default_rng(8)
    labels = drawn_labels(rng, 200, 3)
    found = evaluate(
        [predictions(probabilities(rng, labels, 3, 2.0), labels)], image_set(labels, 3)
    )
    for name in ("accuracy", "auc", "balanced_accuracy", "kappa"):
        test = found.tests[name]
        assert test.above, name
        assert test.difference == pytest.approx(found.pooled(name).value - test.baseline)


def test_the_positive_class_is_said_and_can_be_chosen() -> None:
    rng = np.random.default_rng(9)
    labels = drawn_labels(rng, 50, 2)
    part = predictions(probabilities(rng, labels, 2), labels)
    last = evaluate([part], image_set(labels, 2))
    first = evaluate([part], image_set(labels, 2), positive="class 0")
    assert last.positive == "class 1"
    assert last.notes[0] == Note("positive not named", {"positive": "class 1"})
    assert len(last.remarks) == len(last.notes)
    assert first.pooled("sensitivity").value == last.pooled("specificity").value
    assert first.pooled("auc").value == pytest.approx(last.pooled("auc").value)
    with pytest.raises(UsageError, match="no class 'no such'"):
        evaluate([part], image_set(labels, 2), positive="no such")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4]), st.booleans())
def test_what_must_hold_of_any_predictions(seed: int, k: int, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = drawn_labels(rng, 12 + int(rng.integers(4 * k)), k)
    shares = probabilities(rng, labels, k, float(rng.uniform(-1, 4)))
    groups = [f"g{i}" for i in rng.integers(0, 9, labels.size)] if grouped else None
    images = image_set(labels, k, groups)
    found = evaluate([predictions(shares, labels)], images)
    order = rng.permutation(labels.size)
    shuffled = evaluate([predictions(shares, labels, indices=order)], images)
    for value, other in zip(found.metrics, shuffled.metrics, strict=True):
        assert other.value == pytest.approx(value.value, abs=1e-12)
        assert other.ci_low == pytest.approx(value.ci_low, abs=1e-9)
        if value.ci_low is not None:
            assert value.ci_low <= value.ci_high
            assert value.ci_low >= -1 if value.metric == "kappa" else value.ci_low >= 0
            if value.metric in ("accuracy", "auc", "sensitivity", "specificity"):
                assert value.ci_high <= 1
        assert value.value is not None or value.method
    text = json.dumps(found.to_dict(), allow_nan=False)
    back = json.loads(text)
    assert set(back["metrics"]) == set(OVERALL)
    assert all(set(one) == set(PER_CLASS) for one in back["per_class"].values())


def test_faults_are_worded() -> None:
    labels = np.array([0, 1, 0, 1])
    images = image_set(labels, 2)
    shares = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.4, 0.6]])
    good = predictions(shares, labels)
    faults = {
        "no predictions": [],
        "tested twice": [good, replace(good, fold=1)],
        "other classes": [replace(good, labels=1 - labels)],
        "does not have": [replace(good, indices=np.array([0, 1, 2, 9]))],
        "no probabilities": [replace(good, probabilities=shares * np.nan)],
        "instead of": [replace(good, probabilities=shares[:, :1])],
    }
    for message, parts in faults.items():
        with pytest.raises(ReplicationError, match=message) as caught:
            evaluate(parts, images)
        assert caught.value.hint


def test_coverage_of_grouped_intervals() -> None:
    """Patients with 1 to 8 alike images: 95% intervals hold the truth about so often."""
    rng = np.random.default_rng(11)
    hits = {"accuracy": 0, "auc": 0}
    rounds = 120
    big = rng.normal(size=400_000)
    truth = {
        "accuracy": float(np.mean(big + 1 > 0)),
        "auc": float(np.mean(big[:200_000] + 1 > big[200_000:] - 1)),
    }
    for _ in range(rounds):
        sizes = rng.integers(1, 9, 70)
        classes = np.arange(70) % 2
        units = np.repeat(np.arange(70), sizes)
        labels = classes[units]
        effect = rng.normal(size=70)[units] * 0.9 + rng.normal(size=units.size) * 0.19**0.5
        margin = effect + (2 * labels - 1)
        upper = 1 / (1 + np.exp(-margin))
        shares = np.column_stack([1 - upper, upper])
        images = image_set(labels, 2, [f"p{u}" for u in units])
        found = evaluate([predictions(shares, labels)], images)
        for name, count in truth.items():
            value = found.pooled(name)
            hits[name] += value.ci_low <= count <= value.ci_high
    for name, count in hits.items():
        assert count / rounds > 0.88, (name, count / rounds)
