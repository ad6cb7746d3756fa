"""Where the literature lives: vocabulary, tables, loading and opening of the database."""

__version__ = "0.2.0"

__all__ = ["__version__"]
