"""The shape of ``data/setups/*.yaml``: how a cited study is rerun, and on which images.

A setting is either *reported*, and then names the field or the note of the study's record that
backs it, or *assumed*, and then says why. What the record does not back cannot be called reported:
:func:`backing` looks it up, and a setup that claims more is refused with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from db.database import Database, lent
from db.datafiles import line_of, read_list, read_record
from db.datafolder import folder
from db.errors import DataFileError, NotFoundError, Problem, UsageError
from db.fields import Cases, Images, Key, Metric, Text, WebAddress
from db.literature import Reported, Study, read_studies
from db.records import DatasetRecord, Record
from db.vocabulary import Lexicon, fold
from db.wording import whole_number
from replicate.setup.defaults import BY_TL_TYPE, COMMON
from replicate.spec import Fidelity

#: Every path that a setup may set; what belongs to the data is said by its sources.
PATHS = tuple(sorted({*COMMON, *(path for table in BY_TL_TYPE.values() for path in table)}))
_PATHS = Lexicon("setting", PATHS)


class Setting(Record):
    """One setting: its value, and either what reports it or why it is assumed.

    `reported` is a field of the study's values (``backbones``) or one of its notes (``notes.tl``);
    `says` are words that stand there, where the value itself does not.
    """

    value: Any
    reported: Text | None = None
    says: Text | None = None
    assumed: Text | None = None

    @model_validator(mode="after")
    def _one_reason(self) -> Setting:
        if (self.reported is None) == (self.assumed is None):
            raise ValueError("give either reported (a field of the record) or assumed (a reason).")
        if self.says is not None and self.reported is None:
            raise ValueError("says quotes the record: it goes with reported.")
        return self


class Source(Record):
    """One set of images on which a setup can be run.

    `classes` maps the set's own classes to those of the task; those of `left_out` are not used.
    `dataset` is a name in ``datasets.yaml``, which then gives address, licence and size where
    they are not given here.
    """

    name: Key
    title: Text
    dataset: Text | None = None
    used: Text | None = None
    images: Text | None = None
    url: WebAddress | None = None
    licence: Text | None = None
    n_images: Images | None = None
    get: Text
    layout: Text
    classes: Mapping[Text, Text] = Field(min_length=2)
    left_out: tuple[Text, ...] = ()
    positive: Text | None = None
    groups: Text
    fidelity: Fidelity
    reason: Text
    settings: Mapping[Text, Setting] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Source:
        task = set(self.classes.values())
        if len(task) < 2:
            raise ValueError("classes: at least two are told apart.")
        if self.positive is not None and self.positive not in task:
            raise ValueError(f"positive: {self.positive!r} is none of {', '.join(sorted(task))}.")
        both = [name for name in self.left_out if name in self.classes]
        if both:
            raise ValueError(f"left_out: {both[0]!r} is also in classes.")
        return self

    def knows(self, classes: tuple[str, ...]) -> bool:
        """Tell whether a set with these classes can be this one."""
        own = {fold(name) for name in self.classes}
        found = {fold(name) for name in classes}
        return own <= found <= own | {fold(name) for name in self.left_out}


class KnownSet(Record):
    """One version of a source's images in ``data/image_sets.yaml``, known by its content.

    `sha256` is that of :attr:`replicate.images.image_set.ImageSet.pictures`; `images` is their
    number, without which every set would be read to tell whether it is this one.
    """

    source: Key
    images: Images
    sha256: Text
    note: Text | None = None


class Target(Record):
    """Which reported outcome a rerun is compared with: one row of the record, by what tells it.

    `cases` is the number behind the value where it is another than the row's `n`; `note` says why.
    `of_class` is the class of the task whose own value it is, against all others.
    """

    metric: Metric
    task: Text | None = None
    backbone: Text | None = None
    split: Text | None = None
    cases: Cases | None = None
    note: Text | None = None
    of_class: Text | None = None

    @model_validator(mode="after")
    def _explained(self) -> Target:
        if self.cases is not None and self.note is None:
            raise ValueError("cases: a note must say where the number comes from.")
        return self

    def finds(self, row: Reported) -> bool:
        """Tell whether a reported value is the one that is meant."""
        return row.metric == self.metric and all(
            getattr(self, name) in (None, getattr(row, name))
            for name in ("task", "backbone", "split")
        )


class Setup(Record):
    """How one study is rerun: the content of ``data/setups/<name>.yaml``."""

    key: Key
    study: Key | None
    title: Text
    about: Text | None = None
    settings: Mapping[Text, Setting]
    compare: tuple[Target, ...] = ()
    sources: tuple[Source, ...] = ()
    missing: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Setup:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("sources: a name is given twice.")
        for settings in (self.settings, *(source.settings for source in self.sources)):
            for path in settings:
                if path not in PATHS:
                    near = _PATHS.nearest(path)
                    hint = f" Did you mean {' or '.join(near)}?" if near else ""
                    raise ValueError(f"settings: no such setting {path!r}.{hint}")
        return self

    def source(self, name: str) -> Source:
        """Return a source of images by name.

        Raises
        ------
        UsageError
            No such source; names the nearest.
        """
        known = Lexicon("source", (source.name for source in self.sources))
        if not self.sources:
            raise UsageError(f"--data {name}: {self.key} describes no images.")
        wanted = known.resolve(name)
        return next(source for source in self.sources if source.name == wanted)


def backing(setting: Setting, path: str, study: Study | None) -> str:
    """Return where a reported setting is said.

    Raises
    ------
    ValueError
        The record does not say it.
    """
    if study is None:
        raise ValueError("reported, and there is no study that reports it.")
    place = setting.reported or ""
    if place.startswith("notes."):
        note = study.notes.get(place.removeprefix("notes."))
        if note is None:
            raise ValueError(f"{study.key} has no {place}.")
        if not setting.says:
            raise ValueError(f"{place} is a text: quote the words that report it (says).")
        if _plain(setting.says) not in _plain(note):
            raise ValueError(f"{place} of {study.key} does not say {setting.says!r}.")
        # Notes carry no source of their own; the study is where to check them.
        return f'curators\' note: "{setting.says}" ({study.address or study.key})'
    fact = study.values.get(place)
    if fact is None or fact.value is None:
        raise ValueError(f"the record of {study.key} holds no {place}.")
    if setting.says is not None:
        if _plain(setting.says) not in _plain(_text(fact.value)):
            raise ValueError(f"{place} of {study.key} does not say {setting.says!r}.")
        return f'"{setting.says}" ({fact.where})'
    if not _is(setting.value, fact.value, path):
        raise ValueError(
            f"{place} of {study.key} is {_text(fact.value)}, which is not {setting.value!r}."
        )
    return among(fact.value, fact.where)


def among(values: Any, where: str) -> str:
    """Return where a value is said, and of how many it is one."""
    many = isinstance(values, tuple) and len(values) > 1
    return f"one of {len(values)} in the record: {where}" if many else where


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _is(value: Any, said: Any, path: str) -> bool:
    """Tell whether a curated value says a setting, in the words of the one and of the other."""
    if path == "split.kind":
        return value == "k-fold" and isinstance(said, int)
    if path == "split.by":
        return bool({"images": "image", "patients": "group"}.get(said) == value)
    if path == "network.weights":
        return value == "pretrained" and bool(said)
    if isinstance(said, tuple):
        return value in said
    if isinstance(said, str):
        return fold(str(value)) == fold(said)
    return bool(value == said)


def setups_folder() -> Path:
    """Return the folder of the packaged setups."""
    return folder() / "setups"


def setup_names() -> tuple[str, ...]:
    """Return the names of the packaged setups."""
    return tuple(sorted(path.stem for path in setups_folder().glob("*.yaml")))


def read_setup(name: str | Path, database: Database | None = None) -> Setup:
    """Read a setup by name, by its study's key or reference number, or from a file.

    Parameters
    ----------
    name
        A packaged setup, a study that one is of, or a file.
    database
        Holds the studies, whose records say what may be called reported; None opens the default
        one.

    Raises
    ------
    NotFoundError
        No such setup; names the nearest.
    DataFileError
        The file is at fault, or claims as reported what the study's record does not hold.
    """
    with lent(database) as base:
        setup, path = _found(name, base)
        studies = read_studies(base, [setup.study]) if setup.study is not None else {}
    if problems := _faults(setup, path, studies.get(setup.study or "")):
        raise DataFileError(problems)
    return setup


def _found(name: str | Path, database: Database) -> tuple[Setup, Path]:
    text = str(name).strip()
    if isinstance(name, Path) or text.endswith((".yaml", ".yml")):
        return _read(Path(name)), Path(name)
    paths = {one: setups_folder() / f"{one}.yaml" for one in setup_names()}
    wanted = text.lower()
    if wanted in paths:
        return _read(paths[wanted]), paths[wanted]
    number = text.removeprefix("[").removesuffix("]").removeprefix("ref ").strip()
    ref = whole_number(number)
    if ref is not None:
        setups = {path: _read(path) for path in paths.values()}
        studies = read_studies(database, {s.study for s in setups.values() if s.study})
        for path, setup in setups.items():
            if setup.study in studies and studies[setup.study].ref == ref:
                return setup, path
    near = Lexicon("setup", paths).nearest(wanted)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise NotFoundError(
        f"no setup {text!r}.",
        f"{hint}medtl-meta replicate setups lists them; plan also takes any study of the database.",
    )


@cache
def _read(path: Path) -> Setup:
    return read_record(Setup, path)


def _faults(setup: Setup, path: Path, study: Study | None) -> list[Problem]:
    """Find what only the study's record and the list of data sets show."""
    found: list[Problem] = []

    def fault(place: tuple[int | str, ...], message: str) -> None:
        field = ".".join(map(str, place))
        found.append(Problem(path, line_of(path, place), field, message))

    if study is None and setup.study is not None:
        fault(("study",), f"no study {setup.study!r} in the database.")
    tables: dict[tuple[int | str, ...], Mapping[str, Setting]] = {("settings",): setup.settings}
    tables |= {("sources", i, "settings"): s.settings for i, s in enumerate(setup.sources)}
    for place, settings in tables.items():
        for name, setting in settings.items():
            try:
                if setting.reported is not None:
                    backing(setting, name, study)
            except ValueError as error:
                fault((*place, name), str(error))
    classes = {name for source in setup.sources for name in source.classes.values()}
    for position, target in enumerate(setup.compare):
        count = sum(map(target.finds, study.metrics if study else ()))
        if count != 1:
            fault(("compare", position), f"finds {count} outcomes in the record, not one.")
        if target.of_class is not None and target.of_class not in classes:
            message = f"{target.of_class!r} is no class of any source."
            fault(("compare", position, "of_class"), message)
    used = {data.name for data in study.datasets} if study else set()
    for position, source in enumerate(setup.sources):
        if source.dataset is not None and source.dataset not in datasets():
            message = f"{source.dataset!r} is not a name in datasets.yaml."
            fault(("sources", position, "dataset"), message)
        if source.used is not None and source.used not in used:
            message = f"the record of {setup.study} names no data set {source.used!r}."
            fault(("sources", position, "used"), message)
    return found


@cache
def known_sets() -> tuple[KnownSet, ...]:
    """Return the image sets that are recognised by their content."""
    return tuple(read_list(KnownSet, folder() / "image_sets.yaml"))


@cache
def datasets() -> Mapping[str, DatasetRecord]:
    """Return the public data sets of ``datasets.yaml`` by name."""
    return {record.name: record for record in read_list(DatasetRecord, folder() / "datasets.yaml")}
