"""Tables as well-known sets are published with: which column is what, and how labels stand there.

HAM10000 (Tschandl et al. 2018, Scientific Data), ISIC (Codella et al. 2019, arXiv; Rotemberg et al.
2021, Scientific Data), CheXpert (Irvin et al. 2019, AAAI), ChestX-ray14 (Wang et al. 2017, CVPR),
RSNA pneumonia (Shih et al. 2019, Radiology: Artificial Intelligence), covid-chestxray (Cohen et
al. 2020, arXiv).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from db.vocabulary import Lexicon


@dataclass(frozen=True, slots=True)
class Preset:
    """A published form of a table; headings are in small letters.

    Parameters
    ----------
    headings
        By use the headings under which its column is found, the first that is there.
    findings
        Headings of columns that hold 1 where their class or finding is.
    exclusive
        Whether exactly one of them does; otherwise an image may have any number, -1 is uncertain
        and nothing says that it was not mentioned.
    marks
        Sets of headings of which each one is enough to know the form.
    names
        What values of the class column are called, these in small letters.
    separator
        Between findings of one cell; what follows ``/`` is a kind of what stands before it.
    patient
        Pattern of the patient in the path of an image.
    views
        How the view begins of images that are taken; empty takes all.
    repeated
        Whether an image has a row for each of its lesions.
    """

    headings: Mapping[str, tuple[str, ...]]
    marks: tuple[frozenset[str], ...]
    findings: tuple[str, ...] = ()
    exclusive: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    separator: str = "|"
    patient: str | None = None
    views: tuple[str, ...] = ()
    repeated: bool = False


def _marks(*texts: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(text.split(", ")) for text in texts)


PRESETS: Mapping[str, Preset] = {
    "ham10000": Preset(
        {"image": ("image_id",), "class": ("dx",), "group": ("lesion_id",)},
        _marks("image_id, dx, lesion_id"),
    ),
    "isic": Preset(
        {
            "image": ("image", "image_name", "isic_id"),
            "class": ("benign_malignant", "diagnosis_1", "diagnosis"),
            "patient": ("patient_id",),
            "group": ("lesion_id",),
        },
        _marks(
            "image, mel, nv, bcc",
            "image_name, benign_malignant",
            "isic_id, benign_malignant",
            "isic_id, diagnosis_1",
        ),
        findings=("mel", "nv", "bcc", "ak", "akiec", "bkl", "df", "vasc", "scc", "unk"),
    ),
    "chexpert": Preset(
        {"image": ("path",)},
        _marks("path, frontal/lateral, no finding", "path, no finding, support devices"),
        findings=(
            *("no finding", "enlarged cardiomediastinum", "cardiomegaly", "lung opacity"),
            *("lung lesion", "edema", "consolidation", "pneumonia", "atelectasis"),
            *("pneumothorax", "pleural effusion", "pleural other", "fracture"),
            "support devices",
        ),
        exclusive=False,
        patient=r"patient\d+",
    ),
    "chestxray14": Preset(
        {"image": ("image index",), "class": ("finding labels",), "patient": ("patient id",)},
        _marks("image index, finding labels"),
    ),
    "rsna": Preset(
        {"image": ("patientid",), "class": ("target", "class"), "patient": ("patientid",)},
        _marks("patientid, x, target"),
        names={"0": "no pneumonia", "1": "pneumonia"},
        repeated=True,
    ),
    "covid-chestxray": Preset(
        {
            "image": ("filename",),
            "folder": ("folder",),
            "class": ("finding",),
            "patient": ("patientid",),
            "view": ("view",),
        },
        _marks("patientid, finding, filename"),
        names={"todo": "unknown"},
        separator="/",
        views=("pa", "ap"),
    ),
}

PRESET = Lexicon(
    "preset",
    PRESETS,
    {"ISIC 2018": "isic", "ISIC 2019": "isic", "ISIC 2020": "isic", "NIH": "chestxray14"},
)


def recognised(headings: Collection[str]) -> str | None:
    """Return the one published form that the headings of a table leave no doubt of, or None."""
    known = {
        name
        for name, preset in PRESETS.items()
        if any(mark <= frozenset(headings) for mark in preset.marks)
    }
    return known.pop() if len(known) == 1 else None


def like(headings: Collection[str]) -> list[str]:
    """Return the published forms whose images and classes a table has columns of."""
    has = frozenset(headings)
    return [
        name
        for name, preset in PRESETS.items()
        if has.intersection(preset.headings["image"])
        and has.intersection((*preset.headings.get("class", ()), *preset.findings))
    ]
