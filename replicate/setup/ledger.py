"""Filling in a spec setting by setting, so that none is without its line in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from db.errors import ReplicationError, UsageError
from replicate.spec import Ledger, LedgerLine, Spec, settings_of

Mark = Literal["reported", "assumed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting on its way into the spec."""

    value: Any
    mark: Mark
    reason: str


@dataclass(frozen=True, slots=True)
class Departure:
    """A setting that the study reports and that is run in another way."""

    path: str
    reported: Any
    run: Any
    source: str

    @property
    def sentence(self) -> str:
        """The departure in words."""
        return f"{self.path}: reported {shown(self.reported)}, run with {shown(self.run)}"


class Account:
    """The settings of one spec in the making: later entries replace earlier ones.

    What replaces a reported setting by another value keeps what was reported, in its reason and as
    a :class:`Departure`.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._reported: dict[str, Entry] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def value(self, path: str) -> Any:
        """Return what a setting is by now."""
        return self._entries[path].value

    def marked(self, path: str) -> Mark:
        """Return whether a setting is reported or assumed by now."""
        return self._entries[path].mark

    def said(self, path: str) -> Entry | None:
        """Return what the study says of a setting, whatever it is run with."""
        return self._reported.get(path)

    def assume(self, path: str, value: Any, reason: str) -> None:
        """Set what no source says.

        A value that the study reports, given once more, stays reported.
        """
        said = self._reported.get(path)
        if said is not None and said.value == value:
            self._entries[path] = said
            return
        if said is not None:
            reason = f"{reason}; reported: {shown(said.value)} ({said.reason})"
        self._entries[path] = Entry(value, "assumed", reason)

    def report(self, path: str, value: Any, source: str) -> None:
        """Set what the study says."""
        entry = Entry(value, "reported", source)
        self._entries[path] = self._reported[path] = entry

    @property
    def departures(self) -> tuple[Departure, ...]:
        """Reported settings that are run in another way."""
        return tuple(
            Departure(path, said.value, self._entries[path].value, said.reason)
            for path, said in self._reported.items()
            if self._entries[path].value != said.value
        )

    def settle(self, **identity: Any) -> tuple[Spec, Ledger]:
        """Return the spec and its ledger; `identity` is study, setup and fidelity.

        Raises
        ------
        UsageError
            Settings that do not go together.
        """
        values: dict[str, Any] = dict(identity)
        for path, entry in self._entries.items():
            place = values
            *outer, last = path.split(".")
            for step in outer:
                place = place.setdefault(step, {})
            place[last] = entry.value
        try:
            spec = Spec.model_validate(values)
        except ValidationError as error:
            raise UsageError(_faults(error), _hint(values)) from None
        settings = settings_of(spec)
        if settings.keys() != self._entries.keys():
            odd = sorted(settings.keys() ^ self._entries.keys())
            raise ValueError(f"settings without a line in the ledger, or lines without: {odd}")
        lines = tuple(
            LedgerLine(name=path, value=value, mark=entry.mark, reason=entry.reason)
            for path, value in settings.items()
            for entry in (self._entries[path],)
        )
        return spec, Ledger(lines=lines)


def _hint(values: dict[str, Any]) -> str:
    transfer = values.get("transfer", {})
    unfrozen = transfer.get("unfreezing", {}).get("kind") not in (None, "none", "all")
    if unfrozen and str(transfer.get("tl_type")).startswith("feature extractor"):
        return "To train layers of the backbone add --tl fine-tuning."
    return "See medtl-meta replicate plan --help."


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
    for (path, value), said in zip(
        values.items(), (spec.data.content, spec.network.weights_hash), strict=True
    ):
        if said is not None and said != value:
            raise ReplicationError(
                f"{path}: the specification is of other {'images' if 'data' in path else 'weights'}"
                f" ({said[:12]}) than were found ({str(value)[:12]}).",
                "Plan it anew for these, or find the ones it was made for.",
            )
    found = spec.model_copy(
        update={
            "data": spec.data.model_copy(update={"content": content}),
            "network": spec.network.model_copy(update={"weights_hash": weights_hash}),
        }
    )
    lines = tuple(
        line.model_copy(update={"value": values[line.name], "reason": "SHA-256 of what was found"})
        if values.get(line.name) is not None
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


def shown(value: Any) -> str:
    """Return a setting's value as a reader writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{old} → {new}" if old != new else new for old, new in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
