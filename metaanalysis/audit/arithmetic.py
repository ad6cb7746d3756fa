"""The sums of the review: its flow, its bars, its exclusions; and one place against another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from db.wording import listed as in_words
from metaanalysis.audit.finding import CONSISTENT, INCONSISTENT, NOT_CHECKABLE, SUSPICIOUS, Finding
from metaanalysis.audit.material import Material
from metaanalysis.review.labels import BACKBONE_BARS, MANY, TL_BARS
from metaanalysis.review.prisma import LABELS, STEPS

_OTHER = "other"


def _sum(
    material: Material,
    check: str,
    what: str,
    printed: int,
    parts: Iterable[tuple[str, int]],
    place: str,
    *,
    verb: str = "add up to",
) -> Finding:
    parts = list(parts)
    total = sum(count for _, count in parts)
    sign = "".join(f" {'-' if n < 0 else '+'} {abs(n)} ({name})" for name, n in parts)
    sign = sign.removeprefix(" + ").removeprefix(" ")
    if total == printed:
        verdict, text = CONSISTENT, f"{sign} {verb} {total}, as printed."
    else:
        off = printed - total
        word = "more" if off > 0 else "less"
        text = f"{sign} {verb} {total}; {printed} is printed, {abs(off)} {word}."
        verdict = INCONSISTENT
    return material.on(check, what, place)(
        verdict, text, reported=str(printed), recomputed=str(total)
    )


def flow(material: Material) -> Iterator[Finding]:
    """Check that each step of the search leaves what is printed (the review's Figure 3)."""
    facts = material.facts["figure_3"]
    for entered, removed, left in STEPS:
        parts = [(LABELS[entered], facts[entered]), (LABELS[removed], -facts[removed])]
        yield _sum(material, "flow", left, facts[left], parts, "figure_3", verb="leaves")


def _bars(material: Material, section: str, order: Iterable[str]) -> list[tuple[str, int]]:
    facts = material.facts[section]
    return [(name, facts[name]) for name in order if name in facts]


def depth_of_bars(material: Material) -> dict[str, str]:
    """Return the depth group of each bar of Figure 4b whose backbones are all of one."""
    depths: dict[str, set[str | None]] = {}
    for backbone in material.backbones.values():
        depths.setdefault(backbone["review_group"], set()).add(backbone["depth_group"])
    found = {bar: next(iter(depth)) for bar, depth in depths.items() if len(depth) == 1}
    return {bar: depth for bar, depth in found.items() if depth is not None}


def sums(material: Material) -> Iterator[Finding]:
    """Check that the bars of each figure, and its exclusions, add up to the studies."""
    included = material.facts["totals"]["included"]
    bars = _bars(material, "figure_4b", BACKBONE_BARS)
    tl_bars = _bars(material, "figure_4c", TL_BARS)
    yield _sum(material, "sum", "figure-4b", included, bars, "figure_4b")
    yield _sum(material, "sum", "figure-4c", included, tl_bars, "figure_4c")
    depth, place = material.facts["figure_4b_depth"], "figure_4b_depth"
    groups = list(depth.items())
    groups.append((f"{_OTHER}, Figure 4b", material.facts["figure_4b"][_OTHER]))
    yield _sum(material, "sum", "figure-4b-depth", included, groups, place)
    depth_of = depth_of_bars(material)
    for group in sorted(set(depth_of.values())):
        parts = [(name, count) for name, count in bars if depth_of.get(name) == group]
        yield _sum(material, "sum", f"figure-4b-{group}", depth[group], parts, place)
    six = material.facts["figure_6"]
    parts = [("studies", included)]
    parts += [
        (name.removeprefix("excluded_").replace("_", " "), -six[name])
        for name in six
        if name.startswith("excluded_")
    ]
    yield _sum(material, "sum", "figure-6", six["shown"], parts, "figure_6", verb="leaves")


#: The same quantity in two places of the review: name, section and name of each.
_SAME = (
    ("included", ("figure_3", "included"), ("totals", "included")),
    ("several-models-depth", ("figure_4b", MANY), ("figure_4b_depth", MANY)),
    ("several-models-figure-6", ("figure_6", "excluded_multiple_models"), ("figure_4b", MANY)),
)


def _minor(material: Material) -> Finding:
    """Compare the models left over in Figure 4b with the minor models left out of Figure 6."""
    bars = material.facts["figure_4b"]
    first, second = bars[_OTHER], material.facts["figure_6"]["excluded_minor_models"]
    named = [name for name in bars if name not in (MANY, _OTHER)]
    explained = [
        chosen
        for size in range(1, len(named) + 1)
        for chosen in combinations(named, size)
        if sum(bars[name] for name in chosen) == second - first
    ]
    if first == second:
        verdict, text = CONSISTENT, "Both places print the same number."
    elif explained:
        groups = in_words(
            (in_words(f"{n} ({bars[n]})" for n in chosen) for chosen in explained), "or"
        )
        verdict = SUSPICIOUS
        text = (
            f"Figure 4b has {first} studies of other models, Figure 6 leaves out {second} of minor "
            f"models. They fit if {groups} counts as minor too, which the text does not say."
        )
    else:
        verdict = INCONSISTENT
        text = f"Figure 4b has {first} studies of other models, Figure 6 leaves out {second}."
    return material.on("text", "minor-models", "figure_6")(
        verdict,
        text,
        reported=f"{second}, {material.places['figure_6']}",
        recomputed=f"{first}, {material.places['figure_4b']}",
    )


def text(material: Material) -> Iterator[Finding]:
    """Check one place of the review against another, and against the years of its studies."""
    for what, (section, name), (other, other_name) in _SAME:
        one, two = material.facts[section][name], material.facts[other][other_name]
        same = one == two
        yield material.on("text", what, section)(
            CONSISTENT if same else INCONSISTENT,
            "Both places print the same number." if same else f"One place has {one}, one {two}.",
            reported=f"{one}, {material.places[section]}",
            recomputed=f"{two}, {material.places[other]}",
        )
    yield _minor(material)
    six = material.facts["figure_6"]
    fits = six["both_metrics"] <= six["shown"]
    yield material.on("text", "both-metrics", "figure_6")(
        CONSISTENT if fits else INCONSISTENT,
        f"{six['both_metrics']} studies with both metrics among {six['shown']} shown.",
        reported=str(six["both_metrics"]),
        recomputed=f"at most {six['shown']}",
    )
    until = str(material.facts["search"]["published_until"])
    late = [study for study in material.reviewed if study.year > int(until[:4])]
    yield material.on("text", "published-until", "search")(
        SUSPICIOUS if late else CONSISTENT,
        f"The search was for studies published until {until}; "
        + (
            f"{in_words(study.name for study in late)} is of a later volume. It may have appeared "
            "online before."
            if late
            else "no curated study is younger."
        ),
        reported=until,
        recomputed=str(max((study.year for study in material.reviewed), default=None)),
        rows=[f"{study.name}: year {study.year}" for study in late],
    )
    yield material.on("text", "public-datasets", "totals")(
        NOT_CHECKABLE,
        "The review's table of public data sets is in an additional file that is not at hand; our "
        "own list is another one.",
        reported=str(material.facts["totals"]["public_datasets"]),
    )
