"""The options that decide a replication, shared by all commands that plan or run one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from db.errors import UsageError
from db.vocabulary import Lexicon
from db.wording import RECOMMENDED_IS
from medtl_meta.cli.options import Finite, applied, opened, remark, whole
from medtl_meta.cli.replicate.ledger import CHOSEN
from replicate.images.presets import PRESET
from replicate.images.reading import COLUMNS, UNCERTAIN
from replicate.images.windows import CT_WINDOWS
from replicate.setup import overrides as known

if TYPE_CHECKING:
    from replicate.planning import Plan


Command = Callable[..., Any]


def _listed(lexicon: Lexicon) -> str:
    return ", ".join(lexicon.terms)


#: Option, its type, placeholder, help; the name without dashes is its key in the mapping.
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("--backbone", str, "NAME", "Network, by the literature's, torchvision's or timm's name."),
    (
        "--tl",
        str,
        "TYPE",
        f"TL type: {_listed(known.TL_TYPE)} ({RECOMMENDED_IS}), frozen random (a control).",
    ),
    ("--seeds", str, "A,B,...", "One run with each seed."),
    ("--weights", str, "W", "Start weights: pretrained, random or a path."),
    ("--head", str, "KIND", f"Classifier: {_listed(known.HEAD)}."),
    ("--unfreeze", str, "EXTENT", "Trained from the end: blocks:2, layers:3, ratio:0.3, all."),
    ("--batchnorm", str, "P", f"BatchNorm in evaluation mode: {_listed(known.BATCHNORM)}."),
    (
        "--statistics",
        str,
        "S",
        f"Of BatchNorm layers that were trained, before testing: {_listed(known.STATISTICS)}.",
    ),
    ("--size", click.IntRange(16, 1024), "PIXELS", "Side of the network's input."),
    ("--resize", str, "HOW", f"To a square: {_listed(known.RESIZE)}."),
    (
        "--crop-share",
        Finite(0.5, 1),
        "SHARE",
        "Resize to size / share first and take the middle: 0.875 is 224 of 256.",
    ),
    ("--interpolation", str, "HOW", f"When resizing: {_listed(known.INTERPOLATION)}."),
    ("--normalise", str, "HOW", f"Pixel values: {_listed(known.NORMALISE)}."),
    ("--augment", str, "KIND", f"Random changes while training: {_listed(known.AUGMENT)}."),
    ("--epochs", whole(1), "N", "Passes over the training images."),
    ("--head-epochs", whole(0), "N", "Of them, first, with the head alone."),
    ("--batch-size", whole(1), "N", "Images a step."),
    ("--optimiser", str, "NAME", f"{_listed(known.OPTIMISER)}."),
    ("--lr", Finite(min=0, min_open=True), "RATE", "Learning rate of the head."),
    (
        "--backbone-lr",
        Finite(min=0, min_open=True),
        "RATE",
        "Learning rate of unfrozen layers.",
    ),
    ("--weight-decay", Finite(min=0), "W", "Weight decay."),
    ("--schedule", str, "NAME", f"Of the learning rate: {_listed(known.SCHEDULE)}."),
    ("--patience", whole(1), "N", "Stop after so many epochs without a better loss."),
    ("--class-weights", str, "KIND", f"{_listed(known.CLASS_WEIGHTS)}."),
    ("--split", str, "KIND", "group (patient), image, official, hold-out or k-fold."),
    ("--folds", whole(2), "K", "Cross-validation in so many folds."),
    ("--repeats", whole(1), "N", "Repeat the split with other divisions."),
    (
        "--test",
        Finite(0, 1, min_open=True, max_open=True),
        "SHARE",
        "Hold out this share for testing.",
    ),
    ("--validation", Finite(0, 1, max_open=True), "SHARE", "Share for validation."),
    (
        "--threshold",
        str,
        "RULE",
        "Of two classes, chosen on validation images: youden, sensitivity=0.95, specificity=0.9.",
    ),
    ("--positive", str, "CLASS", "Class whose sensitivity is meant."),
    ("--max-images", whole(2), "N", "Use a sample of so many images."),
)


def gathered(into: str, *options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Give a command options, and as one mapping what was given of these and of earlier ones."""
    listed = click.command("options")(applied(lambda: None, *options)).params

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(*arguments: Any, **given: Any) -> Any:
            own = {str(option.name): given.pop(str(option.name)) for option in listed}
            known = {name: value for name, value in own.items() if value is not None}
            return function(*arguments, **{**given, into: given.get(into, {}) | known})

        return applied(command, *options)

    return decorate


def spec_options(
    left_out: Sequence[str] = (), **other_help: tuple[str, str]
) -> Callable[[Command], Command]:
    """Give a command the options that decide a replication.

    The command gets what was given of them as one keyword argument, ``words``: word or number by
    the option's name, as :func:`replicate.setup.overrides.overrides` takes them.

    Parameters
    ----------
    left_out
        Options that the command does not have.
    other_help
        Placeholder and help of options that mean something else there, by name.
    """
    options = [
        click.option(
            "--amp", is_flag=True, default=None, help="Train in mixed precision (changes results)."
        )
    ]
    for option, kind, *usual in _OPTIONS:
        name = option.removeprefix("--").replace("-", "_")
        if name not in left_out:
            metavar, said = other_help.get(name, usual)
            options.append(click.option(option, type=kind, metavar=metavar, help=said))
    return gathered("words", *options)


#: How images are read; the names are the fields of :class:`replicate.images.reading.Reading`.
_READING = (
    click.option(
        "--allow-outside",
        is_flag=True,
        default=None,
        help="Read files outside a set's folder too, where its CSV or links lead to them.",
    ),
    click.option(
        "--columns",
        metavar="USE=COLUMN,...",
        help="Columns of the CSV: image=image_id,class=dx,group=lesion_id; class=MEL|NV|BCC are "
        f"columns of which one holds 1.  Uses: {', '.join(COLUMNS)}.",
    ),
    click.option("--preset", metavar="FORM", help=f"Published form of the CSV: {_listed(PRESET)}."),
    click.option(
        "--finding", metavar="NAME", help="Tell one finding (or class) of the CSV from all others."
    ),
    click.option(
        "--uncertain",
        metavar="HOW",
        help=f"Images whose label is -1: {_listed(UNCERTAIN)}.  [default: {UNCERTAIN.terms[0]}]",
    ),
    click.option(
        "--group-copies",
        is_flag=True,
        default=None,
        help="Keep near copies on one side of a split, as patients are.",
    ),
    click.option(
        "--window",
        metavar="WINDOW",
        help="What grey beyond 8 bits is shown by: centre and width (-600,1500), or, for CT, "
        f"{', '.join(CT_WINDOWS)}.  [default: the file's own, else one range for the set]",
    ),
)

#: Gives a command the options on how images are read, as one keyword argument, ``reading``.
reading_options = gathered("reading", *_READING)

#: Gives a command ``--images`` and ``--data``, among its ``words``.
images_option = gathered(
    "words",
    click.option(
        "--images",
        metavar="WHERE",
        help="Images: a folder, an .npz, a .csv, a MedMNIST name, or phantom.",
    ),
    click.option("--data", metavar="NAME", help="Which of the setup's sources the images are."),
    click.option(
        "--test-images",
        metavar="WHERE",
        help="Test on all of this set, train on all of --images: external validation.",
    ),
    click.option(
        "--map",
        "class_map",
        multiple=True,
        metavar="OTHER=OURS",
        help="A class of --test-images that is called otherwise in --images; repeatable.",
    ),
    *_READING,
)

#: Gives a command the options on where it computes, which change no result: as one keyword
#: argument, ``computing``, the arguments of :func:`replicate.training.compute.choose`.
compute_options = gathered(
    "computing",
    click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Where to compute: auto (the fastest), cuda, cuda:1, mps, cpu.",
    ),
    click.option("--workers", type=whole(0), metavar="N", help="Threads that decode images."),
    click.option(
        "--threads",
        type=whole(1),
        metavar="N",
        help="Threads of the CPU. The last bits of what is trained depend on how many, those of "
        "features do not.  [default: one for each core]",
    ),
    click.option(
        "--deterministic/--fast",
        default=True,
        show_default=True,
        help="Only algorithms that give the same bits each time, or whatever is quickest.",
    ),
)


def planned(name: str | None, words: Mapping[str, Any], where: str | None) -> Plan:
    """Plan what a command asks for, and say what it had to choose.

    Raises
    ------
    UsageError
        Neither a setup nor images, or options that do not go together; where it gives no hint of
        its own, that is the help of the command that was called.
    NotFoundError
        No such setup or study.
    """
    from replicate.planning import make_plan

    try:
        plan = make_plan(name, opening=lambda: opened(where), chosen=CHOSEN, **words)
    except UsageError as error:
        called = click.get_current_context().info_name
        error.hint = error.hint or f"See medtl-meta replicate {called} --help."
        raise
    if plan.from_record and plan.specified.study is not None:
        key = plan.specified.study.key
        remark(f"{key} has no setup of its own: what its record holds, and house defaults.")
    if plan.waits_for_images:
        remark("No --images given: planned for the setup's own source.")
    return plan
