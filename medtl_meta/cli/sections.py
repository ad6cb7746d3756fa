"""A command whose many options are listed under headings in its help."""

from __future__ import annotations

from collections.abc import Mapping

import click

#: Heading -> options as they are typed; an option of none of them stands under the last.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Images": (
        "--images", "--modality", "--data", "--positive", "--max-images", "--columns",
        "--preset", "--finding", "--uncertain", "--group-copies", "--allow-outside", "--window",
    ),
    "Network and transfer": (
        "--backbone", "--weights", "--no-download", "--tl", "--unfreeze", "--batchnorm",
        "--statistics", "--head",
    ),
    "Preparation of images": (
        "--size", "--resize", "--crop-share", "--interpolation", "--normalise", "--augment",
    ),
    "Training": (
        "--epochs", "--head-epochs", "--batch-size", "--optimiser", "--lr", "--backbone-lr",
        "--weight-decay", "--schedule", "--patience", "--class-weights", "--amp",
    ),
    "Split and repetition": (
        "--split", "--folds", "--repeats", "--test", "--validation", "--seeds",
    ),
    "Computing": ("--device", "--workers", "--deterministic"),
    "Output and the rest": (),
}  # fmt: skip


class SectionedCommand(click.Command):
    """Lists its options under the headings of :data:`SECTIONS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        place = {
            option: (section, order)
            for section, options in enumerate(SECTIONS.values())
            for order, option in enumerate(options)
        }
        rest = len(SECTIONS) - 1, 0
        found = []
        for parameter in self.get_params(ctx):
            # What the arguments are, the text above says.
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                found.append((min(place.get(name, rest) for name in parameter.opts), record))
        found.sort(key=lambda one: one[0])
        for section, title in enumerate(SECTIONS):
            records = [record for (of, _), record in found if of == section]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
