"""From a setup to a runnable specification: every setting decided, and accounted for.

:func:`specify` layers, each over the one before: house defaults for the TL type, what the setup
says, what its source of images says, what the caller chooses. Each layer leaves its line in the
ledger; a reported setting that is run in another way stays visible as a departure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from db.database import Database, lent
from db.errors import NotFoundError, UsageError
from db.literature import Reported, Study, read_studies
from db.packaged import use_backbones
from db.records import known_backbones
from db.vocabulary import EXTENT_UNREPORTED, HEADLINE_METRICS
from replicate.images.image_set import ImageSet
from replicate.networks.builders import Choice, builder_for
from replicate.setup.data import enter, fit_split, images_of
from replicate.setup.defaults import (
    DEFAULT_BACKBONE,
    HIDDEN,
    TIED_TO_HEAD,
    TIED_TO_TL_TYPE,
    house_defaults,
)
from replicate.setup.files import (
    PATHS,
    Setup,
    Source,
    among,
    backing,
    read_setup,
    setup_names,
)
from replicate.setup.ledger import Account
from replicate.setup.of_study import from_study
from replicate.spec import HYBRID_HEADS, RECOMMENDED, TL_TYPES, Fidelity, Ledger, Spec

__all__ = [
    "FidelityNote",
    "Setup",
    "Source",
    "Specified",
    "from_study",
    "read_setup",
    "setup_names",
    "specify",
    "specify_free",
]

HYBRID = "feature extractor hybrid"
RANDOM = "random initialisation"
#: What a study that says "fine-tuned" can have done.
TUNED = ("fine-tuning", "fine-tuning from scratch", RECOMMENDED)
#: A caller may set what a setup may, and these of the data.
OVERRIDES = frozenset({*PATHS, "data.positive", "data.max_images"})

#: Settings of a run's scale, in words.
_SCALE = {"preprocessing.size": "at {} pixels", "training.epochs": "for {} epochs"}

#: Finds the network that can be built for a name.
Choose = Callable[[str], Choice]


@dataclass(frozen=True, slots=True)
class FidelityNote:
    """How near a replication comes to its study: the data, and the settings that depart.

    `reduced` are choices of the caller that change the scale of the run, which a study need not
    report: a sample of the images, their size, the epochs.
    """

    level: Fidelity
    reason: str
    departures: tuple[str, ...] = ()
    reduced: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it in words."""
        text = f"{self.level}: {self.reason}"
        if self.departures:
            text += f" It departs from what is reported in {'; '.join(self.departures)}."
        if self.reduced:
            text += f" It is run {', '.join(self.reduced)}."
        return text


@dataclass(frozen=True, slots=True)
class Specified:
    """A specification with everything that must be printed beside it.

    Attributes
    ----------
    spec, ledger
        What is run, and where each setting comes from.
    reported
        Outcomes of the study to compare with; empty where the record has none.
    fidelity
        How near it comes to the study; None without a study.
    source
        The described images; None for images that the setup does not describe.
    substitution
        Why another network is built than the one asked for; None where it is the same.
    missing
        What must be had before it can run.
    setup, study
        What it was made from.
    """

    spec: Spec
    ledger: Ledger
    reported: tuple[Reported, ...]
    fidelity: FidelityNote | None
    source: Source | None
    substitution: str | None
    missing: tuple[str, ...]
    setup: Setup | None
    study: Study | None


def specify(
    setup: Setup,
    *,
    study: Study | None = None,
    database: Database | None = None,
    source: str | None = None,
    images: ImageSet | None = None,
    overrides: Mapping[str, Any] | None = None,
    chosen: str = "chosen by the caller",
    choose: Choose = builder_for,
) -> Specified:
    """Decide every setting of a replication.

    Parameters
    ----------
    setup
        What is rerun.
    study
        What the literature says of it; by default it is read from the database.
    database
        Where the setup's study is looked up; None opens the default one.
    source
        Which of the setup's sources the images are; by default recognised by the classes of
        `images`, or the setup's first.
    images
        The images, where they are at hand.
    overrides
        Settings that the caller chooses, by path (``training.epochs``).
    chosen
        What the ledger says of them.
    choose
        Finds the network that can be built for a name.

    Raises
    ------
    UsageError
        Settings that do not go together, an unknown source or setting, images with other classes.
    UnknownTermError
        A backbone that does not exist.
    NotFoundError
        The database does not hold the setup's study.
    """
    asked = dict(overrides or {})
    if unknown := sorted(asked.keys() - OVERRIDES):
        raise UsageError(f"no such setting {unknown[0]!r}.", f"Settings: {', '.join(PATHS)}.")
    if study is None and setup.study is not None:
        study = _study(setup.study, database)
    follows = _consequences(setup, asked)
    data = images_of(setup, source, images)
    account = Account()
    planned = _settings(
        account, setup, study, data.source, {**follows, **asked}, chosen, follows, choose
    )
    substitution = _network(account, study, asked, chosen, choose)
    enter(account, data, study, asked, chosen)
    level = data.fidelity if setup.study is not None else None
    if images is not None:
        fit_split(account, images, asked, free=setup.study is None and not setup.settings)
    spec, ledger = account.settle(
        study=setup.study,
        setup=setup.key if setup.key in setup_names() else None,
        fidelity=level,
    )
    departures = tuple(departure.sentence for departure in account.departures)
    departures += _other_tl_type(study, spec, account)
    told = {departure.path for departure in account.departures}
    if level == "same data" and spec.data.max_images is not None:
        departures += (f"data.max_images: reported all images, run with {spec.data.max_images}",)
        told.add("data.max_images")
    reduced = _reduced(account, planned, told, images)
    return Specified(
        spec=spec,
        ledger=ledger,
        reported=_outcomes(setup, study, spec),
        fidelity=FidelityNote(level, data.reason, departures, reduced) if level else None,
        source=data.source,
        substitution=substitution,
        missing=(*setup.missing, *data.missing),
        setup=setup,
        study=study,
    )


def _study(key: str, database: Database | None) -> Study:
    with lent(database) as base:
        found = read_studies(base, [key])
    if not found:
        raise NotFoundError(f"no study {key!r} in the database.", "Load it: medtl-meta db load")
    return found[key]


def specify_free(
    images: ImageSet,
    *,
    overrides: Mapping[str, Any] | None = None,
    chosen: str = "chosen by the caller",
    choose: Choose = builder_for,
) -> Specified:
    """Decide every setting of a run that follows no study; raises what :func:`specify` raises."""
    free = Setup(key="free", study=None, title="a run of its own", settings={})
    return specify(free, images=images, overrides=overrides, chosen=chosen, choose=choose)


def _consequences(setup: Setup, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the caller's choices imply and does not say."""
    if "transfer.tl_type" in asked:
        return {}
    if asked.get("network.weights") == "random":
        return {"transfer.tl_type": RANDOM}
    current = setup.settings.get("transfer.tl_type")
    frozen = current is None or str(current.value).startswith("feature extractor")
    head = asked.get("transfer.head.kind")
    if head is not None and frozen:
        return {"transfer.tl_type": HYBRID if head in HYBRID_HEADS else "feature extractor"}
    return {}


def _settings(
    account: Account,
    setup: Setup,
    study: Study | None,
    source: Source | None,
    asked: Mapping[str, Any],
    chosen: str,
    follows: Mapping[str, Any],
    choose: Choose,
) -> dict[str, Any]:
    """Enter all settings but those of data and network; return what the scale was before."""
    said = setup.settings.get("transfer.tl_type")
    before = said.value if said is not None else "feature extractor"
    tl_type = asked.get("transfer.tl_type", before)
    if tl_type not in TL_TYPES:
        raise UsageError(f"no such TL type {tl_type!r}.", f"Known: {', '.join(TL_TYPES)}.")
    name = asked.get("network.name") or _said_name(setup)
    builder = choose(name or DEFAULT_BACKBONE).builder
    for path, (value, reason) in house_defaults(tl_type, builder.name, builder.size).items():
        account.assume(path, value, reason)
    tied = set(TIED_TO_TL_TYPE) if tl_type != before else set()
    if (tl_type == HYBRID) != (before == HYBRID):
        tied |= set(TIED_TO_HEAD)
    if tl_type == HYBRID != before:
        tied |= {path for path in PATHS if path.startswith("augmentation.")}
    for settings in (setup.settings, source.settings if source else {}):
        for path, setting in settings.items():
            default = account.value(path)
            if setting.reported is not None and study is not None:
                account.report(path, setting.value, backing(setting, path, study))
                if path in tied:
                    account.assume(path, default, f"goes with {tl_type} in place of {before}")
            elif path not in tied:
                account.assume(path, setting.value, setting.assumed or "")
    planned = {path: account.value(path) for path in _SCALE if path in asked}
    for path, value in asked.items():
        if path.startswith("data.") or path == "network.name":
            continue
        reason = f"follows from another setting, {chosen}" if path in follows else chosen
        types = study.value("tl_types") if study is not None else None
        if path == "transfer.tl_type" and types and value in types and study is not None:
            account.report(path, value, f"{_among(study, 'tl_types')}; {reason}")
        else:
            account.assume(path, value, reason)
    _fitted(account, tl_type, setup, asked)
    return planned


def _reduced(
    account: Account, planned: Mapping[str, Any], told: Set[str], images: ImageSet | None
) -> tuple[str, ...]:
    """Say what the caller changed of a run's scale, beside what departs from the report."""
    said = []
    most = account.value("data.max_images")
    sampled = most is not None and (images is None or most < len(images))
    if sampled and "data.max_images" not in told:
        said.append(f"on a sample of {most:,} images")
    for path, words in _SCALE.items():
        value = account.value(path)
        if path not in told and path in planned and value != planned[path]:
            one = words.removesuffix("s") if value == 1 else words
            said.append(f"{one.format(value)} instead of {planned[path]}")
    return tuple(said)


def _fitted(account: Account, tl_type: str, setup: Setup, asked: Mapping[str, Any]) -> None:
    """Adapt the defaults that hang on other settings."""
    hidden, phase = "transfer.head.hidden", "training.head_epochs"
    if tl_type == RECOMMENDED and phase not in asked and phase not in setup.settings:
        half = max(1, account.value("training.epochs") // 2)
        account.assume(phase, half, "house default: half of the epochs as a feature extractor")
    if account.value("transfer.head.kind") == "mlp" and account.value(hidden) is None:
        account.assume(hidden, HIDDEN, "house default: an mlp needs a hidden layer")


def _among(study: Study, field: str) -> str:
    """Return where the record says a value that is one of several."""
    fact = study.values[field]
    return among(fact.value, fact.where)


def _said_name(setup: Setup) -> str | None:
    setting = setup.settings.get("network.name")
    return None if setting is None else str(setting.value)


def _network(
    account: Account,
    study: Study | None,
    asked: Mapping[str, Any],
    chosen: str,
    choose: Choose,
) -> str | None:
    """Settle which network is built; return why it is another than was asked for."""
    name = asked.get("network.name")
    if name is not None:
        tested = tuple(study.value("backbones") or ()) if study is not None else ()
        words = (name, _canonical(name))
        own = next((word for word in words if word in tested), None)
        if own is not None and study is not None:
            account.report("network.name", own, f"{_among(study, 'backbones')}; {chosen}")
        else:
            account.assume("network.name", name, chosen)
    wanted = account.value("network.name")
    choice = choose(wanted)
    built = choice.builder.name
    if choice.substitution is not None:
        account.assume("network.name", built, choice.substitution)
    elif built != wanted and account.marked("network.name") == "assumed":
        account.assume("network.name", built, chosen if name is not None else "same network")
    said = account.said("network.name")
    if said is not None and account.value("network.name") != said.value:
        account.report("network.reported", said.value, said.reason)
    elif choice.substitution is not None:
        account.assume("network.reported", wanted, f"asked for and not built; {chosen}")
    return choice.substitution


def _other_tl_type(study: Study | None, spec: Spec, account: Account) -> tuple[str, ...]:
    """Say where the record names TL types, and another one is run."""
    types = tuple(study.value("tl_types") or ()) if study is not None else ()
    run = spec.transfer.tl_type
    extends = EXTENT_UNREPORTED in types and run in TUNED
    if not types or run in types or extends or account.said("transfer.tl_type") is not None:
        return ()
    return (f"transfer.tl_type: reported {' or '.join(types)}, run with {run}",)


def _canonical(name: str) -> str | None:
    use_backbones()
    return known_backbones.get().find(name)


def _outcomes(setup: Setup, study: Study | None, spec: Spec) -> tuple[Reported, ...]:
    """Choose the reported outcomes that a rerun is compared with."""
    if study is None:
        return ()
    network = spec.network.reported or spec.network.name
    if setup.compare:
        rows = [
            replace(
                row,
                n=comparison.cases or row.n,
                note=comparison.note,
                of_class=comparison.of_class,
            )
            for comparison in setup.compare
            for row in filter(comparison.finds, study.metrics)
        ]
    else:
        rows = [row for row in study.metrics if row.headline and row.metric in HEADLINE_METRICS]
    told = []
    for row in rows:
        notes = [row.note] if row.note else []
        if row.backbone is not None and row.backbone != network:
            notes.append(f"reported for {row.backbone}")
        if row.tl_type is not None and row.tl_type != spec.transfer.tl_type:
            notes.append(f"reported for {row.tl_type}")
        told.append(replace(row, note="; ".join(notes) or None))
    return tuple(told)
