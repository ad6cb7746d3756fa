"""``replicate plan`` and ``replicate setups`` as a person meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from db.database import Database
from db.errors import MedtlError
from medtl_meta.cli.replicate.plan import plan
from medtl_meta.cli.replicate.setups import setups
from replicate.setup.files import setup_names
from replicate.spec import Ledger, Spec, settings_of


def run(*arguments: str, columns: int = 100) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(plan, arguments)


def shown(*arguments: str, columns: int = 100) -> str:
    result = run(*arguments, "--no-probe", columns=columns)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> MedtlError:
    error = run(*arguments).exception
    assert isinstance(error, MedtlError), error
    return error


@pytest.fixture(scope="module")
def place(database: Database) -> str:
    return str(database.location.path)


def test_setups_are_listed_in_each_format() -> None:
    for form in ("table", "csv", "json", "markdown"):
        result = CliRunner().invoke(setups, ["--format", form])
        assert result.exit_code == 0
        assert all(name in result.stdout for name in setup_names())
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(setups, ["-f", "csv"]).stdout)))
    byra = next(row for row in rows if row["setup"] == "byra2019")
    assert (byra["ref"], byra["backbone"], byra["data"]) == ("134", "VGG19", "busi")
    assert byra["reported"].startswith("AUC 0.936")


@pytest.mark.parametrize("columns", [80, 100, 160])
@pytest.mark.parametrize("name", ["minaee2020", "kather2019"])
def test_a_plan_fits_the_terminal(name: str, columns: int) -> None:
    text = shown(name, columns=columns)
    # An address is not broken, so that it can be followed.
    assert all(len(line) <= columns or len(line.split()) == 1 for line in text.splitlines())
    for part in ("Fidelity", "Reported, to compare with", "Images", "Ledger:", "Cost"):
        assert part in text


def test_a_plan_says_what_is_reported_and_what_is_not() -> None:
    text = " ".join(shown("pham2020", "--backbone", "mobilenet_v2", columns=100).split())
    assert "No reported value is at hand." in text
    assert "reported DenseNet201, run with MobileNetV2" in text
    assert "9 settings reported, 46 assumed" in text
    assert "six epochs" in text


def test_the_ledger_begins_with_what_departs_and_ends_with_what_is_not_known_yet() -> None:
    text = shown("minaee2020", "--backbone", "mobilenet_v2", "--epochs", "3", columns=80)
    assert text.index("\n  Reported (") < text.index("\n  Assumed (")
    assumed = text[text.index("\n  Assumed (") : text.index("\nCost")]
    order = [
        "network.name: MobileNetV2 — chosen on the command line; reported: ResNet18",
        "training.epochs: 3 — chosen on the command line",
        "training.class_weights: balanced — one class is many times smaller",
        "training.optimiser: adam — the usual choice",
        "data.content: none — known when",
    ]
    words = " ".join(assumed.split())
    places = [words.index(line) for line in order]
    assert places == sorted(places)
    flips = "augmentation.horizontal_flip, .vertical_flip: no — house default"
    assert flips in words, "settings that say the same share a line"
    assert "\n      " in assumed, "what goes on is indented"


def test_setups_fit_a_narrow_terminal() -> None:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(setups)
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 2 + len(setup_names()), "one line a setup"
    byra = next(line for line in lines if line.startswith("byra2019"))
    assert "sonography" in byra
    assert "FT scratch" in byra
    assert "AUC 0.936" in byra


def test_json_holds_all_of_it() -> None:
    result = json.loads(shown("134", "--format", "json", "--epochs", "3", "--seeds", "0,1"))
    spec = Spec.model_validate(result["spec"])
    ledger = Ledger(lines=result["ledger"])
    assert spec.training.epochs == 3
    assert spec.seeds == (0, 1)
    assert spec.id == result["id"]
    assert {line.name: line.value for line in ledger.lines} == settings_of(spec)
    epochs = next(line for line in ledger.lines if line.name == "training.epochs")
    assert (epochs.chosen, epochs.reason) == (True, "chosen on the command line")
    assert result["fidelity"]["level"] == "same task"
    assert result["source"]["url"].startswith("https://")
    assert result["estimate"]["images"] == 780
    assert [value["value"] for value in result["reported"]] == [0.936, 0.89]


def test_csv_and_markdown_are_the_ledger() -> None:
    rows = list(csv.DictReader(io.StringIO(shown("deepak2019", "--format", "csv"))))
    assert len(rows) == 55
    assert {row["mark"] for row in rows} == {"reported", "assumed"}
    assert shown("deepak2019", "--format", "markdown").startswith("| setting |")


def test_a_study_without_a_setup_is_planned_from_its_record(place: str) -> None:
    result = run("sun2019", "--db", place, "--no-probe")
    assert result.exit_code == 0, result.output
    assert "no setup of its own" in result.stderr
    assert "Missing" in result.stdout


def test_a_plan_without_a_study_needs_images() -> None:
    error = refused("--no-probe")
    assert error.exit_code == 2
    assert "phantom" in error.hint


def test_phantoms_are_planned_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path))
    arguments = ("--images", "phantom", "--backbone", "LeNet5", "--size", "32", "--format", "json")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["spec"]["data"]["phantom"] is True
    assert found["estimate"]["seconds"] > 0
    assert found["estimate"]["decoding"] is not None
    assert found["fidelity"] is None


def test_images_in_folders_are_own_and_what_is_left_out_of_them_is_told(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("benign", "malignant", "normal"):
        (tmp_path / "busi" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.new("L", (40, 30), 20 * number + len(name))
            picture.save(tmp_path / "busi" / name / f"{number}.png")
            picture.save(tmp_path / "busi" / name / f"{number}_mask.png")
        (tmp_path / "busi" / name / "notes.txt").touch()
    where = str(tmp_path / "busi")
    found = json.loads(shown("byra2019", "--images", where, "--format", "json"))
    assert found["source"] is None
    assert found["fidelity"]["level"] == "same task"
    assert found["estimate"]["images"] == found["images"]["n"] == 6, "normal is left out"
    assert [note for note in found["images"]["notes"] if note["code"] != "one grey range"] == [
        {"code": "masks left out", "count": 9},
        {"code": "files passed over", "count": 3, "kinds": {".txt": 3}},
        {"code": "classes left out", "classes": {"normal": 3}},
    ]
    told = " ".join(shown("byra2019", "--images", where).split())
    assert "3 images of normal left out" in told
    assert "3 .txt" in told
    said = shown("byra2019", "--images", where, "--data", "busi", "--format", "json")
    assert json.loads(said)["source"]["name"] == "busi"
    other = json.loads(shown("karri2017", "--images", where, "--format", "json"))
    assert other["source"] is None
    assert other["fidelity"]["level"] == "proxy"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("byra2020",), "byra2019"),
        (("byra2019", "--tl", "fine tunning"), "fine-tuning"),
        (("byra2019", "--backbone", "VGG91"), "VGG19"),
        (("byra2019", "--data", "busy"), "busi"),
        (("byra2019", "--tl", "FE", "--unfreeze", "all"), "unfreezes nothing"),
        (("byra2019", "--images", "/no/such/folder"), "/no/such/folder"),
    ],
)
def test_mistakes_are_told_in_words(arguments: tuple[str, ...], words: str, place: str) -> None:
    error = refused(*arguments, "--no-probe", "--db", place)
    assert words in str(error)


def test_how_to_unfreeze_is_said() -> None:
    error = refused("--images", "phantom:oct?n=40", "--unfreeze", "blocks:2", "--no-probe")
    assert "--tl fine-tuning" in error.hint


def test_help_shows_every_option_with_words() -> None:
    for option in plan.params:
        if option.param_type_name == "option":
            assert getattr(option, "help", None), option.name
    assert "Examples" in run("--help").stdout
