"""The setup that a study's record alone supports, for any study that has no file of its own."""

from __future__ import annotations

from db.literature import Study
from db.vocabulary import EXTENT_UNREPORTED, OWN_NETWORK, RANDOM
from replicate.setup.files import Setting, Setup
from replicate.terms import TL_TYPES


def from_study(study: Study) -> Setup:
    """Make the setup that a study's record alone supports.

    What the record holds is reported; the rest is left to the house defaults. A study that
    fine-tunes to an unreported extent is rerun with all layers trained.
    """
    settings: dict[str, Setting] = {}
    missing = []
    backbones = [name for name in study.value("backbones") or () if name != OWN_NETWORK]
    best = next((row.backbone for row in study.metrics if row.headline and row.backbone), None)
    if backbones:
        name = best if best in backbones else backbones[0]
        settings["network.name"] = Setting(value=name, reported="backbones")
    else:
        missing.append("the record names no backbone")
    types = study.value("tl_types") or ()
    runnable = next((name for name in types if name in TL_TYPES), None)
    if runnable is not None:
        settings["transfer.tl_type"] = Setting(value=runnable, reported="tl_types")
    elif EXTENT_UNREPORTED in types:
        settings["transfer.tl_type"] = Setting(
            value="fine-tuning from scratch",
            assumed="the study fine-tunes and does not say how far: all layers",
        )
    else:
        missing.append("the record names no TL type")
    if study.value("pretrained_on") and runnable != RANDOM:
        settings["network.weights"] = Setting(value="pretrained", reported="pretrained_on")
    if study.value("cv_folds") is not None and study.value("cv_folds") >= 2:
        settings["split.kind"] = Setting(value="k-fold", reported="cv_folds")
        settings["split.folds"] = Setting(value=study.value("cv_folds"), reported="cv_folds")
    by = {"images": "image", "patients": "group"}.get(study.value("split_unit") or "")
    if by is not None:
        settings["split.by"] = Setting(value=by, reported="split_unit")
    named = [data.name + (f" ({data.url})" if data.url else "") for data in study.datasets]
    missing.append(
        "images: the record names " + "; ".join(named) if named else "images: none are named"
    )
    return Setup(
        key=study.key,
        study=study.key,
        title=f"{study.key}, as far as its record goes",
        settings=settings,
        missing=tuple(missing),
    )
