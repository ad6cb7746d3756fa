"""The words for methods, tests and scales; apart, so that ``--help`` need not load numpy."""

from __future__ import annotations

#: Estimators of the between-study variance, the common effect, and the binomial-normal model.
METHODS = ("REML", "DL", "PM", "ML", "EB", "HE", "HS", "SJ", "common", "GLMM")

TESTS = ("knapp-hartung", "knapp-hartung-adhoc", "z")

#: Scales on which proportions can be pooled; an AUC on the first three.
TRANSFORMS = ("logit", "raw", "arcsine", "freeman-tukey")
