from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from db.errors import UnknownTermError, UsageError
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.images.phantom import CLASSES, Phantom, open_phantom, parse_address
from replicate.images.phantom_scenes import SCENES
from replicate.images.prepare import prepared
from replicate.spec import Preprocessing, Split
from replicate.splits.splits import make_folds

KINDS = tuple(SCENES)


def auc(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Share of pairs that are ranked right (Mann-Whitney)."""
    sick, well = scores[labels == 1], scores[labels == 0]
    return float(((sick[:, None] > well) + 0.5 * (sick[:, None] == well)).mean())


def test_an_address_says_everything() -> None:
    assert parse_address("phantom") == Phantom()
    assert parse_address("phantom:ct?n=60&signal=0.5&size=48&seed=3&classes=3") == Phantom(
        "ct", 60, 0.5, 48, 3, 3
    )
    assert parse_address("phantom:ultrasound", size=64) == Phantom("sonography", size=64)
    assert parse_address("phantom:ct?size=48", size=64).size == 48
    phantom = Phantom("oct", 40, 1.25, 32, 5, 4)
    assert parse_address(phantom.address) == phantom


@pytest.mark.parametrize(
    "address",
    [
        "phantom:ct?n=many",
        "phantom:ct?n",
        "phantom:ct?n=5",
        "phantom:ct?size=5",
        "phantom:ct?signal=-1",
        "phantom:ct?signal=nan",
        "phantom:ct?classes=1",
        "phantom:ct?seed=-1",
        "phantom:ct?noise=3",
        "phantom:pet",
    ],
)
def test_malformed_addresses_are_refused(address: str) -> None:
    with pytest.raises(UsageError):
        open_images(address)


def test_a_wrong_kind_names_the_nearest() -> None:
    with pytest.raises(UnknownTermError, match="sonography"):
        open_phantom("phantom:sonografy")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_alike_again_and_unlike_others(kind: str) -> None:
    images = open_phantom(f"phantom:{kind}?n=40&size=48&classes=4")
    pixels = [images.read(i) for i in range(6)]
    again = Phantom(kind, 40, size=48, classes=4)
    label, patient = int(images.labels[3]), int((images.groups or ())[3][1:])
    assert (again.draw(label, patient, 3) == pixels[3]).all()
    for first in range(6):
        for second in range(first):
            different = np.abs(pixels[first].astype(int) - pixels[second])
            assert different.mean() > 1
    shape = (48, 48, 3) if kind in ("microscopy", "fundus") else (48, 48)
    assert all(p.shape == shape and p.dtype == np.uint8 for p in pixels)
    assert all(np.ptp(p) > 40 for p in pixels)


def test_the_set_says_that_it_is_drawn() -> None:
    images = open_phantom("phantom:mri?n=40&size=48")
    assert images.phantom
    assert images.name == "phantom mri"
    assert images.source.startswith("phantom, drawn and not measured")
    assert images.classes == ("without lesion", "with lesion")
    # The word PHANTOM in the lower left corner: its P.
    corner = images.read(0)[41:46, 2:5] == 200
    assert corner[[0, 0, 0, 1, 2, 3], [0, 1, 2, 0, 0, 0]].all()


def test_patients_have_several_images_of_one_class_and_one_part() -> None:
    images = open_phantom("phantom:ct?n=300&size=32&classes=3")
    assert images.groups is not None
    assert images.parts is not None
    assert images.classes == CLASSES[:3]
    assert np.bincount(images.labels).tolist() == [100, 100, 100]
    per_patient: dict[str, set[tuple[int, str]]] = {}
    for group, label, part in zip(images.groups, images.labels.tolist(), images.parts, strict=True):
        per_patient.setdefault(group, set()).add((label, part))
    assert all(len(found) == 1 for found in per_patient.values())
    assert 60 < len(per_patient) < 150
    for part, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        here = np.array([p == part for p in images.parts])
        assert abs(here.mean() - share) < 0.08
        assert (np.bincount(images.labels[here], minlength=3) > 0).all()
    # Neither place nor number of a patient tells the class.
    assert 0.35 < auc(np.arange(300.0), (images.labels == 2).astype(np.int64)) < 0.65


def test_the_smallest_set_has_every_class_in_every_part() -> None:
    images = open_phantom("phantom:ct?n=20&size=32")
    found = set(zip(images.parts or (), images.labels.tolist(), strict=True))
    assert len(found) == 6


def test_seeds_are_other_patients() -> None:
    one, two = (open_phantom(f"phantom:ct?n=20&size=32&seed={seed}") for seed in (1, 2))
    assert one.fingerprint(0) != two.fingerprint(0)
    assert (one.read(0) != two.read(0)).any()
    assert one.content != two.content


def test_the_classes_differ_by_the_lesion_alone() -> None:
    phantom = Phantom("xray", 40, signal=3.0, size=96)
    without, with_ = (phantom.draw(label, 5, 7).astype(float) for label in (0, 1))
    difference = with_ - without
    changed = difference != 0
    assert 0.005 < changed.mean() < 0.08
    # Contrast-to-noise: 3 deviations of the noise, 0.045 of the full range, at the plateau.
    assert abs(float(np.percentile(difference[changed], 90)) - 3 * 0.045 * 255) < 1.5
    silent = Phantom("xray", 40, signal=0.0, size=96)
    assert (silent.draw(1, 5, 7) == silent.draw(0, 5, 7)).all()


def nearest(images: ImageSet, by: str) -> float:
    """AUC of the simplest memory: the class of the most similar training image."""
    features = np.stack(
        [
            prepared(images.read(i), Preprocessing(size=16))[:, :, 0].ravel()
            for i in range(len(images))
        ]
    ).astype(float)
    features -= features.mean(axis=1, keepdims=True)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    scores = np.zeros(len(images))
    for fold in make_folds(images, Split(kind="k-fold", by=by, folds=4, validation=0), 0):  # type: ignore[arg-type]
        alike = features[fold.test] @ features[fold.train].T
        scores[fold.test] = images.labels[fold.train][alike.argmax(axis=1)]
    return auc(scores, images.labels)


def test_the_leak_dial() -> None:
    """Without any signal, a split by image is won by knowing patients; a split by patient is not."""
    images = open_phantom("phantom:oct?n=400&size=48&signal=0&seed=4")
    assert nearest(images, "image") > 0.62
    assert 0.40 < nearest(images, "group") < 0.60


@pytest.mark.parametrize("kind", KINDS)
def test_the_signal_is_all_that_tells_classes_apart(kind: str) -> None:
    """Drawn with the same luck, classes are equal at signal 0 and differ in proportion to it."""
    lifted = []
    for signal in (0.0, 0.5, 1.0):
        phantom = Phantom(kind, 40, signal=signal, size=48)
        differences = [
            np.abs(phantom.draw(1, 90 + i, i).astype(int) - phantom.draw(0, 90 + i, i)).mean()
            for i in range(8)
        ]
        lifted.append(float(np.mean(differences)))
    assert lifted[0] == 0
    assert lifted[1] > 0.03
    assert 1.6 < lifted[2] / lifted[1] < 2.2


def test_images_are_drawn_when_asked_for_and_not_kept() -> None:
    tracemalloc.start()
    images = open_phantom("phantom:ct?n=20000&size=64&seed=9")
    opened, _ = tracemalloc.get_traced_memory()
    for index in range(19_900, 20_000):
        images.read(index)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(images) == 20_000
    # Names, labels, patients and parts: below 1 KB an image, though an image has 4 KB.
    assert opened < 20_000 * 700
    assert after - opened < 100_000
    assert peak < 20_000 * 1000
