"""What goes wrong around a run is told in words, and the database says how the run ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import db.runs
import replicate.run
from db.database import Database, open_database
from db.errors import DatabaseError, NotFoundError, ReplicationError, UsageError
from medtl_meta.cli.bar import progress_bar
from medtl_meta.cli.replicate import replicate as command
from metaanalysis.query.runs import runs as listed
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.lock import locked
from replicate.progress import Progress
from replicate.run import replicate as run
from replicate.setup.overrides import overrides
from replicate.setup.specify import specify_free
from replicate.spec import Spec
from replicate.training.compute import Compute, is_out_of_memory
from replicate.verdicts.compare import compare

SPEC: dict[str, Any] = {
    "data": {"name": "phantom"},
    "network": {"name": "LeNet5", "weights": "random"},
    "transfer": {"tl_type": "random initialisation", "unfreezing": {"kind": "all"}},
    "preprocessing": {"size": 32},
    "training": {"epochs": 1},
}
WORDS = ("--backbone", "LeNet5", "--tl", "random", "--size", "32", "--epochs", "1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database of the test's own: runs are written into it."""
    with open_database(tmp_path / "own.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return open_images("phantom:xray?n=40&size=32")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Any]:
    return {
        "compute": Compute("cpu", workers=1, threads=1),
        "runs": tmp_path / "runs",
        "cache": tmp_path / "cache",
    }


def spec(**training: Any) -> Spec:
    return Spec.model_validate({**SPEC, "training": {"epochs": 1, **training}})


@pytest.mark.parametrize("fault", [MemoryError("full"), ValueError("a defect"), OSError("lost")])
def test_a_run_that_broke_does_not_stay_running(
    images: ImageSet,
    folders: dict[str, Any],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(replicate.run, "inspect_leakage", broken)
    with pytest.raises(type(fault)):
        run(spec(), images, database=database, **folders)
    (row,) = listed(database)
    assert row["state"] == "failed"
    assert type(fault).__name__ in row["error"]


def test_a_database_that_is_lost_meanwhile_does_not_hide_the_reason(
    images: ImageSet,
    folders: dict[str, Any],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DatabaseError("the disk is full.")

    monkeypatch.setattr(db.runs, "fail_run", broken)
    with pytest.raises(ReplicationError, match="diverged") as caught:
        run(spec(learning_rate=1e300), images, database=database, **folders)
    assert "the disk is full" in caught.value.hint


def test_divergence_is_not_told_as_a_finite_loss(images: ImageSet, folders: dict[str, Any]) -> None:
    with pytest.raises(ReplicationError, match="the loss on the validation images is no finite"):
        run(spec(learning_rate=1e300), images, **folders)


def test_what_a_kill_left_half_written_is_swept(images: ImageSet, folders: dict[str, Any]) -> None:
    named = run(spec(), images, **folders)
    folder = folders["runs"] / named.id
    left = [folder / ".result.json.ab12cd34", folder / "seed-0/fold-0-0/.checkpoint.pt.ab12cd34"]
    for path in left:
        path.write_bytes(b"half")
    again = run(spec(), images, **folders)
    assert not any(path.exists() for path in left)
    assert list(again.timing) == list(named.timing)


def test_settings_that_train_nothing_or_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing would ever be unfrozen"):
        spec(head_epochs=1)
    for name in ("learning_rate", "weight_decay"):
        with pytest.raises(ValueError, match="finite number"):
            spec(**{name: float("inf")})


def test_a_wrong_seed_is_told_once(images: ImageSet) -> None:
    words = overrides({"backbone": "LeNet5", "tl": "random", "seeds": "-1"})
    with pytest.raises(UsageError, match=r"seeds\.0: ") as caught:
        specify_free(images, overrides=words, chosen="chosen")
    assert "at least 1 item" not in caught.value.message


@pytest.mark.parametrize(
    "given", [{"split": "hold-out", "folds": 3}, {"split": "k-fold", "test": 0.3}]
)
def test_a_split_that_contradicts_itself_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="contradicts"):
        overrides(given)


def test_a_folder_that_cannot_be_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ReplicationError, match="cannot be written to") as caught,
        locked(tmp_path / "file" / "run"),
    ):
        pass
    assert "MEDTL_META_RUNS" in caught.value.hint


def test_words_that_name_nothing_name_not_everything(
    images: ImageSet, folders: dict[str, Any], database: Database
) -> None:
    run(spec(), images, database=database, **folders)
    assert listed(database, setup="%") == []
    for words in ("", "%", "--"):
        with pytest.raises(NotFoundError):
            compare(database, words)
    with pytest.raises(UsageError, match="names nothing"):
        open_images(" ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "--images", "phantom", *WORDS, "--out", "file"), 2, "is a file"),
        (("run", "--images", "phantom", *WORDS, "--out", "file/x/y"), 2, "is a file"),
        (("predict", "none", "--images", "phantom"), 1, "no such file"),
        (("predict", "file", "--images", "phantom"), 1, "no .safetensors"),
        (("predict", "file", "--images", "phantom", "--out", "none/x"), 2, "there is no folder"),
        (("contest", "--images", "phantom", *WORDS, "--out", "file/x"), 1, "cannot be written"),
    ],
)
def test_a_place_for_results_is_tried_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDTL_META_RUNS", str(tmp_path / "runs"))
    result = CliRunner().invoke(command, words)
    error: Any = result.exception
    assert (error.exit_code, said in error.message) == (code, True)
    assert not (tmp_path / "runs").exists()


def test_a_contest_stopped_by_hand_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("replicate.contest.call.replicate", stopped)
    words = ("contest", "--images", "phantom:xray?n=40&size=32", *WORDS, "--seeds", "0")
    place = ("--out", str(tmp_path), "--db", str(database.location.path))
    error: Any = CliRunner().invoke(command, [*words, *place]).exception
    assert error.exit_code == 1
    assert "after 0 of 1 runs" in error.message


def test_a_link_to_an_image_that_has_gone_is_not_passed_over(
    tmp_path: Path, images: ImageSet, folders: dict[str, Any]
) -> None:
    from PIL import Image

    for label in ("a", "b"):
        for number in range(6):
            path = tmp_path / "set" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (32, 32), 20 * number).save(path)
    (tmp_path / "set" / "a" / "9.png").symlink_to(tmp_path / "gone.png")
    from db.errors import ImagesError

    with pytest.raises(ImagesError, match=r"a/9\.png"):
        run(spec(), open_images(tmp_path / "set"), **folders)


def test_memory_that_onednn_misses_is_memory() -> None:
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert not is_out_of_memory(RuntimeError("could not create a file"))


def test_progress_goes_without_a_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = []
    monkeypatch.setattr("sys.stderr", None)
    with progress_bar() as report:
        report(Progress("training", 0, 1, "epochs"))
        reports.append(report)
    assert reports
