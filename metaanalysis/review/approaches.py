"""The TL approaches of the review's Figure 2 as a table of network blocks.

The review defines each approach in words. Here each is a network in six pieces: five groups of
convolutional layers (five, because AlexNet, VGG and ResNet are all built so; the number stands for
any) and what classifies. For each piece the table says where its weights start and whether
training changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from db.database import Database
from metaanalysis import query

CONVOLUTIONAL, CONNECTED, CLASSICAL = (
    "convolutional layers",
    "fully connected layers",
    "classical classifier",
)
PRETRAINED, NEW = "pretrained", "new"
FROZEN, TRAINED = "frozen", "trained"

#: Groups of convolutional layers that are drawn, first to last.
GROUPS = 5

#: Groups, from the last one backwards, that fine-tuning trains in the drawing. The review says
#: "part" and its reference 44 unfreezes two of the five blocks of a VGG.
UNFROZEN = 2


@dataclass(frozen=True, slots=True)
class Approach:
    """How one approach treats a network.

    Attributes
    ----------
    start
        Where the weights of the convolutional layers come from.
    frozen
        How many groups of convolutional layers stay as they are, from the first one on.
    head
        What classifies.
    transfers
        Whether weights are transferred at all; where not, the approach is the comparator.
    """

    start: str
    frozen: int
    head: str
    transfers: bool = True


#: Approach -> how it treats a network, by the review's definitions and in their order.
APPROACHES: Mapping[str, Approach] = {
    "feature extractor": Approach(PRETRAINED, GROUPS, CONNECTED),
    "feature extractor hybrid": Approach(PRETRAINED, GROUPS, CLASSICAL),
    "fine-tuning": Approach(PRETRAINED, GROUPS - UNFROZEN, CONNECTED),
    "fine-tuning from scratch": Approach(PRETRAINED, 0, CONNECTED),
    "random initialisation": Approach(NEW, 0, CONNECTED, transfers=False),
}


def blocks() -> pd.DataFrame:
    """Return one row a block of each approach's network, from the image to the class.

    Returns
    -------
    pandas.DataFrame
        ``approach, transfers, position, layer, start, state``.
    """
    rows: list[tuple[Any, ...]] = []
    for name, approach in APPROACHES.items():
        kept = [FROZEN if group < approach.frozen else TRAINED for group in range(GROUPS)]
        pieces = [(CONVOLUTIONAL, approach.start, state) for state in kept]
        # The classes are new, so what tells them apart is new in every approach.
        pieces.append((approach.head, NEW, TRAINED))
        rows += [(name, approach.transfers, place, *one) for place, one in enumerate(pieces, 1)]
    columns = ["approach", "transfers", "position", "layer", "start", "state"]
    return pd.DataFrame(rows, columns=columns)


def definitions(database: Database) -> dict[str, str]:
    """Return the review's definition of each approach (reported)."""
    facts = query.review_facts(database, "tl_definitions")
    return {name: str(facts[name]) for name in APPROACHES}
