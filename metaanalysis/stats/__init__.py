"""The numbers: effects, models, tests for bias. Pure functions on arrays; no pandas inside.

What a notebook needs is exported by :mod:`metaanalysis` itself (``from metaanalysis import pool``):
nothing is exported here, since a function and a module of one name (``pool``) cannot both be an
attribute of one package.
"""
