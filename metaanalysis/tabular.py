"""What has rows can be a pandas DataFrame: the numeric core itself knows no pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Tabular:
    """Gives ``to_frame()`` to what answers ``rows()``."""

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a row, with plain values."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a pandas DataFrame."""
        import pandas as pd  # half a second that only a notebook wants to pay

        return pd.DataFrame(self.rows())
