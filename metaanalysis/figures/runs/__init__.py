"""Figures of replications and contests."""
