"""Hostile sets of images: archives that lie, tables that lead outside, links in a circle."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzz.sound_images import Trap
from tests.replicate.images.test_npz import HEADERS, form, headed, npy_bytes, zeros

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 6, 5), dtype=np.uint8)
LABELS = np.arange(7) % 2

_DTYPES = [
    "|O",
    "|V8",
    "<U9",
    "|S3",
    "<M8[s]",
    "<c16",
    ">u2",
    "<f8",
    "|b1",
    "<i8",
    "|u1",
    "<U0",
    "|V0",
    "<f2",
    "u1,u1",
    "3u1",
    "x",
]
_SHAPES = (
    *("(7,)", "(7,1)", "(7,2)", "()", "(0,)", "(0,6,5)", "(7,0,5)", "(7,6,5)", "(-7,6,5)", "7"),
    *("(7,6,5,3)", "(7,6,5,1)", "(7,6,5,2)", "(1,)*64", "(7,30000,30000)", "(True,6,5)", "None"),
    *("(2**62,2**62)", "(99999999999999999999,)", "(7.0,6,5)", "'777'", "[7,6,5]", "(7L,6L,5L)"),
)
_LABELS = (
    *([0.5] * 7, [np.nan] * 7, [np.inf] + [0] * 6, [2**31] + [0] * 6, [2**63] + [0] * 6),
    *([-1] + [0] * 6, [10**6] + [0] * 6, ["a"] * 7, [b"a"] * 7, [True, False] * 4, [0] * 7),
    *([[0, 1]] * 7, [1e300] * 7, [1j] * 7, np.zeros((7, 1, 1)), np.array(0), LABELS[:, None]),
)
#: Names of members, of which none may become a file.
_NAMES = (
    *("../../ran", "..\\ran", "C:\\ran", "images.npy", "images/", "\x1b[2J", "a\0b"),
    *("é" * 3000, "x" * 65000, ".npy", "CON", "train_images", "val_images"),
)


def archive(draw: Random, folder: Path, mark: Path) -> tuple[str, Path]:
    """Make an .npz file that lies."""
    path = folder / "x.npz"
    members = {"images": npy_bytes(IMAGES), "labels": npy_bytes(LABELS)}
    packed = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    one = draw.choice(list(members))
    match way := draw.randrange(9):
        case 0:
            members[one] = draw.choice(list(HEADERS.values()))
        case 1:
            header = form(
                draw.choice(_SHAPES), repr(draw.choice(_DTYPES)), draw.choice(("True", "0", "x"))
            )
            members[one] = headed(
                header, bytes(draw.choice((0, 7, 56, 210))), draw.choice((1, 2, 3))
            )
        case 2:
            trapped = np.empty(7, dtype=object)
            trapped[:] = [Trap(mark)] * 7
            content = io.BytesIO()
            np.save(content, trapped, allow_pickle=True)
            members[one] = draw.choice((content.getvalue(), pickle.dumps(Trap(mark))))
        case 3:
            members["labels"] = npy_bytes(draw.choice(_LABELS))
        case 4:
            members |= {draw.choice((*_NAMES, str(mark))): members[one] for _ in range(3)}
        case 5:
            members[one] = spoiled(members[one], draw)
        case 6:
            members["groups"] = npy_bytes(draw.choice(_LABELS))
        case 7 if draw.random() < 0.2:
            return "zeros that were deflated", zeros(path, "images", 7 * 2**25)
        case _:
            pass
    with zipfile.ZipFile(path, "w", packed) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    if way >= 7:
        path.write_bytes(spoiled(path.read_bytes(), draw))
    return f"archive: {way} {one} {packed}", path


_NUMBERS = (0, 1, 2, 7, 8, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1)


def spoiled(whole: bytes, draw: Random) -> bytes:
    """Flip, set, cut, double, leave out or overwrite bytes; most often near the beginning."""
    content = bytearray(whole)
    for _ in range(draw.choice((1, 1, 2, 5, 40))):
        near = min(len(content), draw.choice((64, 400, len(content) or 1)))
        at = draw.randrange(near) if near else 0
        length = draw.choice((1, 4, 16, 300))
        match draw.randrange(7):
            case 0 if content:
                content[at] ^= 1 << draw.randrange(8)
            case 1 if content:
                content[at] = draw.choice((0, 255, draw.randrange(256)))
            case 2:
                kind = draw.choice(("<I", ">I", "<H", ">H"))
                number = draw.choice(_NUMBERS) & (2 ** (8 * struct.calcsize(kind)) - 1)
                content[at : at + struct.calcsize(kind)] = struct.pack(kind, number)
            case 3 if draw.random() < 0.2:
                del content[draw.randrange(len(content) + 1) :]
            case 4:
                del content[at : at + length]
            case 5:
                content[at:at] = content[at : at + length] * draw.choice((1, 2, 50))
            case _:
                content[at:at] = draw.randbytes(draw.choice((1, 4, 16)))
    return bytes(content)


_PLACES = (
    *(
        "../secret/s.png",
        "/dev/zero",
        "/dev/urandom.png",
        "/etc/passwd",
        "fifo.png",
        "out.png",
        ".",
    ),
    *("..", "a/../../secret/s.png", "way/s.png", "circle.png", "circle/x.png", "hole.png", "a"),
    *("x" * 5000 + ".png", "a\0.png", "~/s.png", "file:///etc/passwd", "http://x/y.png", "a.png"),
    *(
        "\\\\server\\s.png",
        "..\\secret\\s.png",
        "\x1b[2Ja.png",
        "a.png\n",
        "folder.png",
        "secret.png",
        "",
    ),
)
_FRAMES = ("", "1", "0", "-1", "²", "1e9", "9" * 5000, "first", "last", "middle", "nan", "1.0", "٣")
_CELLS = (
    "a",
    "b",
    "",
    "=1+1",
    "\x1b[2J",
    "x" * 200_000,
    '"',
    "train",
    "test",
    "val",
    "nowhere",
    "\u202e",
)


def table(draw: Random, folder: Path, image: bytes) -> tuple[str, Path]:
    """Make a manifest, or the table of a class folder, whose rows lead anywhere."""
    within = links(folder, image)
    heading = draw.choice(
        ("file,class,split,patient,frame", "path;label;part;group_id;frame", "file,file")
    )
    mark = ";" if ";" in heading else ","
    rows = [["a.png", "a", "", "", ""], ["b.png", "b", "", "", ""]]
    for _ in range(draw.choice((1, 1, 3))):
        cells = [draw.choice(_PLACES), draw.choice("ab"), "", "", ""]
        if draw.random() < 0.5:
            cells[draw.randrange(1, 4)] = draw.choice(_CELLS)
            cells[4] = draw.choice(_FRAMES)
        rows.append(cells)
    text = "\n".join([heading, *(mark.join(row) for row in rows)])
    content = text.encode(draw.choice((*["utf-8"] * 9, "utf-8-sig", "utf-16")))
    if draw.random() < 0.2:
        content = spoiled(content, draw)
    if draw.random() < 0.3:
        for name in ("way", "out.png", "secret.png", "circle"):
            (within / name).unlink()
        (within / "folder.png").rmdir()
        for name in "ab":
            (within / name).mkdir(exist_ok=True)
            (within / name / f"{name}.png").write_bytes(image)
        (within / "metadata.csv").write_bytes(content)
        return f"metadata.csv: {rows[2:]!r:.300}", within
    (within / "x.csv").write_bytes(content)
    return f"manifest: {rows[2:]!r:.300}", within / "x.csv"


def links(folder: Path, image: bytes) -> Path:
    """Make a folder with sound images, a secret outside it, and all ways to get there."""
    within, secret = folder / "set", folder / "secret"
    within.mkdir()
    secret.mkdir()
    (secret / "s.png").write_bytes(image + b"secret")
    for name in "ab":
        (within / f"{name}.png").write_bytes(image + name.encode())
    for name, to in {
        **{"out.png": "../secret/s.png", "way": "../secret", "circle.png": "circle.png"},
        **{"circle": ".", "hole.png": "nowhere.png", "secret.png": "way/s.png"},
    }.items():
        (within / name).symlink_to(to)
    os.mkfifo(within / "fifo.png")
    (within / "folder.png").mkdir()
    return within


def linked(draw: Random, folder: Path, image: bytes) -> tuple[str, Path]:
    """Make a class folder in which something is no file of its own."""
    within = links(folder, image)
    kept = draw.sample(
        sorted(path.name for path in within.iterdir() if path.is_symlink()), draw.randrange(3)
    )
    for name in "ab":
        (within / name).mkdir()
        (within / name / "0.png").write_bytes(image)
    target = draw.choice(
        (
            "../../secret/s.png",
            "/dev/zero",
            "/dev/urandom",
            "/proc/self/mem",
            "/dev/stdin",
            "..",
            "../b",
            "1.png",
            "/",
            f"../{(*kept, 'a')[0]}",
            "../fifo.png",
            "x" * 5000,
        )
    )
    place = within / draw.choice("ab") / draw.choice(("1.png", "2.dcm", "3", "4.tif"))
    for name in [
        path.name for path in within.iterdir() if path.name not in (*"ab", "fifo.png", *kept)
    ]:
        path = within / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    try:
        place.symlink_to(target)
    except OSError:
        os.mkfifo(place)
    return f"link: {place.name} -> {target:.40}, {kept}", within
