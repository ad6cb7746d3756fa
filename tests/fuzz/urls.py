"""URLs of servers with a password in them, broken in every way: no part of it is ever printed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.fuzz.outcome import Outcome, command

#: What a password is made of, and what is put between: signs that have a meaning in a URL.
PARTS = ("Hunter", "zQ9wKp", "S3cretly", "Geheim", "пароль", "LETMEin77", "48151623")
SIGNS = ("", "@", ":", "/", "?", "#", "%", "&", "=", " ", "+", "%40", "%2F", "%zz", "\\", "'", '"',
         "[", "]", ",", ";", "\n", "\x1b[31m", "\u202e", "@@", "//", "://")  # fmt: skip
FORMS = (
    "{scheme}://me:{password}@{host}/db",
    "{scheme}://me:{password}@{host}",
    "{scheme}://:{password}@{host}/db",
    "{scheme}://me:{password}{host}/db",
    "{scheme}://me:{password}/db",
    "{scheme}://me:{password}@/db",
    "{scheme}://me:{password}@:1/db",
    "{scheme}://me:{password}@[::1/db",
    "{scheme}://me:{password}@[::1]:1/db",
    "{scheme}://me:{password}@{host}:port/db",
    "{scheme}://me:x@{host}:{password}/db",
    "{scheme}://me:{password}@{host}/db?sslmode=never",
    "{scheme}://me:{password}@me@{host}/db",
    "{scheme}://{host}/db?user=me&password={password}",
    "{scheme}://me@{host}/db?password={password}&application_name=x",
    "{scheme}://me@{host}/db?port={password}",
    "{scheme}://me@{host}/db?host=me:{password}",
    "{scheme}://me@{host}/db?{password}",
    "{scheme}://me@{host}/db?{password}=1",
    "{scheme}:///db?service=none&password={password}",
    "{scheme}:me:{password}@{host}/db",
    "{scheme}:/me:{password}@{host}/db",
    "{scheme}//me:{password}@{host}/db",
    "//me:{password}@{host}/db",
    "me:{password}@{host}/db",
    "host={host} user=me password={password}",
    "{scheme}://me%3A{password}%40{host}/db",
    "{scheme}://me%3A{password}@{host}/db",
    " {scheme}://me:{password}@{host}/db ",
    "'{scheme}://me:{password}@{host}/db'",
    "jdbc:{scheme}://me:{password}@{host}/db",
    "me:{password}://{host}/db",
    "sqlite://me:{password}@{host}/db",
    "file:me:{password}@{host}/db",
)  # fmt: skip
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg", "POSTGRESQL", "postgresl", "mysql",
           "postgresql+asyncpg")  # fmt: skip
#: Nobody listens there, so that each attempt is refused at once.
HOSTS = ("127.0.0.1:1", "localhost:1", "127.0.0.1:99999", "[::1]:1", "127.0.0.1:-1")
COMMANDS = (("query",), ("db", "info"), ("db", "load"), ("show", "49"), ("replicate", "runs"))


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Give broken URLs to commands, and look for parts of their passwords in what is printed."""
    chance = random.Random(seed)
    while True:
        parts = chance.sample(PARTS, chance.randint(1, 3))
        form, sign = chance.choice(FORMS), chance.choice(SIGNS)
        if "}@" not in form and "me:{password}" in form:
            sign = sign.replace("@", "_")  # would make a right URL, of another host
        password = sign.join(parts)
        if chance.random() < 0.3:
            password = quote(password, safe="")
        url = form.format(
            scheme=chance.choice(SCHEMES), host=chance.choice(HOSTS), password=password
        )
        arguments = ["--db", url, *chance.choice(COMMANDS)]
        outcome, printed = command(arguments, limit_s=15.0)
        if told := [part for part in parts if part in printed or quote(part) in printed]:
            outcome = Outcome("executed", outcome.tried, f"{told} in: {printed}")
        elif outcome.kind == "answered":
            outcome = Outcome("silent", outcome.tried, "taken for the place of a database")
        yield outcome
