"""From a setup to a runnable specification: every setting decided, and accounted for.

:func:`specify` layers, each over the one before: house defaults for the TL type, what the setup
says, what its source of images says, what the caller chooses. Each layer leaves its line in the
ledger; a reported setting that is run in another way stays visible as a departure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.database import Database, lent
from db.errors import NotFoundError, UsageError
from db.fields import known_backbones
from db.literature import Reported, Study, read_studies
from db.packaged import use_backbones
from db.vocabulary import EXTENT_UNREPORTED, HEADLINE_METRICS
from replicate.images.image_set import ImageSet
from replicate.networks.builders import builder_for
from replicate.setup.data import Images, enter, enter_test, fit_split, images_of
from replicate.setup.defaults import (
    COMMON,
    DEFAULT_BACKBONE,
    HIDDEN,
    TIED_TO_HEAD,
    TIED_TO_TL_TYPE,
    VALIDATION,
    house_defaults,
)
from replicate.setup.fidelity import SCALE, Departure, FidelityNote, Reduction
from replicate.setup.files import PATHS, Setting, Setup, Source, among, backing, setup_names
from replicate.setup.ledger import Account
from replicate.spec import Ledger, Spec
from replicate.terms import (
    CONTROL,
    FEATURES,
    HYBRID,
    HYBRID_HEADS,
    RANDOM,
    RECOMMENDED,
    SCRATCH,
    TL_TYPES,
)

#: What a study that says "fine-tuned" can have done.
TUNED = ("fine-tuning", SCRATCH, RECOMMENDED)
#: A caller may set what a setup may, and these of the data.
OVERRIDES = frozenset({*PATHS, "data.positive", "data.max_images"})


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
        Which of the setup's sources the images are; by default the one that the content of
        `images` shows, or the setup's first where no images are given.
    images
        The images, where they are at hand.
    overrides
        Settings that the caller chooses, by path (``training.epochs``).
    chosen
        What the ledger says of them.

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
    own = images.external.trained if images is not None and images.external else images
    data = images_of(setup, source, own)
    layers = _Layers(Account(chosen), setup, study, data, asked)
    planned = layers.settings()
    substitution = layers.network()
    account = layers.account
    enter(account, data, study, asked)
    if images is not None and images.external is not None:
        data = data.tested_on(images.external.name)
    level = data.fidelity if setup.study is not None else None
    if own is not None:
        fit_split(account, own, asked, free=data.source is None)
    enter_test(account, images, asked)
    spec, ledger = account.settle(
        study=setup.study,
        setup=setup.key if setup.key in setup_names() else None,
        fidelity=level,
    )
    rule = spec.evaluation.threshold
    if rule and data.known and len(data.known) != 2:
        raise UsageError(
            f"--threshold {rule}: {data.name} has {len(data.known)} classes.",
            "A threshold tells two classes apart; of more, the most probable one is called.",
        )
    note = None
    if level is not None:
        departures = (*account.departures, *layers.departures_of_spec(spec))
        told = {departure.path for departure in departures}
        reduced = [one for one in _reduced(account, planned, images) if one.path not in told]
        note = FidelityNote(level, data.reason, departures, tuple(reduced))
    return Specified(
        spec=spec,
        ledger=ledger,
        reported=_outcomes(setup, study, spec),
        fidelity=note,
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
) -> Specified:
    """Decide every setting of a run that follows no study; raises what :func:`specify` raises."""
    free = Setup(key="free", study=None, title="a run of its own", settings={})
    return specify(free, images=images, overrides=overrides, chosen=chosen)


@dataclass(frozen=True)
class _Layers:
    """What a spec is made of, layer by layer; `asked` are the caller's settings by path."""

    account: Account
    setup: Setup
    study: Study | None
    data: Images
    asked: Mapping[str, Any]

    def settings(self) -> dict[str, Any]:
        """Enter all settings but those of data and network; return what the scale was before."""
        account, study, setup = self.account, self.study, self.setup
        said = setup.settings.get("transfer.tl_type")
        before = said.value if said is not None else FEATURES
        follows = self._consequences()
        asked = {**follows, **self.asked}
        if asked.get("transfer.tl_type") == CONTROL:
            asked |= _control(asked)
        tl_type = asked.get("transfer.tl_type", before)
        if tl_type not in TL_TYPES:
            raise UsageError(f"no such TL type {tl_type!r}.", f"Known: {', '.join(TL_TYPES)}.")
        named = setup.settings.get("network.name")
        name = asked.get("network.name") or (named and str(named.value)) or DEFAULT_BACKBONE
        builder = builder_for(name).builder
        for path, (value, reason) in house_defaults(tl_type, builder).items():
            hashed = path == "network.weights_hash"
            account.assume(path, value, reason, "found" if hashed else "house")
        tied = set(TIED_TO_TL_TYPE) if tl_type != before else set()
        if (tl_type == HYBRID) != (before == HYBRID):
            tied |= set(TIED_TO_HEAD)
        if tl_type == HYBRID != before:
            tied |= {path for path in PATHS if path.startswith("augmentation.")}
        for settings in (setup.settings, self._of_source()):
            for path, setting in settings.items():
                default = account.value(path)
                if setting.reported is not None and study is not None:
                    account.report(path, setting.value, backing(setting, path, study))
                    if path in tied:
                        reason = f"goes with {tl_type} in place of {before}"
                        account.assume(path, default, reason, "house")
                elif path not in tied:
                    account.assume(path, setting.value, setting.assumed or "", "setup")
        planned = {path: account.value(path) for path in SCALE if path in asked}
        for path, value in asked.items():
            if path.startswith("data.") or path == "network.name":
                continue
            because = "follows from another setting, " if path in follows else ""
            if path == "transfer.tl_type" and value in self._recorded("tl_types"):
                where = f"{self._among('tl_types')}; {because}{account.chosen}"
                account.report(path, value, where)
            else:
                account.choose(path, value, because)
        self._fit(tl_type, asked)
        return planned

    def _of_source(self) -> dict[str, Setting]:
        """Return what the source of the images says; how to split where they say it is theirs."""
        source = self.data.source
        said = dict(source.settings) if source else {}
        if self.data.grouped:
            said.pop("split.by", None)
        return said

    def _consequences(self) -> dict[str, Any]:
        """Return what the caller's choices imply and does not say."""
        if "transfer.tl_type" in self.asked:
            return {}
        if self.asked.get("network.weights") == "random":
            return {"transfer.tl_type": RANDOM}
        current = self.setup.settings.get("transfer.tl_type")
        head = self.asked.get("transfer.head.kind")
        if head is not None and (current is None or current.value in (FEATURES, HYBRID)):
            return {"transfer.tl_type": HYBRID if head in HYBRID_HEADS else FEATURES}
        return {}

    def _fit(self, tl_type: str, asked: Mapping[str, Any]) -> None:
        """Adapt the defaults that hang on other settings."""
        account = self.account
        hidden, phase = "transfer.head.hidden", "training.head_epochs"
        if tl_type == RECOMMENDED and phase not in asked and phase not in self.setup.settings:
            half = max(1, account.value("training.epochs") // 2)
            reason = "house default: half of the epochs as a feature extractor"
            account.assume(phase, half, reason, "house")
        if account.value("transfer.head.kind") == "mlp" and account.value(hidden) is None:
            account.assume(hidden, HIDDEN, "house default: an mlp needs a hidden layer", "house")
        watched = {"training.patience": "training stops by", "evaluation.threshold": "is chosen on"}
        used = [f"{path}: {how} them" for path, how in watched.items() if account.value(path)]
        if used and account["split.validation"].origin == "house":
            reason = f"house default: a tenth; {used[0]}"
            account.assume("split.validation", VALIDATION, reason, "house")
        share = "preprocessing.crop_share"
        # The share that a network documents goes with the way of resizing that it documents.
        if account.value("preprocessing.resize") != "crop" and account[share].origin == "house":
            account.assume(share, *COMMON[share], "house")
        if tl_type in (FEATURES, HYBRID) and account.value("network.weights") == "random":
            account.choose("transfer.tl_type", CONTROL, f"a {tl_type} of random weights, ")

    def network(self) -> str | None:
        """Settle which network is built; return why it is another than was asked for."""
        account = self.account
        name = self.asked.get("network.name")
        if name is not None:
            tested = self._recorded("backbones")
            own = next((word for word in (name, _canonical(name)) if word in tested), None)
            if own is not None:
                where = f"{self._among('backbones')}; {account.chosen}"
                account.report("network.name", own, where)
            else:
                account.choose("network.name", name)
        wanted = account["network.name"]
        # A version of what the study names: it is what is built, and the study's name stays beside.
        choice = builder_for(wanted.value if name is None else name)
        built = choice.builder.name
        if choice.substitution is not None:
            account.assume("network.name", built, choice.substitution, "found")
        elif built != wanted.value and (wanted.origin == "chosen" or name is not None):
            account.choose("network.name", built)
        elif built != wanted.value and wanted.origin != "reported":
            account.assume("network.name", built, "same network", wanted.origin)
        said = account.said("network.name")
        if said is not None and account.value("network.name") != said.value:
            account.report("network.reported", said.value, said.reason)
        elif choice.substitution is not None:
            account.choose("network.reported", wanted.value, "asked for and not built; ")
        return choice.substitution

    def departures_of_spec(self, spec: Spec) -> list[Departure]:
        """Return departures from what the record says and the setup does not.

        That is a TL type that is none of those that the record names, and a sample of the study's
        own images.
        """
        found = []
        types, run = self._recorded("tl_types"), spec.transfer.tl_type
        extends = EXTENT_UNREPORTED in types and run in TUNED
        said = self.account.said("transfer.tl_type")
        if types and run not in types and not extends and said is None:
            found.append(Departure("transfer.tl_type", types, run))
        if self.data.fidelity == "same data" and spec.data.max_images is not None:
            found.append(Departure("data.max_images", None, spec.data.max_images))
        return found

    def _recorded(self, field: str) -> tuple[Any, ...]:
        """Return the values of the study's record; none without a study."""
        return tuple(self.study.value(field) or ()) if self.study is not None else ()

    def _among(self, field: str) -> str:
        """Return where the record says a value that is one of several."""
        assert self.study is not None
        fact = self.study.values[field]
        return among(fact.value, fact.where)


def _control(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what frozen random weights are, but for their name: a feature extractor of a kind."""
    weights = asked.get("network.weights", "random")
    if weights != "random":
        raise UsageError(
            f"{CONTROL}: the weights are to be {weights}.",
            "Leave out --weights, or say --weights random.",
        )
    kind = HYBRID if asked.get("transfer.head.kind") in HYBRID_HEADS else FEATURES
    return {"transfer.tl_type": kind, "network.weights": "random"}


def _reduced(
    account: Account, planned: Mapping[str, Any], images: ImageSet | None
) -> list[Reduction]:
    """Return what the caller changed of a run's scale."""
    found = []
    most = account.value("data.max_images")
    if most is not None and (images is None or most < len(images)):
        found.append(Reduction("data.max_images", most, None))
    for path in SCALE:
        value = account.value(path)
        if path in planned and value != planned[path]:
            found.append(Reduction(path, value, planned[path]))
    return found


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
                n=target.cases or row.n,
                note=target.note,
                of_class=target.of_class,
            )
            for target in setup.compare
            for row in filter(target.finds, study.metrics)
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
