"""The review's vocabularies, their synonyms, and the one place that resolves a word to a term.

Words used throughout the project:

backbone
    A pretrained convolutional network, by its canonical name in ``data/backbones.yaml``.
TL type
    How the backbone is transferred, in the review's terms plus one addition of ours,
    ``fine-tuning (extent unreported)``, for studies that say "fine-tuned" and not how far.
basis
    Where a value was read: the strength of the evidence, not its truth.

A word is looked up by its letters and digits alone, so ``x ray``, ``X-RAY`` and ``Xray`` are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from db.errors import UnknownTermError

MODALITIES = (
    "CT",
    "endoscopy",
    "mammography",
    "microscopy",
    "MRI",
    "OCT",
    "PET",
    "photography",
    "sonography",
    "SPECT",
    "X-ray",
    "many",
)

SUBJECTS = (
    "abdominopelvic cavity",
    "alimentary system",
    "bones",
    "cardiovascular system",
    "endocrine glands",
    "genital systems",
    "joints",
    "lymphoid system",
    "muscles",
    "nervous system",
    "tissue specimen",
    "respiratory system",
    "sense organs",
    "the integument",
    "thoracic cavity",
    "urinary system",
    "many",
    "else",
)

EXTENT_UNREPORTED = "fine-tuning (extent unreported)"

TL_TYPES = (
    "feature extractor",
    "feature extractor hybrid",
    "fine-tuning",
    "fine-tuning from scratch",
    EXTENT_UNREPORTED,
    "random initialisation",
)

#: TL type of a network that takes over nothing but an architecture.
RANDOM = "random initialisation"

#: Backbone of studies whose authors built their own network.
OWN_NETWORK = "custom"

FAMILIES = (
    "AlexNet",
    "DenseNet",
    "EfficientNet",
    "Inception",
    "Inception-ResNet",
    "LeNet",
    "MobileNet",
    "ResNet",
    "SqueezeNet",
    "VGG",
    "Xception",
    "ensemble",
    "other",
)

METRICS = (
    "accuracy",
    "AUC",
    "sensitivity",
    "specificity",
    "precision",
    "NPV",
    "F1",
    "surveillance interval concordance",
)

#: The four metrics of the review; each row of a query shows the headline value of each.
HEADLINE_METRICS = ("accuracy", "AUC", "sensitivity", "specificity")

BASES = (
    "abstract",
    "fulltext",
    "title",
    "review text",
    "secondary",
    "inferred",
    "record",
    "description",
    "not_found",
)

SPLITS = ("test", "validation", "cross-validation", "external")
SPLIT_UNITS = ("images", "patients")
INCLUSIONS = ("overview block", "cited", "uncertain", "added")
DEPTH_GROUPS = ("shallow", "deep")
ACCESS = ("open", "registration", "credentialed")

RUN_STATES = ("planned", "running", "finished", "failed", "interrupted")
LEDGER_MARKS = ("reported", "assumed")
#: How near a rerun is to the study: its own images, others of its task, or a stand-in.
FIDELITIES = ("same data", "same task", "proxy")
#: No transfer: what a head makes of the features of a network that has learnt nothing.
CONTROL = "random weights, frozen"
#: TL types of a rerun: one that does not say how far it unfreezes cannot be run.
RUN_TL_TYPES = (
    *(term for term in TL_TYPES if term != EXTENT_UNREPORTED),
    "recommended protocol",
    CONTROL,
)

#: The review counts the patients, not the images, of studies of these modalities (its Figure 6).
COUNTED_BY_PATIENT = ("CT", "MRI", "microscopy")

SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "modality": {
        "computed tomography": "CT",
        "CBCT": "CT",
        "colonoscopy": "endoscopy",
        "gastroscopy": "endoscopy",
        "mammogram": "mammography",
        "digital mammography": "mammography",
        "histology": "microscopy",
        "histopathology": "microscopy",
        "cytology": "microscopy",
        "whole slide imaging": "microscopy",
        "MR": "MRI",
        "magnetic resonance": "MRI",
        "magnetic resonance imaging": "MRI",
        "optical coherence tomography": "OCT",
        "positron emission tomography": "PET",
        "photo": "photography",
        "fundus": "photography",
        "fundus photography": "photography",
        "dermoscopy": "photography",
        "ultrasound": "sonography",
        "ultrasonography": "sonography",
        "echography": "sonography",
        "US": "sonography",
        "single photon emission computed tomography": "SPECT",
        "scintigraphy": "SPECT",
        "radiograph": "X-ray",
        "radiography": "X-ray",
        "CXR": "X-ray",
        "chest X-ray": "X-ray",
        "chest radiograph": "X-ray",
        "multiple": "many",
    },
    "subject": {
        "digestive system": "alimentary system",
        "gastrointestinal tract": "alimentary system",
        "skeleton": "bones",
        "circulatory system": "cardiovascular system",
        "endocrine system": "endocrine glands",
        "reproductive system": "genital systems",
        "lymphatic system": "lymphoid system",
        "tissue": "tissue specimen",
        "respiratory tract": "respiratory system",
        "sensory organs": "sense organs",
        "integument": "the integument",
        "integumentary system": "the integument",
        "skin and breast": "the integument",
        "urinary tract": "urinary system",
        "multiple": "many",
        "other": "else",
    },
    "tl_type": {
        "FE": "feature extractor",
        "feature extraction": "feature extractor",
        "frozen": "feature extractor",
        "linear probe": "feature extractor",
        "FEH": "feature extractor hybrid",
        "hybrid": "feature extractor hybrid",
        "FT": "fine-tuning",
        "partial fine-tuning": "fine-tuning",
        "FS": "fine-tuning from scratch",
        "full fine-tuning": "fine-tuning from scratch",
        "end to end": "fine-tuning from scratch",
        "extent unreported": EXTENT_UNREPORTED,
        "fine-tuned": EXTENT_UNREPORTED,
        "random initialization": "random initialisation",
        "random init": "random initialisation",
        "from random": "random initialisation",
        "no transfer": "random initialisation",
    },
    "metric": {
        "ACC": "accuracy",
        "AUROC": "AUC",
        "ROC AUC": "AUC",
        "area under the curve": "AUC",
        "sens": "sensitivity",
        "recall": "sensitivity",
        "TPR": "sensitivity",
        "spec": "specificity",
        "TNR": "specificity",
        "PPV": "precision",
        "positive predictive value": "precision",
        "negative predictive value": "NPV",
        "F1 score": "F1",
        "F-score": "F1",
    },
    "family": {
        "GoogLeNet": "Inception",
        "InceptionResNet": "Inception-ResNet",
        "CaffeNet": "AlexNet",
        "residual network": "ResNet",
    },
}

TERMS: Mapping[str, Sequence[str]] = {
    "modality": MODALITIES,
    "subject": SUBJECTS,
    "tl_type": TL_TYPES,
    "metric": METRICS,
    "family": FAMILIES,
    "basis": BASES,
    "split": SPLITS,
    "split_unit": SPLIT_UNITS,
    "inclusion": INCLUSIONS,
    "depth_group": DEPTH_GROUPS,
    "access": ACCESS,
}


def fold_case(text: str) -> str:
    """Return text as it is searched: whatever the case, and however its accents are encoded.

    That is Unicode's caseless form, the same on every database. The dot that a Turkish capital I
    leaves behind is dropped, so that ``istanbul`` finds it.
    """
    normal = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", normal.replace("i\u0307", "i"))


def fold(word: str) -> str:
    """Reduce a word to its lower-case letters and digits, the key under which it is looked up."""
    return re.sub(r"[^a-z0-9]+", "", word.lower())


class Lexicon:
    """Terms of one field with their synonyms.

    Parameters
    ----------
    field
        Name of the field, for messages.
    terms
        The canonical terms.
    synonyms
        Other words, each with the term that it stands for.
    """

    def __init__(
        self, field: str, terms: Iterable[str], synonyms: Mapping[str, str] | None = None
    ) -> None:
        self.field = field
        self.terms = tuple(terms)
        self._exact = frozenset(self.terms)
        self._spelling: dict[str, str] = {}
        self._term_of: dict[str, str] = {}
        for word, term in (synonyms or {}).items():
            self._remember(word, term)
        for term in self.terms:
            self._remember(term, term)

    def _remember(self, word: str, term: str) -> None:
        self._spelling[fold(word)] = word
        self._term_of[fold(word)] = term

    def find(self, word: str) -> str | None:
        """Return the canonical term for `word`, or None."""
        # Files mostly spell the term itself, and folding is what a large load would wait for.
        return word if word in self._exact else self._term_of.get(fold(word))

    def is_term(self, word: str) -> bool:
        """Tell whether `word` spells a term itself, not a synonym of one."""
        term = self.find(word)
        return term is not None and fold(term) == fold(word)

    def resolve(self, word: str) -> str:
        """Return the canonical term for `word`.

        Raises
        ------
        UnknownTermError
            With the nearest known words, or all terms where none is near.
        """
        term = self.find(word)
        if term is None:
            raise UnknownTermError(self.field, word, self.nearest(word), self.terms)
        return term

    def nearest(self, word: str, count: int = 3) -> list[str]:
        """Return the known words closest in spelling to `word`, best first."""
        keys = get_close_matches(fold(word[:100]), self._term_of, n=count * 2, cutoff=0.6)
        words = dict.fromkeys(self._spelling[key] for key in keys)
        return list(words)[:count]


def lexicon(field: str) -> Lexicon:
    """Return the lexicon of a field whose terms are fixed by this module."""
    return Lexicon(field.replace("_", " "), TERMS[field], SYNONYMS.get(field))
