"""A trained model: from a file, to a file, and what it says of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from db.errors import WeightsError
from replicate.images.image_set import ImageSet
from replicate.models.card import KEY, Card, card_of
from replicate.models.files import called, write
from replicate.networks.backbones import build
from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone
from replicate.progress import Report, silent
from replicate.spec import Head
from replicate.training import classifiers
from replicate.training.compute import Compute
from replicate.training.features import extract
from replicate.training.heads import HIDDEN, torch_head
from replicate.training.keeping import BACKBONE, HEAD, LAYERS, Made, whole
from replicate.weights.load import see_numbers
from replicate.weights.reading import read_described

#: Kind of head -> what its tensors are.
_KINDS = {
    "linear": LAYERS,
    "mlp": LAYERS,
    "svm": "svm",
    "random forest": "trees",
    "k-nn": "k-nn",
    "lda": "linear",
    "logistic": "linear",
}
#: Rows of features that pass the head at a time.
_ROWS = 64


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model.

    Attributes
    ----------
    card
        What it is, and how it wants its images.
    backbone, made
        The network, and what turns its features into classes.
    """

    card: Card
    backbone: Backbone
    made: Made

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read a model; nothing in the file is executed, and all of it must fit its card.

        Raises
        ------
        WeightsError
            It cannot be read, or is no model that was taken away.
        NotFoundError, UsageError
            A network that this release does not build.
        """
        tensors, told = read_described(path)
        card = card_of(path, told)
        builder = find_builder(card.network)
        with torch.random.fork_rng(devices=[]):
            backbone = build(builder)
        state = backbone.state_dict()
        own = _part(tensors, BACKBONE)
        head = _part(tensors, HEAD)
        _fits(path, own, {name: tuple(one.shape) for name, one in state.items()})
        see_numbers(path, own, {name: name for name in own})
        if len(own) + len(head) != len(tensors):
            raise WeightsError(f"{path}: holds tensors that are of no model.", _AS_MADE)
        backbone.load_state_dict(own)
        backbone.expects = card.expects
        made = Made(_KINDS[card.head.kind], head)
        _check_head(path, made, card, backbone.width)
        return cls(card, backbone.eval(), made)

    def save(self, path: Path) -> None:
        """Write the model with its card, whole or not at all.

        Raises
        ------
        MedtlError
            The folder cannot be written to.
        """
        from safetensors.torch import save

        content = save(whole(self.backbone.state_dict(), self.made), {KEY: self.text()})
        write(path, content)

    def text(self) -> str:
        """Return the card as JSON."""
        return self.card.model_dump_json(indent=2)

    def probabilities(
        self, images: ImageSet, *, compute: Compute, cache: Path, report: Report = silent
    ) -> NDArray[np.float64]:
        """Return the probability of each class for each image, shape (n, classes).

        Parameters
        ----------
        images
            Their classes, if they have any, are not looked at.
        compute, cache, report
            As of :class:`replicate.training.job.Job`.

        Raises
        ------
        ImagesError
            An image that cannot be read.
        ReplicationError
            Not enough memory or room.
        """
        compute, card = compute.with_precision(self.card.precision), self.card
        with compute.session():
            self.backbone.to(compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            rows = extract(
                self.backbone,
                images,
                boundary=None,
                preprocessing=card.preprocessing,
                compute=compute,
                cache=cache,
                report=report,
            ).rows
            if self.made.kind == LAYERS:
                return _softmax(self._head(), rows, compute)
        arrays = {name: one.numpy() for name, one in self.made.tensors.items()}
        return classifiers.probabilities(self.made.kind, arrays, rows, len(card.classes))

    def called(self, probabilities: NDArray[np.float64]) -> list[str]:
        """Return the class that is called for each image."""
        card = self.card
        place = None if card.positive is None else card.classes.index(card.positive)
        return [card.classes[one] for one in called(probabilities, place, card.threshold)]

    def _head(self) -> nn.Module:
        card = self.card
        head = torch_head(card.head, self.backbone.width, len(card.classes))
        head.load_state_dict(dict(self.made.tensors))
        return head.eval()


_AS_MADE = "Take the file as it was made."


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {n.removeprefix(part): one for n, one in tensors.items() if n.startswith(part)}


def _fits(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse tensors of other names or shapes than those that are wanted."""
    for name in sorted({*tensors, *shapes}):
        if name not in shapes or name not in tensors or tuple(tensors[name].shape) != shapes[name]:
            raise WeightsError(
                f"{path}: its tensors are not those of the network on its card (first: {name}).",
                _AS_MADE,
            )


def _check_head(path: Path, made: Made, card: Card, width: int) -> None:
    """Refuse a head that is not the one of the card."""
    if made.kind == LAYERS:
        _fits(path, made.tensors, _shapes(card.head, width, len(card.classes)))
        see_numbers(path, made.tensors, {name: name for name in made.tensors})
        return
    try:
        arrays = {name: one.numpy() for name, one in made.tensors.items()}
        classifiers.check(made.kind, arrays, width, len(card.classes))
    except TypeError:  # of a type that NumPy does not know
        raise WeightsError(f"{path}: holds numbers of a kind of its own.", _AS_MADE) from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error.message}", error.hint) from None


def _shapes(head: Head, width: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the layers of a head, before any room is made for them."""
    sizes = [width, classes]
    if head.kind == "mlp":
        sizes.insert(1, head.hidden or HIDDEN)
    # Dropout and activation stand between the layers.
    layers = {3 * place + 1: pair for place, pair in enumerate(pairwise(sizes))}
    return {
        name: shape
        for number, (inputs, outputs) in layers.items()
        for name, shape in (
            (f"{number}.weight", (outputs, inputs)),
            (f"{number}.bias", (outputs,)),
        )
    }


def _softmax(head: nn.Module, rows: NDArray[np.float32], compute: Compute) -> NDArray[np.float64]:
    head.to(compute.device)
    parts = []
    with torch.no_grad(), compute.autocast():
        for start in range(0, len(rows), _ROWS):
            logits = head(compute.to_device(rows[start : start + _ROWS])).float().double().cpu()
            parts.append(torch.softmax(logits, 1).numpy())
    return np.concatenate(parts)
