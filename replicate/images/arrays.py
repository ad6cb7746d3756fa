"""Arrays in an .npz file, mapped instead of read where that saves memory; never unpickled."""

from __future__ import annotations

import hashlib
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from db.errors import ImagesError
from db.files import replacing
from replicate.places import cache_folder

#: Compressed arrays beyond this many bytes are unpacked to the cache once, and mapped from there.
IN_MEMORY = 256 * 2**20

_HEADER_SIZE = 30
_FETCH = "Fetch the file again."


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Open all arrays of an .npz file by name.

    Arrays that are stored uncompressed are mapped from the file itself; compressed ones are read
    into memory, or beyond :data:`IN_MEMORY` unpacked to the cache folder and mapped.

    Raises
    ------
    ImagesError
        Not an .npz file, cut off, or holding Python objects, which are never unpickled.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                Path(member.filename).stem: _array(path, archive, member)
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
    except zipfile.BadZipFile as error:
        raise ImagesError(f"{path}: is not a whole .npz file ({error}).", _FETCH) from error
    except (EOFError, ValueError, zlib.error, struct.error, NotImplementedError) as error:
        raise ImagesError(f"{path}: cannot be read ({error}).", _FETCH) from error
    except MemoryError as error:
        raise ImagesError(f"{path}: claims arrays larger than the memory.", _FETCH) from error
    except OSError as error:
        raise ImagesError(
            f"{path}: {error.strerror or error}.", "Check the path and the space in the cache."
        ) from error


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        shape, fortran, kind = _header(path, member.filename, stream)
        start, stored = stream.tell(), member.compress_type == zipfile.ZIP_STORED
        order: Any = "F" if fortran else "C"
        if not stored and member.file_size <= IN_MEMORY:
            return np.frombuffer(stream.read(), dtype=kind).reshape(shape, order=order)
    if 0 in shape:
        return np.zeros(shape, dtype=kind)
    if stored:
        return np.memmap(path, kind, "r", _offset(path, member) + start, shape, order)
    place = _unpacked(path, archive, member)
    return np.memmap(place, kind, "r", start, shape, order)


def _header(
    path: Path, name: str, stream: IO[bytes]
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(stream)
    if kind.hasobject:
        raise ImagesError(
            f"{path}: {name} holds Python objects, which can run code when they are read.",
            "Save plain numbers and texts: np.savez(..., labels=np.array(labels)).",
        )
    return shape, fortran, kind


def _offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of a stored member begin: behind its local header."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(_HEADER_SIZE)
    name, extra = struct.unpack("<HH", header[26:30])
    return member.header_offset + _HEADER_SIZE + int(name) + int(extra)


def _unpacked(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Path:
    """Unpack a member to the cache, once for each state of the file."""
    state = path.stat()
    facts = (path.absolute(), state.st_size, state.st_mtime_ns, member.filename, member.CRC)
    folder = cache_folder() / "arrays"
    # Never the member's own name, which could lead out of the folder.
    target = folder / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.npy"
    if target.is_file() and target.stat().st_size == member.file_size:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as stream, replacing(target) as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    return target
