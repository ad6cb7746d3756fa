"""Trained models to be taken away: a file with its card, and predictions of other images."""
