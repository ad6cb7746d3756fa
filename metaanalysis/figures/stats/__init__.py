"""Figures of analyses: one module a kind of plot."""
