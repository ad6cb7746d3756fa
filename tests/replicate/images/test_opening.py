from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from db.errors import ImagesError
from replicate.images.opening import open_images

Write = Callable[..., Path]


@pytest.fixture
def sets(tmp_path: Path, picture: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("cells/a/1.png", "cells/b/2.png"):
        picture(tmp_path / name, len(name))
    (tmp_path / "cells.csv").write_text("file,class\ncells/a/1.png,x\ncells/b/2.png,y\n")
    np.savez(tmp_path / "cells.npz", images=np.zeros((4, 5, 5), np.uint8), labels=np.arange(4) % 2)
    monkeypatch.setenv("MEDTL_META_IMAGES", str(tmp_path))
    return tmp_path


def test_every_source_by_its_path(sets: Path) -> None:
    assert open_images(sets / "cells").classes == ("a", "b")
    assert open_images(sets / "cells.csv").classes == ("x", "y")
    assert open_images(str(sets / "cells.npz")).classes == ("0", "1")
    assert open_images("phantom:mri?n=20", size=40).read(0).shape == (40, 40)


def test_sets_are_found_by_name(sets: Path) -> None:
    assert open_images("cells").classes == ("a", "b")
    assert open_images("cells.csv").classes == ("x", "y")


def test_what_is_not_there_is_told(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImagesError, match="no such folder, file or known set") as caught:
        open_images("cels")
    assert str(sets) in caught.value.message
    assert "pneumoniamnist" in caught.value.hint
    monkeypatch.delenv("MEDTL_META_IMAGES")
    with pytest.raises(ImagesError, match="Set MEDTL_META_IMAGES"):
        open_images("cels")


def test_other_files_are_refused(sets: Path) -> None:
    with pytest.raises(ImagesError, match=r"neither a folder nor a \.csv"):
        open_images(sets / "cells" / "a" / "1.png")


def test_equal_sets_have_equal_content_on_every_opening(sets: Path, picture: Write) -> None:
    before = open_images(sets / "cells").content
    assert open_images(sets / "cells").content == before
    picture(sets / "cells" / "b" / "2.png", 99)
    assert open_images(sets / "cells").content != before
