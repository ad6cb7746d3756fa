"""What would be run: a setup or a study, images and a caller's words, decided in one call.

:func:`make_plan` is what ``medtl-meta replicate plan`` and ``run`` begin with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.database import Database, open_database
from db.errors import NotFoundError, UsageError, WeightsError
from db.literature import Study
from replicate.images.image_set import ImageSet
from replicate.images.reading import USUAL, Reading, taken
from replicate.places import runs_folder
from replicate.record import RESULT, Finished, read_record
from replicate.setup.data import address_of
from replicate.setup.files import Setup, read_setup
from replicate.setup.ledger import completed
from replicate.setup.of_study import from_study
from replicate.setup.overrides import overrides
from replicate.setup.specify import Specified, specify, specify_free

if TYPE_CHECKING:
    from typing import Unpack

    from replicate.cost.estimate import Estimate
    from replicate.outcome import RunResult
    from replicate.run import Running

#: Opens the database in which a study is looked for that has no setup of its own.
Opening = Callable[[], AbstractContextManager[Database]]


@dataclass(frozen=True, eq=False)
class Plan:
    """A run that is decided and not begun.

    Attributes
    ----------
    specified
        The spec with its ledger, and what it is compared with.
    images
        The images as they were found; None where none are given.
    from_record
        Whether the study has no setup of its own: what its record holds is taken.
    estimate
        What it takes; None where that was not asked for, or the number of images is not known.
    reading
        How images are read that are not there yet.
    """

    specified: Specified
    images: ImageSet | None
    from_record: bool = False
    estimate: Estimate | None = None
    reading: Reading = USUAL

    @property
    def waits_for_images(self) -> bool:
        """Whether it is planned for images of the setup that have no name to be fetched by."""
        source = self.specified.source
        return self.images is None and source is not None and source.images is None

    @property
    def task(self) -> ImageSet | None:
        """The images that the run takes, classed as it wants them; None where none are given."""
        from replicate.images.task import task_images

        return None if self.images is None else task_images(self.images, self.specified.spec.data)

    def estimated(self, *, measure: bool = True) -> Plan:
        """Return the plan with an estimate of time and memory on this machine.

        Parameters
        ----------
        measure
            Whether the network is timed, which takes some seconds the first time.
        """
        from replicate.cost.estimate import estimate
        from replicate.networks.builders import find_builder

        spec, source = self.specified.spec, self.specified.source
        cost = estimate(
            spec,
            find_builder(spec.network.name),
            images=self.task,
            count=address_of(source)[2] if source else None,
            measure=measure,
        )
        return replace(self, estimate=cost)

    def with_images(self) -> Plan:
        """Return the plan with images: those that the setup names, where none were given.

        Raises
        ------
        UsageError
            The setup's own have no name to be fetched by.
        ImagesError
            They cannot be had.
        """
        if self.images is not None:
            return self
        from replicate.splits.copies import read_images

        source = self.specified.source
        if source is None or source.images is None:
            layout = f" ({source.title}: {source.get} {source.layout})" if source else ""
            raise UsageError(
                f"No images are given, and the setup's own cannot be fetched by name{layout}.",
                "Give them with --images; --images phantom tries the setup on made images.",
            )
        size = self.specified.spec.preprocessing.size
        found = read_images(source.images, size=size, reading=self.reading)
        return replace(self, images=found)

    def run(self, **running: Unpack[Running]) -> RunResult:
        """Run it, or go on with it where it stopped; see :func:`replicate.run.replicate`."""
        from replicate.run import replicate

        plan = self.with_images()
        assert plan.images is not None
        return replicate(
            plan.specified.spec,
            plan.images,
            ledger=plan.specified.ledger,
            reported=[value.to_dict() for value in plan.specified.reported],
            **running,
        )

    def finished(
        self, database: Database | None = None, runs: Path | None = None
    ) -> Finished | None:
        """Return what it came to where it was run before; None where something is left to do.

        Images and weights are read to tell that they are the same, and nothing else: torch is not
        imported. Left to do is also to write a database that does not know the run, and to compare
        it anew with a study of the user's own or of another release.

        Parameters
        ----------
        database, runs
            As of :func:`replicate.run.replicate`.
        """
        folder = runs or runs_folder()
        task = self.task
        if task is None or next(folder.glob(f"*/{RESULT}"), None) is None:
            return None
        from replicate.networks.builders import find_builder
        from replicate.weights.places import start_weights

        spec = self.specified.spec
        builder = find_builder(spec.network.name)
        try:
            found = start_weights(builder, spec.network.weights, download=False)
        except WeightsError:
            return None
        spec, _ = completed(
            spec,
            self.specified.ledger,
            content=task.content,
            weights_hash=found.sha256 if found else None,
        )
        finished = read_record(folder / spec.id)
        if finished is None or database is None:
            return finished
        from metaanalysis.query import run_details

        try:
            state = run_details(database, spec.id)["run"]["state"]
        except NotFoundError:
            return None
        study = self.specified.study
        if study is None or spec.data.phantom:
            return finished if state == "finished" else None
        # The hash of the data is that of the packaged studies, which alone have a number.
        judged = finished.record.get("literature")
        same = study.ref is not None and judged == database.data_hash
        return finished if state == "finished" and same else None

    def to_dict(self) -> dict[str, Any]:
        """Return the plan, JSON-able."""
        specified, task = self.specified, self.task
        source, fidelity = specified.source, specified.fidelity
        images = None
        if source is not None:
            address = zip(("url", "licence", "n_images"), address_of(source), strict=True)
            images = source.model_dump(mode="json", exclude={"settings"}) | dict(address)
        return {
            "id": specified.spec.id,
            "spec": specified.spec.model_dump(mode="json"),
            "ledger": specified.ledger.model_dump(mode="json")["lines"],
            "fidelity": None if fidelity is None else fidelity.to_dict(),
            "substitution": specified.substitution,
            "reported": [value.to_dict() for value in specified.reported],
            "images": None if task is None else task.to_dict(),
            "source": images,
            "missing": list(specified.missing),
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
        }


def make_plan(
    name: str | None = None,
    images: str | Path | ImageSet | None = None,
    *,
    data: str | None = None,
    test_images: str | Path | ImageSet | None = None,
    class_map: Sequence[str] | str = (),
    opening: Opening = open_database,
    chosen: str = "chosen by the caller",
    **words: Any,
) -> Plan:
    """Decide every setting of a replication, from words.

    Parameters
    ----------
    name
        A setup, or any study of the database by key, reference number or DOI; None follows no
        study.
    images
        A set, or where it is (see :func:`replicate.images.opening.open_images`).
    data
        Which of the setup's sources the images are; by default that which their content shows.
    test_images
        Another set that is tested on, all of it; all of `images` trains.
    class_map
        ``other name=our name`` of its classes that are not called as those of `images`.
    opening
        Opens the database that has the study.
    chosen
        What the ledger says of the caller's settings.
    words
        These, by the names of the command line's options (``epochs=5``, ``tl="fine-tuning"``,
        ``unfreeze="blocks:2"``); see :data:`replicate.setup.overrides.OPTIONS`, and for how images
        are read (``allow_outside=True``) :class:`replicate.images.reading.Reading`.

    Raises
    ------
    UsageError
        Neither a setup nor images, or words that do not go together.
    NotFoundError
        No such setup or study.
    ImagesError
        No such images.
    """
    reading, words = taken(words)
    settings = overrides(words)
    found = None
    if images is not None:
        from replicate.splits.copies import read_images

        found = read_images(images, size=settings.get("preprocessing.size"), reading=reading)
        if test_images is not None:
            from replicate.images.external import externally_tested, parse_map

            other = read_images(
                test_images, size=settings.get("preprocessing.size"), reading=reading
            )
            found = externally_tested(found, other, parse_map(class_map))
    if (test_images is not None and images is None) or (class_map and test_images is None):
        raise UsageError(
            "--test-images tests what --images trained, and --map names its classes.",
            "Give both sets of images.",
        )
    if name is None:
        if found is None:
            raise UsageError(
                "Give a setup, or images to run without a study.",
                "medtl-meta replicate setups lists the setups; --images phantom needs no files.",
            )
        if data is not None:
            raise UsageError("--data names a source of a setup, and there is none.")
        return Plan(specify_free(found, overrides=settings, chosen=chosen), found, reading=reading)
    setup, study, from_record = find_setup(name, opening)
    specified = specify(
        setup, study=study, source=data, images=found, overrides=settings, chosen=chosen
    )
    return Plan(specified, found, from_record=from_record, reading=reading)


def find_setup(name: str, opening: Opening = open_database) -> tuple[Setup, Study | None, bool]:
    """Return a packaged setup, or the one that a study's record supports; its study; which it is.

    The last is True where the record alone made the setup.

    Raises
    ------
    NotFoundError
        Neither is there; names the nearest.
    """
    from metaanalysis.query import study_named

    with opening() as database:
        try:
            setup = read_setup(name, database)
            return setup, study_named(database, setup.study) if setup.study else None, False
        except NotFoundError as missing:
            try:
                study = study_named(database, name)
            except NotFoundError:
                raise missing from None
    return from_study(study), study, True
