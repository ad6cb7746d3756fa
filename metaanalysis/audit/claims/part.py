"""What a rule says of a statement of the review, or of one part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from db.reader import Row
from metaanalysis.audit.finding import Shown
from metaanalysis.audit.material import Material


@dataclass(frozen=True, slots=True)
class Part:
    """A verdict on a claim.

    Attributes
    ----------
    verdict
        Supported, contradicted or not checkable.
    text
        Why.
    name
        Which part of the claim it is on; empty for the whole.
    recomputed
        What the evidence gives.
    rows
        The rows that decide it.
    """

    verdict: str
    text: str
    name: str = ""
    recomputed: str | None = None
    rows: tuple[Shown, ...] = ()


#: A rule takes everything there is and one claim (id, claim, refs).
Rule = Callable[[Material, Row], Iterable[Part]]
