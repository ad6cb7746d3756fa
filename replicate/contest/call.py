"""A whole contest in one call, from names to its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicate.contest.grid import Entrant, cells, conditions_of, hold
from replicate.contest.summary import Summary, summarise
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.networks.builders import builder_for, check_size
from replicate.progress import Report, silent
from replicate.run import replicate
from replicate.setup.overrides import TL_TYPE
from replicate.spec import TL_TYPES, Network

if TYPE_CHECKING:
    from db.database import Database
    from replicate.training.compute import Compute


def hold_contest(
    images: Sequence[str | Path | ImageSet],
    *,
    backbones: Sequence[str] = ("MobileNetV2",),
    tl_types: Sequence[str] = TL_TYPES,
    seeds: Sequence[int] = (0, 1, 2),
    settings: Mapping[str, Any] | None = None,
    metric: str = "auc",
    compute: Compute | None = None,
    database: Database | None = None,
    runs: Path | None = None,
    cache: Path | None = None,
    progress: Report = silent,
    each: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[list[dict[str, Any]], Summary]:
    """Run TL types x backbones x seeds on image sets under equal conditions, and summarise.

    Parameters
    ----------
    images
        Sets, or where they are (see :func:`replicate.images.opening.open_images`).
    settings
        What is equal for all, by path (``training.epochs``), over the house's conditions.
    metric
        That the summary compares: ``auc``, ``accuracy`` or ``balanced_accuracy``.
    compute, database, runs, cache, progress
        As of :func:`replicate.run.replicate`.
    each
        Is called with every row as soon as there is one.

    Returns
    -------
    tuple
        Rows, one a run, with the columns of `replicate.contest.grid.COLUMNS`, and the summary.

    Raises
    ------
    UsageError, ImagesError, ReplicationError
        Nothing to compare, unknown names, or no run that gave a value.
    """
    conditions = conditions_of(settings or {})
    size = conditions.preprocessing.size
    entrants = [
        Entrant(one if isinstance(one, ImageSet) else open_images(one, size=size)) for one in images
    ]
    networks = []
    for name in backbones:
        choice = builder_for(name)
        check_size(choice.builder, size)
        reported = choice.reported if choice.substitution else None
        networks.append(Network(name=choice.builder.name, reported=reported))
    words: list[Any] = [TL_TYPE.resolve(word) for word in tl_types]
    rows = []
    for row in hold(
        cells(entrants, networks, words, list(seeds), conditions),
        lambda spec, of, ledger: replicate(
            spec,
            of,
            ledger=ledger,
            compute=compute,
            database=database,
            runs=runs,
            cache=cache,
            progress=progress,
        ),
    ):
        rows.append(row)
        if each is not None:
            each(row)
    return rows, summarise(rows, metric)
