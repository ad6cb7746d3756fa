"""Meta-analysis: from effects to pooled estimates, on numpy and scipy alone.

Arrays in, frozen results out; nothing here knows the database, pandas (but for ``to_frame``) or
Altair. ``from metaanalysis import pool`` gives the public functions.
"""
