"""Read tensors from a file of weights that may come from anybody: nothing in it is executed."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from db.errors import WeightsError
from replicate.images.levels import BROKEN

#: Keys under which training scripts put the state of a network beside other things.
WRAPPERS = ("state_dict", "model_state_dict", "model")

#: Longest header of a .safetensors file, and most members of an archive of torch's.
LARGEST_HEADER, MOST_MEMBERS = 16_000_000, 20_000

SAVE_PLAIN = (
    "Save plain tensors instead: torch.save(network.state_dict(), PATH), or a .safetensors file."
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, in the file's order, in memory.

    Raises
    ------
    WeightsError
        The file is truncated, of another kind, or holds more than tensors - such as a pickled
        object, which could run code and is not loaded.
    """
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    if isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPERS if key in content), None)
        content = inner if isinstance(inner, Mapping) else content
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds no named tensors.", SAVE_PLAIN)
    odd = next((key for key, value in content.items() if not isinstance(value, Tensor)), None)
    if odd is not None:
        raise WeightsError(
            f"{path}: holds something that is not a tensor ({odd!r}).",
            SAVE_PLAIN,
        )
    return {str(name): tensor for name, tensor in content.items()}


def _safetensors(path: Path) -> object:
    import safetensors
    from safetensors.torch import load_file

    with path.open("rb") as stream:
        claimed = int.from_bytes(stream.read(8), "little")
    if claimed > min(LARGEST_HEADER, path.stat().st_size):
        raise _unreadable(path, ValueError(f"it claims a header of {claimed:,} bytes"))
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to more than it holds; torch writes none that is packed."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unreadable(path, error) from None
    packed = any(
        one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size
        for one in members
    )
    size = path.stat().st_size
    if packed or len(members) > MOST_MEMBERS or sum(one.file_size for one in members) > size:
        raise _unreadable(path, ValueError("its members are packed, or claim more than it holds"))


def _pickled(path: Path) -> Any:
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            # Torch warns of pickle protocols in broken files; the error says what matters.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _holds_objects(error):
            raise WeightsError(
                f"{path}: holds Python objects, not only tensors. Such a file can run code when "
                "it is loaded; nothing of it was executed.",
                SAVE_PLAIN,
            ) from None
        raise _unreadable(path, error) from None
    # Bytes that are no checkpoint, cut off or of the old tar form.
    except (*BROKEN, AttributeError, MemoryError) as error:
        raise _unreadable(path, error) from None


def _holds_objects(error: Exception) -> bool:
    """Tell torch's refusal of a global from its complaint about broken bytes."""
    text = str(error)
    return any(word in text for word in ("Unsupported global", "GLOBAL ", "Unsupported class"))


def _unreadable(path: Path, error: Exception) -> WeightsError:
    said = " ".join(str(error).split()).rpartition("WeightsUnpickler error: ")[2]
    why = said.split(". ")[0][:160] or type(error).__name__
    return WeightsError(
        f"{path}: cannot be read as a file of weights; it is cut off or of another kind "
        f"({why.rstrip('.')}).",
        "Fetch it again, or save it anew with torch.save(network.state_dict(), PATH).",
    )
