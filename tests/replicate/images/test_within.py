"""A set reads what lies in its own folder, by whatever paths and links."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.errors import ImagesError
from medtl_meta.cli import cli
from replicate.images import tables
from replicate.images.folders import open_folder
from replicate.images.manifest import open_manifest
from replicate.images.opening import open_images
from replicate.images.reading import Reading

OUTSIDE = Reading(allow_outside=True)

Write = Callable[..., Path]


@pytest.fixture
def sets(tmp_path: Path, picture: Write) -> Path:
    """A set with classes a and b, beside it what it must not read."""
    for index, label in enumerate("aabb"):
        picture(tmp_path / "set" / label / f"{index}.png", index)
        picture(tmp_path / "other" / f"{index}.png", 10 + index)
    return tmp_path


def listed(sets: Path, *names: str, kind: str = "file,class\n") -> Path:
    path = sets / "set" / "set.csv"
    rows = [f"{name},{'xy'[place % 2]}\n" for place, name in enumerate((*names, "a/0.png"))]
    path.write_text(kind + "".join(rows))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../other/0.png",
        "a/../../other/0.png",
        "ABSOLUTE",
        "link.png",
        "linked/0.png",
        "..\\other\\0.png",
    ],
)
def test_a_manifest_does_not_leave_its_folder(sets: Path, name: str) -> None:
    (sets / "set" / "link.png").symlink_to(sets / "other" / "0.png")
    (sets / "set" / "linked").symlink_to(sets / "other")
    path = listed(sets, name.replace("ABSOLUTE", str(sets / "other" / "0.png")))
    with pytest.raises(ImagesError, match=r"set\.csv:2: column file: .*outside") as caught:
        open_manifest(path)
    assert "--allow-outside" in caught.value.hint
    assert len(open_images(path, reading=OUTSIDE)) == 2


@pytest.mark.parametrize(
    "name", ["a/../b/2.png", "./b/2.png", "inner.png", "inside/2.png", "loop/b/2.png"]
)
def test_within_the_folder_paths_and_links_are_free(sets: Path, name: str) -> None:
    (sets / "set" / "inner.png").symlink_to(sets / "set" / "b" / "2.png")
    (sets / "set" / "inside").symlink_to("b")
    (sets / "set" / "loop").symlink_to(".")
    assert len(open_manifest(listed(sets, name))) == 2


@pytest.mark.parametrize("way", ["file", "folder", "class", "below"])
def test_links_out_of_a_class_folder(sets: Path, way: str) -> None:
    place, target = {
        "file": ("a/x.png", "other/0.png"),
        "folder": ("a/more", "other"),
        "class": ("c", "other"),
        "below": ("a/deep/more", "other"),
    }[way]
    link = sets / "set" / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(sets / target)
    with pytest.raises(ImagesError, match="leads out of") as caught:
        open_folder(sets / "set")
    assert "--allow-outside" in caught.value.hint
    assert len(open_folder(sets / "set", reading=OUTSIDE)) == (5 if way == "file" else 8)


def test_links_that_lead_back_are_passed_over(sets: Path) -> None:
    (sets / "set" / "a" / "up").symlink_to("..")
    (sets / "set" / "a" / "self").symlink_to(".")
    (sets / "set" / "b" / "more").symlink_to("../a")
    images = open_folder(sets / "set")
    assert len(images) == 4 + 2
    assert [note.to_dict() for note in images.notes] == [
        {"code": "links passed over", "count": 4, "first": "a/self"}
    ]  # also by way of b/more


def test_what_two_links_of_a_class_lead_to_is_read_once(sets: Path, picture: Write) -> None:
    picture(sets / "set" / "b" / "own" / "9.png", 9)
    (sets / "set" / "b" / "also").symlink_to("own")
    (sets / "set" / "b" / "a.png").symlink_to("2.png")
    (sets / "set" / "b" / "gone").symlink_to("nowhere")
    (sets / "set" / "b" / "round").symlink_to("round")
    images = open_folder(sets / "set")
    assert images.ids == ("a/0.png", "a/1.png", "b/2.png", "b/3.png", "b/own/9.png")
    (found,) = images.notes
    assert found.code == "links passed over"
    assert found.values["count"] == 4


def test_folders_that_all_link_to_each_other_are_read_in_no_time(sets: Path) -> None:
    names = [f"f{number}" for number in range(12)]
    for name in names:
        (sets / "set" / "a" / name).mkdir()
        for other in names:
            (sets / "set" / "a" / name / other).symlink_to(f"../{other}")
    assert len(open_folder(sets / "set")) == 4


def test_folders_that_lie_too_deep(sets: Path) -> None:
    (sets / "set" / "a" / "/".join("x" * 150)).mkdir(parents=True)
    with pytest.raises(ImagesError, match="folders deep") as caught:
        open_folder(sets / "set")
    assert caught.value.hint


def test_a_set_may_itself_be_a_link(sets: Path) -> None:
    (sets / "link").symlink_to("set")
    assert len(open_folder(sets / "link")) == 4
    listed(sets, "b/2.png")
    assert len(open_manifest(sets / "link" / "set.csv")) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"file,class\n\0,a\n",
        "file,class\na/0.png,x\n".encode("utf-16"),
        "file,class\na/0.png,x\n".encode("utf-16-le"),
        b"file,class\n" + b"a" * 200_000 + b",x\n",
        b"file,class\n" + b"a" * 5000 + b".png,x\nb,y\n",
        b"file,class\n" + b"a/" * 3000 + b".png,x\nb,y\n",
        b'file,class\n"a\nb.png,x\n',
        b"\n",
        b"," * 100_000,
        b"\xef\xbb\xbf",
    ],
)
def test_tables_that_are_none(sets: Path, content: bytes) -> None:
    path = sets / "set" / "set.csv"
    path.write_bytes(content)
    with pytest.raises(ImagesError, match=r"set\.csv"):
        open_manifest(path)


def test_a_table_of_any_size(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST", 20)
    with pytest.raises(ImagesError, match="are more than 20"):
        open_manifest(listed(sets, "b/2.png"))


@pytest.mark.parametrize("command", ["leakage", "plan", "run", "contest"])
def test_commands_have_the_option(sets: Path, command: str) -> None:
    path = listed(sets, "../other/0.png")
    words = ["replicate", command, *([] if command == "leakage" else ["--images"]), str(path)]
    refused = CliRunner().invoke(cli, words)
    assert isinstance(refused.exception, ImagesError)
    assert "--allow-outside" in CliRunner().invoke(cli, ["replicate", command, "--help"]).output
    if command == "leakage":
        assert CliRunner().invoke(cli, [*words, "--allow-outside"]).exit_code == 0
