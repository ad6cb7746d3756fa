"""What reaches a terminal, whatever a database holds and whatever the terminal is."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata
from itertools import cycle
from pathlib import Path

import pytest

from db.database import Database
from medtl_meta.cli.output import width
from medtl_meta.cli.terminal import markdown_text

#: Would name a window, clear the screen, colour, turn letters around, or hide.
HOSTILE = (
    "\x1b]0;x\x07",
    "\x1b[2J",
    "\x9b31m",
    "\b\b",
    "\r",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u200f",
    "\ufeff",
)
LETTERS = "\u0634\u0628\u0643\u0629 \u05e8\u05e9\u05ea \U0001f9e0 \u00e9"
#: What click and rich colour with; nothing else of the kind may come out.
_OURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def spoilt(database: Database, tmp_path: Path) -> Path:
    """Return a database in which hostile words stand that came past every check."""
    assert database.location.path is not None
    place = Path(shutil.copy(database.location.path, tmp_path / "spoilt.sqlite"))
    words = cycle(f"{LETTERS} a{word}b <script>c" for word in HOSTILE)
    rows = sqlite3.connect(place)
    with rows:
        for (number,) in rows.execute("SELECT id FROM study").fetchall():
            for column in ("authors", "title", "journal", "anatomy", "task", "note", "url", "doi"):
                wanted = f"UPDATE study SET {column} = ? WHERE id = ?"
                rows.execute(wanted, (next(words), number))
    rows.close()
    return place


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "medtl_meta", *words]


def _on_terminal(*words: str) -> str:
    """Return what a command prints where both its streams are a terminal."""
    here, there = pty.openpty()
    process = subprocess.Popen(_command(*words), stdout=there, stderr=there)
    os.close(there)
    printed = b""
    while True:
        try:
            read = os.read(here, 1 << 16)
        except OSError:  # the other end was closed
            break
        if not read:
            break
        printed += read
    os.close(here)
    process.wait()
    return printed.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "words",
    [
        ["query", "-c", "title,authors,journal,task"],
        ["query", "-f", "csv"],
        ["query", "-f", "json"],
        ["query", "-f", "markdown", "-c", "title"],
        ["show", "49"],
        ["show", "49", "-f", "json"],
        ["audit"],
        ["show", "\x1b[2J\u202e"],
        ["figures", "\x1b[2J"],
        ["--\x1b[2J"],
        ["stats", "pool", "--csv", "no\x1b[2J.csv", "--effect", "y"],
    ],
)
def test_nothing_unseen_reaches_a_terminal(words: list[str], spoilt: Path) -> None:
    printed = _OURS.sub("", _on_terminal("--db", str(spoilt), *words))
    assert printed
    assert "Traceback" not in printed
    found = {c for c in printed if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"}
    assert not found


def test_letters_and_data_stay(spoilt: Path) -> None:
    """Programs get every character; nobody's letters are taken for marks."""
    done = subprocess.run(
        _command("--db", str(spoilt), "query", "-f", "json"), capture_output=True, check=True
    )
    titles = [row["title"] for row in json.loads(done.stdout)]
    assert {word for word in HOSTILE if any(word in title for title in titles)}
    assert all(LETTERS in title for title in titles)
    assert LETTERS in _on_terminal("--db", str(spoilt), "show", "49", "-f", "json")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_json_is_json_in_any_encoding(encoding: str, spoilt: Path) -> None:
    done = subprocess.run(
        _command("--db", str(spoilt), "query", "-f", "json"),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=True,
    )
    assert all(LETTERS in row["title"] for row in json.loads(done.stdout.decode(encoding)))


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "words", ["query -f csv", "show 49", "audit", "figures 2 -o figures -f csv"]
)
def test_a_closed_stream_is_no_crash(
    words: str, closed: str, database: Database, tmp_path: Path
) -> None:
    line = f'"$@" {words} {closed}'
    asked = _command("--db", str(database.location.path))
    done = subprocess.run(
        ["bash", "-c", line, "bash", *asked], stderr=subprocess.PIPE, cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("<script>x</script>", r"\<script>x\</script>"),
        ("<!-- x", r"\<!-- x"),
        ("[x](javascript:y)", r"[x]\(javascript:y)"),
        ("<https://x.y>", r"\<https://x.y>"),
        ("p < 0.01 [81] (95 %)", "p < 0.01 [81] (95 %)"),
    ],
)
def test_markdown_holds_no_tag_and_no_link(text: str, safe: str) -> None:
    assert markdown_text(text) == safe


@pytest.mark.parametrize("asked", ["²", "-1", "0", "x", ""])
def test_a_width_that_is_none(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", asked)
    assert width() > 0
