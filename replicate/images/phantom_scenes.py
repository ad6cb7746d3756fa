"""What phantoms show: simple drawings that look like seven kinds of medical image.

A scene is drawn from formulas on coordinates from -1 to 1; a patient's own generator gives the
anatomy, an image's own generator the position in which it is seen. Nothing here is measured data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """An image before lesion and noise.

    `clean` has values from 0 to 1, shape (size, size, channels); `noise` is the standard deviation
    of the noise at each pixel; `grain` how far it is smeared, as a share of the side, and
    `speckle` whether it is skewed as interference makes it. A lesion lies around `place` (in
    coordinates) and adds in the direction of `colour`, times its contrast.
    """

    clean: Field
    noise: Field
    grain: float
    speckle: bool
    place: tuple[float, float]
    colour: tuple[float, ...]


def coordinates(size: int, image: Generator) -> tuple[Field, Field]:
    """Return x and y of each pixel, seen from a position a little off: no two images are alike."""
    steps = (np.arange(size) + 0.5) * (2.0 / size) - 1.0
    x, y = np.meshgrid(steps, steps)
    angle = image.uniform(-0.09, 0.09)
    zoom = image.uniform(0.95, 1.05)
    dx, dy = image.uniform(-0.06, 0.06, 2)
    return (
        zoom * (np.cos(angle) * x - np.sin(angle) * y) + dx,
        zoom * (np.sin(angle) * x + np.cos(angle) * y) + dy,
    )


def blob(x: Field, y: Field, cx: float, cy: float, rx: float, ry: float, edge: float) -> Field:
    """Return a filled ellipse, 1 inside and 0 outside, with a soft edge of a relative width."""
    distance = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return np.clip((1.0 - distance) / edge + 0.5, 0.0, 1.0)


def waves(x: Field, y: Field, patient: Generator, finest: float, count: int = 6) -> Field:
    """Return a smooth random pattern of unit deviation: a patient's tissue."""
    total = np.zeros_like(x)
    for _ in range(count):
        angle, phase = patient.uniform(0, 2 * np.pi, 2)
        pitch = patient.uniform(0.3, 1.0) * finest
        total += np.cos(pitch * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    return total * np.sqrt(2.0 / count)


def _grey(clean: Field) -> Field:
    return np.clip(clean, 0.0, 1.0)[:, :, None]


def _within(image: Generator, cx: float, cy: float, rx: float, ry: float) -> tuple[float, float]:
    """Return a random place in the inner part of an ellipse."""
    angle, radius = image.uniform(0, 2 * np.pi), 0.55 * np.sqrt(image.uniform())
    return cx + rx * radius * np.cos(angle), cy + ry * radius * np.sin(angle)


def xray(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw a chest seen from the front: dark lungs, bright mediastinum, ribs, heart, diaphragm."""
    wide, tall = patient.uniform(0.30, 0.40), patient.uniform(0.54, 0.66)
    apart, high = patient.uniform(0.38, 0.46), patient.uniform(-0.12, 0.02)
    pitch, tilt = patient.uniform(15, 21), patient.uniform(0.4, 0.9)
    heart, phase = patient.uniform(0.24, 0.36), patient.uniform(0, 2 * np.pi)
    body = blob(x, y, 0, 0.25, patient.uniform(0.88, 1.02), 1.25, 0.15)
    left = blob(x, y, -apart, high, wide, tall, 0.22)
    right = blob(x, y, apart, high, wide * patient.uniform(0.86, 1.0), tall, 0.22)
    lungs = np.maximum(left, right)
    ribs = np.clip(np.sin(pitch * (y + tilt * x**2) + phase), 0, 1) ** 2
    clean = body * (0.66 + 0.04 * waves(x, y, patient, 9.0)) - 0.42 * lungs
    clean += 0.09 * ribs * lungs * (0.4 + np.abs(x))
    clean += 0.25 * blob(x, y, patient.uniform(0.06, 0.16), 0.28, heart, heart * 1.1, 0.3)
    clean += 0.12 * np.exp(-((x / 0.09) ** 2)) * body
    side = -apart if image.uniform() < 0.5 else apart
    place = _within(image, side, high, wide, tall)
    noise = np.full_like(x, 0.045)
    return Scene(_grey(clean), noise, 0.0, False, place, (1.0,))


def ct(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw a slice through a chest: body wall, lungs with vessels, vertebra, aorta."""
    rx, ry = patient.uniform(0.82, 0.94), patient.uniform(0.60, 0.74)
    wide, tall = patient.uniform(0.28, 0.36), patient.uniform(0.38, 0.48)
    apart = patient.uniform(0.36, 0.44)
    body = blob(x, y, 0, 0, rx, ry, 0.03)
    inner = blob(x, y, 0, 0, rx - 0.07, ry - 0.07, 0.04)
    lungs = np.maximum(
        blob(x, y, -apart, -0.02, wide, tall, 0.06),
        blob(x, y, apart, -0.02, wide * patient.uniform(0.85, 1.0), tall, 0.06),
    )
    clean = 0.34 * body + 0.22 * inner + 0.03 * waves(x, y, patient, 12.0) * body
    clean -= 0.46 * lungs * inner
    for _ in range(12):
        side = -apart if patient.uniform() < 0.5 else apart
        cx, cy = _within(patient, side, 0.0, wide * 1.3, tall * 1.3)
        radius = patient.uniform(0.012, 0.035)
        clean += 0.35 * blob(x, y, cx, cy, radius, radius * patient.uniform(0.7, 2.0), 0.5) * lungs
    spine = ry - 0.22
    clean += 0.42 * blob(x, y, 0, spine, 0.13, 0.11, 0.15)
    clean -= 0.30 * blob(x, y, 0, spine + 0.03, 0.05, 0.045, 0.3)
    clean += 0.10 * blob(x, y, patient.uniform(-0.18, -0.08), spine - 0.22, 0.09, 0.09, 0.15)
    side = -apart if image.uniform() < 0.5 else apart
    place = _within(image, side, -0.02, wide, tall)
    return Scene(_grey(clean), np.full_like(x, 0.05), 0.008, False, place, (1.0,))


def mri(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw a slice through a head: scalp, skull, folded brain, ventricles, uneven coil."""
    rx, ry = patient.uniform(0.62, 0.74), patient.uniform(0.76, 0.88)
    head = blob(x, y, 0, 0, rx + 0.13, ry + 0.12, 0.04)
    skull = blob(x, y, 0, 0, rx + 0.07, ry + 0.06, 0.05)
    brain = blob(x, y, 0, 0, rx, ry, 0.05)
    radius = np.sqrt((x / rx) ** 2 + (y / ry) ** 2)
    folds = waves(x, y, patient, 26.0, 8)
    clean = 0.75 * head - 0.68 * skull + brain * (0.42 + 0.09 * np.tanh(2 * folds) * radius**2)
    clean += 0.10 * brain * np.clip(1 - radius * 1.4, 0, 1)
    clean -= 0.12 * brain * np.exp(-((x / 0.018) ** 2)) * (np.abs(y) > 0.3 * ry)
    lean, gap = patient.uniform(0.25, 0.6), patient.uniform(0.09, 0.15)
    for sign in (-1, 1):
        bent = x - sign * (gap + lean * (y + 0.05) ** 2)
        clean -= 0.32 * blob(bent, y, 0, -0.02, patient.uniform(0.05, 0.09), 0.30, 0.3)
    coil = patient.uniform(-0.15, 0.15, 2)
    clean *= 1 + coil[0] * x + coil[1] * y
    side = image.choice((-1.0, 1.0))
    place = _within(image, side * 0.42 * rx, 0.0, 0.5 * rx, 0.9 * ry)
    return Scene(_grey(clean), np.full_like(x, 0.04), 0.006, False, place, (1.0,))


def sonography(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw a sector of layered tissue with speckle and shadow; a lesion echoes less."""
    top = patient.uniform(-1.5, -1.3)
    far = np.sqrt(x**2 + (y - top) ** 2)
    fan = np.clip((0.72 - np.abs(np.arctan2(x, y - top))) / 0.03, 0, 1)
    fan *= np.clip((far - 0.42) / 0.02, 0, 1) * np.clip((2.35 - far) / 0.03, 0, 1)
    wavy = y + 0.05 * waves(x, y, patient, 5.0, 3)
    clean = 0.44 + 0.07 * waves(x, y, patient, 11.0)
    for _ in range(4):
        depth, thick = patient.uniform(-0.75, 0.85), patient.uniform(0.02, 0.06)
        bend = patient.uniform(-0.12, 0.12)
        clean += patient.uniform(0.10, 0.26) * np.exp(-(((wavy - depth - bend * x) / thick) ** 2))
    dark = patient.uniform(-0.6, 0.6)
    clean *= 1 - patient.uniform(0.2, 0.5) * np.exp(-(((x - dark) / 0.1) ** 2)) * (y > 0)
    clean *= np.exp(-0.32 * (far - 0.5))
    clean = np.clip(clean, 0, 1) * fan
    place = (float(image.uniform(-0.38, 0.38)), float(image.uniform(-0.35, 0.45)))
    return Scene(_grey(clean), 0.30 * clean, 0.011, True, place, (-1.0,))


def microscopy(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw a stained section: pink ground, violet nuclei; a lesion is denser stain."""
    stain = np.array((0.91, 0.74, 0.84)) + patient.uniform(-0.04, 0.04, 3)
    nucleus = np.array((0.42, 0.27, 0.56)) + patient.uniform(-0.05, 0.05, 3)
    ground = 0.04 * waves(x, y, patient, 14.0)
    clean = stain[None, None, :] + ground[:, :, None] * np.array((0.6, 1.2, 0.8))
    crowd, spread = int(patient.integers(16, 34)), patient.uniform(0.045, 0.075)
    covered = np.zeros_like(x)
    for _ in range(crowd):
        # The field of view differs from image to image, so nuclei are the image's own.
        cx, cy = image.uniform(-1.05, 1.05, 2)
        rx, ry = spread * image.uniform(0.7, 1.35, 2)
        cell = blob(x, y, cx, cy, rx, ry, 0.35) * image.uniform(0.6, 0.95)
        covered = np.maximum(covered, cell)
    clean = clean + covered[:, :, None] * (nucleus - clean)
    place = (float(image.uniform(-0.6, 0.6)), float(image.uniform(-0.6, 0.6)))
    noise = np.full_like(x, 0.06)
    return Scene(np.clip(clean, 0, 1), noise, 0.004, False, place, (-0.9, -1.1, -0.5))


def fundus(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw the back of an eye: orange disc, bright papilla, vessels, dark macula."""
    eye = np.sign(patient.uniform(-1, 1))
    view = blob(x, y, 0, 0, 0.93, 0.93, 0.03)
    px, py = eye * patient.uniform(0.40, 0.52), patient.uniform(-0.08, 0.08)
    tone = np.array((0.80, 0.40, 0.16)) * patient.uniform(0.85, 1.1)
    shade = 1 - 0.25 * (x**2 + y**2) + 0.05 * waves(x, y, patient, 9.0)
    macula = blob(x, y, px - eye * 0.85, py + 0.05, 0.17, 0.17, 1.2)
    level = shade * (1 - 0.35 * macula)
    clean = level[:, :, None] * tone
    vessels = np.zeros_like(x)
    along = np.linspace(0.0, 1.0, 28)
    for sign in (-1.0, 1.0):
        for _ in range(3):
            reach, rise = patient.uniform(0.7, 1.5), patient.uniform(0.35, 0.95)
            swing, phase = patient.uniform(0.01, 0.05), patient.uniform(0, 2 * np.pi)
            cx = px - eye * reach * along**1.3 * patient.choice((1.0, 1.0, -0.6))
            cy = py + sign * rise * np.sqrt(along) + swing * np.sin(9 * along + phase)
            near = np.full_like(x, np.inf)
            for qx, qy, s in zip(cx, cy, along, strict=True):
                near = np.minimum(near, ((x - qx) ** 2 + (y - qy) ** 2) / (1.25 - s))
            vessels = np.maximum(vessels, np.exp(-near / patient.uniform(0.0009, 0.0022)))
    clean = clean * (1 - 0.55 * vessels[:, :, None] * np.array((0.6, 1.0, 1.0)))
    papilla = blob(x, y, px, py, 0.13, 0.15, 0.4)[:, :, None]
    clean = clean * (1 - 0.8 * papilla) + 0.8 * papilla * np.array((1.0, 0.86, 0.55))
    clean = clean * view[:, :, None]
    place = _within(image, -eye * 0.15, 0.0, 0.75, 0.85)
    return Scene(np.clip(clean, 0, 1), 0.035 * view, 0.006, False, place, (0.7, 1.0, 0.7))


def oct_scan(x: Field, y: Field, patient: Generator, image: Generator) -> Scene:
    """Draw a section through a retina: bright layers around a pit; a lesion is a dark pocket."""
    pit, centre = patient.uniform(0.10, 0.26), patient.uniform(-0.25, 0.25)
    bend = patient.uniform(-0.10, 0.16)
    base = y - bend * x**2 - patient.uniform(-0.1, 0.1) - 0.02 * waves(x, 0 * y, patient, 8.0, 4)
    dip = pit * np.exp(-(((x - centre) / patient.uniform(0.16, 0.28)) ** 2))
    surface, floor = -0.42 + dip, 0.16
    depth = (base - surface) / (floor - surface)
    inside = np.clip(depth / 0.04, 0, 1) * np.clip((1.35 - depth) / 0.3, 0, 1)
    clean = 0.06 + 0.24 * inside
    for _ in range(4):
        at, thick = patient.uniform(0.05, 0.8), patient.uniform(0.03, 0.07)
        clean += patient.uniform(0.12, 0.3) * inside * np.exp(-(((depth - at) / thick) ** 2))
    clean += 0.5 * np.exp(-(((base - floor) / 0.035) ** 2))
    clean += 0.16 * np.exp(-np.clip(base - floor, 0, None) / 0.16) * (base > floor)
    clean = np.clip(clean, 0, 1)
    place = (float(image.uniform(-0.6, 0.6)), float(image.uniform(-0.16, 0.02)))
    return Scene(_grey(clean), 0.03 + 0.22 * clean, 0.007, True, place, (-1.0,))


#: Kind -> how it is drawn, in the words of the review's modalities where it has one.
SCENES: dict[str, Callable[[Field, Field, Generator, Generator], Scene]] = {
    "xray": xray,
    "ct": ct,
    "mri": mri,
    "sonography": sonography,
    "microscopy": microscopy,
    "fundus": fundus,
    "oct": oct_scan,
}
