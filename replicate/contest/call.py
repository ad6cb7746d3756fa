"""A whole contest in one call, from names to its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.errors import UsageError
from db.vocabulary import Lexicon
from replicate.contest.answer import Summary
from replicate.contest.grid import Cell, Entrant, cells, hold
from replicate.contest.summary import summarise
from replicate.images.image_set import ImageSet
from replicate.images.reading import USUAL, Reading
from replicate.networks.builders import builder_for, check_size
from replicate.run import Running, check_words, replicate
from replicate.setup.overrides import TL_TYPE
from replicate.spec import Network, Preprocessing
from replicate.splits.copies import read_images
from replicate.terms import CONTEST_METRICS, TL_TYPES

if TYPE_CHECKING:
    from typing import Unpack


@dataclass(frozen=True, slots=True)
class Design:
    """What is crossed on every image set, and what is equal for all.

    Attributes
    ----------
    backbones, tl_types
        Their names, with synonyms; a network that nobody builds has another in its stead.
    settings
        What is equal for all, by path (``training.epochs``); see
        :func:`replicate.contest.grid.cells`.
    """

    backbones: Sequence[str] = ("MobileNetV2",)
    tl_types: Sequence[str] = TL_TYPES
    seeds: Sequence[int] = (0, 1, 2)
    settings: Mapping[str, Any] = field(default_factory=dict)


def contest_cells(
    images: Sequence[str | Path | ImageSet],
    design: Design | None = None,
    *,
    modalities: Sequence[str] = (),
    reading: Reading = USUAL,
) -> list[Cell]:
    """Return the runs of a contest: TL types x backbones x seeds on every image set.

    Parameters
    ----------
    images
        Sets, or where they are (see :func:`replicate.images.opening.open_images`).
    design
        None takes the defaults of :class:`Design`.
    modalities
        Of each set in turn, for the reader; none, or as many as there are sets.
    reading
        How all of them are read.

    Raises
    ------
    UsageError, ImagesError
        Nothing to compare, unknown names, or what does not fit together.
    """
    design = design or Design()
    if isinstance(images, str | Path):
        images = [images]
    if modalities and len(modalities) != len(images):
        raise UsageError(
            f"--modality: {len(modalities)} words for {len(images)} image sets.",
            "Give one for each --images, in the same order, or none.",
        )
    size = design.settings.get("preprocessing.size", Preprocessing().size)
    entrants = [
        Entrant(
            read_images(one, size=size, reading=reading),
            modality,
        )
        for one, modality in zip_longest(images, modalities)
    ]
    networks = []
    for name in design.backbones:
        choice = builder_for(name)
        check_size(choice.builder, size)
        reported = choice.reported if choice.substitution else None
        networks.append(Network(name=choice.builder.name, reported=reported))
    words: list[Any] = [TL_TYPE.resolve(word) for word in design.tl_types]
    return cells(entrants, networks, words, list(design.seeds), design.settings)


def run_cells(
    runs_of: Sequence[Cell],
    *,
    command: str = "",
    folder: Path | None = None,
    **running: Unpack[Running],
) -> Iterator[dict[str, Any]]:
    """Run cells one after the other; see :func:`replicate.contest.grid.hold`."""
    # Hundreds of models are nobody's to take away.
    how: Running = {"keep_models": False, **running}
    return hold(
        runs_of,
        lambda spec, of, ledger: replicate(spec, of, ledger=ledger, **how).to_dict(),
        command=command,
        folder=folder,
    )


def hold_contest(
    images: Sequence[str | Path | ImageSet],
    design: Design | None = None,
    *,
    modalities: Sequence[str] = (),
    reading: Reading = USUAL,
    metric: str = "auc",
    folder: Path | None = None,
    each: Callable[[dict[str, Any]], None] | None = None,
    **running: Unpack[Running],
) -> tuple[list[dict[str, Any]], Summary]:
    """Run TL types x backbones x seeds on image sets under equal conditions, and summarise.

    Parameters
    ----------
    images, design, modalities, reading
        As of :func:`contest_cells`.
    metric
        That the summary compares: ``auc``, ``accuracy`` or ``balanced_accuracy``.
    folder
        Where the rows are kept after every run; None keeps them nowhere.
    each
        Is called with every row as soon as there is one.
    running
        As of :class:`replicate.run.Running`.

    Returns
    -------
    tuple
        Rows, one a run, with the columns of `replicate.contest.rows.COLUMNS`, and the summary.

    Raises
    ------
    UsageError, ImagesError, ReplicationError
        Nothing to compare, unknown names, or no run that gave a value.
    """
    check_words(running)
    metric, rows = Lexicon("metric", CONTEST_METRICS).resolve(metric), []
    for row in run_cells(
        contest_cells(images, design, modalities=modalities, reading=reading),
        folder=folder,
        **running,
    ):
        rows.append(row)
        if each is not None:
            each(row)
    return rows, summarise(rows, metric)
