"""The review's two rank correlations, recomputed from the curated studies beside the printed ones.

The review correlates data size per class with AUC and with accuracy, over the studies that its
Figure 6 shows. It prints rho and p, and not of how many studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.database import Database
from db.errors import StatisticsError
from metaanalysis import query
from metaanalysis.analyses.sentences import PLAIN, more_data
from metaanalysis.review.performance import METRIC_COLUMNS, selection
from metaanalysis.review.performance import points as figure_points
from metaanalysis.samples.sample import LeftOut
from metaanalysis.stats.correlation import check_printed_correlation, spearman
from metaanalysis.stats.result_tables import CorrelationResult, PrintedCorrelation


@dataclass(frozen=True, slots=True)
class ReviewCorrelation:
    """One of the review's correlations, printed and recomputed.

    Attributes
    ----------
    metric
        ``AUC`` or ``accuracy``.
    printed
        The printed rho and p, with the n that they would need.
    shown
        How many studies the review's figure shows, at most so many of which have this metric.
    printed_at_shown
        The printed rho with the p that it has with that many studies.
    recomputed
        Of the curated studies that the review's rule lets in.
    keys
        These studies.
    left_out
        The curated studies that are not, each with the first reason.
    """

    metric: str
    printed: PrintedCorrelation
    shown: int
    printed_at_shown: PrintedCorrelation
    recomputed: CorrelationResult
    keys: tuple[str, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def sentence(self) -> str:
        """Return what it means, in plain words."""
        return f"{PLAIN}{self.finding}"

    @property
    def finding(self) -> str:
        """Return the same without saying that the words are plain."""
        return more_data(
            self.metric, self.recomputed, self.printed, self.printed_at_shown, self.shown
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything, safe for JSON."""
        return {
            "metric": self.metric,
            "reported": {
                "rho": self.printed.r,
                "p": self.printed.p,
                "n": None,
                "n_that_fits": [self.printed.n_low, self.printed.n_high],
                "studies_shown": self.shown,
                "at_studies_shown": self.printed_at_shown.to_dict(),
            },
            "recomputed": self.recomputed.to_dict(),
            "analysed": list(self.keys),
            "left_out": [item.to_dict() for item in self.left_out],
            "sentence": self.sentence,
        }


def review_correlations(
    database: Database,
    metrics: Sequence[str] = tuple(METRIC_COLUMNS),
    *,
    resamples: int = 9999,
    seed: int = 1,
    level: float = 0.95,
) -> list[ReviewCorrelation]:
    """Recompute the review's correlations of data size per class with AUC and accuracy.

    Parameters
    ----------
    database
        An open database.
    metrics
        ``AUC``, ``accuracy`` or both.
    resamples, seed, level
        As of ``metaanalysis.spearman``.

    Raises
    ------
    StatisticsError
        Fewer than three studies have both values.
    """
    account = selection(database)
    shown = int(query.review_facts(database, "figure_6")["shown"])
    found = []
    for metric in metrics:
        column = METRIC_COLUMNS[metric]
        facts = query.review_facts(database, f"spearman_{column}")
        rho, p = str(facts["rho"]), str(facts["p"])
        drawn = figure_points(database, metric, account=account)
        if len(drawn) < 3:
            raise StatisticsError(f"{metric}: only {len(drawn)} studies have a value and a size.")
        ours = spearman(
            drawn["x"].tolist(),
            drawn["y"].tolist(),
            resamples=resamples,
            seed=seed,
            level=level,
            labels=drawn["key"].tolist(),
            columns=("data size per class", metric),
        )
        rows = account.studies[~account.studies[f"in_{column}"]].to_dict("records")
        why = f"reason_{column}"
        found.append(
            ReviewCorrelation(
                metric,
                check_printed_correlation(rho, p),
                shown,
                check_printed_correlation(rho, p, shown),
                ours,
                tuple(_label(row) for row in drawn.to_dict("records")),
                tuple(
                    LeftOut(_label(row), f"[{row['ref']}]", "not-in-figure", {"reason": row[why]})
                    for row in rows
                ),
            )
        )
    return found


def _label(row: Mapping[Any, Any]) -> str:
    return f"{row['key']} [{row['ref']}]"
