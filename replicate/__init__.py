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

from db.lazy import fetched

#: Name -> module, and its name there where it is another; imported at first use. A name here is
#: never that of a module of this package: once that module is imported, it would stand in the
#: place of the function.
_HOMES = {
    "Design": "contest.call",
    "Spec": "spec",
    "compare_with_reported": "verdicts.compare:compare",
    "estimate_cost": "cost.estimate:estimate",
    "evaluate_predictions": "evaluation.evaluate:evaluate",
    "find_builder": "networks.builders",
    "hold_contest": "contest.call",
    "inspect_leakage": "splits.leakage",
    "make_plan": "planning",
    "open_images": "images.opening",
    "predict_images": "models.predict",
    "read_setup": "setup.files",
    "run_replication": "run:replicate",
    "setup_names": "setup.files",
    "specify": "setup.specify",
    "specify_free": "setup.specify",
    "take_away": "takeaway",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = fetched(__name__, {name: f"{__name__}.{_HOMES[name]}" for name in _HOMES})
