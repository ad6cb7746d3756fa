"""Organs, finer than the review's subjects: read from the anatomy of a study as curated."""

from __future__ import annotations

import re
from collections.abc import Mapping

from db.vocabulary import fold_case

#: Organ -> pattern of the anatomy as curated. The first that matches counts, so each study counts
#: once. The review's subjects are too wide for its own statement about breast and skin: both are
#: the integument.
ORGANS: Mapping[str, str] = {
    "breast": r"^breast",
    "skin": r"\bskin\b",
    "nail": r"^nail",
    "eye": r"\beye\b|retina|fundus|optic disc",
    "brain": r"^brain",
    "lung": r"^lung\b",
    "chest, whole": r"^chest",
    "paranasal sinus": r"paranasal sinus",
    "liver": r"^liver",
    "stomach": r"^stomach",
    "bowel": r"colon|bowel",
    "teeth and jaw": r"teeth|^jaw",
    "prostate": r"^prostate",
    "heart and vessels": r"heart|coronary",
    "kidney": r"^kidney",
    "blood": r"^blood",
    "bones": r"bone|wrist|\bhip\b|spine|elbow",
}
OTHER_ORGAN = "other"


def organ(anatomy: str | None) -> str | None:
    """Return the organ out of :data:`ORGANS` that an anatomy names, ``other``, or None."""
    if anatomy is None:
        return None
    words = fold_case(anatomy)
    found = (name for name, pattern in ORGANS.items() if re.search(pattern, words))
    return next(found, OTHER_ORGAN)


def names_organ(word: str, anatomy: str) -> bool:
    """Tell whether a study of this anatomy is one of the organ that a person names by `word`.

    The word is one of :data:`ORGANS` (``eye`` then finds the retina too), or stands in the anatomy
    at the beginning of a word (``ear`` is not in ``heart``).
    """
    word = fold_case(word.strip())
    named = {part for name in ORGANS for part in (name, *re.split(r",? and |, ", name))}
    if word in named or word + "s" in named:
        of = organ(anatomy)
        if of is not None and re.search(rf"\b{re.escape(word)}", of):
            return True
    return re.search(rf"\b{re.escape(word)}", fold_case(anatomy)) is not None
