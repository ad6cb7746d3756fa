"""Filling in a spec setting by setting, so that none is without its line in the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from db.errors import ReplicationError, UsageError
from replicate.setup.fidelity import Departure
from replicate.spec import Ledger, LedgerLine, Origin, Spec, nested, settings_of
from replicate.terms import FEATURES, shown


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting on its way into the spec; see :class:`replicate.spec.LedgerLine`."""

    value: Any
    origin: Origin
    reason: str
    departs: bool = False
    implied: bool = False


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
        self._entries: dict[str, Entry] = {}
        self._reported: dict[str, Entry] = {}

    def __getitem__(self, path: str) -> Entry:
        return self._entries[path]

    def value(self, path: str) -> Any:
        """Return what a setting is by now."""
        return self._entries[path].value

    def said(self, path: str) -> Entry | None:
        """Return what the study says of a setting, whatever it is run with."""
        return self._reported.get(path)

    def assume(self, path: str, value: Any, reason: str, origin: Origin) -> None:
        """Set what no source says."""
        self._set(path, Entry(value, origin, reason))

    def choose(self, path: str, value: Any, because: str = "") -> None:
        """Set what the caller asks for, or what `because` of that follows for another setting."""
        reason = f"{because}{self.chosen}"
        self._set(path, Entry(value, "chosen", reason, implied=bool(because)))

    def _set(self, path: str, entry: Entry) -> None:
        """Enter an assumption; a value that the study reports, given once more, stays reported."""
        said = self._reported.get(path)
        if said is None:
            self._entries[path] = entry
        elif said.value == entry.value:
            self._entries[path] = said
        else:
            reason = f"{entry.reason}; reported: {shown(said.value)} ({said.reason})"
            self._entries[path] = Entry(entry.value, entry.origin, reason, True, entry.implied)

    def report(self, path: str, value: Any, source: str) -> None:
        """Set what the study says."""
        self._entries[path] = self._reported[path] = Entry(value, "reported", source)

    @property
    def departures(self) -> tuple[Departure, ...]:
        """Reported settings that are run in another way."""
        return tuple(
            Departure(path, said.value, self._entries[path].value)
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
        entries = {path: entry.value for path, entry in self._entries.items()}
        values = nested({**identity, **entries})
        try:
            spec = Spec.model_validate(values)
        except ValidationError as error:
            raise UsageError(_faults(error), _hint(values)) from None
        settings = settings_of(spec)
        if settings.keys() != self._entries.keys():
            odd = sorted(settings.keys() ^ self._entries.keys())
            raise ValueError(f"settings without a line in the ledger, or lines without: {odd}")
        lines = tuple(
            LedgerLine(**{**asdict(self._entries[path]), "name": path, "value": value})
            for path, value in settings.items()
        )
        return spec, Ledger(lines=lines)


def _hint(values: dict[str, Any]) -> str:
    transfer = values.get("transfer", {})
    unfrozen = transfer.get("unfreezing", {}).get("kind") not in (None, "none", "all")
    if unfrozen and str(transfer.get("tl_type")).startswith(FEATURES):
        return "To train layers of the backbone add --tl fine-tuning."
    return "See medtl-meta replicate plan --help."


_FOUND = {"reason": "SHA-256 of what was found", "origin": "found"}


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
        line.model_copy(update={"value": values[line.name], **_FOUND})
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
