"""Where the database is: a path, a URL, the environment, or the user's data folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from db.errors import UsageError

ENVIRONMENT = "MEDTL_META_DB"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class Location:
    """A database's place: a file (`path`) or a server (`path` is None)."""

    url: str
    path: Path | None

    def __str__(self) -> str:
        """Return the place as it may be shown: without a password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        user = parts.username
        shown = f"{user}@{host}" if user else host
        return urlunsplit(("postgresql", shown, parts.path, "", ""))


def default_path() -> Path:
    """Return the file in the user's data folder; nothing is created."""
    from platformdirs import user_data_path

    return user_data_path("medtl-meta", appauthor=False) / "medtl-meta.sqlite"


def _file(path: Path) -> Location:
    path = path.expanduser().absolute()
    return Location(f"sqlite:///{path}", path)


def locate(where: str | os.PathLike[str] | None = None) -> Location:
    """Resolve what the user said about the place of the database.

    Parameters
    ----------
    where
        A path, a ``sqlite:///`` or ``postgresql://`` URL; None takes the environment variable
        ``MEDTL_META_DB``, else the file in the user's data folder.

    Raises
    ------
    UsageError
        The URL is of a database that is not supported, or names none.
    """
    asked = os.fspath(where) if where is not None else os.environ.get(ENVIRONMENT, "")
    if not asked:
        return _file(default_path())
    scheme, separator, rest = asked.partition("://")
    if not separator:
        if asked.startswith("file:"):
            raise UsageError(f"{asked}: is a URL of SQLite's own kind.", "Write the path alone.")
        if asked == ":memory:":
            raise UsageError(
                "a database in memory would be gone with the process.", "Name a file instead."
            )
        return _file(Path(asked))
    scheme = scheme.lower()
    if scheme == "sqlite":
        if not rest.removeprefix("/"):
            raise UsageError(f"{asked}: names no file.", "Write sqlite:///path/to/file.sqlite.")
        return _file(Path(rest.removeprefix("/")))
    if scheme in _POSTGRES:
        form = "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        try:
            parts = urlsplit(asked)
            _ = parts.port
        except ValueError as error:
            raise UsageError(f"not a usable database URL: {error}.", form) from None
        if not parts.path.strip("/"):
            raise UsageError("the PostgreSQL URL names no database.", form)
        return Location(f"postgresql+psycopg://{rest}", None)
    raise UsageError(
        f"databases of the kind {scheme!r} are not supported.",
        "Give a path, a sqlite:/// URL or a postgresql:// URL.",
    )
