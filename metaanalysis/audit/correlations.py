"""Whether a printed rank correlation, its p and the number of studies can go together."""

from __future__ import annotations

from collections.abc import Iterator

from metaanalysis.audit.finding import CONSISTENT, INCONSISTENT, SUSPICIOUS, Finding
from metaanalysis.audit.material import Material
from metaanalysis.stats.correlation import check_printed_correlation

#: A correlation needs so many pairs to have a p.
_FEWEST = 3


def _n_text(low: int | None, high: int | None) -> str:
    if low is None:
        return "no n"
    if high is None:
        return f"n of {low:,} or more"
    return f"n = {low:,}" if low == high else f"n from {low:,} to {high:,}"


def correlations(material: Material) -> Iterator[Finding]:
    """Check every printed correlation against the number of studies that the figure shows.

    Each panel of Figure 6 shows at most all the studies that the figure shows. If no such number
    fits, the correlation may rest on other studies than those shown, at most all that are included.
    """
    shown, included = material.facts["figure_6"]["shown"], material.facts["totals"]["included"]
    for section, fact in material.facts.items():
        if not {"rho", "p"} <= fact.keys():
            continue
        # Text, because the number of digits tells the rounding.
        checked = check_printed_correlation(str(fact["rho"]), str(fact["p"]), n=shown)
        low, high = checked.n_low, checked.n_high

        def reaches(n: int, low: int | None = low, high: int | None = high) -> bool:
            return low is not None and low <= n and (high is None or high >= _FEWEST)

        p_at = f"p = {checked.p_at_n:.2f} at n = {shown}"
        needed = _n_text(low, high)
        if reaches(shown):
            verdict, text = CONSISTENT, f"{needed} fits, and {shown} studies are shown."
        elif reaches(included):
            verdict = SUSPICIOUS
            text = (
                f"Needs {needed}; the figure shows {shown} studies at most, which would give "
                f"{p_at}. It fits if more of the {included} studies went in than are shown."
            )
        else:
            verdict = INCONSISTENT
            text = (
                f"Needs {needed}, rounding allowed for; the figure shows {shown} studies at most, "
                f"which would give {p_at}, and the review has only {included}."
            )
        yield material.on("correlation", section.replace("_", "-"), section)(
            verdict,
            text,
            reported=f"r = {fact['rho']}, p = {fact['p']}",
            recomputed=p_at,
        )
