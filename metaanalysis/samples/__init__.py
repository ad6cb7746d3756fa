"""What is pooled: samples of outcomes with their n, from the literature, our runs or a CSV file.

A sample says what it holds, what was left out and why, and on which assumptions its numbers stand;
:mod:`metaanalysis.analyses` turns one into a result.
"""
