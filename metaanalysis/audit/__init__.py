"""Checking what the review and the studies print: which numbers cannot be true, and which may.

Examples
--------
>>> from metaanalysis.audit import audit
>>> [(finding.subject, finding.verdict) for finding in audit(checks=["retraction"])]
[('danobrega2018', 'suspicious')]
"""

from metaanalysis.audit.finding import ATTENTION, FAULTS, VERDICTS, Finding, tally, with_verdict
from metaanalysis.audit.registry import CHECKS, Check, audit, audit_studies

__all__ = [
    "ATTENTION",
    "CHECKS",
    "FAULTS",
    "VERDICTS",
    "Check",
    "Finding",
    "audit",
    "audit_studies",
    "tally",
    "with_verdict",
]
