"""What a person takes away from a run: a folder of its numbers, predictions, history and models."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from db import __version__
from db.csvfiles import Formulas, as_csv
from db.errors import MedtlError, UsageError
from db.files import advice, replace_file
from replicate.evaluation.values import MetricValue
from replicate.images.medmnist import named
from replicate.models.files import CARD, MODEL, called, probability_column, write
from replicate.networks.builders import find_builder
from replicate.outcome import RunResult
from replicate.places import fold_folder, runs_folder
from replicate.setup.data import address_of
from replicate.setup.files import read_setup

if TYPE_CHECKING:
    from replicate.evaluation.predictions import Predictions
    from replicate.models.card import Card, Origin
    from replicate.models.model import Model
    from replicate.networks.network import Backbone
    from replicate.training.fold import Fitted
    from replicate.weights.places import Look

METRICS, PREDICTIONS, HISTORY = "metrics.csv", "predictions.csv", "history.csv"
MODELS = "models"
_HISTORY = (
    *("seed", "repeat", "fold", "phase", "epoch", "loss", "accuracy"),
    *("val_loss", "val_accuracy", "learning_rate", "seconds"),
)
_PREDICTIONS = ("image", "group", "part", "seed", "repeat", "fold", "label", "predicted")


class Taken(NamedTuple):
    """What was written, and the folders of fitted models that were not kept."""

    written: list[Path]
    missing: list[Path]


def check_place(folder: Path) -> None:
    """Refuse, before hours are spent, a folder that could not be written to in the end.

    Raises
    ------
    UsageError
        It is a file, lies in one, or cannot be written to.
    """
    for place in (folder.absolute(), *folder.absolute().parents):
        if place.is_dir():
            if os.access(place, os.W_OK | os.X_OK):
                return
            raise UsageError(f"--out {folder}: {place} cannot be written to.", "Name another.")
        if place.exists() or place.is_symlink():
            raise UsageError(f"--out {folder}: {place} is a file.", "Name a folder.")


def take_away(
    result: RunResult,
    folder: Path,
    *,
    runs: Path | None = None,
    download: bool = True,
    figure: Sequence[str] = (),
    formulas: Formulas = "neutralise",
) -> Taken:
    """Write what a run came to into a folder; of what lies there, only files of a run are replaced.

    ``result.json`` has everything; ``metrics.csv``, ``predictions.csv`` and ``history.csv`` have a
    row a value, a tested image and model, an epoch and model; below ``models`` each fitted model
    has a folder, with its tensors and its card. A model is written whole, four bytes a parameter.

    Parameters
    ----------
    result
        Of this run or of one that was finished before.
    folder
        Made if it does not exist.
    runs, download
        As of :class:`replicate.run.Running`: start weights are put together with what was learnt.
    figure
        Formats of the drawn history; a hybrid has none.
    formulas
        As of :class:`db.csvfiles.CsvWriter`.

    Raises
    ------
    MedtlError
        The folder cannot be written to, or start weights are not to be had any more.
    """
    tables = {
        METRICS: (
            [one.name for one in fields(MetricValue)],
            map(asdict, result.evaluation.metrics),
        ),
        PREDICTIONS: (
            [*_PREDICTIONS, *map(probability_column, result.images.classes)],
            _predictions(result),
        ),
        HISTORY: (_HISTORY, result.history),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (columns, rows) in tables.items():
            replace_file(folder.absolute() / name, as_csv(columns, rows, formulas))
        result.save(folder)
        _clear(folder / MODELS)
    except OSError as error:
        raise MedtlError(
            f"{folder}: cannot be written ({error.strerror or error}).", advice(error)
        ) from None
    written = [folder / name for name in ("result.json", *tables)]
    if figure:
        written += _drawn(result, folder, figure)
    missing = []
    for place, model in _models(result, runs or runs_folder(), download):
        if model is None:
            missing.append(place)
            continue
        target = folder / MODELS / model.card.name
        model.save(target / MODEL)
        write(target / CARD, model.text().encode())
        written.append(target / MODEL)
    return Taken(written, missing)


def _predictions(result: RunResult) -> Iterator[dict[str, Any]]:
    """Yield a row for each model and image that it was not trained on."""
    images = result.images
    columns = list(map(probability_column, images.classes))
    label = result.evaluation.positive
    positive = None if label is None else images.classes.index(label)
    for said in result.predictions:
        whose = {"seed": said.seed, "repeat": said.repeat, "fold": said.fold}
        for part, indices, shares in (
            ("test", said.indices, said.probabilities),
            ("validation", said.val_indices, said.val_probabilities),
        ):
            if indices is None or shares is None:
                continue
            chosen = called(shares, positive, _threshold(result, said))
            for index, row, place in zip(indices.tolist(), shares, chosen, strict=True):
                yield {
                    "image": images.ids[index],
                    "group": images.groups[index] if images.groups else None,
                    "part": part,
                    **whose,
                    "label": images.classes[images.labels[index]],
                    "predicted": images.classes[place],
                    **dict(zip(columns, row.tolist(), strict=True)),
                }


def _threshold(result: RunResult, said: Predictions) -> float | None:
    """Return what was chosen for one model; None where the likeliest class is called."""
    whose = (said.seed, said.repeat, said.fold)
    chosen = {(one.seed, one.repeat, one.fold): one.value for one in result.evaluation.thresholds}
    return chosen.get(whose)


def _drawn(result: RunResult, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draw the history, where there are epochs."""
    from metaanalysis.figures.runs.history import drawable, history

    rows, spec = result.history, result.spec
    if not drawable(rows):
        return []
    of = f" for {spec.study or spec.setup}" if spec.study or spec.setup else ""
    title = f"Training{of}: {spec.network.name}, {spec.transfer.words}, {result.images.name}"
    return history(rows, title=title, phantom=result.images.phantom).save(folder, tuple(formats))


def _clear(models: Path) -> None:
    """Delete the models of an earlier run, and nothing else that lies there."""
    for name in (MODEL, CARD):
        for path in models.glob(f"seed-*-repeat-*-fold-*/{name}"):
            path.unlink()
            with suppress(OSError):  # something of somebody else's is in it
                path.parent.rmdir()


def _models(result: RunResult, runs: Path, download: bool) -> Iterator[tuple[Path, Model | None]]:
    """Yield the folder of each fitted model, and the model; None where it was not kept."""
    import torch

    from replicate.models.model import Model
    from replicate.training.checkpoint import MODEL as KEPT
    from replicate.training.keeping import put_together
    from replicate.weights.load import load
    from replicate.weights.places import start_weights

    spec, start, found = result.spec, None, None
    builder = find_builder(spec.network.name)
    for one in result.fitted:
        said = one.predictions
        place = fold_folder(runs / result.id, said.seed, said.repeat, said.fold)
        if not (place / KEPT).is_file():
            yield place, None
            continue
        if start is None:
            found = start_weights(builder, spec.network.weights, download=download)
            with torch.random.fork_rng(devices=[]):
                start = load(builder, found)
        backbone = copy.deepcopy(start)
        made = put_together(place / KEPT, backbone)
        yield place, Model(_card(result, one, backbone, found), backbone, made)


def _card(result: RunResult, one: Fitted, backbone: Backbone, found: Look | None) -> Card:
    """Return the card of a fitted model."""
    from replicate.models.card import Card, Origin, Value

    spec, said, task = result.spec, one.predictions, result.images
    told = {note.code: note.values for note in task.notes}
    ranges = [note.values for note in task.notes if note.code == "one range"]
    overall = [
        value
        for value in result.evaluation.metrics
        if value.seed is None and value.fold is None and value.class_label is None
    ]
    entry = found.entry if found else None
    own, half = spec.preprocessing.normalise == "backbone", (0.5, 0.5, 0.5)
    return Card(
        version=__version__,
        run=result.id,
        study=spec.study,
        setup=spec.setup,
        phantom=task.phantom,
        seed=said.seed,
        repeat=said.repeat,
        fold=said.fold,
        network=spec.network.name,
        weights=Origin(
            name=result.weights,
            address=entry.url if entry else None,
            licence=entry.licence if entry else None,
            content=found.sha256 if found else None,
        ),
        tl_type=spec.transfer.words,
        head=spec.transfer.head,
        classes=task.classes,
        positive=result.evaluation.positive,
        threshold=_threshold(result, said),
        preprocessing=spec.preprocessing,
        mean=backbone.expects.mean if own else half,
        deviation=backbone.expects.deviation if own else half,
        window=told.get("window chosen", {}).get("window"),
        ranges={one["kind"]: (one["low"], one["high"]) for one in ranges},
        precision=spec.training.precision,
        data=_data(result),
        metrics=tuple(
            Value(metric=one.metric, value=one.value, ci_low=one.ci_low, ci_high=one.ci_high)
            for one in overall
        ),
        notes=tuple(note.to_dict() for note in (*one.notes, *result.evaluation.notes)),
        ledger=result.ledger.lines,
    )


def _data(result: RunResult) -> Origin:
    """Return where the images come from, as far as a setup or MedMNIST says."""
    from replicate.models.card import Origin

    spec, known = result.spec, None
    address = licence = None
    if spec.setup is not None:
        with suppress(MedtlError):  # of a study's record alone
            known = read_setup(spec.setup)
    source = (
        next((one for one in known.sources if one.name == spec.data.name), None) if known else None
    )
    published = named(result.images.name)
    if source is not None:
        address, licence, _ = address_of(source)
    elif published is not None:
        licence = published[0].licence
    return Origin(
        name=f"{result.images.name}: {result.images.source}",
        address=address,
        licence=licence,
        content=spec.data.content,
    )
