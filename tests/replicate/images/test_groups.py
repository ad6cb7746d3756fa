from __future__ import annotations

import numpy as np
import pytest

from db.errors import UsageError
from replicate.images.groups import Union, grouped, with_groups
from replicate.images.image_set import of_arrays


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
    assert grouped(ids, patients, together=[[3, 4]]) == ("p1", "p1", "p2", "d + e", "d + e")


def test_a_patient_called_like_an_image_is_another_group() -> None:
    groups = grouped(["a", "b"], ["b", None])
    assert len(set(groups)) == 2


def test_with_groups() -> None:
    images = of_arrays("x", np.zeros((3, 4, 4), np.uint8), np.array([0, 1, 1]), ["a", "b"])
    assert with_groups(images, ["p", "p", "q"]).groups == ("p", "p", "q")
    assert with_groups(with_groups(images, ["p", "p", "q"]), None).groups is None
    with pytest.raises(UsageError, match="2 groups for 3 images"):
        with_groups(images, ["p", "q"])
