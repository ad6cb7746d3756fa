"""Heads that are trained as layers: linear and multilayer perceptron."""

from __future__ import annotations

from torch import nn

from replicate.spec import Head

#: Hidden units of an MLP whose spec gives none.
HIDDEN = 256


def torch_head(head: Head, width: int, classes: int) -> nn.Sequential:
    """Return a new head: features (n, width) to logits (n, classes).

    Its start weights come from torch's global generator. `head.dropout` stands before each of its
    linear layers. Other heads than ``linear`` and ``mlp`` are those of
    :mod:`replicate.training.hybrids`.
    """
    if head.kind == "linear":
        return nn.Sequential(nn.Dropout(head.dropout), nn.Linear(width, classes))
    hidden = head.hidden or HIDDEN
    return nn.Sequential(
        nn.Dropout(head.dropout),
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Dropout(head.dropout),
        nn.Linear(hidden, classes),
    )
