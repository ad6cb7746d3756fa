"""``medtl-meta replicate leakage``: look for copies and shared patients in a set of images."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from medtl_meta.cli.options import format_option, remark, whole
from medtl_meta.cli.output import write_rows
from medtl_meta.cli.replicate.settings import reading_options
from medtl_meta.cli.terminal import echo, echo_json

if TYPE_CHECKING:
    from replicate.splits.leakage import Leakage, Pair

COLUMNS = ("finding", "clusters", "images", "across_parts", "across_classes", "across_groups")
PAIR_COLUMNS = ("first", "second", "kind", "distance", "classes", "parts", "same_group")
FOLD_COLUMNS = ("repeat", "fold", "tested", "exact", "near", "groups")


@click.command()
@click.argument("where", metavar="IMAGES")
@click.option(
    "--threshold",
    "-t",
    type=click.IntRange(0, 64),
    metavar="BITS",
    help="Most bits of 256 in which near copies differ.  [default: 16]",
)
@click.option("--turned", is_flag=True, help="Look for rotated and mirrored copies too.")
@click.option(
    "--split-by",
    type=click.Choice(["patient", "group", "image"], case_sensitive=False),
    help="Split the set as a run would, and list what each test part shares.",
)
@click.option("--folds", type=whole(2), metavar="K", help="With --split-by: K folds.")
@click.option(
    "--seed",
    type=whole(0),
    default=0,
    show_default=True,
    metavar="N",
    help="With --split-by: which division is drawn.",
)
@click.option("--pairs", is_flag=True, help="List the pairs instead of counting them.")
@click.option("--limit", "-n", type=whole(1), help="List at most so many pairs.")
@reading_options
@format_option
def leakage(
    where: str,
    split_by: str | None,
    folds: int | None,
    pairs: bool,
    limit: int | None,
    form: str,
    **given: Any,
) -> None:
    """Find the same picture, or the same patient, where it must not be.

    IMAGES is a folder with one folder a class (or train, val, test with these), a CSV manifest, an
    .npz file, a MedMNIST name or phantom:KIND. Exact copies have equal pixels whatever the file
    format; near copies have nearly equal difference hashes. Whether patients are shared is known
    where a manifest, a metadata.csv or DICOM names them.

    \b
    Examples:
      medtl-meta replicate leakage ./covid_ct
      medtl-meta replicate leakage ./covid_ct --pairs --format csv
      medtl-meta replicate leakage ./covid_ct --split-by image --folds 5
    """
    from db.errors import UsageError
    from replicate.images.reading import taken
    from replicate.places import cache_folder
    from replicate.spec import Split
    from replicate.splits.copies import read_images
    from replicate.splits.leakage import THRESHOLD, inspect_leakage
    from replicate.splits.splits import make_folds

    if folds is not None and split_by is None:
        raise UsageError("--folds: goes with --split-by.", "Say --split-by patient or image.")
    images = read_images(where, reading=taken(given["reading"])[0], progress=_counter())
    divided = []
    if split_by is not None:
        split = Split(
            kind="k-fold" if folds else "hold-out",
            by="image" if split_by == "image" else "group",
            folds=folds or 5,
        )
        divided = make_folds(images, split, given["seed"])
    found = inspect_leakage(
        images,
        divided,
        threshold=THRESHOLD if given["threshold"] is None else given["threshold"],
        turned=given["turned"],
        progress=_counter(),
        cache=cache_folder(),
    )
    told = [f"{images.name}: {len(images)} images. {images.source}.", *map(str, images.notes)]
    remark(" ".join(told))
    if form == "json":
        echo_json({"set": images.to_dict(), **found.to_dict()})
    elif pairs:
        rows = [_pair(pair) for pair in found.pairs[:limit]]
        write_rows(rows, PAIR_COLUMNS, form, spare=("same_group", "parts"))
    elif divided:
        rows = [
            {**fold, "repeat": fold["repeat"] + 1, "fold": fold["number"] + 1}
            for fold in found.to_dict()["folds"]
        ]
        headings = {
            "tested": "test images",
            "exact": "exact copies",
            "near": "near copies",
            "groups": "groups shared",
        }
        write_rows(rows, FOLD_COLUMNS, form, headings=headings, numbers=FOLD_COLUMNS)
    else:
        write_rows(_counts(found), COLUMNS, form, numbers=COLUMNS[1:])
    for sentence in found.of_set():
        remark(sentence)
    if divided:
        remark("By fold: test images with a copy, and test groups, in training or validation.")


def _counts(found: Leakage) -> list[dict[str, Any]]:
    """Return a row for exact copies, for near ones, and for groups in several parts or classes."""
    from replicate.images.image_set import COPIES

    rows: list[dict[str, Any]] = [
        {"finding": name, "clusters": copies.groups, **asdict(copies)}
        for name, copies in (("exact copies", found.exact), ("near copies", found.near))
    ]
    finding = "groups of copies" if found.unit == COPIES else "patients (groups)"
    shared: dict[str, Any] = {"finding": finding, "clusters": found.groups}
    if found.groups is not None:
        shared["images"] = found.images
        for way in ("across_parts", "across_classes"):
            names = getattr(found, f"groups_{way}")
            shared[way] = None if names is None else len(names)
    return [*rows, shared]


def _pair(pair: Pair) -> dict[str, Any]:
    both = {
        name: " / ".join(dict.fromkeys(getattr(pair, name) or ())) or None
        for name in ("classes", "parts")
    }
    return {**asdict(pair), **both}


def _counter() -> Callable[[int, int], None] | None:
    """Return what counts images on a terminal; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def count(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            echo(f"\r{done} of {total} images", err=True, nl=done == total)

    return count
