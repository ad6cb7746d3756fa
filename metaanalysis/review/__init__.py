"""The review's tables and figures, recomputed from the curated studies."""
