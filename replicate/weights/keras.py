"""Weights as Keras hands them out: a pickle of NumPy's arrays, layer by layer.

NumPy's own way to build arrays from a pickle is not taken: nothing that a file names is called but
two classes of this module, which keep what they are given until all of it has been looked at.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replicate.weights.claims import check_pickled_arrays

#: Kernels of Keras (height, width, in, out; or in, out) -> those of torch, by their dimensions.
_TURNED = {4: (3, 2, 0, 1), 2: (1, 0)}
_FLOATS = re.compile(r"f[248]")


class _Type:
    """What a pickle says of a dtype: its name and byte order."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        self.name: Any = name
        self.order: Any = None

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]  # a tuple of a version, the order, and parts of compound types

    def built(self) -> np.dtype[Any]:
        """Return it, if it is one of floating point."""
        known = isinstance(self.name, str) and _FLOATS.fullmatch(self.name)
        if not known or self.order != "<":
            raise ValueError("an array is not of floating-point numbers, the lowest byte first")
        return np.dtype(f"<{self.name}")


class _Array:
    """What a pickle says of an array: shape, type, order and bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def built(self) -> NDArray[Any]:
        """Return it as a view of the file's bytes, which hold as many numbers as it claims."""
        _, shape, kind, columns_first, content = self.state
        if not isinstance(shape, tuple) or not isinstance(kind, _Type):
            raise ValueError("an array has no shape or no type")
        if not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError("an array has an impossible shape")
        dtype = kind.built()
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.itemsize:
            raise ValueError("an array claims more or less than it holds")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")


class _Reader(pickle.Unpickler):
    """Knows of nothing but arrays; :func:`check_pickled_arrays` has refused all else before."""

    _STAND_INS: ClassVar[Mapping[str, type]] = {
        "_reconstruct": _Array,
        "ndarray": _Array,
        "dtype": _Type,
    }

    def find_class(self, module: str, name: str) -> type:
        """Return what stands in for a global."""
        if name not in self._STAND_INS or module.partition(".")[0] != "numpy":
            raise pickle.UnpicklingError(f"Unsupported global: {module} {name}")
        return self._STAND_INS[name]


def read_layers(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a pickle ``{layer: [kernel, bias]}``, as torch wants them.

    Returns
    -------
    dict of str to Tensor
        ``layer.weight`` and ``layer.bias``; kernels are turned round to (out, in, height, width).

    Raises
    ------
    pickle.UnpicklingError
        It names what is no part of an array.
    OSError, ValueError, ...
        It is broken, claims more than it holds, or holds other things.
    """
    check_pickled_arrays(path)
    with path.open("rb") as stream:
        content = _Reader(stream).load()
    if not isinstance(content, dict):
        raise ValueError("it is no dictionary of layers")
    tensors: dict[str, Tensor] = {}
    for layer, arrays in content.items():
        plain = isinstance(layer, str) and isinstance(arrays, list) and 1 <= len(arrays) <= 2
        if not plain or not all(isinstance(one, _Array) for one in arrays):
            raise ValueError("a layer is no kernel with its bias")
        values = [one.built() for one in arrays]
        if values[0].ndim not in _TURNED:
            raise ValueError("a kernel has neither two dimensions nor four")
        kernel = values[0].transpose(_TURNED[values[0].ndim])
        for part, value in zip(("weight", "bias"), (kernel, *values[1:]), strict=False):
            tensors[f"{layer}.{part}"] = torch.from_numpy(value)
    return tensors
