"""What ``replicate run`` prints: each thing once, nothing wider than the terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from medtl_meta.cli import bar
from medtl_meta.cli.replicate.view import leakage_sentences, verdict_sentences, write_run
from replicate.images.opening import open_images
from replicate.outcome import RunResult
from replicate.progress import Progress
from replicate.run import replicate
from replicate.spec import Spec
from replicate.training.compute import Compute
from replicate.verdicts.comparison import Compared
from replicate.verdicts.verdicts import Replicated, Reported, verdict
from tests.replicate.test_run import SPEC


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Return a run with three classes and two seeds."""
    folder = tmp_path_factory.mktemp("result")
    return replicate(
        Spec.model_validate({**SPEC, "split": {"kind": "hold-out"}}),
        open_images("phantom:xray?n=90&size=32&classes=3"),
        compute=Compute("cpu", workers=1, threads=1),
        runs=folder / "runs",
        cache=folder / "cache",
    )


@pytest.fixture
def record(result: RunResult) -> dict[str, Any]:
    """Return the record of the run, to be changed at will."""
    return deepcopy(result.to_dict())


def test_a_result_is_told_once(
    result: RunResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write_run(result.to_dict(), full=False)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("evidence on a study") == 1, "the notice on phantoms"
    words = " ".join(text.split())
    assert words.count("First split, patients or groups: ") == 1, "not once more for each seed"
    assert repr(result).startswith(f"RunResult('{result.id}', LeNet5, ")
    assert repr(result.images) == "ImageSet('phantom xray', 90 phantom images, 3 classes)"
    by_seed = [f"{value:.3f}" for value in result.evaluation.by_seed("accuracy").values()]
    assert len(by_seed) == 2
    accuracy = next(line for line in text.splitlines() if line.startswith("accuracy"))
    assert accuracy.endswith(" ".join(by_seed))
    classes = text[text.index("By class") : text.index("Verdicts")]
    for name in result.images.classes:
        auc = result.evaluation.of_class("auc", name).value
        line = next(line for line in classes.splitlines() if line.startswith(name))
        assert f"{auc:.3f}" in line


def test_leakage_is_summed_up_over_splits(record: dict[str, Any]) -> None:
    texts = leakage_sentences(record)
    assert texts[0] == "Split: hold-out by group, 2 seeds, 2 models."
    assert record["leakage"]["shared"][0] in texts[1]
    assert "No copies, exact or near." in texts
    record["leakage"]["near"] |= {"groups": 1, "images": 2}
    for fold, near in zip(record["leakage"]["folds"], (1, 4), strict=True):
        fold |= {"near": near, "exact": 0}
    text = " ".join(leakage_sentences(record))
    assert "with a copy in training or validation: 1 to 4 of " in text
    assert "No copies, exact or near." not in text


def test_verdicts_that_say_the_same_share_a_line(record: dict[str, Any]) -> None:
    assert len(verdict_sentences(record)) == 1
    reported, ours = Reported("accuracy", 0.9), Replicated("accuracy", 0.7, 0.68, 0.72)
    bare = [Replicated(name, 0.8, 0.7, 0.9) for name in ("AUC", "sensitivity")]
    compared = (
        Compared(reported, ours, verdict(reported, ours)),
        *(Compared(None, one, verdict(None, one)) for one in bare),
    )
    record["run"]["kind"] = "replicated"
    record["verdicts"] = [one.to_dict() for one in compared]
    texts = verdict_sentences(record)
    assert texts[0].startswith("accuracy (reported 0.900, replicated 0.700): lower. The replicated")
    assert texts[1:] == ["AUC, sensitivity: not comparable. None is on record of the study."]
    assert verdict_sentences({**record, "verdicts": []}) == ["Nothing to compare with."]


def test_a_finished_run_is_shown_without_running_anything(tmp_path: Path) -> None:
    """Neither torch nor pixels are needed; a model that is missing is run again."""
    environment = os.environ | {
        "COLUMNS": "100",
        "MEDTL_META_DB": str(tmp_path / "db.sqlite"),
        "MEDTL_META_RUNS": str(tmp_path / "runs"),
        "MEDTL_META_CACHE": str(tmp_path / "cache"),
    }
    words = "replicate run --images phantom:oct?n=60&size=32 --backbone lenet --weights random "
    words += "--size 32 --epochs 1 --device cpu --folds 2"
    code = (
        f"import sys; sys.argv = ['medtl-meta', *{words.split()!r}]; "
        "import atexit; atexit.register(lambda: print('\\n@@', *sys.modules, file=sys.stderr)); "
        "from medtl_meta.cli import main; main()"
    )

    def told() -> tuple[str, set[str]]:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        return done.stdout, set(done.stderr.split("@@")[1].split())

    first, modules = told()
    assert "torch" in modules
    again, modules = told()
    assert again == first
    assert not modules & {"torch", "torchvision", "sklearn", "pandas", "sqlalchemy"}
    model = next((tmp_path / "runs").glob("*/seed-0/fold-0-1"))
    shutil.rmtree(model)
    third, modules = told()
    assert (third, "torch" in modules, model.is_dir()) == (first, True, True)


def test_help_lists_every_option_under_a_heading() -> None:
    from click.testing import CliRunner

    from medtl_meta.cli.replicate.run import run

    text = CliRunner(env={"COLUMNS": "80"}).invoke(run, ["--help"]).stdout
    for option in run.params:
        if option.param_type_name == "option":
            assert f"{max(option.opts, key=len)}" in text, option.name
    headings = ["\nImages:", "\nNetwork and transfer:", "\nTraining:", "\nOutput and the rest:"]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert text.index("--backbone") < places[2] < text.index("--epochs")


def test_few_lines_tell_of_many_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    with bar.progress_bar() as report:
        for model in range(1, 11):
            for done in (0, 5, 10):
                report(Progress("training", done, 10, "epochs", model=f"model {model} of 10"))
                now[0] += 5
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training, model 1 of 10: 10 epochs"
    assert 4 <= len(lines) <= 6
