"""Rerun a cited study's configuration on public images, and compare."""
