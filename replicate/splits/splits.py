"""Splits: which images train, which validate and which test.

Stratified: each part has as near to its share of every class as whole groups allow. Grouped: by
default the images of a patient (or any group) are on one side. Fair: a group of any size is tested
as often as its share says; where a class has too few groups, one of them, any as likely. Drawn by a
generator of its own, so that equal seeds give equal splits whatever else has used random numbers.

scikit-learn's `StratifiedGroupKFold` divides otherwise, knows folds of equal size only, and does
not promise every class in every part; the splits of runs that are kept are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from db.errors import ImagesError, UsageError
from db.wording import plural
from replicate.images.image_set import COPIES, PARTS, PATIENTS, ImageSet
from replicate.spec import Split

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
_NONE = np.empty(0, dtype=np.int64)
#: So many groups at most make up for one that was drawn, or not.
COMPENSATED = 1000
#: And in so many rounds.
ROUNDS = 4


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """One division of the images.

    Parameters
    ----------
    repeat, number
        Which fold of which repetition; a hold-out or official split is number 0.
    train, val, test
        Indices into the image set, ascending. `val` is empty where no validation was asked for.
    """

    repeat: int
    number: int
    train: Indices
    val: Indices
    test: Indices

    @property
    def parts(self) -> dict[str, Indices]:
        """The three parts by name, as in an image set."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True, slots=True)
class Shared:
    """What the parts of a fold have in common.

    Parameters
    ----------
    known
        Whether the set says which images belong together.
    groups
        Number of groups in train, val and test.
    shared
        Number of groups with images in more than one part.
    tested
        Number of test groups that are in train or val too.
    unit
        What the groups are called.
    """

    known: bool
    groups: tuple[int, int, int]
    shared: int
    tested: int
    unit: str = "patients or groups"

    @property
    def state(self) -> Literal["unknown", "none shared", "shared"]:
        """The finding."""
        if not self.known:
            return "unknown"
        return "shared" if self.shared else "none shared"

    @property
    def sentence(self) -> str:
        """What to print: ``patients or groups: 412 in training, 103 in test; none shared``."""
        if self.state == "unknown":
            return "groups unknown: patients may be shared between parts"
        parts = zip(("training", "validation", "test"), self.groups, strict=True)
        sizes = ", ".join(f"{count:,} in {part}" for part, count in parts if count)
        end = f"{self.shared:,} shared, {self.tested:,} of them in test" if self.shared else ""
        text = f"{self.unit}: {sizes}; {end or 'none shared'}"
        return f"{text}; {PATIENTS} not known" if self.unit == COPIES else text


def shared_groups(images: ImageSet, fold: Fold) -> Shared:
    """Count the groups of each part, and those that parts share."""
    if images.groups is None:
        return Shared(False, (0, 0, 0), 0, 0)
    names = images.groups
    train, val, test = ({names[i] for i in part} for part in fold.parts.values())
    shared = (train & val) | (train & test) | (val & test)
    tested = test & (train | val)
    return Shared(True, (len(train), len(val), len(test)), len(shared), len(tested), images.unit)


def make_folds(images: ImageSet, split: Split, seed: int) -> list[Fold]:
    """Divide an image set.

    `split.by` ``group`` keeps groups whole, and takes each image as its own group where the set
    has none (:func:`shared_groups` says so); ``image`` divides images whatever they belong to.
    Groups with images of several classes are placed by all of them. ``official`` takes the set's
    parts as they are, shared groups included; where it has no validation part and
    `split.validation` is not 0, that share of the training images is set apart.

    Parameters
    ----------
    images
        The set.
    split
        How to divide it.
    seed
        Of the generator.

    Returns
    -------
    list of Fold
        One for ``official``, one a repeat for ``hold-out``, `folds` a repeat for ``k-fold``. Every
        part of every fold has images of every class (of an official test part that is not asked).

    Raises
    ------
    ImagesError
        One class only, a class with fewer groups than parts, or no official parts.
    UsageError
        Shares that leave nothing to train on, or an official split that is to be repeated.
    """
    labels = images.labels
    counts = np.bincount(labels, minlength=len(images.classes))
    if (counts > 0).sum() < 2:
        raise ImagesError(
            f"{images.name}: all {len(images)} images are of one class.",
            "There is nothing to tell apart: give at least two classes.",
        )
    if split.kind in ("official", "external"):
        return [_official(images, split, seed)]
    return list(_drawn(images, split, seed))


def _drawn(images: ImageSet, split: Split, seed: int) -> Iterator[Fold]:
    everything = np.arange(len(images), dtype=np.int64)
    if split.kind == "hold-out":
        left = 1.0 - split.test - split.validation
        if left < 1e-9:
            raise UsageError(
                f"split: test {split.test:g} and validation {split.validation:g} leave nothing "
                "to train on.",
                "Shares are of all images and must stay below 1 together.",
            )
        shares = [left, split.test, *([split.validation] if split.validation else [])]
        for repeat in range(split.repeats):
            rng = default_rng((seed, repeat, 0))
            train, test, *val = _divide(images, everything, shares, split.by, rng)
            yield Fold(repeat, 0, train, val[0] if val else _NONE, test)
        return
    shares = [1.0 / split.folds] * split.folds
    for repeat in range(split.repeats):
        bins = _divide(images, everything, shares, split.by, default_rng((seed, repeat, 1)))
        for number, test in enumerate(bins):
            rest = np.setdiff1d(everything, test, assume_unique=True)
            rng = default_rng((seed, repeat, 2, number))
            yield Fold(repeat, number, *_with_validation(images, rest, split, rng), test)


def _with_validation(
    images: ImageSet, rest: Indices, split: Split, rng: Generator
) -> tuple[Indices, Indices]:
    if split.validation == 0:
        return rest, _NONE
    shares = [1.0 - split.validation, split.validation]
    train, val = _divide(images, rest, shares, split.by, rng)
    return train, val


def _official(images: ImageSet, split: Split, seed: int) -> Fold:
    if images.parts is None:
        raise ImagesError(
            f"{images.name}: has no official parts.", "Take a hold-out or k-fold split."
        )
    if split.repeats > 1:
        raise UsageError(
            f"split: an {split.kind} split is the same in every repeat.",
            "Give several seeds instead.",
        )
    parts = np.array(images.parts)
    train, val, test = (np.flatnonzero(parts == part).astype(np.int64) for part in PARTS)
    for name, part in (("train", train), ("test", test)):
        if part.size == 0:
            raise ImagesError(
                f"{images.name}: its parts hold no {name} images.",
                "Take a hold-out or k-fold split.",
            )
    missing = np.setdiff1d(np.unique(images.labels), np.unique(images.labels[train]))
    if missing.size:
        raise ImagesError(
            f"{images.name}: the class {images.classes[missing[0]]} has no training image.",
            "Leave the class out, or take a hold-out or k-fold split.",
        )
    if val.size == 0:
        train, val = _with_validation(images, train, split, default_rng((seed, 0, 3)))
    return Fold(0, 0, train, val, test)


def _divide(
    images: ImageSet,
    among: Indices,
    shares: Sequence[float],
    by: str,
    rng: Generator,
) -> list[Indices]:
    """Divide the images `among` into parts of the given shares, which sum to 1.

    Every part gets at least one group of every class.
    """
    wanted = np.asarray(shares, dtype=np.float64)
    _, labels = np.unique(images.labels[among], return_inverse=True)
    groups = images.groups if by == "group" else None
    unit = np.arange(among.size)
    if groups is not None:
        unit = np.unique([groups[i] or f"\0{i}" for i in among.tolist()], return_inverse=True)[1]
    table = np.zeros((int(unit.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1), np.int64)
    np.add.at(table, (unit, labels), 1)
    _enough(images, among, (table > 0).sum(axis=0), wanted.size, groups is not None)
    if table.shape[0] == among.size:
        of_unit = _dealt(labels, wanted, rng)[np.argsort(unit, kind="stable")]
    else:
        of_unit = _packed(table, wanted, rng)
    _fill(images, among, of_unit, table, wanted.size, rng)
    place = of_unit[unit]
    return [among[place == number] for number in range(wanted.size)]


def _enough(images: ImageSet, among: Indices, units: Indices, parts: int, grouped: bool) -> None:
    """Refuse classes with fewer groups than there are parts that each need one."""
    scarce = np.flatnonzero(units < parts)
    if scarce.size == 0:
        return
    name = images.classes[int(np.unique(images.labels[among])[scarce[0]])]
    count = plural(int(units[scarce[0]]), "group" if grouped else "image")
    raise ImagesError(
        f"{images.name}: the class {name} has {count} to divide into {parts} parts.",
        "Take fewer folds, no validation part, or leave the class out"
        + ("; or split by image, which lets parts share patients." if grouped else "."),
    )


def _dealt(labels: Indices, shares: NDArray[np.float64], rng: Generator) -> Indices:
    """Deal single images: of every class, and in all, each part gets its share to the image."""
    place = np.empty(labels.size, dtype=np.int64)
    owed = np.zeros(shares.size)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        exact = shares * members.size
        counts = np.floor(exact + 1e-9).astype(np.int64)
        owed += exact - counts
        # Images left over by rounding go where most is owed, counting the classes before.
        left = members.size - int(counts.sum())
        shuffled = rng.permutation(shares.size)
        chosen = shuffled[np.argsort(-np.round(owed[shuffled], 9), kind="stable")][:left]
        counts[chosen] += 1
        owed[chosen] -= 1.0
        place[members] = np.repeat(np.arange(shares.size), counts)
    return place


def _packed(table: Indices, shares: NDArray[np.float64], rng: Generator) -> Indices:
    """Place whole groups: each has the same chance of a part, its share, whatever its size.

    Of groups with equal counts of every class each part gets its share to the group; which, is
    drawn. Those left over are drawn part by part, in random order of equal parts.
    """
    count, parts = table.shape[0], shares.size
    place = np.full(count, -1, dtype=np.int64)
    chances = np.zeros((count, parts))
    alike = np.unique(table, axis=0, return_inverse=True)[1].reshape(-1)
    shuffled = rng.permutation(count)
    by_kind = shuffled[np.argsort(alike[shuffled], kind="stable")]
    for members in np.split(by_kind, np.cumsum(np.bincount(alike))[:-1]):
        whole = np.floor(shares * members.size + 1e-9).astype(np.int64)
        dealt = int(whole.sum())
        place[members[:dealt]] = np.repeat(np.arange(parts), whole)
        chances[members[dealt:]] = np.clip(shares * members.size - whole, 0.0, 1.0)
    order = rng.permutation(parts)
    order = order[np.argsort(shares[order], kind="stable")]
    for number, part in enumerate(order[:-1].tolist()):
        left = np.flatnonzero(place < 0)
        of_rest = chances[left][:, order[number:]].sum(axis=1)
        chance = np.divide(chances[left, part], of_rest, out=np.zeros(left.size), where=of_rest > 0)
        place[left[_drawn_evenly(table[left], chance, rng)]] = part
    place[place < 0] = order[-1]
    return place


def _drawn_evenly(
    sizes: Indices, chances: NDArray[np.float64], rng: Generator
) -> NDArray[np.bool_]:
    """Draw groups, each with its own chance, so that of every class as much as is expected comes.

    One after the other, largest first; what a group brings too much or too little of each class
    moves the chances of those behind it the other way, by as much in the mean as its own: so none
    is changed in expectation. After Bondesson & Thorburn (2008), Scand J Stat 35:466, with the
    balance of Deville & Tillé (2004), Biometrika 91:893. A group larger than the share cannot be
    made up for: the part is then larger where it is drawn, and smaller where not.
    """
    chances = chances.copy()
    held = sizes.astype(np.float64)
    order = rng.permutation(chances.size)
    order = order[np.argsort(-held[order].sum(axis=1), kind="stable")]
    ridge = 1e-9 * np.eye(held.shape[1]) * max(float(np.square(held).sum()), 1.0)
    taken = np.zeros(chances.size, dtype=np.bool_)
    for place, group in enumerate(order.tolist()):
        chance = float(chances[group])
        taken[group] = rng.random() < chance
        rest = order[place + 1 : place + 1 + COMPENSATED]
        if rest.size and 0.0 < chance < 1.0:
            both = _made_up_for(held[group], chance, held[rest], chances[rest], ridge)
            chances[rest] = both[0] if taken[group] else both[1]
    return taken


def _made_up_for(
    size: Floats, chance: float, others: Floats, chances: Floats, ridge: Floats
) -> tuple[Floats, Floats]:
    """Return the chances of the others where a group is drawn, and where it is not.

    Each moves by its size and by how open it is; those that reach 0 or 1 leave what is missing to
    the next round.
    """
    drawn, left_out, missing = chances.copy(), chances.copy(), 1.0
    for _ in range(ROUNDS):
        free = np.minimum(drawn * (1.0 - drawn), left_out * (1.0 - left_out))
        moving = others * free[:, None]
        moves = missing * (moving @ np.linalg.solve(moving.T @ others + ridge, size))
        fall, rise = moves * (1.0 - chance), moves * chance
        # As far as every chance stays one, whether the group is drawn or not.
        room = np.concatenate(
            [np.where(fall > 0, drawn, 1 - drawn), np.where(rise > 0, 1 - left_out, left_out)]
        )
        step = np.abs(np.concatenate([fall, rise]))
        by = float(np.divide(room, step, out=np.ones(step.size), where=step > room).min())
        drawn = np.clip(drawn - by * fall, 0.0, 1.0)
        left_out = np.clip(left_out + by * rise, 0.0, 1.0)
        missing *= 1.0 - by
        if missing < 1e-6:
            break
    return drawn, left_out


def _fill(
    images: ImageSet, among: Indices, place: Indices, table: Indices, parts: int, rng: Generator
) -> None:
    """Give each part that lacks a class a group that its part can spare, any of them as likely.

    `place` is changed in place.
    """
    units = np.zeros((parts, table.shape[1]), dtype=np.int64)
    np.add.at(units, place, (table > 0).astype(np.int64))
    for _ in range(table.size):
        lacking = np.argwhere(units == 0)
        if lacking.size == 0:
            return
        part, label = (int(x) for x in lacking[0])
        with_class = np.flatnonzero(table[:, label] > 0)
        # A group can go if its part keeps another of each class that the group has.
        spared = [
            group
            for group in with_class.tolist()
            if (units[place[group]][table[group] > 0] > 1).all()
        ]
        if not spared:
            present = np.unique(images.labels[among])
            raise ImagesError(
                f"{images.name}: its groups cannot be divided into {parts} parts that all have "
                f"the class {images.classes[int(present[label])]}.",
                "Too few groups hold too many classes: take fewer folds or split by image.",
            )
        moved = spared[int(rng.integers(len(spared)))]
        units[place[moved]] -= table[moved] > 0
        place[moved] = part
        units[part] += table[moved] > 0
