from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db.errors import UsageError
from replicate.images.external import externally_tested, parse_map
from replicate.images.image_set import ImageSet, of_arrays
from replicate.planning import make_plan
from replicate.splits.leakage import inspect_leakage
from replicate.splits.splits import make_folds, shared_groups


def made(
    name: str, counts: dict[str, int], seed: int = 0, grouped: bool = False, parts: bool = False
) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    pixels = rng.integers(0, 120, (labels.size, 20, 20, 3)).astype(np.uint8)
    pixels[np.arange(labels.size), :, :, labels % 3] += 100
    groups = [f"p{i // 2}" for i in range(labels.size)] if grouped else None
    own = ["train", "test"] * (labels.size // 2) if parts else None
    return of_arrays(name, pixels, labels, list(counts), groups=groups, parts=own)


OURS = {"benign": 30, "malignant": 30, "normal": 20}
#: Classes of the other set, words of --map -> images tested by class of ours, images left out.
CASES = (
    (OURS, (), {"benign": 30, "malignant": 30, "normal": 20}, {}),
    ({"Malignant": 6, "BENIGN": 4}, (), {"malignant": 6, "benign": 4}, {}),
    ({"cancer": 6, "benign": 4}, ("cancer=malignant",), {"malignant": 6, "benign": 4}, {}),
    ({"Cancer": 6, "a b": 4}, ("cancer=Malignant", "A B = benign"), {"malignant": 6, "benign": 4}, {}),
    ({"cancer": 6, "cyst": 2, "benign": 4}, ("cancer=malignant",), {"malignant": 6, "benign": 4}, {"cyst": 2}),
    ({"cyst": 6, "benign": 4, "normal": 2}, ("cyst=benign",), {"benign": 10, "normal": 2}, {}),
    ({"normal": 6, "benign": 4}, ("normal=malignant",), {"malignant": 6, "benign": 4}, {}),
)  # fmt: skip


@pytest.mark.parametrize(("other", "pairs", "tested", "out"), CASES)
@pytest.mark.parametrize("grouped", [(False, False), (True, False), (False, True), (True, True)])
def test_classes_go_by_name_or_by_map(
    other: dict[str, int],
    pairs: tuple[str, ...],
    tested: dict[str, int],
    out: dict[str, int],
    grouped: tuple[bool, bool],
) -> None:
    ours = made("ours", OURS, grouped=grouped[0], parts=True)
    theirs = made("theirs", other, seed=1, grouped=grouped[1], parts=True)
    plan = make_plan(images=ours, test_images=theirs, class_map=pairs, validation=0.2)
    spec, task = plan.specified.spec, plan.task
    assert task is not None
    assert spec.split.kind == "external"
    assert spec.data.test is not None
    assert (spec.data.test.name, spec.data.test.content) == ("theirs", theirs.content)
    assert {key.lower() for key in spec.data.test.classes} | set(out) == {k.lower() for k in other}
    (fold,) = make_folds(task, spec.split, 0)
    assert sorted([*fold.train, *fold.val]) == list(range(len(ours)))
    found = {name: int((task.labels[fold.test] == i).sum()) for i, name in enumerate(task.classes)}
    assert {name: count for name, count in found.items() if count} == tested
    for part, whole in ((fold.test, theirs), (fold.train, ours)):
        assert all(task.ids[i].removeprefix("test set: ") in whole.ids for i in part.tolist())
    if not out and len(fold.test) == len(theirs):
        order = [task.fingerprint(int(i)) for i in fold.test]
        assert sorted(order) == sorted(theirs.fingerprint(i) for i in range(len(theirs)))
    left = [note.values["classes"] for note in task.notes if note.code == "classes left out"]
    assert left == ([out] if out else [])
    shared = shared_groups(task, fold)
    both = len(set(theirs.groups or ()) & set(ours.groups or ()))
    assert shared.state == ("shared" if both else "none shared" if any(grouped) else "unknown")
    assert shared.groups[2] == (len({task.groups[i] for i in fold.test}) if task.groups else 0)
    alike = [note.values["count"] for note in task.notes if note.code == "groups called alike"]
    assert bool(alike) == all(grouped)
    assert shared.tested == sum(alike)


def test_copies_across_the_two_sets_are_told() -> None:
    ours, theirs = made("ours", OURS), made("theirs", OURS, seed=5)
    images = [ours.read(i) if i % 10 == 0 else theirs.read(i) for i in range(len(theirs))]
    copied = of_arrays("theirs", np.stack(images), theirs.labels, theirs.classes)
    both = externally_tested(ours, copied)
    (fold,) = make_folds(both, make_plan(images=ours, test_images=copied).specified.spec.split, 0)
    found = inspect_leakage(both, [fold])
    assert found.folds[0].exact == 8
    assert found.exact.across_parts == 8
    apart = externally_tested(ours, theirs)
    assert inspect_leakage(apart, [fold]).folds[0].exact == 0
    assert both.content != apart.content


def test_what_does_not_go_together_is_refused() -> None:
    ours, theirs = made("ours", OURS), made("theirs", {"cat": 4, "dog": 4})
    for words, message in (
        ({}, "has no class of"),
        ({"class_map": "cat=benign"}, "Two are needed|benign alone"),
        ({"class_map": "cow=benign"}, "no class 'cow'"),
        ({"class_map": "cat=melanoma"}, "no class 'melanoma'"),
        ({"class_map": "cat"}, "is no pair"),
        ({"class_map": ("cat=benign", "cat=normal")}, "given twice"),
    ):
        with pytest.raises(UsageError, match=message):
            make_plan(images=ours, test_images=theirs, **words)  # type: ignore[arg-type]
    for option in ({"folds": 3}, {"test": 0.3}, {"split": "official"}, {"repeats": 2}):
        with pytest.raises(UsageError, match="all of the first trains"):
            make_plan(images=ours, test_images=ours, **option)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--test-images"):
        make_plan(test_images=ours)
    with pytest.raises(UsageError, match="--map"):
        make_plan(images=ours, class_map="a=b")
    with pytest.raises(UsageError, match="real and the other made"):
        make_plan(images=ours, test_images="phantom:X-ray?n=20")
    assert parse_map("a = b") == {"a": "b"}


def test_an_external_validation_runs(tmp_path: Path) -> None:
    ours = made("ours", {"benign": 30, "malignant": 30}, grouped=True)
    theirs = made("theirs", {"cancer": 12, "Benign": 14, "cyst": 3}, seed=3)
    plan = make_plan(
        images=ours, test_images=theirs, class_map=("cancer=malignant",), threshold="youden",
        positive="malignant", size=32, epochs=2, backbone="mobilenet_v2", weights="random",
        tl="random initialisation",
    )  # fmt: skip
    result = plan.run(runs=tmp_path / "runs", cache=tmp_path / "cache", download=False)
    record = result.to_dict()
    assert record["images"] == 26
    assert record["run"]["images"]["name"] == "ours, tested on theirs"
    assert record["spec"]["data"]["test"]["classes"] == {"cancer": "malignant", "Benign": "benign"}
    (chosen,) = record["thresholds"]
    assert chosen["positives"] + chosen["negatives"] == len(result.predictions[0].val_indices)
    assert record["groups"] is None or record["groups"] == 26
    assert plan.estimated(measure=False).estimate is not None
    again = plan.finished(runs=tmp_path / "runs")
    assert again is not None
    assert again.record["metrics"] == record["metrics"]
