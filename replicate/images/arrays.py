"""Arrays in an .npz file, mapped instead of read where that saves memory; never unpickled.

What an archive claims is compared with what it holds before anything is made room for: the sizes
of its members, and the shapes and types in their headers.
"""

from __future__ import annotations

import hashlib
import io
import math
import shutil
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy
from numpy.typing import NDArray

from db.errors import ImagesError
from db.files import replacing, sweep
from replicate.places import cache_folder, number_of

#: Compressed arrays beyond this many bytes, all together, are unpacked to the cache once, and
#: mapped from there.
IN_MEMORY = 256 * 2**20

#: Environment variable: GB that the arrays of one file may be unpacked to; and how many without it
#: (the largest set of MedMNIST has 16).
UNPACKED = "MEDTL_META_UNPACKED_GB"
DEFAULT_UNPACKED = 20.0

#: Images that deflate more than so many times are none: those of MedMNIST do two to six times.
DEFLATED = 200

#: Bytes of an archive's list of members, of an array's header, and left alone on the disk.
_LIST, _HEADER, _SPARE = 2**20, 1024, 64 * 2**20
_LOCAL = 30
_ENCRYPTED = 1
_FETCH = "Fetch the file again."


class Form(NamedTuple):
    """What the header of an array says, and where its values begin in the member."""

    shape: tuple[int, ...]
    order: Any
    dtype: np.dtype[Any]
    start: int


class _Bounded(io.FileIO):
    """A file of which zipfile reads no endless list of members when it opens it."""

    listed = False

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.listed and size is not None and size > _LIST:
            raise ValueError(f"its list of members has {size:,} bytes")
        return super().read(-1 if size is None else size) or b""


class Arrays:
    """The arrays of an open .npz file by name; nothing is read before it is asked for."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self._left = IN_MEMORY
        self._members: dict[str, zipfile.ZipInfo] = {}
        size = path.stat().st_size
        for member in archive.infolist():
            if member.header_offset + member.compress_size > size:
                raise ImagesError(f"{path}: {member.filename!r} is longer than the file.", _FETCH)
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise ImagesError(f"{path}: holds two arrays {name!r}.", _FETCH)
            if name != member.filename:
                self._members[name] = member

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all arrays."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def form(self, name: str) -> Form:
        """Read the header of an array, and see that the member is as long as it says.

        Raises
        ------
        ImagesError
            The array holds Python objects, or claims another size than it has.
        """
        member = self._members[name]
        if member.flag_bits & _ENCRYPTED:
            raise ImagesError(f"{self.path}: {name} is encrypted.", "Save it without a password.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImagesError(f"{self.path}: {name} is compressed in no way of NumPy's.", _FETCH)
        with self.archive.open(member) as stream:
            form = _form(stream)
        if form.dtype.hasobject:
            raise ImagesError(
                f"{self.path}: {name} holds Python objects, which can run code when they are read.",
                "Save plain numbers and texts: np.savez(..., labels=np.array(labels)).",
            )
        claimed = math.prod(form.shape) * form.dtype.itemsize
        if form.dtype.itemsize == 0 or min(form.shape, default=0) < 0:
            raise ImagesError(f"{self.path}: {name} is {form.dtype} of {form.shape}.", _FETCH)
        stored = member.compress_type == zipfile.ZIP_STORED
        if claimed != member.file_size - form.start or (
            stored and member.file_size != member.compress_size
        ):
            raise ImagesError(
                f"{self.path}: {name} claims {claimed:,} bytes of values, and its member "
                f"{member.file_size - form.start:,}.",
                _FETCH,
            )
        return form

    def load(self, name: str) -> NDArray[Any]:
        """Return an array, mapped from the file where it is stored uncompressed.

        A compressed one is read into memory, or unpacked to the cache folder and mapped where it
        is too large for that.

        Raises
        ------
        ImagesError
            See :meth:`form`; more than is unpacked, or no space for it.
        """
        form, member = self.form(name), self._members[name]
        if 0 in form.shape:
            return np.zeros(form.shape, dtype=form.dtype)
        if member.compress_type == zipfile.ZIP_STORED:
            start = _offset(self.path, member) + form.start
            return np.memmap(self.path, form.dtype, "r", start, form.shape, form.order)
        self._bounded(name, member)
        if member.file_size <= self._left:
            self._left -= member.file_size
            with self.archive.open(member) as stream:
                content = stream.read(member.file_size)
                # The end is where the checksum is compared.
                if stream.read(1) or len(content) != member.file_size:
                    raise EOFError(f"{name} is cut off")
            values = np.frombuffer(content, dtype=form.dtype, offset=form.start)
            return values.reshape(form.shape, order=form.order)
        place = _unpacked(self.path, self.archive, member)
        return np.memmap(place, form.dtype, "r", form.start, form.shape, form.order)

    def _bounded(self, name: str, member: zipfile.ZipInfo) -> None:
        """Refuse what unpacks to far more than it should, before any of it is unpacked."""
        most = unpacked_bytes()
        together = sum(one.file_size for one in self._members.values())
        if together > most:
            raise ImagesError(
                f"{self.path}: unpacks to {together:,} bytes, more than {most:,}.",
                f"{UNPACKED} sets another limit, in GB.",
            )
        if member.file_size > max(IN_MEMORY // 16, DEFLATED * member.compress_size):
            raise ImagesError(
                f"{self.path}: {name} has {member.compress_size:,} bytes that unpack to "
                f"{member.file_size:,}: no images do.",
                "If it is meant so, save it uncompressed: np.savez.",
            )


def unpacked_bytes() -> int:
    """Return the bytes that one file's arrays may be unpacked to; UsageError where it is none."""
    return int(number_of(UNPACKED, DEFAULT_UNPACKED, 1e6, "GB") * 1e9)


@contextmanager
def opened(path: Path) -> Iterator[Arrays]:
    """Open an .npz file; what is wrong with it, here and in the block, is said with its name.

    Raises
    ------
    ImagesError
        Not an .npz file, cut off, or holding Python objects, which are never unpickled.
    """
    try:
        with _Bounded(path) as stream, zipfile.ZipFile(stream) as archive:
            stream.listed = True
            yield Arrays(path, archive)
    except zipfile.BadZipFile as error:
        raise ImagesError(f"{path}: is not a whole .npz file ({error}).", _FETCH) from error
    except MemoryError as error:
        raise ImagesError(f"{path}: claims arrays larger than the memory.", _FETCH) from error
    except OSError as error:
        raise ImagesError(
            f"{path}: {error.strerror or error}.", "Check the path and the space in the cache."
        ) from error
    except _BROKEN as error:
        said = str(error)[:200] or type(error).__name__
        raise ImagesError(f"{path}: cannot be read ({said}).", _FETCH) from error


#: What zipfile and numpy raise on bytes that are not what they claim to be.
_BROKEN = (
    *(EOFError, ValueError, zlib.error, struct.error, NotImplementedError, RuntimeError),
    *(
        tokenize.TokenError,
        SyntaxError,
        TypeError,
        IndexError,
        KeyError,
        OverflowError,
        AttributeError,
    ),
)


def _form(stream: IO[bytes]) -> Form:
    """Read a header; numpy evaluates its text, which is therefore kept short."""
    head = stream.read(12)
    version = npy.read_magic(io.BytesIO(head))
    wide = version != (1, 0)
    (length,) = struct.unpack_from("<I" if wide else "<H", head, 8)
    start = length + (12 if wide else 10)
    if length > _HEADER:
        raise ValueError(f"a header of {length:,} bytes")
    whole = io.BytesIO(head + stream.read(start - len(head)))
    whole.seek(8)
    read = npy.read_array_header_2_0 if wide else npy.read_array_header_1_0
    shape, fortran, dtype = read(whole)
    return Form(shape, "F" if fortran else "C", dtype, start)


def _offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of a stored member begin: behind its local header."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(_LOCAL)
    name, extra = struct.unpack("<HH", header[26:30])
    return member.header_offset + _LOCAL + int(name) + int(extra)


def _unpacked(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Path:
    """Unpack a member to the cache, once for each state of the file."""
    state = path.stat()
    facts = (path.absolute(), state.st_size, state.st_mtime_ns, member.filename, member.CRC)
    folder = cache_folder() / "arrays"
    # Never the member's own name, which could lead out of the folder.
    target = folder / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.npy"
    if _is_whole(target, member):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not _is_whole(target, member):  # another process may have unpacked it meanwhile
            sweep(folder, "*")  # gigabytes of one that was killed
            _unpack(path, archive, member, target)
    return target


def _is_whole(target: Path, member: zipfile.ZipInfo) -> bool:
    return target.is_file() and target.stat().st_size == member.file_size


def _unpack(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if member.file_size + _SPARE > free:
        raise ImagesError(
            f"{path}: unpacks to {member.file_size:,} bytes, and {free:,} are free in "
            f"{target.parent}.",
            "Make room, or set MEDTL_META_CACHE to a folder with more space.",
        )
    with archive.open(member) as stream, replacing(target) as out:
        shutil.copyfileobj(stream, out, 1 << 20)
        if out.tell() != member.file_size:
            raise EOFError(f"{member.filename} is cut off")
