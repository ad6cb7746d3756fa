"""Marks that mean the same in every figure: one shape a TL type, one colour a modality."""

from __future__ import annotations

from collections.abc import Collection

from db.vocabulary import EXTENT_UNREPORTED

#: A star, for the one TL type that starts from nothing.
_STAR = (
    "M0,-1.1L0.26,-0.36L1.05,-0.34L0.42,0.14L0.65,0.89L0,0.44L-0.65,0.89L-0.42,0.14"
    "L-1.05,-0.34L-0.26,-0.36Z"
)
#: A cross of two diagonals, for what is not known.
_SALTIRE = "M-0.8,-1L0,-0.2L0.8,-1L1,-0.8L0.2,0L1,0.8L0.8,1L0,0.2L-0.8,1L-1,0.8L-0.2,0L-1,-0.8Z"

#: Shape of each TL type; a cross is a feature extractor, as in the review's Figure 6.
TL_SHAPES = {
    "feature extractor": "cross",
    "feature extractor hybrid": "diamond",
    "fine-tuning": "triangle-up",
    "fine-tuning from scratch": "triangle-down",
    EXTENT_UNREPORTED: "circle",
    "random initialisation": _STAR,
    "many": "square",
    "not known": _SALTIRE,
}

#: Colour of each TL type, where the colour is not the modality's.
TL_COLOURS = {
    "feature extractor": "#0072b2",
    "feature extractor hybrid": "#3d9bd6",
    "fine-tuning": "#d55e00",
    "fine-tuning from scratch": "#9c3d00",
    EXTENT_UNREPORTED: "#e69f00",
    "random initialisation": "#a3368a",
    "many": "#3e4c59",
    "not known": "#aab4be",
}

#: Colour of each modality; purple is OCT, as in the review's Figure 6.
MODALITY_COLOURS = {
    "CT": "#0072b2",
    "MRI": "#4fb0e5",
    "X-ray": "#3e4c59",
    "mammography": "#d6719f",
    "sonography": "#009e73",
    "endoscopy": "#d55e00",
    "photography": "#e69f00",
    "microscopy": "#8c6d31",
    "OCT": "#6a3d9a",
    "SPECT": "#8fae1b",
    "PET": "#b15928",
    "many": "#a8b2bc",
}

#: Colour and shape of the review's backbones; the shallow ones are warm, the deep ones cold.
BACKBONE_COLOURS = {
    "Inception": "#0072b2",
    "ResNet": "#009e73",
    "AlexNet": "#d55e00",
    "VGG": "#c58a00",
}
BACKBONE_SHAPES = {
    "Inception": "circle",
    "ResNet": "diamond",
    "AlexNet": "square",
    "VGG": "triangle-up",
}


#: Colour of what a figure shows beside its subject, in hollow marks.
ASIDE = "#8a96a3"


def present(marks: dict[str, str], values: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the terms that occur, in the order of `marks`, and the mark of each: a scale."""
    terms = [term for term in marks if term in values]
    return terms, [marks[term] for term in terms]
