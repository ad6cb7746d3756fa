"""What a pooled answer hangs on: missing studies, single studies, the order, the analyst."""

from __future__ import annotations

from typing import Any

from db.errors import StatisticsError, UsageError
from db.wording import p_words
from metaanalysis.analyses import sentences
from metaanalysis.analyses.analysis import Analysis, Model, prepared, require
from metaanalysis.analyses.several import one_effect_a_study
from metaanalysis.samples.sample import Sample
from metaanalysis.samples.scales import on_scale, tables_of
from metaanalysis.stats.bias import begg, deeks, egger, pet_peese
from metaanalysis.stats.influence import cumulative, influence, leave_one_out
from metaanalysis.stats.multiverse import DEFAULT_METHODS, multiverse, multiverse_proportions
from metaanalysis.stats.pool import pool
from metaanalysis.stats.record import Result
from metaanalysis.stats.trim_fill import trim_and_fill
from metaanalysis.stats.wording import level_words, method_words

#: With a p of Q below this, one effect common to all studies is no defensible model.
AGREE = 0.1


def bias_of(sample: Sample, model: Model | None = None) -> Analysis:
    """Test a sample for small-study effects.

    Egger's and Begg's tests and trim-and-fill; PET-PEESE where no effect is 0 (its rule compares
    with 0); for two-by-two tables Deeks' test alone.

    Parameters
    ----------
    sample
        As of :mod:`metaanalysis.samples`.
    model
        How. Proportions and AUC are taken on the arcsine scale unless another is named: there the
        variance hangs on n alone (of an AUC: nearly), while on the others a value near 1 makes its
        own standard error, and a lopsided funnel with it.

    Raises
    ------
    StatisticsError
        Fewer than three studies.
    """
    what = "A test for small-study effects"
    chosen = (model or Model()).without_glmm(what)
    one_effect_a_study(sample, what)
    require(sample, 3, what)
    if sample.kind == "two-by-two":
        return _deeks(sample, chosen)
    _below_the_ceiling(sample)
    usual = "arcsine" if sample.kind in ("proportion", "AUC") else None
    scaled, chosen = prepared(sample, chosen, what, 3, usual)
    effects = scaled.effects
    by_z = chosen.test == "z" or chosen.method == "common"
    line = egger(effects, **(chosen.normal | {"test": "z" if by_z else "knapp-hartung"}))
    filled = trim_and_fill(effects, **chosen.normal)
    tests: dict[str, Result] = {"egger": line, "begg": begg(effects), "trim_and_fill": filled}
    if sample.kind == "effect":
        tests["pet_peese"] = pet_peese(effects, level=chosen.level)
    model_used = filled.unadjusted
    how = method_words(model_used.method, model_used.test, scaled.scale, chosen.level)
    before = effects.back(filled.unadjusted.estimate)
    after = effects.back(filled.adjusted.estimate)
    sentence = sentences.asymmetry(sample.kind, line.slope, line.p, filled.k0, before, after)
    values: dict[str, Any] = {
        "natural": {"unadjusted": before, "adjusted": after},
        "scale": scaled.scale,
    }
    said = scaled.said(*tests.values())
    return Analysis("bias", scaled.sample, tests, how, sentence, said, values)


def _below_the_ceiling(sample: Sample) -> None:
    """Refuse proportions that are all 0 or all 1: on some scales n alone would set them apart."""
    if sample.kind != "proportion":
        return
    columns = sample.columns
    share = {e / n for e, n in zip(columns["events"], columns["n"], strict=True) if n}
    if share in ({0.0}, {1.0}):
        raise StatisticsError(
            f"Small-study effects are not testable: all {sample.k} studies are at "
            f"{'100 %, the ceiling' if 1.0 in share else '0 %, the floor'}."
        )


def _deeks(sample: Sample, model: Model) -> Analysis:
    result = deeks(tables_of(sample), level=model.level)
    how = "Deeks' regression of the log diagnostic odds ratio on 1/sqrt(effective sample size)"
    said = tuple(note.named(sample.shorts) for note in result.warnings)
    return Analysis("bias", sample, {"deeks": result}, how, sentences.lopsided(result.p), said)


def influence_on(sample: Sample, model: Model | None = None) -> Analysis:
    """Return what each study does to the pooled estimate: left out, and by its diagnostics.

    Parameters
    ----------
    sample, model
        As of ``pool_sample``; diagnostics are of the normal model, so that proportions are taken
        on the logit scale unless another is named.

    Raises
    ------
    StatisticsError
        Fewer than three studies.
    """
    one_effect_a_study(sample, "Influence")
    scaled, chosen = prepared(sample, model, "Influence", 3)
    sample = scaled.sample
    left = leave_one_out(scaled.effects, **chosen.normal)
    marks = influence(scaled.effects, **chosen.normal)
    low, high = min(left.column("natural_estimate")), max(left.column("natural_estimate"))
    stand_out = [
        short
        for label, short in zip(sample.labels, sample.shorts, strict=True)
        if label in marks.influential
    ]
    sentence = sentences.without_each(sample.kind, low, high, stand_out)
    how = method_words(left.method, left.test, scaled.scale, chosen.level)
    results: dict[str, Result] = {"influence": marks, "leave_one_out": left}
    return Analysis("influence", sample, results, how, sentence, scaled.said(left))


def cumulate(sample: Sample, model: Model | None = None, *, order: str = "year") -> Analysis:
    """Pool the first study, the first two, and so on, by a moderator such as the year.

    Parameters
    ----------
    sample, model
        As of :func:`influence_on`.
    order
        A moderator that holds numbers; rows of which it is not known are left out.

    Raises
    ------
    UsageError
        There is no such moderator, or it holds text.
    """
    what = "A cumulative analysis"
    one_effect_a_study(sample, what)
    name = sample.moderator(order)
    sample = sample.knowing([name])
    require(sample, 2, what)
    if any(isinstance(value, str) for value in sample.moderators[name]):
        raise UsageError(f"--order {name}: holds text, which gives no order.", "Name numbers.")
    scaled, chosen = prepared(sample, model, what, 1)
    sample = scaled.sample
    keys = sample.moderators[name]
    result = cumulative(scaled.effects, None, list(keys), **chosen.normal)
    estimates = result.column("natural_estimate")
    half = estimates[(len(estimates) - 1) // 2]
    sentence = sentences.in_order(sample.kind, name, half, estimates[-1], sample.k)
    words = method_words(result.method, result.test, scaled.scale, chosen.level)
    how, said = f"cumulative by {name}; {words}", scaled.said(result)
    values = {"order": {"name": name, "values": sorted(keys)}}
    return Analysis("cumulative", sample, {"result": result}, how, sentence, said, values)


def _sets(sample: Sample) -> dict[str, list[bool]]:
    """Return defensible narrower choices of studies; only those that choose some and not all."""
    wanted: dict[str, list[bool]] = {}
    if "n_source" in sample.columns:
        wanted["own n"] = [source == "value" for source in sample.columns["n_source"]]
    if "split" in sample.moderators:
        wanted["separate test data"] = [
            split in ("test", "external") for split in sample.moderators["split"]
        ]
    if "n_classes" in sample.moderators:
        wanted["two classes"] = [number == 2 for number in sample.moderators["n_classes"]]
    if "n" in sample.columns:
        wanted["n of 100 or more"] = [n is not None and n >= 100 for n in sample.columns["n"]]
    return {name: mask for name, mask in wanted.items() if 2 <= sum(mask) < sample.k}


def multiverse_of(sample: Sample, model: Model | None = None) -> Analysis:
    """Pool a sample in every defensible way: scale, estimator, test, choice of studies.

    Parameters
    ----------
    sample
        As of :mod:`metaanalysis.samples`. From the literature, narrower choices of studies are
        tried too: own n, separate test data, two classes, 100 cases or more. A common effect is
        among the models only where Cochran's Q does not speak against it.
    model
        Only its level and, for effects and AUC, its scale are used.

    Raises
    ------
    UsageError
        A method, a test, or a scale of proportions is named: the multiverse goes through them all.
    """
    chosen = model or Model()
    one_effect_a_study(sample, "A multiverse")
    require(sample, 2, "A multiverse")
    named_ones = [("--method", chosen.method), ("--test", chosen.test)]
    if sample.kind == "proportion":
        named_ones.append(("--transform", chosen.transform))
    for option, value in named_ones:
        if value is not None:
            raise UsageError(f"{option}: a multiverse goes through all of them.", "Drop it.")
    scaled = on_scale(sample, chosen.transform)
    sample = scaled.sample
    require(sample, 2, "A multiverse")
    methods = [name for name in DEFAULT_METHODS if name != "common"]
    agreement = pool(scaled.effects, None, "common")
    words = ""
    if agreement.q_p >= AGREE:
        methods.append("common")
    else:
        words = (
            "; the common effect is left out, since the studies differ more than chance explains "
            f"(Q, {p_words(agreement.q_p)})"
        )
    sets = _sets(sample)
    if sample.kind == "proportion":
        result = multiverse_proportions(
            scaled.effects, methods=methods, inclusion=sets, level=chosen.level
        )
        where = "five scales"
    else:
        result = multiverse(scaled.effects, methods=methods, inclusion=sets, level=chosen.level)
        where = f"the {scaled.scale} scale"
    sentence = sentences.spread(sample.kind, result.summary)
    how = (
        f"every combination of {where}, {', '.join(methods)}, Knapp-Hartung and z, and choice of "
        f"studies; {level_words(chosen.level)}{words}"
    )
    said = scaled.said(result)
    return Analysis("multiverse", sample, {"result": result}, how, sentence, said)
