"""Every figure in every format: whole files, offline pages, the CSV that is drawn."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from db.database import Database
from db.errors import MedtlError, UnknownTermError
from metaanalysis.figures import FIGURES, FORMATS, figure, figure_names
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.review.index import write_index


@pytest.fixture(scope="module")
def drawn(database: Database) -> dict[str, Figure]:
    return {name: figure(name, database) for name in FIGURES}


@pytest.fixture(scope="module")
def pictures(drawn: dict[str, Figure]) -> dict[str, bytes]:
    """Return the SVG of each figure, rendered once."""
    return {name: one.rendered("svg") for name, one in drawn.items()}


@pytest.mark.parametrize("name", list(FIGURES))
def test_every_figure_says_what_it_shows_and_where_from(
    name: str, drawn: dict[str, Figure], pictures: dict[str, bytes], database: Database
) -> None:
    words = " ".join(ElementTree.fromstring(pictures[name]).itertext())
    assert drawn[name].title in words
    assert "Reported" in words or "Curated" in words
    assert "Kim et al., BMC Med Imaging 2022;22:69 (CC BY 4.0)" in words
    assert ("data/datasets.yaml" in words) == (name == "appendix-c")
    assert f"data {database.data_hash}" in words
    if name != "2":  # definitions: no studies are counted
        assert "121" in words or "78" in words


@pytest.mark.parametrize("name", list(FIGURES))
def test_the_csv_holds_what_is_drawn(name: str, drawn: dict[str, Figure]) -> None:
    one = drawn[name]
    read = pd.read_csv(io.BytesIO(one.rendered("csv")))
    assert list(read.columns) == list(one.data.columns)
    assert len(read) == len(one.data) > 0


@pytest.mark.parametrize("name", list(FIGURES))
def test_a_figure_fits_a_page(name: str, pictures: dict[str, bytes]) -> None:
    root = ElementTree.fromstring(pictures[name])
    assert float(root.attrib["width"]) <= 930
    assert float(root.attrib["height"]) <= 1100


def test_a_png_is_sharp(drawn: dict[str, Figure], pictures: dict[str, bytes]) -> None:
    png = drawn["4b"].rendered("png")
    assert png.startswith(b"\x89PNG")
    width = int.from_bytes(png[16:20], "big")
    svg = ElementTree.fromstring(pictures["4b"])
    assert width == pytest.approx(2 * float(svg.attrib["width"]), abs=2)


def chromium(page: Path, folder: Path) -> str:
    """Return a page's DOM after its scripts have run, with no way to any network."""
    binary = shutil.which("chromium")
    if binary is None:
        pytest.skip("no chromium: the page cannot be opened as a reader would")
    outcome = subprocess.run(
        [
            binary,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder}",
            "--virtual-time-budget=10000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return outcome.stdout


@pytest.mark.parametrize("name", ["2", "6a"])
def test_the_page_draws_itself_offline(name: str, drawn: dict[str, Figure], tmp_path: Path) -> None:
    (page,) = drawn[name].save(tmp_path, ("html",))
    text = page.read_text()
    assert "<script src" not in text
    assert f"<title>{drawn[name].title}</title>" in text
    dom = chromium(page, tmp_path / "profile")
    assert "<svg" in dom
    assert drawn[name].title in dom.split("<svg", 1)[1]


def test_saving_writes_whole_files_and_leaves_nothing_else(
    drawn: dict[str, Figure], tmp_path: Path
) -> None:
    written = drawn["table-1"].save(tmp_path / "new" / "folder")
    assert [path.name for path in written] == [f"table-1.{form}" for form in FORMATS]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(
        path.name for path in written
    )
    with pytest.raises(MedtlError, match="cannot be written"):
        drawn["table-1"].save(Path("/proc/nowhere"))


def test_what_stands_beside_the_marks_has_a_csv_of_its_own(
    drawn: dict[str, Figure], tmp_path: Path
) -> None:
    written = drawn["6a"].save(tmp_path, ("csv",))
    assert [path.name for path in written] == [
        "figure-6a.csv",
        "figure-6a-selection.csv",
        "figure-6a-studies.csv",
    ]
    studies = pd.read_csv(tmp_path / "figure-6a-studies.csv")
    assert len(studies) == 114
    out = studies[~studies["in_auc"]]
    assert out["reason_auc"].notna().all()  # every study that is not drawn says why
    points = pd.read_csv(tmp_path / "figure-6a.csv")
    assert set(studies.loc[studies["in_auc"], "key"]) <= set(points["key"])
    selection = pd.read_csv(tmp_path / "figure-6a-selection.csv")
    assert {"reported", "curated", "difference"} <= set(selection.columns)
    assert set(drawn["5b"].beside) == set(drawn["4a"].beside) == {"statement"}


def test_the_same_figure_gives_the_same_bytes(database: Database, drawn: dict[str, Figure]) -> None:
    again = figure("6b", database)
    for form in ("csv", "svg", "png"):
        assert again.rendered(form) == drawn["6b"].rendered(form)


@pytest.mark.parametrize(
    ("word", "name"),
    [("4B", "4b"), ("Figure 4b", "4b"), ("fig. 6a", "6a"), ("Table 1", "table-1"), ("prisma", "3")],
)
def test_names_that_people_use(word: str, name: str) -> None:
    assert figure_names().resolve(word) == name


def test_a_figure_that_does_not_exist(database: Database) -> None:
    with pytest.raises(UnknownTermError, match="'7a'"):
        figure("7a", database)


def test_the_function_stays_a_function(database: Database) -> None:
    """Drawing imports submodules; none of them may take the function's name."""
    figure("4b", database)
    from metaanalysis.figures import figure as again

    assert callable(again)


def test_the_index_points_at_files_that_are_there(drawn: dict[str, Figure], tmp_path: Path) -> None:
    figures = [(FIGURES[name][1], drawn[name]) for name in ("4b", "table-1")]
    for _, one in figures:
        one.save(tmp_path, ("svg", "csv"))
    page = write_index(tmp_path, figures, ("svg", "csv")).read_text()
    targets = re.findall(r'(?:src|href)="([^"#:]+)"', page)
    assert targets == [
        f"{stem}.{form}" for stem in ("figure-4b", "table-1") for form in ("svg", "svg", "csv")
    ]
    assert all((tmp_path / target).is_file() for target in targets)
    assert re.findall(r'href="#([^"]+)"', page) == re.findall(r'<figure id="([^"]+)"', page)
