"""What is taken where neither the study nor the caller says anything, and why.

One table for all TL types, one for each; every setting of a spec has its line here or belongs to
the data. A default is an assumption: it stands in the ledger with the reason given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from replicate.spec import Augmentation
from replicate.terms import RECOMMENDED

if TYPE_CHECKING:
    from replicate.networks.builders import Builder

#: Share of validation images where something is chosen on them and nobody gives one.
VALIDATION = 0.1
#: Size of an mlp's hidden layer where nobody gives one.
HIDDEN = 256

#: Path in the spec -> (value, why).
Defaults = Mapping[str, tuple[Any, str]]

#: Rate of the new head: Adam's published default.
HEAD_RATE = 1e-3
#: Rate of pretrained layers that all learn: a tenth of the head's.
BACKBONE_RATE = 1e-4
#: Rate after the head has settled, where the review's conclusion asks for a low one.
LOW_RATE = 1e-5

_HEAD = "transfer.head"
_EXTENT = "transfer.unfreezing"
_FROZEN = "a feature extractor keeps all convolutional layers frozen"
_ALL = "by its definition this TL type trains all layers"
_WHOLE = "house default: nothing of an image is cut off"
_ONE_GO = "has no meaning here: a classical classifier is fitted in one go"

#: What a run without a study builds where nobody names a backbone.
DEFAULT_BACKBONE = "MobileNetV2"

COMMON: Defaults = {
    "network.name": (DEFAULT_BACKBONE, "house default: small, and its weights come as a package"),
    "network.reported": (None, "no other network stands in for the study's"),
    "network.weights": ("pretrained", "transfer learning starts from ImageNet weights"),
    "network.weights_hash": (None, "known when the weights have been found"),
    "transfer.tl_type": (
        "feature extractor",
        "house default: what the review recommends to try first",
    ),
    "transfer.batchnorm": ("frozen", "frozen layers that renormalise themselves are not frozen"),
    "transfer.statistics": (
        "recalibrated",
        "house default: running averages have not arrived after few steps",
    ),
    f"{_HEAD}.kind": ("linear", "one new layer in place of the last one: the plainest head"),
    f"{_HEAD}.hidden": (None, "only an mlp has a hidden layer"),
    f"{_HEAD}.dropout": (0.0, "house default: no regularisation that nobody asked for"),
    f"{_HEAD}.neighbours": (5, "scikit-learn's default; k-nn only"),
    f"{_HEAD}.trees": (300, "house default: enough for a stable vote; random forest only"),
    f"{_HEAD}.kernel": ("linear", "features outnumber images: a linear kernel; svm only"),
    f"{_HEAD}.penalty": (1.0, "scikit-learn's default; svm and logistic only"),
    "preprocessing.size": (224, "the side that most networks were designed for"),
    "preprocessing.resize": ("squash", _WHOLE),
    "preprocessing.crop_share": (1.0, _WHOLE),
    "preprocessing.interpolation": ("bilinear", "the usual one; shrinking is antialiased"),
    "preprocessing.normalise": ("backbone", "as the weights were trained"),
    **{
        f"augmentation.{change}": (value, "house default: none, nothing reported")
        for change, value in Augmentation()
    },
    "training.optimiser": ("adam", "the usual choice, least in need of tuning"),
    "training.learning_rate": (HEAD_RATE, "Adam's published default"),
    "training.backbone_lr": (None, "nothing of the backbone is trained"),
    "training.weight_decay": (0.0, "house default: none, nothing reported"),
    "training.momentum": (0.9, "the usual value; sgd and rmsprop only"),
    "training.batch_size": (32, "house default: fits small machines and small sets"),
    "training.epochs": (20, "house default: small sets have settled by then"),
    "training.head_epochs": (0, "house default: head and unfrozen layers start together"),
    "training.schedule": ("constant", "house default: no schedule that nobody asked for"),
    "training.warmup": (0, "house default: none"),
    "training.patience": (None, "house default: trains to the end, so that all arms cost the same"),
    "training.class_weights": ("none", "house default: classes as they occur"),
    "training.precision": ("float32", "house default: the precision of most published runs"),
    "split.kind": ("hold-out", "house default: the simplest split"),
    "split.by": ("group", "images of one patient must not stand on both sides"),
    "split.test": (0.2, "house default: a fifth"),
    "split.validation": (0.0, "nothing is chosen on validation images: all of them train"),
    "split.folds": (5, "house default; k-fold only"),
    "split.repeats": (1, "house default: once"),
    "evaluation.threshold": (None, "house default: the more probable class, 0.5 of two"),
    "seeds": ([0], "house default: one run; several seeds show how far chance moves it"),
}

BY_TL_TYPE: Mapping[str, Defaults] = {
    "feature extractor": {
        f"{_EXTENT}.kind": ("none", _FROZEN),
        f"{_EXTENT}.amount": (None, _FROZEN),
    },
    "feature extractor hybrid": {
        f"{_EXTENT}.kind": ("none", _FROZEN),
        f"{_EXTENT}.amount": (None, _FROZEN),
        f"{_HEAD}.kind": ("svm", "the classical classifier named most often with deep features"),
        "training.epochs": (1, _ONE_GO),
        "training.optimiser": ("adam", _ONE_GO),
        "training.learning_rate": (HEAD_RATE, _ONE_GO),
        "training.batch_size": (32, "images a step when features are extracted"),
    },
    "fine-tuning": {
        f"{_EXTENT}.kind": ("blocks", "house default: unfrozen from the end, block by block"),
        f"{_EXTENT}.amount": (1.0, "house default: the last block, the most specific features"),
        "training.backbone_lr": (BACKBONE_RATE, "house default: a tenth of the head's rate"),
    },
    "fine-tuning from scratch": {
        f"{_EXTENT}.kind": ("all", _ALL),
        f"{_EXTENT}.amount": (None, _ALL),
        "training.backbone_lr": (BACKBONE_RATE, "house default: a tenth of the head's rate"),
    },
    "random initialisation": {
        "network.weights": ("random", "by its definition this TL type takes no weights"),
        f"{_EXTENT}.kind": ("all", _ALL),
        f"{_EXTENT}.amount": (None, _ALL),
        "training.backbone_lr": (HEAD_RATE, "nothing pretrained needs a lower rate"),
        "training.epochs": (20, "as long as the other TL types, so that the cost is the same"),
    },
    RECOMMENDED: {
        f"{_EXTENT}.kind": ("blocks", "the review's conclusion: unfreeze from the top"),
        f"{_EXTENT}.amount": (2.0, "house default: the last two blocks"),
        "training.head_epochs": (10, "house default: half of the epochs as a feature extractor"),
        "training.backbone_lr": (LOW_RATE, "the review's conclusion: a low learning rate"),
    },
}

#: Settings that belong to a TL type: they do not outlive its replacement by another.
TIED_TO_TL_TYPE = (
    "network.weights",
    "network.weights_hash",
    f"{_EXTENT}.kind",
    f"{_EXTENT}.amount",
    "training.backbone_lr",
    "training.head_epochs",
)
#: Settings that do not outlive the step from a trained head to a classical one, or back.
TIED_TO_HEAD = (
    f"{_HEAD}.kind",
    f"{_HEAD}.hidden",
    f"{_HEAD}.dropout",
    "split.validation",
    "training.epochs",
    "training.optimiser",
    "training.learning_rate",
)


def house_defaults(tl_type: str, builder: Builder) -> dict[str, tuple[Any, str]]:
    """Return value and reason of every setting that does not belong to the data.

    Parameters
    ----------
    tl_type
        A TL type of :data:`replicate.terms.TL_TYPES`.
    builder
        The network that is built: images are prepared as its weights were tested.
    """
    table = {**COMMON, **BY_TL_TYPE[tl_type]}
    designed = f"the side that {builder.name} was designed for"
    table["preprocessing.size"] = (max(builder.size, 16), designed)
    if builder.crop_share < 1:
        tested = f"as {builder.name} is tested on ImageNet by its publisher"
        table |= {
            "preprocessing.resize": ("crop", tested),
            "preprocessing.crop_share": (builder.crop_share, tested),
            "preprocessing.interpolation": (builder.interpolation, tested),
        }
    return table
