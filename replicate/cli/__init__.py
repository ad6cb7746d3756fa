"""The commands of ``medtl-meta replicate``."""
