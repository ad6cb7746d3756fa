"""What is pooled: samples of outcomes with their n, from the literature, our runs or a CSV file.

A sample says what it holds, what was left out and why, and on which assumptions its numbers stand;
:mod:`metaanalysis.analyses` turns one into a result.
"""

from metaanalysis.samples.csv_file import from_csv
from metaanalysis.samples.literature import from_literature, pairs_from_literature
from metaanalysis.samples.replications import from_replications
from metaanalysis.samples.sample import LeftOut, Sample

__all__ = [
    "LeftOut",
    "Sample",
    "from_csv",
    "from_literature",
    "from_replications",
    "pairs_from_literature",
]
