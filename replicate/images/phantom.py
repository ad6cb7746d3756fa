"""The phantom set: drawn images for demonstrations and tests, never evidence on medicine.

Classes are whether a drawn lesion is there, and its shape. How well they can be told apart is set
by `signal`; everything else is drawn alike for all classes, so that at signal 0 no honest model
does better than chance (AUC 0.5). A patient has several images and all of one class: a model that
meets a patient in training and test can know the class by the patient, as it can in real sets.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

import numpy as np
from numpy.random import Generator, default_rng
from scipy.ndimage import gaussian_filter

from db.errors import UsageError
from db.vocabulary import Lexicon
from replicate.images.image_set import ImageSet, Pixels
from replicate.images.phantom_scenes import SCENES, Field, coordinates

#: In the order of `classes`: the first two are the default.
CLASSES = ("without lesion", "round lesion", "ring lesion", "spiculated lesion")
TWO_CLASSES = ("without lesion", "with lesion")

SYNONYMS = {
    "x-ray": "xray",
    "chest": "xray",
    "computed tomography": "ct",
    "brain": "mri",
    "ultrasound": "sonography",
    "histology": "microscopy",
    "photography": "fundus",
    "retina": "fundus",
}

#: Number of the drawing rules: part of the fingerprints, raised when a rule changes.
RULES = 1

#: Shares of the patients of each class that the official parts get.
TEST_SHARE, VAL_SHARE = 0.2, 0.1

#: Least number of images a class: below it no part would have every class.
FEWEST = 10

#: The word on every image, in letters of 3 x 5 pixels.
_WORD = (
    "### # #  #  ### ### ### ###",
    "# # # # # # # #  #  # # ###",
    "### ### ### # #  #  # # # #",
    "#   # # # # # #  #  # # # #",
    "#   # # # # # #  #  ### # #",
)


@dataclass(frozen=True, slots=True)
class Phantom:
    """One phantom set; two with the same values are the same images.

    Parameters
    ----------
    kind
        ``xray``, ``ct``, ``mri``, ``sonography``, ``microscopy``, ``fundus`` or ``oct``.
    n
        Number of images.
    signal
        Contrast-to-noise ratio: how far a lesion's full height stands out from the clean image,
        in standard deviations of the noise at one pixel. 0 makes classes indistinguishable (AUC
        0.5). What 2 is worth depends on the clutter of the kind: a linear head on MobileNetV2's
        frozen ImageNet features, 280 training images of 96 pixels, reached AUC 0.99 in
        sonography, 0.88 in OCT, 0.74 in X-ray and 0.58 in CT.
    size
        Side in pixels.
    seed
        Another seed is another set of patients.
    classes
        2: without and with (round) lesion; 3 and 4 add shapes.
    """

    kind: str = "xray"
    n: int = 400
    signal: float = 2.0
    size: int = 96
    seed: int = 0
    classes: int = 2

    def __post_init__(self) -> None:
        limits = {
            "size": (self.size, 32, 1024),
            "classes": (self.classes, 2, len(CLASSES)),
            "n": (self.n, FEWEST * self.classes, 10_000_000),
            "seed": (self.seed, 0, 2**31 - 1),
            "signal": (self.signal, 0, 100),
        }
        for name, (value, least, most) in limits.items():
            if not least <= value <= most:
                raise UsageError(f"phantom: {name} is {value}; it lies from {least} to {most}.")

    @property
    def address(self) -> str:
        """The word that opens this set."""
        return (
            f"phantom:{self.kind}?n={self.n}&signal={self.signal:g}&size={self.size}"
            f"&seed={self.seed}&classes={self.classes}"
        )

    def draw(self, label: int, patient: int, image: int) -> Pixels:
        """Draw one image, alone: equal on every platform up to rounding.

        Parameters
        ----------
        label
            Its class.
        patient
            Number of the patient, who gives the anatomy.
        image
            Number of the image in the set, which gives position, lesion and noise.
        """
        kind = list(SCENES).index(self.kind)
        anatomy = default_rng((self.seed, kind, 0, patient))
        chance = default_rng((self.seed, kind, 1, image))
        x, y = coordinates(self.size, chance)
        scene = SCENES[self.kind](x, y, anatomy, chance)
        shapes = _lesions(x, y, scene.place, chance)
        noise = _noise(self.size, scene.grain, scene.speckle, chance)
        picture = scene.clean + (scene.noise * noise)[:, :, None]
        if label > 0:
            height = (self.signal * scene.noise * shapes[label - 1])[:, :, None]
            picture = picture + height * np.asarray(scene.colour)
        pixels = np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
        pixels = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        return _marked(pixels)


def _lesions(x: Field, y: Field, place: tuple[float, float], chance: Generator) -> list[Field]:
    """Return one lesion of each shape, height 1; all are drawn so that all classes use one luck."""
    radius = chance.uniform(0.13, 0.19)
    stretch, phase = chance.uniform(0.85, 1.18), chance.uniform(0, 2 * np.pi)
    dx, dy = (x - place[0]) * stretch, (y - place[1]) / stretch
    distance = np.sqrt(dx**2 + dy**2) / radius
    round_ = np.clip((1.0 - distance) / 0.35 + 0.5, 0.0, 1.0)
    ring = np.exp(-(((distance - 0.85) / 0.28) ** 2))
    spikes = 1 + 0.45 * np.cos(7 * np.arctan2(dy, dx) + phase)
    return [round_, ring, np.clip((spikes - distance) / 0.35 + 0.5, 0.0, 1.0)]


def _noise(size: int, grain: float, speckle: bool, chance: Generator) -> Field:
    """Return noise of mean 0 and deviation 1, smeared over `grain` of the side."""

    def smeared() -> Field:
        white = chance.standard_normal((size, size))
        if grain == 0:
            return white
        soft: Field = gaussian_filter(white, grain * size, mode="wrap")
        return soft / soft.std()  # smearing takes variance away

    if not speckle:
        return smeared()
    # The envelope of two quadrature channels is Rayleigh distributed.
    envelope = np.hypot(smeared(), smeared())
    scaled: Field = (envelope - np.sqrt(np.pi / 2)) / np.sqrt(2 - np.pi / 2)
    return scaled


def _marked(pixels: Pixels) -> Pixels:
    """Write PHANTOM into the lower left corner, alike in all images."""
    written = np.array([list(line) for line in _WORD]) == "#"
    height, width = written.shape
    pixels[-7 : height - 7, 2 : 2 + width][written] = 200
    return pixels


def open_phantom(address: str, *, size: int | None = None) -> ImageSet:
    """Open a phantom set.

    Parameters
    ----------
    address
        ``phantom``, ``phantom:KIND`` or ``phantom:KIND?n=400&signal=1.5&size=96&seed=0&classes=2``;
        see :class:`Phantom`.
    size
        Side of the images where the address names none.

    Raises
    ------
    UsageError
        An unknown kind or setting, or a value out of range.
    """
    return phantom_set(parse_address(address, size=size))


def parse_address(address: str, *, size: int | None = None) -> Phantom:
    """Return the phantom that an address means; raises what :func:`open_phantom` raises."""
    _, _, rest = address.partition(":")
    word, _, query = rest.partition("?")
    kind = Lexicon("phantom kind", SCENES, SYNONYMS).resolve(word) if word.strip() else "xray"
    values: dict[str, float] = {} if size is None else {"size": size}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise UsageError(f"{address}: {error}.", "Write phantom:ct?n=400&signal=1.5.") from error
    settings = Lexicon("phantom setting", ("n", "signal", "size", "seed", "classes"))
    for name, text in pairs:
        try:
            number = float(text) if settings.resolve(name) == "signal" else int(text)
        except ValueError as error:
            raise UsageError(f"{address}: {name} is {text!r}, not a number.") from error
        values[settings.resolve(name)] = number
    return Phantom(kind, **values)  # type: ignore[arg-type]


@lru_cache(maxsize=4)
def phantom_set(phantom: Phantom) -> ImageSet:
    """Return the images of a phantom, drawn one at a time when they are asked for.

    Patients have 1 to 5 images, all of one class; classes are of equal size up to one image. The
    official parts hold 70, 10 and 20 % of the patients of each class.
    """
    names = TWO_CLASSES if phantom.classes == 2 else CLASSES[: phantom.classes]
    rng = default_rng((phantom.seed, len(SCENES), phantom.n))
    patients: list[tuple[int, str, int]] = []
    for label in range(phantom.classes):
        wanted = phantom.n // phantom.classes + (label < phantom.n % phantom.classes)
        sizes = _sizes(wanted, rng)
        test = max(1, round(TEST_SHARE * len(sizes)))
        val = max(1, round(VAL_SHARE * len(sizes)))
        for number, size in enumerate(sizes):
            part = "test" if number < test else "val" if number < test + val else "train"
            patients.append((label, part, size))
    # Shuffled before they are numbered: a number tells no class.
    patients = [patients[old] for old in np.argsort(rng.permutation(len(patients))).tolist()]
    sizes = [size for _, _, size in patients]
    label_of = np.repeat(np.array([label for label, _, _ in patients], dtype=np.int64), sizes)
    patient_of = np.repeat(np.arange(len(patients)), sizes)
    views = [(number, view) for number, size in enumerate(sizes) for view in range(size)]

    def fingerprint(index: int) -> str:
        """Hash what determines an image: it need not be drawn for that."""
        return hashlib.sha256(f"{RULES} {phantom.address} {index}".encode()).hexdigest()

    return ImageSet(
        name=f"phantom {phantom.kind}",
        classes=names,
        labels=label_of,
        ids=tuple(f"p{number:06d}/{view}" for number, view in views),
        read=lambda i: phantom.draw(int(label_of[i]), int(patient_of[i]), i),
        fingerprint=fingerprint,
        groups=tuple(f"p{number:06d}" for number, _ in views),
        parts=tuple(patients[number][1] for number, _ in views),
        source=f"phantom, drawn and not measured: {phantom.address}; {len(patients)} drawn "
        "patients",
        phantom=True,
    )


def _sizes(wanted: int, rng: Generator) -> list[int]:
    """Return how many images each patient of a class has: 1 to 5, fewer in small sets."""
    most = min(5, max(1, wanted // 4))
    sizes: list[int] = []
    left = wanted
    while left > 0:
        sizes.append(min(left, int(rng.integers(1, most + 1))))
        left -= sizes[-1]
    return sizes
