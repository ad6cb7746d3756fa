"""The review's Table 1 against the networks as they are built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from db.packaged import read_networks
from db.records import NetworkRecord
from db.wording import listed as in_words
from metaanalysis import query
from metaanalysis.audit.finding import CONSISTENT, INCONSISTENT, NOT_CHECKABLE, SUSPICIOUS, Finding
from metaanalysis.audit.material import Material
from metaanalysis.audit.printed import Printed, rounded_count

#: Classes of a last layer that are tried beside the network's own: the usual medical question.
_OTHER_HEADS = (2,)

_LAYERS = re.compile(r"(\d+)\s*\((\d+)\s*\+\s*(\d+)\)")


def _fit(printed: Printed, value: int) -> str | None:
    if printed.rounds_to(value):
        return "rounded"
    return "cut off" if printed.cut_to(value) else None


def _called(network: NetworkRecord) -> str:
    by = "torchvision's" if network.origin == "torchvision" else network.backbone
    return f"{by} ({network.variant})"


def _numbers(parameters: int, fe_only: int) -> str:
    return f"{parameters:,} ({fe_only:,})"


@dataclass(frozen=True, slots=True)
class _Match:
    network: NetworkRecord
    classes: int
    cut: bool

    @property
    def rank(self) -> tuple[bool, bool]:
        """Order: networks as published or as torchvision builds them, with their own classes."""
        return self.network.origin == "variant", self.classes != self.network.classes


def _matches(networks: list[NetworkRecord], total: int, fe_only: int) -> list[_Match]:
    found = []
    for network in networks:
        fe = _fit(rounded_count(fe_only), network.parameters_fe_only)
        for classes in (network.classes, *_OTHER_HEADS):
            whole = _fit(rounded_count(total), network.parameters_with(classes))
            if fe and whole:
                found.append(_Match(network, classes, "cut off" in (fe, whole)))
    return sorted(found, key=lambda match: match.rank)


def _parameters(material: Material, row: dict[str, Any], networks: list[NetworkRecord]) -> Finding:
    total, fe_only = row["parameters"], row["parameters_fe_only"]
    matches = _matches(networks, total, fe_only)
    standard = in_words(
        (
            f"{_called(network)} has {_numbers(network.parameters, network.parameters_fe_only)}"
            for network in networks
            if network.origin != "variant"
        ),
    )
    if not matches:
        first = networks[0]
        recomputed = _numbers(first.parameters, first.parameters_fe_only)
        classes = in_words((first.classes, *_OTHER_HEADS), "or")
        verdict = INCONSISTENT
        text = f"Fits no way of building it, with {classes} classes: {standard}."
    else:
        match = matches[0]
        network = match.network
        own = network.parameters_with(match.classes)
        recomputed = _numbers(own, network.parameters_fe_only)
        cut = ", with digits cut off instead of rounded" if match.cut else ""
        if network.origin == "variant":
            verdict = SUSPICIOUS
            text = f"Fits {_called(network)}{cut}; {standard}."
        elif match.classes != network.classes:
            verdict = SUSPICIOUS
            text = (
                f"Fits {_called(network)} with a last layer for {match.classes} classes{cut}. For "
                f"{row['dataset']}, which the table names, it has {network.parameters:,}."
            )
        else:
            verdict, text = CONSISTENT, f"Fits {_called(network)}{cut}."
    return material.on("table-1", f"{row['model']}.parameters", "table_1")(
        verdict,
        text,
        reported=_numbers(total, fe_only),
        recomputed=recomputed,
        rows=[f"{_called(n)}: {n.derivation}" for n in networks],
    )


def _layers(material: Material, row: dict[str, Any], networks: list[NetworkRecord]) -> Finding:
    printed = row["trainable_layers"]
    found = _LAYERS.fullmatch(str(printed).strip())
    ways = sorted(
        {(n.convolutional_depth, n.connected_layers) for n in networks}
        | {(n.convolutional_layers, n.connected_layers) for n in networks}
    )
    recomputed = in_words((f"{a + b} ({a} + {b})" for a, b in ways), "or")
    if found is None:
        verdict = NOT_CHECKABLE
        text = "Not printed as a sum of convolutional and fully connected layers."
    else:
        whole, conv, dense = (int(part) for part in found.groups())
        if whole != conv + dense:
            verdict, text = INCONSISTENT, f"{conv} + {dense} is {conv + dense}, not {whole}."
        elif (conv, dense) in ways:
            verdict, text = CONSISTENT, f"{conv} convolutional and {dense} fully connected layers."
        else:
            verdict = INCONSISTENT
            depth = networks[0].convolutional_depth
            text = (
                f"The network has {depth} convolutional layers on its longest way and "
                f"{networks[0].convolutional_layers} in all."
            )
            if conv == depth + dense:
                text += f" {conv} already counts the fully connected one."
    return material.on("table-1", f"{row['model']}.layers", "table_1")(
        verdict,
        text,
        reported=str(printed),
        recomputed=recomputed,
    )


def table_1(material: Material) -> Iterator[Finding]:
    """Check parameters, layers and year of each model of Table 1."""
    known = query.backbone_names(material.database)
    networks = read_networks()
    for row in material.facts["table_1"]["rows"]:
        name = known.resolve(row["model"])
        ways = [network for network in networks if network.backbone == name]
        if ways:
            # The network as torchvision builds it first, else as published.
            order = ("torchvision", "paper", "variant")
            ways.sort(key=lambda network: order.index(network.origin))
            yield _parameters(material, row, ways)
            yield _layers(material, row, ways)
        else:
            yield material.on("table-1", f"{row['model']}.parameters", "table_1")(
                NOT_CHECKABLE,
                "data/networks.yaml does not hold this network.",
                reported=f"{row['parameters']:,}",
            )
        year = material.backbones[name]["year"]
        same = year == row["released"]
        yield material.on("table-1", f"{row['model']}.released", "table_1")(
            NOT_CHECKABLE if year is None else CONSISTENT if same else INCONSISTENT,
            "The year is not in our list of backbones."
            if year is None
            else f"Our list of backbones has {year}.",
            reported=str(row["released"]),
            recomputed=None if year is None else str(year),
        )
