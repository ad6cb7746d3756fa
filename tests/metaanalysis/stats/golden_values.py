"""Golden files and published data sets, for the tests beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[2] / "golden"


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


META = load("meta_analysis")
MODELS = load("models")
DIAGNOSTIC = load("diagnostic")
BCG = META["BCG"]["data"]
BCG_EFFECT = np.array([row["yi"] for row in BCG])
BCG_VARIANCE = np.array([row["vi"] for row in BCG])
ABLAT = [row["ablat"] for row in BCG]
ALLOC = [row["alloc"] for row in BCG]
YEAR = [row["year"] for row in BCG]
PRITZ_EVENTS = (16, 10, 4, 43, 10, 25, 13, 12, 22, 4, 5, 18, 58, 6)
PRITZ_N = (17, 12, 8, 58, 10, 42, 14, 12, 41, 5, 6, 23, 68, 10)
TOY_EVENTS = (50, 98, 120, 45, 200, 39)
TOY_N = (50, 100, 130, 45, 210, 40)
AUDIT = np.array(
    [[row[key] for key in ("tp", "fn", "fp", "tn")] for row in MODELS["audit"]["data"]]
)
KEARON = np.array([[row[key] for key in ("tp", "fn", "fp", "tn")] for row in DIAGNOSTIC["data"]])


def close(actual: Any, expected: Any, rtol: float = 1e-10, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(
        np.asarray(actual, dtype=float), np.asarray(expected, dtype=float), rtol=rtol, atol=atol
    )
