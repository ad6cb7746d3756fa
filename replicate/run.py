"""A whole replication: images, splits, leakage, training, evaluation, rows in the database.

Each step leaves what it made in the run's folder, which is named by the hash of the specification.
To run the same specification again is therefore to resume it, and of a finished one to read it.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from db.errors import DatabaseError, MedtlError, UsageError
from db.files import sweep
from db.vocabulary import Lexicon
from db.wording import capital
from replicate.environment import environment
from replicate.evaluation.evaluate import evaluate
from replicate.evaluation.thresholds import check_rule
from replicate.images.image_set import ImageSet
from replicate.images.task import task_images
from replicate.lock import locked
from replicate.networks.builders import Builder, check_size, find_builder
from replicate.outcome import Earlier, RunResult, environment_of
from replicate.places import cache_folder, fold_folder, runs_folder
from replicate.progress import Progress, Report, silent
from replicate.record import RESULT, reruns_of
from replicate.setup.ledger import completed
from replicate.spec import Ledger, Spec, settings_of
from replicate.splits.leakage import inspect_leakage
from replicate.splits.splits import make_folds, shared_groups

if TYPE_CHECKING:
    from db.database import Database
    from replicate.networks.network import Backbone
    from replicate.training.compute import Compute
    from replicate.training.job import Job
    from replicate.weights.places import Look


class Running(TypedDict, total=False):
    """With what a run is computed and where it is kept; all of it may be left out.

    Attributes
    ----------
    compute
        Device, threads and determinism; None takes the fastest device, deterministically.
    database
        Where the outcome is written as rows; None writes none.
    runs, cache
        Folders of results and of things that can be made again; None takes the user's.
    download
        Whether weights may be fetched.
    keep_models
        Whether fitted models stay in the run's folder, to be taken away; they do if nothing is
        said, and not in contests.
    progress
        Told of each step.
    """

    compute: Compute | None
    database: Database | None
    runs: Path | None
    cache: Path | None
    download: bool
    keep_models: bool
    progress: Report


def check_words(running: Running) -> None:
    """Refuse a word that :class:`Running` does not know, before anything runs."""
    for name in running:
        Lexicon("keyword", Running.__annotations__).resolve(name)


def replicate(
    spec: Spec,
    images: ImageSet,
    *,
    ledger: Ledger | None = None,
    reported: Sequence[Mapping[str, Any]] = (),
    **running: Unpack[Running],
) -> RunResult:
    """Run a replication, or go on with it where it stopped.

    Parameters
    ----------
    spec
        What to run. The hashes of images and weights are filled in from what is found; where the
        spec has them already they must agree.
    images
        The set as it was found; the spec's classes are applied to it here.
    ledger
        Where each setting comes from; None marks all as chosen by the caller.
    reported
        Outcomes of the study that the setup names for comparison.
    **running
        As of :class:`Running`.

    Returns
    -------
    RunResult
        Also of a run that was finished before: nothing is computed twice.

    Raises
    ------
    UsageError, ImagesError, WeightsError, ReplicationError
        It cannot run, the ledger is of another spec, or another process is at it. What has been
        done stays for the next try.
    """
    check_words(running)
    from replicate.weights.places import pinned, start_weights

    builder = find_builder(spec.network.name)
    check_size(builder, spec.preprocessing.size)
    found = start_weights(builder, spec.network.weights, download=running.get("download", True))
    task = task_images(images, spec.data)
    ledger = ledger or Ledger.of(spec, "chosen", lambda _: "chosen by the caller")
    _agree(spec, ledger)
    spec, ledger = completed(
        spec, ledger, content=task.content, weights_hash=found.sha256 if found else None
    )
    from replicate.training.compute import choose
    from replicate.training.fold import fit

    compute = (running.get("compute") or choose()).with_precision(spec.training.precision)
    database, progress = running.get("database"), running.get("progress", silent)
    cache = running.get("cache") or cache_folder()
    folder = (running.get("runs") or runs_folder()) / spec.id
    with locked(folder), _recorded(database, spec, ledger, task):
        sweep(folder, RESULT)
        jobs = _jobs(spec, task, compute, cache, progress)
        places = [fold_folder(folder, job.seed, job.fold.repeat, job.fold.number) for job in jobs]
        if found is not None and (words := pinned(found)):
            progress(Progress("start", 0, 0, "images", words))
        earlier = _earlier(places)
        if earlier.resumed:
            progress(Progress("start", 0, 0, "images", earlier.sentence))
        first = [job.fold for job in jobs if job.seed == spec.seeds[0]]
        shared = tuple(shared_groups(task, fold).sentence for fold in first)
        progress(Progress("leakage", 0, 0, "images", f"{capital(shared[0])}."))
        leakage = inspect_leakage(task, [job.fold for job in jobs], cache=cache)
        around = environment(compute)
        network = _networks(spec, builder, found)
        keep = running.get("keep_models", True)
        fitted = [
            fit(job, network=network, folder=place, environment=around, keep=keep)
            for job, place in zip(jobs, places, strict=True)
        ]
        result = RunResult(
            spec=spec,
            ledger=ledger,
            images=task,
            shared=shared,
            leakage=leakage,
            evaluation=evaluate(
                [one.predictions for one in fitted],
                task,
                positive=spec.data.positive,
                threshold=spec.evaluation.threshold,
            ),
            fitted=tuple(fitted),
            environment=environment_of(fitted, around),
            weights=found.label if found else "random",
            reported=tuple(reported),
            earlier=earlier,
        )
        if database is not None:
            result = _finish(database, result)
        result.save(folder)
    return result


def _agree(spec: Spec, ledger: Ledger) -> None:
    """Refuse a ledger of other settings: it would call reported what is not run."""
    run = {name: json.dumps(value, sort_keys=True) for name, value in settings_of(spec).items()}
    said = {line.name: json.dumps(line.value, sort_keys=True) for line in ledger.lines}
    wrong = sorted(name for name in run.keys() | said.keys() if run.get(name) != said.get(name))
    if wrong:
        raise UsageError(
            f"ledger: does not belong to this specification ({', '.join(wrong[:3])}).",
            "Take both from the same call of specify, and choose settings there (overrides).",
        )


def _jobs(
    spec: Spec, images: ImageSet, compute: Compute, cache: Path, progress: Report
) -> list[Job]:
    """Return the models to be fitted, one a seed, repeat and fold; each report names its model."""
    from replicate.training.job import Job

    folds = [(seed, fold) for seed in spec.seeds for fold in make_folds(images, spec.split, seed)]
    validated = [fold.val for _, fold in folds]
    check_rule(spec.evaluation.threshold, images, validated, positive=spec.data.positive)
    jobs = []
    for number, (seed, fold) in enumerate(folds, start=1):
        label = f"model {number} of {len(folds)}" if len(folds) > 1 else ""
        jobs.append(Job(spec, images, fold, seed, compute, cache, _labelled(progress, label)))
    return jobs


def _earlier(places: Sequence[Path]) -> Earlier:
    """Return what earlier sittings left of a run, whose models have these folders."""
    from replicate.training import checkpoint

    done = [path for place in places if (path := place / checkpoint.RESULT).is_file()]
    begun = [place for place in places if (place / checkpoint.CHECKPOINT).is_file()]
    last = max((path.stat().st_mtime for path in done), default=None)
    at = None if last is None else datetime.fromtimestamp(last, UTC)
    return Earlier(len(done), len(places), len(begun), at)


def _networks(spec: Spec, builder: Builder, found: Look | None) -> Callable[[], Backbone]:
    """Return what hands out a network with its start weights, read from disk once.

    One that stays frozen throughout serves all models; one that learns is copied for each. Random
    ones are drawn anew, from the generator that is seeded for the model.
    """
    from replicate.weights.load import load

    if found is None:
        return lambda: load(builder, None)
    start = load(builder, found)
    if spec.transfer.unfreezing.kind == "none" and spec.transfer.batchnorm != "none":
        return lambda: start
    return lambda: copy.deepcopy(start)


def _labelled(progress: Report, label: str) -> Report:
    """Say with each report which of the models it is about."""
    return lambda one: progress(replace(one, model=label))


@contextmanager
def _recorded(
    database: Database | None, spec: Spec, ledger: Ledger, images: ImageSet
) -> Iterator[None]:
    """Write that the run begins, and if it does not end well, how it ended."""
    if database is None:
        yield
        return
    from db.replications import Run, Setting
    from db.runs import begin_run

    begun = Run(
        id=spec.id,
        spec=spec.model_dump(mode="json"),
        phantom=images.phantom,
        study_key=spec.study,
        setup=spec.setup,
        dataset=images.name,
        backbone=spec.network.name,
        backbone_reported=spec.network.reported,
        tl_type=spec.transfer.tl_type,
        fidelity=spec.fidelity,
        ledger=tuple(
            Setting(line.name, line.value, line.mark, line.reason) for line in ledger.lines
        ),
        data_hash=spec.data.content,
    )
    begin_run(database, begun)
    try:
        yield
    except KeyboardInterrupt:
        _note(database, spec, "interrupted", "stopped by hand; the same command goes on")
        raise
    except MedtlError as error:
        unsaid = _note(database, spec, "failed", error.message)
        error.hint = f"{error.hint} {unsaid}".strip()
        raise
    except Exception as error:
        # No memory, or a defect of ours: the run does not go on, so the database must not say so.
        _note(database, spec, "failed", f"{type(error).__name__}: {error}")
        raise


def _note(
    database: Database, spec: Spec, state: Literal["failed", "interrupted"], words: str
) -> str:
    """Write how a run ended; what keeps it from being written must not hide why it ended."""
    from db.runs import fail_run

    try:
        fail_run(database, spec.id, state, words)
    except DatabaseError as error:
        return f"(The database could not be told: {error.message})"
    return ""


def _finish(database: Database, result: RunResult) -> RunResult:
    """Write the outcome; return it with the verdicts, which need the study's rows."""
    from db.replications import RunValue
    from db.runs import finish_run, keep_verdicts
    from metaanalysis.query import run_details
    from replicate.verdicts.compare import compare_run

    kinds = {"k-fold": "cross-validation", "external": "external"}
    split = kinds.get(result.spec.split.kind, "test")
    finish_run(
        database,
        result.id,
        metrics=[
            RunValue(
                **{**asdict(one), "value": math.nan if one.value is None else one.value},
                split=split,
            )
            for one in result.evaluation.metrics
        ],
        outcome=result.outcome(),
        environment=result.environment,
        leakage=result.leakage.to_dict(),
        data_hash=result.spec.data.content,
    )
    comparison = compare_run(database, result.id)
    keep_verdicts(database, result.id, [value.to_dict() for value in comparison.values])
    reruns = tuple(reruns_of(run_details(database, result.id)["run"]))
    return replace(result, comparison=comparison, literature=database.data_hash, reruns=reruns)
