"""Write the README's table "reported against replicated" from the kept rows of the reruns.

Usage::

    python benchmarks/replications_table.py

Nothing in it is typed by hand; a test holds the README to it.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from db.wording import capital, listed, plural
from replicate.verdicts.verdicts import NOT_COMPARABLE, VERDICTS

ROWS = Path(__file__).parent / "replications.csv"
#: In the order of their accuracy on ImageNet; what each stands for is in the rows.
NETWORKS = ("MobileNetV2", "EfficientNet-Lite0", "SqueezeNet1.1")

Row = dict[str, str]
#: What makes a line: study, images, split, TL type, metric, class.
Line = tuple[str, ...]


def read(path: Path = ROWS) -> list[Row]:
    """Return the rows as they are kept."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def compared(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with a reported value."""
    return [row for row in rows if row["reported"] and row["verdict"] != NOT_COMPARABLE]


def table(rows: Sequence[Row]) -> str:
    """Return one line for each reported value and way to rerun it, a column for each network."""
    lines: dict[Line, dict[str, Row]] = defaultdict(dict)
    for row in compared(rows):
        method = f"{row['tl_type']} ({row['unfrozen']})" if row["unfrozen"] else row["tl_type"]
        metric = f"{row['metric']} of {row['of_class']}" if row["of_class"] else row["metric"]
        place: Line = (f"{row['study']} [{row['ref']}]", f"{row['dataset']} ({row['fidelity']})",
                 row["split"], method, f"{metric} {row['reported']}")  # fmt: skip
        lines[place][row["backbone"]] = row
    head = ("study", "images (fidelity)", "split", "TL type", "reported", *NETWORKS)
    text = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for place, found in lines.items():
        cells = [_cell(found.get(network)) for network in NETWORKS]
        text.append(f"| {' | '.join((*place, *cells))} |")
    return "\n".join(text)


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    value, low, high = (float(row[name]) for name in ("replicated", "ci_low", "ci_high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}] **{row['verdict']}**"


def counts(rows: Sequence[Row]) -> str:
    """Return how the verdicts fall, over all and on the studies' own images."""
    found = compared(rows)
    own = [row for row in found if row["fidelity"] == "same data"]
    on_own = f" On the studies' own images: {_fell(own)}." if own else ""
    return f"{capital(_fell(found))}.{on_own}"


def _fell(rows: Sequence[Row]) -> str:
    verdicts = Counter(row["verdict"] for row in rows)
    said = listed(f"{verdicts[word]} {word}" for word in VERDICTS if verdicts[word])
    runs = plural(len({row["run"] for row in rows}), "run")
    return f"{plural(len(rows), 'value')} of {runs}, {said}"


def main() -> None:
    rows = read()
    print(table(rows), counts(rows), sep="\n\n")


if __name__ == "__main__":
    main()
