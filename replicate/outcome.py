"""What a replication came to: everything that is printed, stored and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicate.evaluation.values import Evaluation
from replicate.images.image_set import ImageSet
from replicate.record import COSTS, OF_RUN, RESULT, shown_again, write_record
from replicate.spec import Ledger, Spec
from replicate.splits.leakage import Leakage
from replicate.verdicts.comparison import Comparison

if TYPE_CHECKING:
    from replicate.evaluation.predictions import Predictions
    from replicate.notes import Note
    from replicate.training.fold import Fitted


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run found of itself when it began.

    Attributes
    ----------
    done, models
        Models that were finished, of how many.
    begun
        Of the others, those that were being trained.
    at
        When the last model was finished; None where none was.
    """

    done: int
    models: int
    begun: int
    at: datetime | None

    @property
    def whole(self) -> bool:
        """Whether nothing was left to run."""
        return self.done == self.models

    @property
    def resumed(self) -> bool:
        """Whether something was done and something left."""
        return not self.whole and bool(self.done or self.begun)

    @property
    def sentence(self) -> str:
        """What a reader should know of it; empty where it was begun anew."""
        if self.whole and self.at is not None:
            return shown_again(self.at)
        if not self.resumed:
            return ""
        if self.models == 1:
            return "Resumed: the model was under way."
        also = ", one was under way" if self.begun else ""
        return f"Resumed: {self.done} of {self.models} models were done{also}."


@dataclass(frozen=True, eq=False, repr=False)
class RunResult:
    """A finished replication.

    Attributes
    ----------
    spec, ledger
        What was run, and where each setting came from.
    images
        The task's images.
    shared
        What the parts of each split share, in words.
    leakage
        Duplicates and shared patients found before training.
    evaluation
        Metrics with their intervals, confusion, baseline.
    fitted
        One a seed, repeat and fold: history, cost, proof of what was frozen.
    environment
        Versions and machine that the models were computed with; where they were not all computed
        in the same, those of the first, and all of them under ``sittings``.
    weights
        Where the start weights came from.
    reported
        What the study reports, as the setup names it.
    comparison
        The verdicts; None where no database was at hand to find the study in.
    earlier
        What was done of it before: of a run that was resumed, or is shown again.
    literature
        Hash of the data that it was compared with, as the database names its release.
    reruns
        Other results that this run came to, beside the first, as
        :func:`replicate.record.reruns_of` tells them: none where no database was at hand.
    """

    spec: Spec
    ledger: Ledger
    images: ImageSet
    shared: tuple[str, ...]
    leakage: Leakage
    evaluation: Evaluation
    fitted: tuple[Fitted, ...]
    environment: dict[str, Any]
    weights: str
    reported: tuple[Mapping[str, Any], ...] = ()
    comparison: Comparison | None = None
    earlier: Earlier | None = None
    literature: str | None = None
    reruns: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        accuracy = self.evaluation.pooled("accuracy").value
        value = "" if accuracy is None else f", accuracy {accuracy:.3f}"
        kind = ", phantom" if self.images.phantom else ""
        about = f"{self.spec.network.name}, {self.spec.transfer.words}, {self.images.name}"
        return f"RunResult({self.id!r}, {about}{kind}{value})"

    @property
    def id(self) -> str:
        """The run's name: the hash of its spec."""
        return self.spec.id

    @property
    def predictions(self) -> tuple[Predictions, ...]:
        """Of every model, for the images it was not trained on."""
        return tuple(one.predictions for one in self.fitted)

    @property
    def history(self) -> list[dict[str, Any]]:
        """How training went: a row an epoch of every model."""
        return [
            {"seed": said.seed, "repeat": said.repeat, "fold": said.fold, **line}
            for one in self.fitted
            for said in (one.predictions,)
            for line in one.history
        ]

    @property
    def timing(self) -> dict[str, float]:
        """Seconds by phase, summed over models, as they were spent: a cached phase costs little."""
        total: dict[str, float] = {}
        for one in self.fitted:
            for phase, seconds in one.seconds.items():
                total[phase] = total.get(phase, 0.0) + seconds
        return total

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of the models, each sentence once."""
        return tuple(map(str, self._notes))

    @property
    def codes(self) -> dict[str, Any]:
        """Codes and values of what is said of models and metrics, JSON-able."""
        return {
            "notes": [note.to_dict() for note in self._notes],
            "remarks": [note.to_dict() for note in self.evaluation.notes],
            "frozen": [one.proof.to_dict() for one in self.fitted],
        }

    @property
    def _notes(self) -> list[Note]:
        return list(dict.fromkeys(note for one in self.fitted for note in one.notes))

    def outcome(self) -> dict[str, Any]:
        """Return what is no metric, JSON-able: for the database."""
        record = self.to_dict()
        return {
            **{name: record["run"][name] for name in OF_RUN},
            **{name: record[name] for name in ("confusion", "baseline", "positive", "remarks")},
            **{name: record["timing"].pop(name) for name in COSTS},
            "timing": record["timing"],
            "shared": list(self.shared),
            "reported": [dict(value) for value in self.reported],
            "classes": list(self.evaluation.classes),
            "codes": self.codes,
            "spread": dict(self.evaluation.spread),
            "origins": {
                line.name: line.model_dump(include={"origin", "departs", "implied"})
                for line in self.ledger.lines
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able.

        Features (or decoding) cost what they did when they were computed, by this run or before,
        once for all models, which share them; memory is the most that any model took. Both are
        None where they are not known.
        """
        first = self.fitted[0]
        costs = [one.features_cost for one in self.fitted if one.features_cost is not None]
        peaks = [one.peak_memory_bytes for one in self.fitted if one.peak_memory_bytes is not None]
        compared = self.comparison.values if self.comparison else ()
        return {
            "run": {
                "id": self.id,
                "kind": "phantom" if self.images.phantom else "replicated",
                "study": self.spec.study,
                "setup": self.spec.setup,
                "fidelity": self.spec.fidelity,
                "images": self.images.to_dict(),
                "weights": self.weights,
                "parameters": first.parameters,
                "trained_parameters": first.trained_parameters,
                "frozen": [one.proof.sentence for one in self.fitted if one.proof is not None],
                "notes": list(self.notes),
                "environment": self.environment,
            },
            "spec": self.spec.model_dump(mode="json"),
            "codes": self.codes,
            "ledger": self.ledger.model_dump(mode="json")["lines"],
            "leakage": {"shared": list(self.shared), **self.leakage.to_dict()},
            **self.evaluation.to_dict(),
            "timing": {
                **self.timing,
                "features_cost": max(costs, default=None),
                "images_per_second": first.images_per_second,
                "peak_memory_bytes": max(peaks, default=None),
            },
            "history": self.history,
            "verdicts": [value.to_dict() for value in compared],
            "literature": self.literature,
            "reruns": [dict(one) for one in self.reruns],
        }

    def save(self, folder: Path) -> None:
        """Write ``result.json`` into the run's folder, whole or not at all."""
        write_record(self.to_dict(), folder / RESULT)


def environment_of(fitted: Sequence[Fitted], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return in what models were computed, which need not be where they are read again.

    Parameters
    ----------
    now
        The present surroundings: of models that do not know theirs.
    """
    known = [dict(now if one.environment is None else one.environment) for one in fitted]
    different = [one for place, one in enumerate(known) if one not in known[:place]]
    return {**different[0], **({"sittings": different} if len(different) > 1 else {})}
