"""The review's single-label view: one backbone and one TL type a study, or ``many``.

The review counts each study once. Its rule is not printed; ours is: a study that lists exactly one
value has that label, one that lists several is ``many``, one of which none is known has no label
(None) and is left out of the bars and counted beside them. Every listed network and every listed
TL type counts, networks of the authors' own and random initialisation included, since the review
counts both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MANY = "many"

#: Bars of the review's Figure 4b and 4c, in its order.
BACKBONE_BARS = ("many", "Inception", "AlexNet", "VGG", "ResNet", "Inception-ResNet", "other")
TL_BARS = (
    "many",
    "feature extractor",
    "fine-tuning from scratch",
    "feature extractor hybrid",
    "fine-tuning",
    "fine-tuning (extent unreported)",
    "random initialisation",
)


def single_label(values: Sequence[str] | None) -> str | None:
    """Return the one value, ``many``, or None where none is known."""
    if not values:
        return None
    return values[0] if len(values) == 1 else MANY


def backbone_bar(values: Sequence[str] | None, group_of: Mapping[str, str]) -> str | None:
    """Return the bar of Figure 4b that a study's backbones fall into.

    Parameters
    ----------
    values
        The study's backbones by canonical name; None where unknown.
    group_of
        The review's group of each backbone (``review_group`` of ``data/backbones.yaml``).
    """
    label = single_label(values)
    return label if label in (None, MANY) else group_of[label]
