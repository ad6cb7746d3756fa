from __future__ import annotations

from replicate.images.groups import Union, grouped


def test_union_joins_chains() -> None:
    union = Union(6)
    for first, second in ((4, 5), (0, 2), (2, 4)):
        union.join(first, second)
    assert union.clusters() == [[0, 2, 4, 5], [1], [3]]


def test_images_that_share_any_key_are_one_group() -> None:
    ids = ["a", "b", "c", "d", "e"]
    patients = ["p1", "p1", "p2", None, None]
    copies = [None, "x", "x", "y", None]
    assert grouped(ids, patients, copies) == (*["p1 + p2"] * 3, "y", "e")


def test_a_patient_called_like_an_image_is_another_group() -> None:
    groups = grouped(["a", "b"], ["b", None])
    assert len(set(groups)) == 2
