"""What a result was made with: versions, machine, device, threads - nothing that names a person."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from db import __version__

#: Packages that can change a number or a time.
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "scikit-learn",
    "numpy",
    "scipy",
    "pillow",
    "pydicom",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ROOT = Path(__file__).resolve().parent.parent


def environment(compute: Any = None) -> dict[str, Any]:
    """Return the surroundings of a run, JSON-able; imports none of the packages.

    Parameters
    ----------
    compute
        A :class:`replicate.training.compute.Compute`. Of torch, only what is loaded already is
        asked: its threads and instructions, and name and libraries of a CUDA device.

    Notes
    -----
    Paths, user and host names are left out on purpose: a result is passed on.
    """
    found: dict[str, Any] = {
        "medtl-meta": __version__,
        "revision": revision(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "memory_bytes": memory_bytes(),
        "packages": {name: _version(name) for name in PACKAGES},
        "threads": {name: os.environ[name] for name in _THREADS if name in os.environ},
    }
    if compute is not None:
        found["compute"] = asdict(compute)
    found["torch"] = _torch(compute)
    return found


def apart(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return in what two surroundings differ of that on which the last bits of training depend.

    Threads that share a sum, the instructions of the processor, the libraries: each rounds in its
    own order. By name, ``torch.threads`` or ``packages.torch``, what it was in each.
    """
    parts = ("machine", "cpu", "packages", "compute", "torch")
    return {
        name: pair
        for part in parts
        for name, pair in _pairs(part, first.get(part), other.get(part))
        if pair[0] != pair[1] and name not in ("compute.workers", "compute.threads")
    }


def _pairs(name: str, first: Any, other: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*first, *other]):
            yield f"{name}.{key}", [first.get(key), other.get(key)]
    else:
        yield name, [first, other]


def cpu_model() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform's own word is all there is
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Return the machine's memory; None where the system does not tell."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PAGE_SIZE" in names and "SC_PHYS_PAGES" in names:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def revision() -> str | None:
    """Return the git revision of a checkout, with ``+`` behind it where files were changed."""
    if not (_ROOT / ".git").exists():
        return None
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return None
    return f"{head}+" if _git("status", "--porcelain", "--untracked-files=no") else head


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        # No git here, or a checkout of somebody else's: the version must do.
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch(compute: Any) -> dict[str, Any] | None:
    """Ask a torch that runs already; this module must not load it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    device = None if compute is None else compute.device
    # Not whether it is deterministic: it is so while a run computes, which is not now.
    found: dict[str, Any] = {
        "threads": getattr(compute, "threads", None) or torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
    }
    if device is not None and device.startswith("cuda") and torch.cuda.is_available():
        found |= {
            "device": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found
