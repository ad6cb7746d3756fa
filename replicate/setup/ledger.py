"""Filling in a spec setting by setting, so that none is without its line in the ledger."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from db.errors import ReplicationError, UsageError
from replicate.setup.fidelity import Departure
from replicate.spec import Ledger, LedgerLine, Origin, Spec, nested, settings_of
from replicate.terms import FEATURES, shown


class Account:
    """The settings of one spec in the making: later entries replace earlier ones.

    What replaces a reported setting by another value keeps what was reported, in its reason and as
    a :class:`Departure`.

    Parameters
    ----------
    chosen
        What the ledger says of what the caller chooses.
    """

    def __init__(self, chosen: str) -> None:
        self.chosen = chosen
        self._lines: dict[str, LedgerLine] = {}
        self._reported: dict[str, LedgerLine] = {}

    def __getitem__(self, path: str) -> LedgerLine:
        return self._lines[path]

    def value(self, path: str) -> Any:
        """Return what a setting is by now."""
        return self._lines[path].value

    def said(self, path: str) -> LedgerLine | None:
        """Return what the study says of a setting, whatever it is run with."""
        return self._reported.get(path)

    def assume(self, path: str, value: Any, reason: str, origin: Origin) -> None:
        """Set what no source says."""
        self._set(LedgerLine(name=path, value=value, reason=reason, origin=origin))

    def choose(self, path: str, value: Any, because: str = "") -> None:
        """Set what the caller asks for, or what `because` of that follows for another setting."""
        reason = f"{because}{self.chosen}"
        implied = bool(because)
        line = LedgerLine(name=path, value=value, reason=reason, origin="chosen", implied=implied)
        self._set(line)

    def _set(self, line: LedgerLine) -> None:
        """Enter an assumption; a value that the study reports, given once more, stays reported."""
        said = self._reported.get(line.name)
        if said is not None and said.value == line.value:
            line = said
        elif said is not None:
            reason = f"{line.reason}; reported: {shown(said.value)} ({said.reason})"
            line = line.model_copy(update={"reason": reason, "departs": True})
        self._lines[line.name] = line

    def report(self, path: str, value: Any, source: str) -> None:
        """Set what the study says."""
        line = LedgerLine(name=path, value=value, reason=source, origin="reported")
        self._lines[path] = self._reported[path] = line

    @property
    def departures(self) -> tuple[Departure, ...]:
        """Reported settings that are run in another way."""
        return tuple(
            Departure(path, said.value, self._lines[path].value)
            for path, said in self._reported.items()
            if self._lines[path].value != said.value
        )

    def settle(self, **identity: Any) -> tuple[Spec, Ledger]:
        """Return the spec and its ledger; `identity` is study, setup and fidelity.

        Raises
        ------
        UsageError
            Settings that do not go together.
        """
        entries = {path: line.value for path, line in self._lines.items()}
        values = nested({**identity, **entries})
        try:
            spec = Spec.model_validate(values)
        except ValidationError as error:
            raise UsageError(_faults(error), _hint(values)) from None
        settings = settings_of(spec)
        if settings.keys() != self._lines.keys():
            odd = sorted(settings.keys() ^ self._lines.keys())
            raise ValueError(f"settings without a line in the ledger, or lines without: {odd}")
        # As the spec has it: a tuple is a list there, and 2 of a share 2.0.
        lines = tuple(
            self._lines[path].model_copy(update={"value": value})
            for path, value in settings.items()
        )
        return spec, Ledger(lines=lines)


def _hint(values: dict[str, Any]) -> str:
    transfer = values.get("transfer", {})
    unfrozen = transfer.get("unfreezing", {}).get("kind") not in (None, "none", "all")
    if unfrozen and str(transfer.get("tl_type")).startswith(FEATURES):
        return "To train layers of the backbone add --tl fine-tuning."
    return ""


def completed(
    spec: Spec, ledger: Ledger, *, content: str, weights_hash: str | None
) -> tuple[Spec, Ledger]:
    """Fill in what only the machine knows: which images and weights these are.

    Raises
    ------
    ReplicationError
        The spec was made for others.
    """
    values = {"data.content": content, "network.weights_hash": weights_hash}
    for path, said, what in (
        ("data.content", spec.data.content, "images"),
        ("network.weights_hash", spec.network.weights_hash, "weights"),
    ):
        if said is not None and said != values[path]:
            raise ReplicationError(
                f"{path}: the specification is of other {what} ({said[:12]}) than were found "
                f"({str(values[path])[:12]}).",
                "Plan it anew for these, or find the ones it was made for.",
            )
    found = spec.model_copy(
        update={
            "data": spec.data.model_copy(update={"content": content}),
            "network": spec.network.model_copy(update={"weights_hash": weights_hash}),
        }
    )
    known = {name: value for name, value in values.items() if value is not None}
    why = "SHA-256 of what was found"
    lines = tuple(
        line.model_copy(update={"value": known[line.name], "reason": why, "origin": "found"})
        if line.name in known
        else line
        for line in ledger.lines
    )
    return found, Ledger(lines=lines)


def _faults(error: ValidationError) -> str:
    found = []
    faults = error.errors()
    # A list whose only item is wrong is then told to be too short as well: say the first alone.
    inner = {step for fault in faults for step in [fault["loc"][:-1]] if step}
    for fault in faults:
        if fault["type"] == "too_short" and fault["loc"] in inner:
            continue
        place = ".".join(str(step) for step in fault["loc"])
        words = fault["msg"].removeprefix("Value error, ").rstrip(".")
        given = fault.get("input")
        if fault["type"] != "value_error" and not isinstance(given, dict):
            words = f"{words} (given: {given!r})"
        found.append(f"{place}: {words}" if place else words)
    return f"These settings do not go together: {'; '.join(found)}."
