"""Known files of pretrained weights: where they come from and what they must hash to.

The list is data (``data/weights.yaml``). Nothing here imports torch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from db.datafiles import read_list
from db.datafolder import folder
from db.fields import Text
from db.records import Record
from replicate.download import WHOLE_HASH
from replicate.networks.builders import Builder, Channels


class WeightFile(Record):
    """One file of ``data/weights.yaml``.

    `sha256` is whole or its beginning; `url` says where to fetch it, `hub` its repository at
    huggingface.co, `package` and `inside` the importable package that holds it. `match` ``names``
    goes by the names of its tensors, ``order`` by their order (other names, the same network).
    `classifier` is its name in the file, where it does not stand last there; `channels` are those
    of the images that the weights were trained on, in their order. `mean` and `deviation` (of red,
    green and blue) are set where they are not those of the builder. `licence` is that under which
    they are given away, where that is stated.
    """

    backbone: Text
    label: Text
    file: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None
    url: Text | None = None
    hub: Text | None = None
    package: Text | None = None
    inside: Text | None = None
    match: Literal["names", "order"] = "names"
    classifier: Text | None = None
    channels: Literal["RGB", "BGR"] = "RGB"
    licence: Text | None = None
    mean: Channels | None = None
    deviation: Channels | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _can_be_had(self) -> Self:
        if self.url is None and self.package is None:
            raise ValueError("needs a url or a package")
        if (self.package is None) != (self.inside is None):
            raise ValueError("package and inside go together")
        if self.sha256 is None and self.hub is None:
            raise ValueError("needs a sha256: without one nothing tells the file from another")
        return self

    @property
    def whole(self) -> bool:
        """Whether all digits of its SHA-256 are published."""
        return len(self.sha256 or "") == WHOLE_HASH

    def fits(self, digest: str) -> bool:
        """Tell whether a SHA-256 is this file's; False where its own is not known."""
        return self.sha256 is not None and digest.startswith(self.sha256)


@lru_cache(maxsize=1)
def all_weight_files() -> tuple[WeightFile, ...]:
    """Read ``data/weights.yaml``.

    Raises
    ------
    NotFoundError, DataFileError
        The file is missing or at fault.
    """
    return tuple(read_list(WeightFile, folder() / "weights.yaml"))


def weight_files(builder: Builder) -> tuple[WeightFile, ...]:
    """Return the known files of one network, the preferred first."""
    return tuple(entry for entry in all_weight_files() if entry.backbone == builder.name)
