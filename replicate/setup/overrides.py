"""What a caller chooses, in words, as settings of a spec.

The words are those of the command line; each becomes a path (``training.epochs``) and a value that
:func:`replicate.setup.specify.specify` layers over the setup.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db.errors import UsageError
from db.vocabulary import EXTENT_UNREPORTED, SYNONYMS, Lexicon
from replicate.terms import CONTROL, HYBRID_HEADS, RANDOM, RECOMMENDED, SCRATCH, TL_TYPES

_TL_WORDS = {
    **{word: term for word, term in SYNONYMS["tl_type"].items() if term != EXTENT_UNREPORTED},
    "recommended": RECOMMENDED,
    "random": RANDOM,
    "scratch": SCRATCH,
}
_HEAD_WORDS = {
    "softmax": "linear",
    "fully connected": "linear",
    "neural network": "mlp",
    "support vector machine": "svm",
    "RF": "random forest",
    "kNN": "k-nn",
    "nearest neighbours": "k-nn",
    "linear discriminant analysis": "lda",
    "logistic regression": "logistic",
}
_SPLIT_WORDS = {"patient": "group", "patients": "group", "images": "image", "holdout": "hold-out"}

#: What each kind of augmentation changes, by paths below ``augmentation``.
AUGMENTATIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "flips": {"horizontal_flip": True, "vertical_flip": True},
    "standard": {
        "horizontal_flip": True,
        "rotation": 10.0,
        "translation": 0.05,
        "zoom": 0.1,
        "brightness": 0.1,
    },
}

TL_TYPE = Lexicon("TL type", TL_TYPES, _TL_WORDS)
#: What one run can be: a contest compares the others.
RUN_TL_TYPE = Lexicon("TL type", (*TL_TYPES, CONTROL), {**_TL_WORDS, "frozen random": CONTROL})
HEAD = Lexicon("head", ("linear", "mlp", *HYBRID_HEADS), _HEAD_WORDS)
SPLIT = Lexicon("split", ("group", "image", "official", "hold-out", "k-fold"), _SPLIT_WORDS)
BATCHNORM = Lexicon("BatchNorm policy", ("frozen", "all", "none"))
STATISTICS = Lexicon("BatchNorm statistics", ("recalibrated", "running"))
OPTIMISER = Lexicon("optimiser", ("adam", "adamw", "sgd", "rmsprop"))
SCHEDULE = Lexicon("schedule", ("constant", "cosine", "step"))
CLASS_WEIGHTS = Lexicon("class weights", ("none", "balanced"))
AUGMENT = Lexicon("augmentation", AUGMENTATIONS)
NORMALISE = Lexicon("normalisation", ("backbone", "half"))
RESIZE = Lexicon("resize", ("squash", "crop", "pad"))
INTERPOLATION = Lexicon(
    "interpolation",
    ("nearest", "box", "bilinear", "bicubic", "lanczos"),
    {"linear": "bilinear", "cubic": "bicubic", "area": "box", "nearest neighbour": "nearest"},
)
UNFREEZE = Lexicon("extent", ("none", "blocks", "layers", "ratio", "all"), {"block": "blocks"})

#: Words that name one setting: option -> (path, vocabulary).
_TERMS: Mapping[str, tuple[str, Lexicon]] = {
    "tl": ("transfer.tl_type", RUN_TL_TYPE),
    "head": ("transfer.head.kind", HEAD),
    "batchnorm": ("transfer.batchnorm", BATCHNORM),
    "statistics": ("transfer.statistics", STATISTICS),
    "optimiser": ("training.optimiser", OPTIMISER),
    "schedule": ("training.schedule", SCHEDULE),
    "class_weights": ("training.class_weights", CLASS_WEIGHTS),
    "normalise": ("preprocessing.normalise", NORMALISE),
    "resize": ("preprocessing.resize", RESIZE),
    "interpolation": ("preprocessing.interpolation", INTERPOLATION),
}
#: Numbers and names that go into one setting as they are.
_PLAIN: Mapping[str, str] = {
    "backbone": "network.name",
    "size": "preprocessing.size",
    "crop_share": "preprocessing.crop_share",
    "epochs": "training.epochs",
    "head_epochs": "training.head_epochs",
    "lr": "training.learning_rate",
    "backbone_lr": "training.backbone_lr",
    "batch_size": "training.batch_size",
    "weight_decay": "training.weight_decay",
    "patience": "training.patience",
    "repeats": "split.repeats",
    "validation": "split.validation",
    "threshold": "evaluation.threshold",
    "positive": "data.positive",
    "max_images": "data.max_images",
}
OPTIONS = frozenset(
    {*_TERMS, *_PLAIN, "weights", "unfreeze", "split", "folds", "test", "seeds", "augment", "amp"}
)


def overrides(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a caller's words stand for.

    Parameters
    ----------
    chosen
        Word or number by option (:data:`OPTIONS`); None where nothing is chosen.

    Returns
    -------
    dict
        Value by path in the spec, only what is chosen.

    Raises
    ------
    UsageError, UnknownTermError
        An unknown option or word (names the nearest), or options that exclude each other.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            Lexicon("option", sorted(OPTIONS)).resolve(name)
    settings = {path: given[name] for name, path in _PLAIN.items() if name in given}
    for name, (path, words) in _TERMS.items():
        if name in given:
            settings[path] = words.resolve(str(given[name]))
    if "weights" in given:
        settings["network.weights"] = _weights(str(given["weights"]))
    if "unfreeze" in given:
        kind, amount = parse_unfreeze(str(given["unfreeze"]))
        settings["transfer.unfreezing.kind"] = kind
        settings["transfer.unfreezing.amount"] = amount
    if "seeds" in given:
        settings["seeds"] = parse_seeds(given["seeds"])
    if "augment" in given:
        # Pydantic takes a while, and only here is a part of a spec needed.
        from replicate.spec import Augmentation

        kind = AUGMENT.resolve(str(given["augment"]))
        for change, value in Augmentation(**AUGMENTATIONS[kind]):
            settings[f"augmentation.{change}"] = value
    if given.get("amp"):
        settings["training.precision"] = "amp"
    return settings | _split(given)


def _split(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the split: ``--folds`` asks for folds and ``--test`` for a held-out share."""
    settings: dict[str, Any] = {}
    if "folds" in given and "test" in given:
        raise UsageError(
            "--folds and --test: in k folds each image is tested once.", "Give one of the two."
        )
    word = SPLIT.resolve(str(given["split"])) if "split" in given else None
    if word == "official" and ("folds" in given or "test" in given):
        raise UsageError(
            "--split official takes the set's own parts: there are no folds or shares to choose.",
            "Leave out --folds and --test, or give --split group.",
        )
    for option, kind in (("folds", "hold-out"), ("test", "k-fold")):
        if option in given and word == kind:
            raise UsageError(
                f"--split {word} and --{option}: the one contradicts the other.",
                "Leave one of them out.",
            )
    if word in ("group", "image"):
        settings["split.by"] = word
    elif word is not None:
        settings["split.kind"] = word
    if "folds" in given:
        settings["split.kind"], settings["split.folds"] = "k-fold", given["folds"]
    if "test" in given:
        settings["split.kind"], settings["split.test"] = "hold-out", given["test"]
    return settings


def _weights(word: str) -> str:
    known = Lexicon("weights", ("pretrained", "random"), {"ImageNet": "pretrained"})
    term = known.find(word)
    if term is not None:
        return term
    if Path(word).suffix or "/" in word or "\\" in word:
        return word
    return known.resolve(word)


def parse_unfreeze(text: str) -> tuple[str, float | None]:
    """Read how much is unfrozen: ``blocks:2``, ``layers:3``, ``ratio:0.3``, ``all``, ``none``.

    Raises
    ------
    UsageError, UnknownTermError
        Not of this form.
    """
    word, _, number = text.partition(":")
    kind = UNFREEZE.resolve(word)
    if kind in ("all", "none"):
        if number:
            raise UsageError(f"--unfreeze {text}: {kind} takes no number.")
        return kind, None
    try:
        return kind, float(number)
    except ValueError:
        example = "ratio:0.3" if kind == "ratio" else f"{kind}:2"
        raise UsageError(f"--unfreeze {text}: needs a number.", f"As in {example}.") from None


def parse_seeds(given: Any) -> list[int]:
    """Read seeds: ``0,1,2``, or numbers.

    Raises
    ------
    UsageError
        Something that is no whole number, or none at all.
    """
    words = given.split(",") if isinstance(given, str) else list(given)
    try:
        seeds = [int(word) for word in words if str(word).strip()]
    except ValueError:
        raise UsageError(f"--seeds {given}: not whole numbers.", "As in 0,1,2.") from None
    if not seeds:
        raise UsageError("--seeds: names no seed.", "As in 0,1,2.")
    return seeds
