"""What a file of weights claims, held against what it is before anything of it is built.

torch's own unpickler runs nothing of a file, but lets some hundred bytes ask for any amount of
memory (``bytearray(2**40)``) or time (the hash of tuples of tuples). Nothing here imports torch.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Longest header of a .safetensors file, most members of an archive of torch's, and the most that
#: its pickle may hold: bytes, instructions, and objects handed on, each counted as often as it is.
LARGEST_HEADER, MOST_MEMBERS = 16_000_000, 20_000
LARGEST_PICKLE, MOST_INSTRUCTIONS, MOST_OBJECTS = 64_000_000, 1_000_000, 10_000_000

#: What a network's state is made of besides the types, storages and sizes of torch itself.
_PARTS = {
    "collections OrderedDict",
    "collections Counter",
    "torch._tensor _rebuild_from_type_v2",
    "torch.nn.parameter Parameter",
    "torch.serialization _get_layout",
    "torch.storage TypedStorage",
    "torch.storage UntypedStorage",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3",
}

#: What arrays of NumPy are made of, by the names of both of its generations.
ARRAY_PARTS = frozenset(
    (
        "numpy ndarray",
        "numpy dtype",
        "numpy.core.multiarray _reconstruct",
        "numpy._core.multiarray _reconstruct",
    )
)

#: Instructions that fill what is already there, that name things by computed names, that remember.
_FILLING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
_NAMING = ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4")

#: A file of torch's before its archives: magic number, protocol, machine, state, keys of storages.
_OLD_PICKLES = 5

_ZIP = b"PK\x03\x04"


def check_header(path: Path) -> None:
    """Hold a .safetensors file to its length; raises ValueError."""
    with path.open("rb") as stream:
        claimed = int.from_bytes(stream.read(8), "little")
    if claimed > min(LARGEST_HEADER, path.stat().st_size):
        raise ValueError(f"it claims a header of {claimed:,} bytes")


def check_pickled(path: Path) -> None:
    """Hold a file of ``torch.save``, of either form, to what a network's state can be.

    Raises
    ------
    pickle.UnpicklingError
        It names what is no part of a state.
    OSError, ValueError, RuntimeError, zipfile.BadZipFile
        It claims more than it holds, or is no such file.
    """
    with path.open("rb") as stream:
        if stream.read(len(_ZIP)) == _ZIP:
            for content in _pickles_of_archive(path):
                check_pickle(content, _is_part)
            return
        if not path.stat().st_size:
            raise ValueError("it is empty")
        # A map never reads more than there is, however much an instruction claims.
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as old:
            for _ in range(_OLD_PICKLES):
                check_pickle(old, _is_part)
                if old.tell() == old.size():
                    return


def _pickles_of_archive(path: Path) -> list[bytes]:
    """Return the pickles in an archive that both of its readers understand alike."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise ValueError(f"it has {len(members):,} members")
        # torch writes none that is packed, and looks members up whatever their case.
        packed = any(
            one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size
            for one in members
        )
        if packed or sum(one.file_size for one in members) > size:
            raise ValueError("its members are packed, or claim more than it holds")
        names = {one.filename.lower() for one in members}
        moved = members and min(one.header_offset for one in members) != 0
        if len(names) != len(members) or moved or archive.comment:
            raise ValueError("its members can be read in more than one way")
        pickles = [one for one in members if one.filename.lower().endswith(".pkl")]
        if sum(one.file_size for one in pickles) > LARGEST_PICKLE:
            raise ValueError("it holds more than tensors need")
        return [archive.read(one) for one in pickles]


def check_pickled_arrays(path: Path) -> None:
    """Hold a pickle of NumPy's arrays to what arrays are made of; as :func:`check_pickled`."""
    with path.open("rb") as stream:
        if not path.stat().st_size:
            raise ValueError("it is empty")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            check_pickle(content, ARRAY_PARTS.__contains__)
            if content.tell() != content.size():
                raise ValueError("it goes on behind its end")


def check_pickle(stream: Any, is_part: Callable[[str], bool]) -> None:
    """Go through one pickle (bytes, or a stream with `read` and `readline`) without building it.

    Parameters
    ----------
    stream
        The pickle.
    is_part
        Tells of a global name, as ``module name``, whether it may be in there.

    Raises
    ------
    pickle.UnpicklingError, ValueError
        As :func:`check_pickled`.
    """
    load = _Load(is_part)
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(stream)):
            load.follow(code, argument)
            if count > MOST_INSTRUCTIONS or load.handed_on > MOST_OBJECTS:
                raise ValueError("it holds more than tensors need")
    except (IndexError, KeyError, TypeError):
        raise ValueError("its instructions are out of order") from None


class _Load:
    """What a pickle would build, by weight: how many objects a walk through each one would meet.

    A weight is a list of one number, so that what is remembered grows with what is filled. A mark
    on the stack is an empty list.
    """

    def __init__(self, is_part: Callable[[str], bool]) -> None:
        self.is_part = is_part
        self.stack: list[list[int]] = []
        self.memo: dict[Any, list[int]] = {}
        self.handed_on = 0

    def follow(self, code: pickletools.OpcodeInfo, argument: Any) -> None:
        """Follow one instruction."""
        name = code.name
        if name in _NAMING or (name == "GLOBAL" and not self.is_part(argument)):
            raise pickle.UnpicklingError(f"Unsupported global: {argument or name}")
        if name == "MEMOIZE" or name.endswith("PUT"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name.endswith("GET"):
            self.stack.append(self.memo[argument])
        elif name in _FILLING:
            added = sum(self._popped(kind) for kind in reversed(code.stack_before[1:]))
            self.stack[-1][0] += added
            self.handed_on += added
        else:
            taken = sum(self._popped(kind) for kind in reversed(code.stack_before))
            self.handed_on += taken
            self.stack += [
                [] if kind is pickletools.markobject else [1 + taken] for kind in code.stack_after
            ]

    def _popped(self, kind: pickletools.StackObject) -> int:
        """Take what an instruction takes off the stack; return its weight."""
        if kind is pickletools.markobject:
            self.stack.pop()
            return 0
        if kind is not pickletools.stackslice:
            return self.stack.pop()[0]
        weight = 0
        while self.stack[-1]:
            weight += self.stack.pop()[0]
        return weight


def _is_part(name: str) -> bool:
    return name in _PARTS or (name.startswith("torch ") and name.count(" ") == 1)
