"""The options that decide a replication, shared by all commands that plan or run one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from db.vocabulary import Lexicon
from db.wording import RECOMMENDED_IS
from replicate.setup import overrides as words


def _listed(lexicon: Lexicon) -> str:
    return ", ".join(lexicon.terms)


#: Option, its type, placeholder, help; the name without dashes is its key in the mapping.
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("--backbone", str, "NAME", "Network, by the literature's, torchvision's or timm's name."),
    ("--tl", str, "TYPE", f"TL type: {_listed(words.TL_TYPE)} ({RECOMMENDED_IS})."),
    ("--weights", str, "W", "Start weights: pretrained, random or a path."),
    ("--head", str, "KIND", f"Classifier: {_listed(words.HEAD)}."),
    ("--unfreeze", str, "EXTENT", "Trained from the end: blocks:2, layers:3, ratio:0.3, all."),
    ("--batchnorm", str, "P", f"BatchNorm in evaluation mode: {_listed(words.BATCHNORM)}."),
    ("--size", click.IntRange(16, 1024), "PIXELS", "Side of the network's input."),
    ("--resize", str, "HOW", f"To a square: {_listed(words.RESIZE)}."),
    ("--normalise", str, "HOW", f"Pixel values: {_listed(words.NORMALISE)}."),
    ("--augment", str, "KIND", f"Random changes while training: {_listed(words.AUGMENT)}."),
    ("--epochs", click.IntRange(min=1), "N", "Passes over the training images."),
    ("--head-epochs", click.IntRange(min=0), "N", "Of them, first, with the head alone."),
    ("--batch-size", click.IntRange(min=1), "N", "Images a step."),
    ("--optimiser", str, "NAME", f"{_listed(words.OPTIMISER)}."),
    ("--lr", click.FloatRange(min=0, min_open=True), "RATE", "Learning rate of the head."),
    (
        "--backbone-lr",
        click.FloatRange(min=0, min_open=True),
        "RATE",
        "Learning rate of unfrozen layers.",
    ),
    ("--weight-decay", click.FloatRange(min=0), "W", "Weight decay."),
    ("--schedule", str, "NAME", f"Of the learning rate: {_listed(words.SCHEDULE)}."),
    ("--patience", click.IntRange(min=1), "N", "Stop after so many epochs without a better loss."),
    ("--class-weights", str, "KIND", f"{_listed(words.CLASS_WEIGHTS)}."),
    ("--split", str, "KIND", "group (patient), image, official, hold-out or k-fold."),
    ("--folds", click.IntRange(min=2), "K", "Cross-validation in so many folds."),
    ("--repeats", click.IntRange(min=1), "N", "Repeat the split with other divisions."),
    (
        "--test",
        click.FloatRange(0, 1, min_open=True, max_open=True),
        "SHARE",
        "Hold out this share for testing.",
    ),
    ("--validation", click.FloatRange(0, 1, max_open=True), "SHARE", "Share for validation."),
    ("--seeds", str, "A,B,...", "One run with each seed."),
    ("--positive", str, "CLASS", "Class whose sensitivity is meant."),
    ("--max-images", click.IntRange(min=2), "N", "Use a sample of so many images."),
)


def spec_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that decide a replication.

    The command gets them as one keyword argument, ``chosen``: value by path in the spec, only what
    was given (see :func:`replicate.setup.overrides.overrides`).
    """
    names = [option.removeprefix("--").replace("-", "_") for option, *_ in _OPTIONS] + ["amp"]

    @wraps(function)
    def command(*arguments: Any, **given: Any) -> Any:
        chosen = words.overrides({name: given.pop(name) for name in names})
        return function(*arguments, chosen=chosen, **given)

    command = click.option(
        "--amp", is_flag=True, default=None, help="Train in mixed precision (changes results)."
    )(command)
    for option, kind, placeholder, text in reversed(_OPTIONS):
        command = click.option(option, type=kind, metavar=placeholder, help=text)(command)
    return command


def images_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--images`` and ``--source``."""
    command = click.option(
        "--source", metavar="NAME", help="Which of the setup's sources the images are."
    )(function)
    return click.option(
        "--images",
        metavar="WHERE",
        help="Images: a folder, an .npz, a .csv, a MedMNIST name, or phantom.",
    )(command)


def compute_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on where it computes, which change no result.

    The command gets them as one keyword argument, ``computing``: the arguments of
    :func:`replicate.training.compute.choose`.
    """

    @wraps(function)
    def command(*arguments: Any, **given: Any) -> Any:
        names = ("device", "workers", "deterministic")
        return function(*arguments, computing={name: given.pop(name) for name in names}, **given)

    command = click.option(
        "--deterministic/--fast",
        default=True,
        show_default=True,
        help="Only algorithms that give the same bits each time, or whatever is quickest.",
    )(command)
    command = click.option(
        "--workers", type=click.IntRange(min=0), metavar="N", help="Threads that decode images."
    )(command)
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Where to compute: auto (the fastest), cuda, cuda:1, mps, cpu.",
    )(command)
