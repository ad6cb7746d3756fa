"""The jobs of the commands as calls, on the database that is given or on the default one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.database import Database, lent
from db.errors import UsageError

if TYPE_CHECKING:
    from db.literature import Study
    from metaanalysis.analyses.analysis import Analysis, Model
    from metaanalysis.samples.counting import Assumptions
    from metaanalysis.samples.literature import Arms
    from replicate.images.image_set import ImageSet
    from replicate.models.predict import Predicted
    from replicate.outcome import RunResult
    from replicate.planning import Plan
    from replicate.training.compute import Compute
    from replicate.verdicts.comparison import Comparison


def study(name: str | int, database: Database | None = None) -> Study:
    """Return one study: each value with basis and source, reported values, data sets.

    Parameters
    ----------
    name
        A key, a number of the review's reference list, a DOI or a PubMed number.
    database
        An open database; None opens the default one.

    Raises
    ------
    NotFoundError
        No such study; names the nearest keys.
    """
    from metaanalysis.query import study_named

    with lent(database) as opened:
        return study_named(opened, str(name))


def pool(
    outcome: str = "accuracy",
    *,
    database: Database | None = None,
    arms: Arms = "headline",
    assumptions: Assumptions | None = None,
    model: Model | None = None,
    **filters: Any,
) -> Analysis:
    """Pool what the studies that match report of an outcome.

    Parameters
    ----------
    outcome
        ``accuracy``, ``AUC``, ``sensitivity`` or ``specificity``.
    database
        An open database; None opens the default one.
    arms, assumptions
        As of :func:`metaanalysis.samples.literature.from_literature`.
    model
        As of :func:`metaanalysis.analyses.pooling.pool_sample`.
    **filters
        As of :func:`metaanalysis.frames.studies`: ``modality="OCT"``, ``year=">=2019"``.

    Returns
    -------
    Analysis
        Its ``result`` has estimate and intervals, its ``sample`` what was analysed and left out.
        Arrays of your own go to :func:`metaanalysis.stats.pool.pool`.

    Raises
    ------
    UsageError
        An unknown word.
    StatisticsError
        Fewer than two studies are left; says where the others went.
    """
    from metaanalysis.analyses.pooling import pool_sample
    from metaanalysis.query.filters import Filters
    from metaanalysis.samples.literature import from_literature

    with lent(database) as opened:
        sample = from_literature(
            opened, outcome, Filters.of(filters), arms=arms, assumptions=assumptions
        )
    return pool_sample(sample, model)


def plan(
    name: str | None = None,
    images: str | Path | ImageSet | None = None,
    *,
    data: str | None = None,
    database: Database | None = None,
    **words: Any,
) -> Plan:
    """Decide every setting of a replication, and run nothing.

    Parameters
    ----------
    name, images, data
        As of :func:`replicate.planning.make_plan`.
    database
        An open database, which has the study; None opens the default one.
    **words
        The options of ``medtl-meta replicate run``: ``epochs=5``, ``tl="fine-tuning"``,
        ``allow_outside=True``.

    Raises
    ------
    UsageError, NotFoundError, ImagesError
        Words that do not go together; no such study or setup; no such images.
    """
    from replicate.planning import make_plan

    return make_plan(name, images, data=data, opening=lambda: lent(database), **words)


def replicate(
    name: str | None = None,
    images: str | Path | ImageSet | None = None,
    *,
    data: str | None = None,
    database: Database | None = None,
    out: str | Path | None = None,
    **words: Any,
) -> RunResult:
    """Run a replication, keep its outcome in the database and compare it with the study.

    Parameters
    ----------
    name, images, data, database, **words
        As of :func:`plan`. ``plan(...).run(...)`` says more of where and on what.
    out
        Folder to take away (see :func:`replicate.takeaway.take_away`); None writes none.

    Returns
    -------
    RunResult
        Also of a run that was finished before: nothing is computed twice.

    Raises
    ------
    UsageError, NotFoundError, ImagesError, WeightsError, ReplicationError
        It cannot run; what has been done stays for the next try.
    """
    from replicate.takeaway import check_place, take_away

    if out is not None:
        check_place(Path(out))
    with lent(database) as opened:
        made = plan(name, images, data=data, database=opened, **words).run(database=opened)
    if out is not None:
        take_away(made, Path(out))
    return made


def predict(
    model: str | Path,
    images: str | Path | ImageSet,
    *,
    compute: Compute | None = None,
    **words: Any,
) -> Predicted:
    """Let a model that a run gave away predict images.

    Parameters
    ----------
    model
        Its folder or file, of those that :func:`replicate` writes to ``out``.
    images
        A set, or where it is: a folder, whatever lies in it, or an image file.
    compute
        As of :class:`replicate.run.Running`.
    **words
        How images are read, as of :class:`replicate.images.reading.Reading`.

    Returns
    -------
    Predicted
        Its ``rows()`` have image, called class and probabilities.

    Raises
    ------
    WeightsError, ImagesError, UsageError
        It is no model, or these are no images; nothing in the file is executed.
    """
    from replicate.images.reading import taken
    from replicate.models.predict import predict_images

    reading, others = taken(words)
    for name in others:
        raise UsageError(f"predict: there is no word {name!r}.")
    return predict_images(model, images, reading=reading, compute=compute)


def compare(what: str | int | None = None, *, database: Database | None = None) -> list[Comparison]:
    """Set what was replicated beside what was reported, with verdicts.

    Parameters
    ----------
    what
        A setup, a study or the beginning of a run's id; None takes all finished runs on real
        images.
    database
        An open database; None opens the default one.

    Raises
    ------
    NotFoundError
        It is none of these, or nothing was run of it.
    """
    from replicate.verdicts.compare import compare as compared
    from replicate.verdicts.compare import compare_runs

    with lent(database) as opened:
        return compare_runs(opened) if what is None else compared(opened, str(what))
