"""A backbone as the rest of the house sees it: a chain of blocks, a pooling, a width."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from replicate.notes import Note

#: Modules whose weights make a layer; normalisation has parameters but is not counted as one.
LAYERS = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True, slots=True)
class Input:
    """How weights want their images: what they were trained with.

    `size` in pixels; `mean` and `deviation` per channel of values from 0 to 1.
    """

    size: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


class Backbone(nn.Module):
    """The feature extraction part of a network, as a chain.

    Running the blocks one after the other is what the original network does up to its last
    feature map; a chain can therefore be cut anywhere, which is what caching at the boundary of
    the frozen part rests on.

    Parameters
    ----------
    name
        Canonical name.
    blocks
        The chain, first to last; named as the builder names its parts. Input (n, 3, size, size),
        output (n, width, height, width) feature maps.
    width
        Number of features after global average pooling.
    expects
        How its weights want their images.

    Attributes
    ----------
    notes
        What is to be said of its weights.
    """

    notes: tuple[Note, ...] = ()

    def __init__(self, name: str, blocks: nn.Sequential, width: int, expects: Input) -> None:
        super().__init__()
        self.name = name
        self.blocks = blocks
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.width = width
        self.expects = expects

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features, shape (n, width)."""
        features: Tensor = self.pool(self.blocks(images))
        return features

    def before(self, boundary: int) -> nn.Sequential:
        """Return the blocks in front of a boundary (0 to the number of blocks)."""
        return self.blocks[:boundary]

    def behind(self, boundary: int) -> nn.Sequential:
        """Return the blocks behind a boundary, with the pooling at their end."""
        return nn.Sequential(*self.blocks[boundary:], self.pool)
