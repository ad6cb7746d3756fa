"""Rerun a cited study's configuration on public images, and compare.

Everything that ``medtl-meta replicate`` does can be had here; importing this loads no torch.

Examples
--------
What would be run, and how much of it the paper says:

>>> from replicate import find_builder, read_setup, specify
>>> plan = specify(read_setup("minaee2020"), overrides={"training.epochs": 5})
>>> plan.spec.network.name, plan.spec.fidelity, len(plan.ledger.reported) > 5
('ResNet18', 'same data', True)
>>> find_builder("mobilenet_v2").name
'MobileNetV2'

A run on made images, from random weights (a phantom: evidence of nothing but the machinery):

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from replicate import open_images, run_replication, specify_free
>>> images = open_images("phantom:xray?n=60&size=32&signal=3")
>>> free = specify_free(images, overrides={
...     "network.name": "LeNet5", "network.weights": "random", "preprocessing.size": 32,
...     "training.epochs": 1})
>>> with TemporaryDirectory() as folder:
...     result = run_replication(
...         free.spec, images, ledger=free.ledger, runs=Path(folder), cache=Path(folder))
>>> result.images.phantom, 0 <= result.evaluation.pooled("auc").value <= 1
(True, True)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replicate.contest.call import hold_contest
    from replicate.cost.estimate import estimate as estimate_cost
    from replicate.evaluation.evaluate import evaluate as evaluate_predictions
    from replicate.images.opening import open_images
    from replicate.networks.builders import find_builder
    from replicate.run import replicate as run_replication
    from replicate.setup.files import read_setup, setup_names
    from replicate.setup.specify import specify, specify_free
    from replicate.spec import Spec
    from replicate.splits.leakage import inspect_leakage
    from replicate.verdicts.compare import compare as compare_with_reported

__all__ = [
    "Spec",
    "compare_with_reported",
    "estimate_cost",
    "evaluate_predictions",
    "find_builder",
    "hold_contest",
    "inspect_leakage",
    "open_images",
    "read_setup",
    "run_replication",
    "setup_names",
    "specify",
    "specify_free",
]

#: Name -> module and name there, imported at first use. A name here is never that of a module of
#: this package: once that module is imported, it would stand in the place of the function.
_HOMES = {
    "Spec": ("spec", "Spec"),
    "compare_with_reported": ("verdicts.compare", "compare"),
    "estimate_cost": ("cost.estimate", "estimate"),
    "evaluate_predictions": ("evaluation.evaluate", "evaluate"),
    "find_builder": ("networks.builders", "find_builder"),
    "hold_contest": ("contest.call", "hold_contest"),
    "inspect_leakage": ("splits.leakage", "inspect_leakage"),
    "open_images": ("images.opening", "open_images"),
    "read_setup": ("setup.files", "read_setup"),
    "run_replication": ("run", "replicate"),
    "setup_names": ("setup.files", "setup_names"),
    "specify": ("setup.specify", "specify"),
    "specify_free": ("setup.specify", "specify_free"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, own = _HOMES[name]
        return getattr(import_module(f"{__name__}.{module}"), own)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
