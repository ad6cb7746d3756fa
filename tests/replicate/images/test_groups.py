from __future__ import annotations

from replicate.images.groups import clusters, grouped


def test_chains_are_one_cluster() -> None:
    assert clusters(6, ((4, 5), (0, 2), (2, 4))) == [[0, 2, 4, 5], [1], [3]]
    assert clusters(2, ()) == [[0], [1]]


def test_images_that_share_any_key_are_one_group() -> None:
    ids = ["a", "b", "c", "d", "e"]
    patients = ["p1", "p1", "p2", None, None]
    copies = [None, "x", "x", "y", None]
    assert grouped(ids, patients, copies) == (*["p1 + p2"] * 3, "y", "e")


def test_a_patient_called_like_an_image_is_another_group() -> None:
    groups = grouped(["a", "b"], ["b", None])
    assert len(set(groups)) == 2
