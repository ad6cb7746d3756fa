"""Each attack, for a fixed number of attempts with a fixed seed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.fuzz.attacks import ATTACKS
from tests.fuzz.outcome import tally

SEED = 20261130


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_gives_way(name: str, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    attempts = import_module(attack.module).attempts(SEED, tmp_path)
    result = tally(name, attempts, SEED, attack.in_suite)
    assert result.tried == attack.in_suite
    assert not result.faults, "\n".join(f"{f.kind}: {f.tried}\n{f.seen}" for f in result.faults)
