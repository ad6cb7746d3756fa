from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from db.errors import ImagesError, UsageError
from replicate.evaluation.evaluate import evaluate
from replicate.evaluation.predictions import Predictions
from replicate.evaluation.thresholds import best, check_rule
from replicate.images.image_set import ImageSet, of_arrays
from replicate.planning import make_plan
from replicate.spec import Evaluating

RULES = ("youden", "sensitivity=0.95", "specificity=0.9", "sensitivity=0.5")


def blank(labels: list[int], classes: int = 2) -> ImageSet:
    pixels = np.zeros((len(labels), 16, 16), dtype=np.uint8)
    return of_arrays("made", pixels, np.array(labels), ["no", "yes", "other"][:classes])


def scored(seed: int, count: int = 400, *, ties: bool = False) -> tuple[ImageSet, Predictions]:
    """Half of the images validate, half test; probabilities of yes lie far below 0.5."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 0, 1], count)[:count]
    score = 1 / (1 + np.exp(-(rng.normal(0, 1, count) + 1.5 * labels - 3)))
    score = np.round(score, 2) if ties else score
    both = np.stack([1 - score, score], axis=1)
    order = rng.permutation(count)
    val, test = np.sort(order[: count // 2]), np.sort(order[count // 2 :])
    return blank(labels.tolist()), Predictions(
        both[test], labels[test], test, seed, val_probabilities=both[val], val_indices=val
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_the_best_of_all_on_validation_images(
    rule: str, ties: bool, seed: int
) -> None:
    images, one = scored(seed, ties=ties)
    assert one.val_probabilities is not None
    assert one.val_indices is not None
    scores, has = one.val_probabilities[:, 1], images.labels[one.val_indices] == 1
    value, (sensitivity, specificity) = best(rule, scores, has)
    assert sensitivity == pytest.approx((scores[has] >= value).mean())
    assert specificity == pytest.approx((scores[~has] < value).mean())
    every = [(cut, (scores[has] >= cut).mean(), (scores[~has] < cut).mean()) for cut in scores]
    kind, _, level = rule.partition("=")
    for _, sens, spec in every:
        if kind == "youden":
            assert sensitivity + specificity >= sens + spec - 1e-9
        elif kind == "sensitivity":
            assert sensitivity >= float(level)
            assert specificity >= spec or sens < float(level)
        else:
            assert specificity >= float(level)
            assert sensitivity >= sens or spec < float(level)


@pytest.mark.parametrize(
    "scores", [[0.0, 1.0], [0.5, 0.5], [0.2, 0.2, 0.7], [1.0, 1.0], [0.0, 0.0]]
)
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds_at_the_ends_of_the_scale(scores: list[float], rule: str) -> None:
    values = np.array(scores)
    has = np.arange(values.size) == values.size - 1
    value, (sensitivity, specificity) = best(rule, values, has)
    assert sensitivity == (values[has] >= value).mean()
    assert specificity == (values[~has] < value).mean()
    kind, _, level = rule.partition("=")
    assert kind == "youden" or {"sensitivity": sensitivity, "specificity": specificity}[
        kind
    ] >= float(level)


@pytest.mark.parametrize("positive", ["yes", "no", None])
@pytest.mark.parametrize("rule", RULES)
def test_counts_follow_the_threshold_and_the_area_does_not(rule: str, positive: str | None) -> None:
    images, first = scored(1)
    _, second = scored(2)
    second = Predictions(
        second.probabilities, images.labels[second.indices], second.indices, 2,
        val_probabilities=second.val_probabilities, val_indices=second.val_indices,
    )  # fmt: skip
    plain = evaluate([first, second], images, positive=positive)
    found = evaluate([first, second], images, positive=positive, threshold=rule)
    place = 0 if positive == "no" else 1
    sens = []
    for one, chosen in zip((first, second), found.thresholds, strict=True):
        assert (chosen.seed, chosen.fold) == (one.seed, one.fold)
        has = one.labels == place
        sens.append((one.probabilities[has, place] >= chosen.value).mean())
    assert found.pooled("sensitivity").value == pytest.approx(np.mean(sens))
    for metric in ("auc", "brier", "log_loss", "ece"):
        assert found.pooled(metric).value == plain.pooled(metric).value
        assert found.pooled(metric).ci_low == plain.pooled(metric).ci_low
    table = found.confusion
    assert np.trace(table) / table.sum() == pytest.approx(found.pooled("accuracy").value)
    low, high = found.pooled("sensitivity").ci_low, found.pooled("sensitivity").ci_high
    assert low is not None
    assert high is not None
    assert low <= np.mean(sens) <= high
    assert found.to_dict()["thresholds"][0]["value"] == found.thresholds[0].value
    (note,) = [one for one in found.notes if one.code == "threshold chosen"]
    assert note.values["models"] == 2


def test_what_cannot_be_chosen_is_refused() -> None:
    images, three = blank([0, 1] * 4), blank([0, 1, 2] * 4, 3)
    check_rule(None, three, [], positive="yes")
    with pytest.raises(UsageError, match="3 classes"):
        check_rule("youden", three, [np.arange(4)], positive="yes")
    with pytest.raises(UsageError, match="there are none"):
        check_rule("youden", images, [np.arange(4), np.empty(0, np.int64)], positive=None)
    for rows, missing in (([0, 2], "yes"), ([1, 3], "no")):
        with pytest.raises(ImagesError, match=f"is of {missing}"):
            check_rule("youden", images, [np.array(rows)], positive="yes")
    for word in ("", "youdens", "sensitivity", "sensitivity=", "sensitivity=1.5", "auc=0.9"):
        with pytest.raises(ValidationError):
            Evaluating(threshold=word)
    assert Evaluating(threshold="sensitivity=0.950").threshold == "sensitivity=0.95"


def test_validation_images_are_set_aside_only_where_something_is_chosen_on_them() -> None:
    images = blank([0, 1] * 40)
    for words, share in (
        ({}, 0.0),
        ({"patience": 3}, 0.1),
        ({"threshold": "youden"}, 0.1),
        ({"head": "svm"}, 0.0),
        ({"head": "svm", "threshold": "youden"}, 0.1),
        ({"validation": 0.2}, 0.2),
        ({"threshold": "youden", "validation": 0.2}, 0.2),
    ):
        specified = make_plan(images=images, **words).specified
        assert specified.spec.split.validation == share
        line = {one.name: one for one in specified.ledger.lines}["split.validation"]
        assert line.chosen == ("validation" in words)
    with pytest.raises(UsageError, match="sets none aside"):
        make_plan(images=images, threshold="youden", validation=0)
    with pytest.raises(UsageError, match="3 classes"):
        make_plan(images=blank([0, 1, 2] * 9, 3), threshold="youden", positive="yes")
