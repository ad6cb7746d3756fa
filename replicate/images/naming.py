"""What names of folders and files say: part of a split, fold, or segmentation of an image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

from db.errors import ImagesError

#: Word -> the part that it names.
_PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
#: Words that name one where another folder is called train, and may be classes elsewhere.
_BESIDE_TRAIN = {
    **dict.fromkeys(("dev", "devel", "development"), "val"),
    **dict.fromkeys(("eval", "evaluation", "holdout"), "test"),
}
#: Words that say nothing: ``train_data``, ``Test Images``.
_IMAGES = frozenset(("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"))
_FILLERS = _IMAGES | frozenset(
    ("set", "sets", "data", "dataset", "sample", "samples", "split", "part", "folder", "dir")
)
#: Words of segmentations; those of the second kind are findings too, and can be classes.
_MASKS = frozenset(
    (
        *("mask", "masks", "seg", "segs", "segmentation", "segmentations", "gt", "groundtruth"),
        *("groundtruths", "annotation", "annotations", "anno", "superpixel", "superpixels"),
        *("label", "labels", "contour", "contours", "roi", "rois"),
    )
)
_FINDINGS = frozenset(("lesion", "lesions"))
#: Most words that a segmentation's name adds to that of its image: ``_lung_mask_1``.
_ADDED = 4

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_RUN_ON = re.compile(
    "^(training|train|testing|test|validation|valid|val)"
    "(sets?|data|datasets?|images?|imgs?|samples?)$"
)
_MARK = re.compile("|".join((*_MASKS, *_FINDINGS, "truth")), re.IGNORECASE)
_FOLD = re.compile(r"(k?fold|cv|split)[\s_.-]*\d+|\d+(st|nd|rd|th)[\s_.-]*fold", re.IGNORECASE)


def words_of(name: str) -> tuple[str, ...]:
    """Return the words and numbers of a name in small letters: ``TestImages_2``, ``test-images 2``.

    ``ground truth`` is one word.
    """
    text = " ".join(_WORD.findall(name)).casefold()
    return tuple(re.sub(r"\bground truth", "groundtruth", text).split())


def exact_parts(names: Iterable[str]) -> dict[str, str]:
    """Return which of the folders beside each other are called as parts, and nothing else.

    ``training_set``, ``Test Images``, ``valid``, and ``dev`` beside ``train``.
    """
    return {name: part for name, (part, rest) in _named(names).items() if not rest}


def parts_among(names: Iterable[str]) -> dict[str, str]:
    """Return which folders that lie beside each other are ``train``, ``val`` and ``test``.

    Also ``ISIC_train`` beside ``ISIC_test``.

    Raises
    ------
    ImagesError
        Two folders are one part, or names are of parts and classes at once.
    """
    names = list(names)
    named = _named(names)
    found = exact_parts(names)
    if not found and len({part for part, _ in named.values()}) > 1:
        if len({rest for _, rest in named.values()}) == 1:
            found = {name: part for name, (part, _) in named.items()}
        elif len(named) == len(names):
            raise ImagesError(
                f"{', '.join(sorted(named)[:4])}: are parts and classes in one name.",
                "Make a folder for each part, with one for each class in it.",
            )
    for part in sorted(set(found.values())):
        same = [name for name, one in found.items() if one == part]
        if len(same) > 1:
            raise ImagesError(
                f"{' and '.join(same[:2])}: are both called as the part {part} is.",
                "Put them together, or move one away.",
            )
    return found


def _named(names: Iterable[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the part that each name tells, and what else it says."""
    told = {name: said for name in names if (said := _part_of(name)) is not None}
    trains = any(part == "train" for part, _, _ in told.values())
    return {name: (part, rest) for name, (part, rest, weak) in told.items() if trains or not weak}


def _part_of(name: str) -> tuple[str, tuple[str, ...], bool] | None:
    """Return the part that a name tells, what else it says, and whether only train makes it one."""
    known = _PARTS | _BESIDE_TRAIN
    words = [_RUN_ON.sub(r"\1", word) for word in words_of(name)]
    said = [word for word in words if word in known]
    if len(said) != 1:
        return None
    rest = (word for word in words if word not in known and not word.isdigit())
    return (
        known[said[0]],
        tuple(word for word in rest if word not in _FILLERS),
        (said[0] in _BESIDE_TRAIN),
    )


def is_fold(name: str) -> bool:
    """Tell whether a folder is called as one of several folds: ``fold1``, ``Fold_2``."""
    return _FOLD.fullmatch(name.strip()) is not None


def is_for_masks(folder: str, *, findings: bool) -> bool:
    """Tell whether a folder is called as one of segmentations, also after a finding if asked."""
    return not (_MASKS | (_FINDINGS if findings else frozenset())).isdisjoint(words_of(folder))


def is_for_images(folder: str) -> bool:
    """Tell whether a folder is called ``images``, as those beside segmentations are."""
    return not _IMAGES.isdisjoint(words_of(folder))


def is_marked(name: str) -> bool:
    """Tell whether a name has a word of segmentations, or part of one: quickly."""
    return _MARK.search(name) is not None


def key_of(stem: str) -> tuple[str, ...]:
    """Return what an image and its segmentation have in common: their name without such words."""
    own = words_of(stem)
    return tuple(word for word in own if word not in _MASKS | _FINDINGS | _IMAGES) or own


def masked_by(stem: str) -> Iterable[str]:
    """Yield the names that the image can have whose segmentation is so called, in small letters.

    ``12_lesion_mask_1``: ``12``, ``12_lesion``; ``mask_12``: ``12``; ``mask``: ``image``.
    """
    if not is_marked(stem):
        return
    if _MASKS.issuperset(word for word in words_of(stem) if not word.isdigit()):
        yield from _IMAGES
    name = stem.casefold()
    marks = _MASKS | _FINDINGS
    cuts = [found.start() for found in re.finditer(r"[\s_.-]+|(?<=[a-z\d])(?=[A-Z])", stem)]
    for cut in reversed(cuts):
        added = words_of(stem[cut:])
        if len(added) > _ADDED:
            break
        if cut and not marks.isdisjoint(added):
            yield name[:cut]
    before = list(takewhile(_MASKS.__contains__, words_of(stem)))
    led = re.match(r"(?:[^\W\d_]+[\s_.-]+)+", name)
    if before and led and words_of(led[0]) == tuple(before):
        yield name[led.end() :]
