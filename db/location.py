"""Where the database is: a path, a URL, the environment, or the user's data folder.

A URL that cannot be taken is never quoted: whichever part of it is wrong may be the password.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl, unquote

from db.errors import UsageError

ENVIRONMENT = "MEDTL_META_DB"
_FORM = "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or postgresql://HOST/DATABASE."
_SERVER = re.compile(r"postgres(?:ql)?(?:\+psycopg)?")
#: User, password, host and port, in front of the database. What stands in none of these is no URL.
_AUTHORITY = re.compile(
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[\w.-]*)(?::(?P<port>[0-9]+))?"
)
#: What looks like the address of a server, and would else be taken for the name of a file.
_NO_PATH = re.compile(
    r"\W*postgres\w*(\+\w+)?\s*(:|//)|(?!~|\.{0,2}/[^/]|[A-Za-z]:\\)[^@]*:[^@]*@|.*password\s*=",
    re.IGNORECASE | re.DOTALL,
)
#: Parameters of a connection that may stand in the query of a URL (libpq's names).
_PARAMETER = re.compile(
    "application_name|channel_binding|client_encoding|connect_timeout|dbname|"
    "fallback_application_name|gss(encmode|lib|delegation)|host(addr)?|"
    "keepalives(_count|_idle|_interval)?|krbsrvname|load_balance_hosts|options|passfile|password|"
    "port|replication|require_auth|requirepeer|service|target_session_attrs|tcp_user_timeout|user|"
    "ssl(cert|certmode|compression|crl|crldir|key|mode|negotiation|password|rootcert|sni)|"
    "ssl_(max|min)_protocol_version"
)
#: Values that libpq would quote where they are wrong, though they may be part of a password.
_ANY = re.compile(r".*", re.DOTALL)
_VALUE = {
    "host": re.compile(r"(?:/[^:@]*|[\w.,-]*)(?::[0-9]*)?"),
    "port": re.compile(r"[0-9,]*"),
    **dict.fromkeys(("user", "dbname", "service", "sslmode"), re.compile(r"[^:@]*")),
}


@dataclass(frozen=True, slots=True)
class Location:
    """A database's place: a file (`path`) or a server (`path` is None).

    `url` may hold a password: only ``str(location)`` may be shown.
    """

    url: str
    path: Path | None

    def __str__(self) -> str:
        """Return the place as it may be shown: without password and parameters."""
        if self.path is not None:
            return str(self.path)
        authority, _, rest = self.url.partition("://")[2].partition("/")
        userinfo, at, host = authority.rpartition("@")
        return f"postgresql://{userinfo.partition(':')[0]}{at}{host}/{re.split('[?#]', rest)[0]}"

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"


def default_path() -> Path:
    """Return the file in the user's data folder; nothing is created."""
    from platformdirs import user_data_path

    return user_data_path("medtl-meta", appauthor=False) / "medtl-meta.sqlite"


def _file(path: Path) -> Location:
    path = path.expanduser().absolute()
    return Location(f"sqlite:///{path}", path)


def _named(path: str) -> Location:
    if _NO_PATH.match(path):
        _refuse("it looks like the address of a server and lacks a part, such as ://")
    return _file(Path(path))


def _refuse(what: str) -> NoReturn:
    raise UsageError(f"not a usable database URL: {what}.", _FORM)


def _server(rest: str) -> Location:
    """Check what follows ``postgresql://``, so that no driver has anything left to guess."""
    place, _, query = rest.partition("?")
    if "@" in re.split("[/?#]", rest, maxsplit=1)[-1] != rest:
        _refuse("a /, ? or # stands before an @; in a password they are %2F, %3F, %23 and %40")
    authority, _, database = place.partition("/")
    if authority.count("@") > 1:
        _refuse("it has more than one @; in a password it is %40")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        _refuse("host and port are not a name or address and a number")
    if found["port"] and not 0 < int(found["port"][:6]) < 65536:
        _refuse("the port is not a number from 1 to 65535")
    if ":" in (user := unquote(found["user"] or "")) or "@" in user:
        _refuse("the : between user and password, or the @ behind them, is encoded")
    parameters = parse_qsl(query, keep_blank_values=True)
    for name, value in parameters:
        if not _PARAMETER.fullmatch(name) or not _VALUE.get(name, _ANY).fullmatch(value):
            _refuse("behind the ? stands a parameter or value that PostgreSQL does not know")
    if not all(text.isprintable() for text in (unquote(rest), *dict(parameters).values())):
        _refuse("it holds characters that cannot be printed")
    if not database.strip("/") and not {"dbname", "service"} & dict(parameters).keys():
        raise UsageError("the PostgreSQL URL names no database.", _FORM)
    return Location(f"postgresql+psycopg://{rest}", None)


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
            raise UsageError("a URL of SQLite's own kind is not taken.", "Write the path alone.")
        if asked == ":memory:":
            raise UsageError(
                "a database in memory would be gone with the process.", "Name a file instead."
            )
        return _named(asked)
    scheme = scheme.strip().lower()
    if scheme == "sqlite":
        if not rest.removeprefix("/"):
            raise UsageError(f"{asked}: names no file.", "Write sqlite:///path/to/file.sqlite.")
        return _named(rest.removeprefix("/"))
    if _SERVER.fullmatch(scheme):
        return _server(rest.rstrip())
    raise UsageError(
        "databases of this kind are not supported.",
        "Give a path, a sqlite:/// URL or a postgresql:// URL.",
    )
