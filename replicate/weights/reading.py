"""Read tensors from a file of weights that may come from anybody: nothing in it is executed."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Any
from zipfile import BadZipFile

import torch
from torch import Tensor

from db.errors import WeightsError
from replicate.images.levels import BROKEN
from replicate.weights.claims import check_header, check_pickled
from replicate.weights.keras import read_layers

#: Keys under which training scripts put the state of a network beside other things: of several,
#: the first of these.
WRAPPERS = ("state_dict", "model_state_dict", "model")
#: Wrappers in wrappers.
_DEEPEST = 3

SAVE_PLAIN = (
    "Save plain tensors instead: torch.save(network.state_dict(), PATH), or a .safetensors file."
)


def read_described(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and texts of a .safetensors file that says what it holds.

    Raises
    ------
    WeightsError
        As of :func:`read_tensors`; the file is of another kind, or says nothing.
    """
    import safetensors

    if path.suffix != ".safetensors":
        raise WeightsError(f"{path}: is no .safetensors file.", "Models are kept in such files.")
    tensors = read_tensors(path)
    with safetensors.safe_open(path, framework="pt") as opened:
        return tensors, dict(opened.metadata() or {})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, in the file's order, in memory.

    Raises
    ------
    WeightsError
        The file is truncated, of another kind, or holds more than tensors - such as a pickled
        object, which could run code and is not loaded.
    """
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    for _ in range(_DEEPEST):
        content = _unwrapped(content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds no named tensors.", SAVE_PLAIN)
    odd = next((key for key, value in content.items() if not isinstance(value, Tensor)), None)
    if odd is not None:
        raise WeightsError(
            f"{path}: holds something that is not a tensor ({short(odd)}).",
            SAVE_PLAIN,
        )
    # One number can stand for any number of them: a tensor whose strides are nought.
    size = path.stat().st_size
    large = next((key for key, one in content.items() if one.numel() > size), None)
    if large is not None:
        raise WeightsError(
            f"{path}: claims more numbers than it holds ({short(large)}).", SAVE_PLAIN
        )
    return {str(name): tensor for name, tensor in content.items()}


def _unwrapped(content: object) -> object:
    """Return what a training script wrapped: under a usual key, or the only state that is there."""
    if not isinstance(content, Mapping):
        return content
    states = {key: one for key, one in content.items() if isinstance(one, Mapping) and one}
    usual = next((states[key] for key in WRAPPERS if key in states), None)
    if usual is not None:
        return usual
    tensors = [one for one in states.values() if all(isinstance(v, Tensor) for v in one.values())]
    return tensors[0] if len(tensors) == 1 else content


def _safetensors(path: Path) -> object:
    import safetensors
    from safetensors.torch import load_file

    try:
        check_header(path)
        return load_file(path)
    # An OverflowError of a shape arrives as a TypeError.
    except (safetensors.SafetensorError, *BROKEN, AttributeError, MemoryError) as error:
        raise _unreadable(path, error) from None


def _pickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # Of what is odd in a broken file; the error says what matters.
            warnings.simplefilter("ignore")
            if path.suffix == ".pkl":
                return read_layers(path)
            check_pickled(path)
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
    except (*BROKEN, BadZipFile, AttributeError, MemoryError) as error:
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
