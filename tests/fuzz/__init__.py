"""Attacks on what the tool reads: files, options, pages, databases.

An attack is a module with one function ``attempts(seed, folder)`` that yields an :class:`Outcome`
for each thing it tried, endlessly and the same for the same seed. The suite runs each for a fixed
number of attempts; ``make fuzz`` runs them at length, and ``python -m tests.fuzz`` those that are named.
"""
