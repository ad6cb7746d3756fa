from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from db.errors import ImagesError, UsageError
from replicate.images.image_set import ImageSet
from replicate.spec import Split
from replicate.splits.splits import Fold, make_folds, shared_groups


def image_set(
    labels: Sequence[int],
    groups: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
) -> ImageSet:
    """A set whose images nobody reads."""

    def none(index: int) -> None:
        raise AssertionError("a split reads no image")

    return ImageSet(
        name="made up",
        classes=tuple("abcdef"[: max(labels) + 1]),
        labels=np.array(labels, dtype=np.int64),
        ids=tuple(str(i) for i in range(len(labels))),
        read=none,  # type: ignore[arg-type]
        fingerprint=none,  # type: ignore[arg-type]
        groups=tuple(groups) if groups is not None else None,
        parts=tuple(parts) if parts is not None else None,
    )


@st.composite
def sets(draw: st.DrawFn, pure: bool = False) -> ImageSet:
    """Sets of 2 to 4 classes and groups of 1 to 6 images, of one class each if `pure`."""
    classes = draw(st.integers(2, 4))
    labels: list[int] = []
    groups: list[str] = []
    number = draw(st.integers(12, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    for group in range(number):
        size = int(rng.integers(1, 7))
        first = group % classes if group < 6 * classes else int(rng.integers(classes))
        labels += [first] * size if pure else [first, *rng.integers(0, classes, size - 1).tolist()]
        groups += [f"p{group}"] * size
    order = rng.permutation(len(labels))
    return image_set([labels[i] for i in order], [groups[i] for i in order])


SPLITS = st.builds(
    Split,
    kind=st.sampled_from(["hold-out", "k-fold"]),
    by=st.sampled_from(["group", "image"]),
    test=st.sampled_from([0.1, 0.2, 0.3]),
    validation=st.sampled_from([0.0, 0.1, 0.2]),
    folds=st.integers(2, 5),
    repeats=st.integers(1, 2),
)


def divided(images: ImageSet, split: Split, seed: int = 0) -> list[Fold]:
    """Folds, where the set is large enough for them."""
    try:
        return make_folds(images, split, seed)
    except ImagesError:
        assume(False)
        raise


@settings(max_examples=60, deadline=None)
@given(images=sets(), split=SPLITS, seed=st.integers(0, 1000))
def test_parts_are_disjoint_complete_and_keep_groups_whole(
    images: ImageSet, split: Split, seed: int
) -> None:
    folds = divided(images, split, seed)
    assert len(folds) == split.repeats * (split.folds if split.kind == "k-fold" else 1)
    for fold in folds:
        together = np.concatenate([fold.train, fold.val, fold.test])
        assert sorted(together.tolist()) == list(range(len(images)))
        assert (fold.val.size > 0) == (split.validation > 0)
        for part in (fold.train, fold.test, *([fold.val] if fold.val.size else [])):
            assert set(images.labels[part]) == set(images.labels)
            assert (np.diff(part) > 0).all()
        if split.by == "group":
            shared = shared_groups(images, fold)
            assert shared.shared == 0
            assert sum(shared.groups) == len(set(images.groups or ()))
    for repeat in range(split.repeats if split.kind == "k-fold" else 0):
        tested = np.concatenate([fold.test for fold in folds if fold.repeat == repeat])
        assert sorted(tested.tolist()) == list(range(len(images)))


@settings(max_examples=40, deadline=None)
@given(images=sets(), split=SPLITS, seed=st.integers(0, 1000))
def test_images_are_divided_to_the_image(images: ImageSet, split: Split, seed: int) -> None:
    split = split.model_copy(update={"by": "image", "validation": 0.0})
    counts = np.bincount(images.labels)
    assume(counts.min() >= 15)
    share = split.test if split.kind == "hold-out" else 1 / split.folds
    for fold in divided(images, split, seed):
        assert abs(fold.test.size - share * len(images)) <= 1
        found = np.bincount(images.labels[fold.test], minlength=counts.size)
        assert (np.abs(found - share * counts) <= 1).all()


@settings(max_examples=40, deadline=None)
@given(images=sets(pure=True), folds=st.integers(2, 5), seed=st.integers(0, 1000))
def test_groups_are_divided_to_the_group(images: ImageSet, folds: int, seed: int) -> None:
    split = Split(kind="k-fold", folds=folds, validation=0)
    counts = np.array(
        [
            np.bincount(images.labels[fold.test], minlength=len(images.classes))
            for fold in divided(images, split, seed)
        ]
    )
    sizes = {name: (images.groups or ()).count(name) for name in set(images.groups or ())}
    largest = [
        max(sizes[g] for g, y in zip(images.groups or (), images.labels, strict=True) if y == label)
        for label in range(len(images.classes))
    ]
    # No fold has more than one group of a class too much or too little.
    assert (np.abs(counts - counts.mean(axis=0)) <= largest).all()


#: Sizes of groups -> within which shares of the images the test part of a fifth lies: one that is
#: larger than the part is tested as often as any, and the part is then as large as it is.
SIZES = {
    "equal": ([5] * 30, (0.15, 0.25)),
    "one huge": ([200] + [10] * 24, (0.06, 0.66)),
    "four large": ([60] * 4 + [5] * 30, (0.05, 0.42)),
    "power law": ([max(1, int(120 / (rank + 1))) for rank in range(24)], (0.06, 0.55)),
    "mixed": ([3 + 7 * (rank % 5) for rank in range(25)], (0.12, 0.30)),
}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("pure", [True, False])
@pytest.mark.parametrize("kind", ["hold-out", "k-fold"])
def test_groups_of_any_size_are_as_likely_in_any_part(sizes: str, pure: bool, kind: str) -> None:
    counts, (least, most) = SIZES[sizes]
    rng, seeds = np.random.default_rng(3), 320
    names = np.repeat(np.arange(len(counts)), counts)
    labels = names % 2 if pure else rng.integers(0, 2, names.size)
    images = image_set(labels.tolist(), [f"p{name}" for name in names.tolist()])
    split = Split(kind=kind, validation=0.1 if kind == "hold-out" else 0.0)  # type: ignore[arg-type]
    tested, validated, shares, mixes = np.zeros((4, seeds, len(counts)))
    for seed in range(seeds):
        fold = make_folds(images, split, seed)[0]
        tested[seed, np.unique(names[fold.test])] = 1
        validated[seed, np.unique(names[fold.val])] = 1
        shares[seed] = fold.test.size / len(images)
        mixes[seed] = images.labels[fold.test].mean() - images.labels.mean()
    for drawn, share in ((tested, 0.2), (validated, 0.1 if kind == "hold-out" else 0.0)):
        error = np.sqrt(share * (1 - share) / seeds)
        # Of thirty groups the one farthest off lies within 4 standard errors.
        assert (np.abs(drawn.mean(axis=0) - share) <= 4 * error + 0.01).all()
        largest = np.argsort(counts)[-4:]
        assert abs(drawn.mean(axis=0)[largest].mean() - share) <= 3 * error
    assert abs(shares.mean() - 0.2) < 0.03
    assert shares.min() >= least
    assert shares.max() <= most
    if sizes in ("equal", "mixed"):
        assert np.abs(mixes).max() < 0.3


@pytest.mark.parametrize("groups", [3, 4, 6])
def test_scarce_groups_of_a_class_are_tested_equally_often(groups: int) -> None:
    """With fewer than parts ask for, one has to be tested each time: any, large or small."""
    labels, names = [0] * 300, [f"p{i % 60}" for i in range(300)]
    for group in range(groups):
        labels += [1] * (40 if group == 0 else 4)
        names += [f"q{group}"] * (40 if group == 0 else 4)
    images, tested = image_set(labels, names), np.zeros(groups)
    for seed in range(320):
        fold = make_folds(images, Split(validation=0), seed)[0]
        for name in {names[i] for i in fold.test.tolist() if labels[i] == 1}:
            tested[int(name[1:])] += 1
    share = max(0.2, 1 / groups)
    assert (np.abs(tested / 320 - share) < 0.12).all()


@settings(max_examples=20, deadline=None)
@given(images=sets(), split=SPLITS, seed=st.integers(0, 1000))
def test_equal_seeds_give_equal_splits(images: ImageSet, split: Split, seed: int) -> None:
    first = divided(images, split, seed)
    np.random.default_rng().random(3)
    for one, two in zip(first, make_folds(images, split, seed), strict=True):
        assert (one.repeat, one.number) == (two.repeat, two.number)
        assert all(
            (a == b).all() for a, b in zip(one.parts.values(), two.parts.values(), strict=True)
        )


def test_other_seeds_and_repeats_give_other_splits() -> None:
    images = image_set([0, 1] * 50)
    split = Split(kind="hold-out", repeats=2)
    one, two = make_folds(images, split, 0)
    three = make_folds(images, split, 1)[0]
    assert one.test.tolist() != two.test.tolist()
    assert one.test.tolist() != three.test.tolist()


def test_groups_of_all_classes_are_divided_as_well_as_whole_groups_allow() -> None:
    """Eyes, plates, mixed slides: every group shows every class."""
    labels = [0, 1, 2] * 40
    groups = [f"g{i // 6}" for i in range(120)]
    images = image_set(labels, groups)
    for fold in make_folds(images, Split(kind="k-fold", folds=5, validation=0), 0):
        assert np.bincount(images.labels[fold.test]).tolist() == [8, 8, 8]
        shared = shared_groups(images, fold)
        assert (shared.state, shared.groups) == ("none shared", (16, 0, 4))
        said = "patients or groups: 16 in training, 4 in test; none shared"
        assert shared.sentence == said


def test_splits_by_image_and_by_group_have_the_same_sizes() -> None:
    """The leak dial compares like with like."""
    groups = [f"p{i // 4}" for i in range(400)]
    images = image_set([i // 4 % 2 for i in range(400)], groups)
    by_group, by_image = (
        make_folds(images, Split(kind="hold-out", by=by), 0)[0]  # type: ignore[arg-type]
        for by in ("group", "image")
    )
    sizes = [[part.size for part in fold.parts.values()] for fold in (by_group, by_image)]
    assert sizes == [[280, 40, 80], [280, 40, 80]]
    assert shared_groups(images, by_group).groups == (70, 10, 20)
    torn = shared_groups(images, by_image)
    assert torn.shared > 50
    assert torn.tested > 40
    assert torn.state == "shared"


def test_unknown_groups_are_said() -> None:
    images = image_set([0, 1] * 20)
    fold = make_folds(images, Split(), 0)[0]
    shared = shared_groups(images, fold)
    assert (shared.known, shared.state) == (False, "unknown")


def test_official_parts_are_taken_as_they_are() -> None:
    parts = ["train", "test", "val", "train", "test", "val", "train", "train"]
    images = image_set([0, 0, 0, 1, 1, 1, 0, 1], list("ppqqrstu"), parts)
    (fold,) = make_folds(images, Split(kind="official"), 0)
    assert [part.tolist() for part in fold.parts.values()] == [[0, 3, 6, 7], [2, 5], [1, 4]]
    shared = shared_groups(images, fold)
    assert (shared.state, shared.shared, shared.tested) == ("shared", 2, 1)


def test_official_parts_without_validation_get_one_from_training() -> None:
    parts = ["train"] * 80 + ["test"] * 20
    images = image_set([0, 1] * 50, parts=parts)
    (fold,) = make_folds(images, Split(kind="official", validation=0.1), 0)
    assert [part.size for part in fold.parts.values()] == [72, 8, 20]
    (fold,) = make_folds(images, Split(kind="official", validation=0), 0)
    assert [part.size for part in fold.parts.values()] == [80, 0, 20]


def test_rare_classes_reach_every_part() -> None:
    images = image_set([0] * 97 + [1] * 3)
    (fold,) = make_folds(images, Split(), 0)
    assert all((images.labels[part] == 1).sum() == 1 for part in fold.parts.values())


@pytest.mark.parametrize(
    ("images", "split", "message"),
    [
        (image_set([0] * 9), Split(), "one class"),
        (image_set([0, 1, 1, 1, 1, 1]), Split(kind="k-fold", folds=3), "class a has 1 image to"),
        (
            image_set([0, 0, 0, 1, 1, 1], list("pppqrs")),
            Split(kind="hold-out", validation=0),
            "class a has 1 group to divide into 2",
        ),
        (image_set([0, 1] * 3), Split(kind="k-fold", folds=5), "has 3 images to divide into 5"),
        (image_set([0, 1] * 9), Split(kind="official"), "no official parts"),
        (
            image_set([0, 1] * 4, parts=["train"] * 8),
            Split(kind="official"),
            "hold no test images",
        ),
        (
            image_set([0, 0, 1, 1], parts=["train", "train", "test", "test"]),
            Split(kind="official"),
            "the class b has no training image",
        ),
        (
            image_set([0, 1, 0, 1, 0, 1], list("ppqqpp")),
            Split(kind="k-fold", folds=3),
            "has 2 groups to divide into 3",
        ),
    ],
)
def test_what_cannot_be_divided_is_told(images: ImageSet, split: Split, message: str) -> None:
    with pytest.raises(ImagesError, match=message) as caught:
        make_folds(images, split, 0)
    assert caught.value.hint


def test_groups_too_entangled_for_every_part_to_have_every_class() -> None:
    images = image_set([0, 1, 0, 1], list("ppqq"))
    folds = make_folds(images, Split(kind="k-fold", folds=2, validation=0), 0)
    assert all(set(images.labels[fold.test]) == {0, 1} for fold in folds)
    entangled = image_set([0, 1, 1, 2, 0, 2], list("ppqqrr"))
    with pytest.raises(ImagesError, match="cannot be divided into 2 parts"):
        make_folds(entangled, Split(kind="hold-out", validation=0, test=0.5), 0)


def test_shares_that_leave_nothing() -> None:
    with pytest.raises(UsageError, match="leave nothing to train on"):
        make_folds(image_set([0, 1] * 9), Split(test=0.6, validation=0.4), 0)
    with pytest.raises(UsageError, match="the same in every repeat"):
        make_folds(
            image_set([0, 1] * 9, parts=["train", "train", "test"] * 6),
            Split(kind="official", repeats=2),
            0,
        )


def test_a_hundred_thousand_images_are_divided_in_seconds() -> None:
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 30_000, 100_000)
    images = image_set((patients % 3).tolist(), [f"p{p}" for p in patients.tolist()])
    (fold,) = make_folds(images, Split(), 0)
    assert shared_groups(images, fold).shared == 0
    share = np.bincount(images.labels[fold.test]) / np.bincount(images.labels)
    assert np.abs(share - 0.2).max() < 1e-3
