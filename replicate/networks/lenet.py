"""LeNet-5 for colour images of any size: the oldest network of the review, built by ourselves."""

from __future__ import annotations

from torch import Tensor, nn


class LeNet5(nn.Module):
    """LeCun et al. 1998 (10.1109/5.726791), figure 2, with what every rebuilding changes.

    Three channels instead of one; the second convolution sees all maps (no connection table);
    averaging without trained coefficients; the third convolution's maps are averaged, so that
    images of 28 x 28 pixels and more fit; a linear output instead of radial basis functions.
    Padding by two pixels makes 28 x 28 images the paper's 32 x 32.

    Parameters
    ----------
    classes
        Number of outputs.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, 6, 5, padding=2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.subsample = nn.AvgPool2d(2)
        self.squash = nn.Tanh()
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps: (n, 3, h, w) to (n, 120, h', w')."""
        maps = self.subsample(self.squash(self.c1(images)))
        maps = self.subsample(self.squash(self.c3(maps)))
        last: Tensor = self.squash(self.c5(maps))
        return last

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, classes)."""
        pooled = self.features(images).mean(dim=(2, 3))
        scores: Tensor = self.output(self.squash(self.f6(pooled)))
        return scores
