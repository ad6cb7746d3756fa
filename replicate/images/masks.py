"""Segmentations beside or under images: they are no images of a class, and are left out.

A class can be called ``lesion`` or ``label``: what makes a segmentation is its image, which has the
same name but for words such as ``mask``. Where a folder may be a class, each of its files must
belong to one image of the other classes, and no class may be lost that leaves only one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from replicate.images.naming import is_for_images, is_for_masks, is_marked, key_of, masked_by
from replicate.images.within import Tree

#: Share of a folder's files that must have their image, to be segmentations.
SHARE = 0.9


def class_folders(tree: Tree) -> tuple[dict[str, Tree], int]:
    """Return the folders below one that hold images, and how many segmentations the others hold."""
    found = {name: below for name, below in tree.below.items() if below.every_image()}
    doubted = {name: one for name, one in found.items() if is_for_masks(name, findings=False)}
    others = {name: one for name, one in found.items() if name not in doubted}
    if not doubted or not (len(others) > 1 or _wraps(others)):
        return found, 0
    places = Counter(
        place for one in others.values() for path in one.every_image()
        for place in _places(path, tree.path)
    )  # fmt: skip
    masks = 0
    for name, one in doubted.items():
        pictures = one.every_image()
        told = sum(any(places[place] == 1 for place in _places(p, one.path)) for p in pictures)
        if told >= SHARE * len(pictures):
            masks += len(pictures)
            del found[name]
    return found, masks


def _wraps(folders: Mapping[str, Tree]) -> bool:
    """Tell whether folders are one, which holds several."""
    return len(folders) == 1 and len(next(iter(folders.values())).below) > 1


def _places(path: Path, start: Path) -> Iterator[tuple[object, ...]]:
    """Yield how an image can be told from others: by its name, and with the folders above it.

    An image is in ``images/COVID`` and in ``COVID`` at once: its segmentation is in either, below
    the folder of segmentations.
    """
    key = key_of(path.stem)
    above = path.relative_to(start).parts[:-1]
    yield key
    yield (above, key)
    if above:
        yield (above[1:], key)


def images_of_class(tree: Tree) -> tuple[list[Path], int]:
    """Return the images below a class, and how many segmentations lie among them."""
    pictures, masks = _outside_mask_folders(tree)
    if not any(is_marked(path.name) for path in pictures):
        return pictures, masks
    # Also those beside its folder: IMD003_lesion/IMD003_lesion.bmp, IMD003_Image/IMD003.bmp.
    inside: dict[Path, set[str]] = {}
    beside: dict[Path, set[str]] = {}
    for path in pictures:
        inside.setdefault(path.parent, set()).add(path.stem.casefold())
        if path.parent != tree.path:
            beside.setdefault(path.parent.parent, set()).add(path.stem.casefold())
    kept = []
    for path in pictures:
        near = inside[path.parent], beside.get(path.parent.parent, set())
        if not any(name in one for name in masked_by(path.stem) for one in near):
            kept.append(path)
    return kept, masks + len(pictures) - len(kept)


def _outside_mask_folders(tree: Tree) -> tuple[list[Path], int]:
    kept, masks = list(tree.images), 0
    doubted: dict[str, list[Path]] = {}
    for name, below in tree.below.items():
        if is_for_masks(name, findings=True):
            doubted[name] = below.every_image()
        else:
            found, left_out = _outside_mask_folders(below)
            kept, masks = kept + found, masks + left_out
    named = any(is_for_images(name) for name in tree.below if name not in doubted)
    for name, pictures in doubted.items():
        # A folder that is called as a finding is one of images too, if it stands beside others.
        surely = is_for_masks(name, findings=False)
        beside = surely or named or bool(tree.images)
        if kept and ((surely and named) or (beside and _belong(pictures, kept))):
            masks += len(pictures)
        else:
            kept = kept + pictures
    return kept, masks


def _belong(pictures: Iterable[Path], images: Iterable[Path]) -> bool:
    """Tell whether images have the names of others, but for words of segmentations."""
    stems = {path.stem.casefold() for path in images}
    keys = {key_of(path.stem) for path in images}
    told = [
        key_of(path.stem) in keys or not stems.isdisjoint(masked_by(path.stem)) for path in pictures
    ]
    return sum(told) >= SHARE * len(told)
