"""Replicated beside reported values: which is held against which, and what comes of it."""
