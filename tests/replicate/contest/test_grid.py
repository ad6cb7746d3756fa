"""The bookkeeping of a contest: its cells, its rows, its answer. The runs themselves are drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.errors import InUseError, MedtlError, ReplicationError, UnknownTermError, UsageError
from replicate.contest import grid
from replicate.contest import rows as contest_rows
from replicate.contest.answer import compared_rows
from replicate.contest.grid import (
    Cell,
    Entrant,
    cells,
    hold,
    ledger_of,
)
from replicate.contest.summary import AMONG_METHODS, PRETRAINED, summarise
from replicate.evaluation.evaluate import evaluate
from replicate.images.image_set import ImageSet, of_arrays
from replicate.spec import (
    Ledger,
    Network,
    Spec,
    settings_of,
)
from replicate.terms import RANDOM, RECOMMENDED, TL_TYPES
from tests.replicate.judged import predictions, probabilities

BACKBONES = [Network(name="MobileNetV2"), Network(name="LeNet5")]


def drawn_set(name: str, *, phantom: bool = False, n: int = 40) -> ImageSet:
    return of_arrays(
        name,
        np.zeros((n, 4, 4), dtype=np.uint8),
        np.arange(n) % 2,
        ["ill", "well"],
        phantom=phantom,
    )


@dataclass
class DrawnRun:
    """Stands in for a real run; pretrained types have more signal. Knows what it was asked."""

    fails: dict[str, BaseException] = field(default_factory=dict)
    asked: list[Spec] = field(default_factory=list)
    extracted: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, spec: Spec, images: ImageSet, ledger: Ledger) -> dict[str, Any]:
        self.asked.append(spec)
        tl_type = spec.transfer.tl_type
        if tl_type in self.fails:
            raise self.fails[tl_type]
        rng = np.random.default_rng([spec.seeds[0], len(images.name), len(tl_type)])
        signal = 0.2 if tl_type == RANDOM else 2.5
        shares = probabilities(rng, images.labels, 2, signal)
        judged = evaluate([predictions(shares, images.labels)], images)
        place = (images.name, spec.network.name)
        first = place not in self.extracted
        frozen = tl_type.startswith("feature extractor")
        if frozen:
            self.extracted.add(place)
        features = (8.0 if first else 0.1) if frozen else 0.0
        timing = {"features": features, "training": 2.0, "total": 11.0, "images_per_second": 50.0}
        return {
            "run": {"id": spec.id, "trained_parameters": 10},
            "timing": {**timing, "features_cost": None},
            **judged.to_dict(),
        }


def contest_rows_of(run: DrawnRun, sets: int = 3, seeds: tuple[int, ...] = (0, 1)) -> list[Any]:
    entrants = [Entrant(drawn_set("set" + "x" * i), "X-ray") for i in range(sets)]
    runs = cells(entrants, BACKBONES, TL_TYPES, seeds)
    return list(hold(runs, run, command="medtl-meta replicate contest"))


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """The rows of one contest, for tests that only read them."""
    return contest_rows_of(DrawnRun())


def by_tl(tl_type: str, settings: Mapping[str, Any] | None = None) -> Cell:
    entrant = Entrant(drawn_set("one"))
    (cell,) = cells([entrant], BACKBONES[:1], [tl_type], [3], settings)
    return cell


def test_cells_differ_in_what_is_compared_and_in_nothing_else() -> None:
    specs = [by_tl(tl_type).spec for tl_type in TL_TYPES]
    assert len({spec.id for spec in specs}) == len(TL_TYPES)
    free = ("transfer.", "network.weights", "training.backbone_lr", "training.head_epochs")
    first = settings_of(specs[0])
    for spec in specs[1:]:
        for name, value in settings_of(spec).items():
            assert name.startswith(free) or value == first[name], name
    kinds = {spec.transfer.tl_type: spec.transfer.unfreezing.kind for spec in specs}
    assert kinds[RANDOM] == kinds["fine-tuning from scratch"] == "all"
    assert kinds["fine-tuning"] == kinds[RECOMMENDED] == "blocks"
    weights = {spec.transfer.tl_type: spec.network.weights for spec in specs}
    assert weights.pop(RANDOM) == "random"
    assert set(weights.values()) == {"pretrained"}


def test_the_recommended_protocol_trains_the_head_first_and_then_slowly() -> None:
    spec = by_tl(RECOMMENDED).spec
    assert spec.training.head_epochs == spec.training.epochs // 2
    assert spec.training.backbone_lr == 1e-5
    assert by_tl("fine-tuning").spec.training.backbone_lr == 1e-4
    assert by_tl(RANDOM).spec.training.backbone_lr == spec.training.learning_rate


def test_every_setting_stands_in_the_ledger_as_assumed() -> None:
    spec = by_tl("fine-tuning").spec
    ledger = ledger_of(spec)
    assert {line.name for line in ledger.assumed} == set(settings_of(spec))
    assert not ledger.reported


def test_what_does_not_fit_is_said_before_anything_runs() -> None:
    real, phantom = Entrant(drawn_set("a")), Entrant(drawn_set("b", phantom=True))
    with pytest.raises(UsageError, match="phantom and real"):
        cells([real, phantom], BACKBONES, TL_TYPES, [0])
    with pytest.raises(UsageError, match="given twice"):
        cells([real, real], BACKBONES, TL_TYPES, [0])
    with pytest.raises(UsageError, match="no seed"):
        cells([real], BACKBONES, TL_TYPES, [])
    turned = {"augmentation.rotation": 10}
    with pytest.raises(UsageError, match="no augmentation"):
        cells([real], BACKBONES, TL_TYPES, [0], turned)
    for path in ("data.positive", "transfer.tl_type", "seeds"):
        with pytest.raises(UsageError, match="cannot be equal for all"):
            cells([real], BACKBONES, TL_TYPES, [0], {path: "x"})


def test_rows_hold_values_costs_and_where_they_come_from(rows: list[Any]) -> None:
    assert len(rows) == 3 * 2 * len(TL_TYPES) * 2
    for row in rows:
        assert list(row) == list(contest_rows.COLUMNS)
        assert row["error"] is None
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["baseline_accuracy"] == 0.5
        assert row["command"] == "medtl-meta replicate contest"
        assert row["split"] == "5-fold x 1 by image", "the set names no groups"


def test_the_split_in_words_is_what_was_divided() -> None:
    images = drawn_set("patients")
    grouped = replace(images, groups=tuple(f"p{i // 2}" for i in range(len(images))))
    words = {}
    for kind in ("hold-out", "official"):
        settings = {"split.kind": kind}
        for name, entered in (("known", grouped), ("unknown", images)):
            runs = cells([Entrant(entered)], BACKBONES[:1], [RANDOM], [0], settings)
            (row,) = hold(runs, DrawnRun())
            words[kind, name] = row["split"]
    assert words == {
        ("hold-out", "known"): "hold-out by group",
        ("hold-out", "unknown"): "hold-out by image",
        ("official", "known"): "official",
        ("official", "unknown"): "official",
    }


def test_few_sets_have_no_intervals_and_no_ranks_to_tell_apart() -> None:
    few, enough = (summarise(contest_rows_of(DrawnRun(), n, (0,))) for n in (2, 4))
    for found, shown in ((few, False), (enough, True)):
        for rows in found.comparisons.values():
            assert all(math.isfinite(one.ci_low) == shown for one in rows)
    assert few.critical_difference == pytest.approx(5.33, abs=0.005)
    assert enough.critical_difference == pytest.approx(3.77, abs=0.005)
    (said,) = [note for note in few.notes if note.startswith("Nemenyi")]
    assert "cannot be told apart: they would have to differ by 5.33, and can by 5 at most" in said
    (said,) = [note for note in enough.notes if note.startswith("Nemenyi")]
    assert "differ beyond chance by 3.77 or more" in said
    assert few.to_dict()["comparisons"]["among pretrained"][0]["ci_low"] is None


def test_a_failed_cell_is_named_and_the_others_go_on() -> None:
    run = DrawnRun(fails={"fine-tuning": MedtlError("Out of memory.", "Take a smaller batch.")})
    rows = contest_rows_of(run)
    failed = [row for row in rows if row["error"]]
    assert {row["tl_type"] for row in failed} == {"fine-tuning"}
    assert {row["error"] for row in failed} == {"Out of memory."}
    assert len(run.asked) == len(rows)
    found = summarise(rows)
    assert len(found.failed) == len(failed)
    assert {tl_type for _, tl_type, _ in found.failed} == {"fine-tuning"}
    assert "fine-tuning" not in {row["tl_type"] for row in found.methods}


def test_a_defect_of_ours_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        contest_rows_of(DrawnRun(fails={"fine-tuning": ZeroDivisionError()}))


def test_rows_come_one_by_one_so_that_an_interrupt_loses_none() -> None:
    run = DrawnRun(fails={"fine-tuning": KeyboardInterrupt()})
    entrant = Entrant(drawn_set("a"))
    rows: list[Any] = []
    going = hold(cells([entrant], BACKBONES, TL_TYPES, [0]), run)
    with pytest.raises(KeyboardInterrupt):
        rows.extend(going)
    assert [row["tl_type"] for row in rows] == ["feature extractor", "feature extractor hybrid"]


def test_what_another_process_is_at_is_waited_for_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(grid.time, "sleep", naps.append)
    run = DrawnRun()
    busy = {"feature extractor": 4, "random initialisation": 1}

    def shared(spec: Spec, images: ImageSet, ledger: Ledger) -> dict[str, Any]:
        tl_type = spec.transfer.tl_type
        if busy.get(tl_type, 0):
            busy[tl_type] -= 1
            raise InUseError("another process is at this run.")
        return run(spec, images, ledger)

    runs = cells([Entrant(drawn_set("a"))], BACKBONES[:1], TL_TYPES, [0])
    rows = list(hold(runs, shared, folder=tmp_path))
    assert [row["error"] for row in rows] == [None] * len(TL_TYPES)
    assert rows[0]["tl_type"] == "feature extractor hybrid", "others come before"
    kept = contest_rows.read(tmp_path / contest_rows.RESULTS)
    assert [row["tl_type"] for row in kept] == list(TL_TYPES), "kept in the order of the cells"
    assert naps, "where nothing else is left, it is asked again after a while"


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = contest_rows_of(DrawnRun(fails={"fine-tuning": MedtlError('Odd, "quoted".')}), 2)
    path = tmp_path / "deep" / "results.csv"
    contest_rows.write(rows, path)
    for row, back in zip(rows, contest_rows.read(path), strict=True):
        for name in contest_rows.COLUMNS:
            if isinstance(row[name], float):
                assert back[name] == pytest.approx(row[name], rel=1e-5)
            else:
                assert back[name] == row[name], name


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    with pytest.raises(ReplicationError, match="cannot be read"):
        contest_rows.read(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ReplicationError, match="no column dataset"):
        contest_rows.read(path)
    path.write_text("dataset,backbone,tl_type,seed,phantom,auc\na,b,fine-tuning,0,no,high\n")
    with pytest.raises(ReplicationError, match=r"row 2: auc is 'high'"):
        contest_rows.read(path)


def test_data_sets_are_the_n_and_seeds_are_not() -> None:
    few, many = (summarise(contest_rows_of(DrawnRun(), 4, seeds)) for seeds in ((0,), (0, 1, 2)))
    for found in (few, many):
        (question,) = found.comparisons["pretrained against random"]
        assert (question.first, question.second, question.sets) == (PRETRAINED, RANDOM, 4)
        assert question.wins == 4
        assert question.p == question.smallest_p == 1 / 8
        assert any("cannot reach p = 0.05" in note for note in found.notes)
        assert "n = 4 data sets" in found.notes[0]


def test_the_mean_is_over_seeds_then_backbones_then_sets(rows: list[Any]) -> None:
    found = summarise(rows, "accuracy")
    expected = {}
    for tl_type in TL_TYPES:
        by_set = [
            np.mean(
                [r["accuracy"] for r in rows if (r["tl_type"], r["dataset"]) == (tl_type, name)]
            )
            for name in found.sets
        ]
        expected[tl_type] = np.mean(by_set)
    assert {row["tl_type"]: row["value"] for row in found.tl_types} == pytest.approx(expected)
    assert sum(row["mean_rank"] for row in found.tl_types) == pytest.approx(21)
    (question,) = found.comparisons["pretrained against random"]
    rest = np.mean([value for name, value in expected.items() if name != RANDOM])
    assert question.difference == pytest.approx(rest - expected[RANDOM])


def test_who_finds_the_features_ready_is_charged_for_them(rows: list[Any]) -> None:
    found = summarise(rows)
    seconds = {(p["tl_type"], p["dataset"]): p["seconds"] for p in found.points}
    for name in found.sets:
        assert seconds["feature extractor", name] == 10.0
        assert seconds["feature extractor hybrid", name] == 10.0
        assert seconds["fine-tuning", name] == 2.0


def test_a_method_that_lacks_a_set_is_not_ranked(rows: list[Any]) -> None:
    lacking = [
        row
        for row in rows
        if (row["dataset"], row["tl_type"], row["backbone"]) != ("set", RANDOM, "LeNet5")
    ]
    found = summarise(lacking)
    assert (RANDOM, "LeNet5") not in {(r["tl_type"], r["backbone"]) for r in found.methods}
    assert found.unranked == ((RANDOM, "LeNet5"),)
    (question,) = found.comparisons["pretrained against random"]
    assert question.sets == 2
    assert {row["sets"] for row in found.tl_types} == {2}


def test_phantoms_stay_apart_and_metrics_are_known(rows: list[Any]) -> None:
    with pytest.raises(UsageError, match="phantom and of real"):
        summarise([*rows, {**rows[0], "phantom": True}])
    with pytest.raises(UnknownTermError):
        summarise(rows, "magic")
    with pytest.raises(ReplicationError, match="No run"):
        summarise([{**rows[0], "auc": None}])


def test_the_answer_is_json(tmp_path: Path) -> None:
    found = summarise(contest_rows_of(DrawnRun(), 1, (0,)))
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["kind"] == "replicated"
    assert found.friedman is None
    assert math.isnan(found.comparisons["pretrained against random"][0].ci_low)


def test_the_recommended_protocol_is_charged_for_what_others_left_it(rows: list[Any]) -> None:
    first = [row for row in rows if row["backbone"] == rows[0]["backbone"]]
    cost = {"feature extractor": 8.0, "fine-tuning": 5.0, "fine-tuning from scratch": 3.0}
    spent = [{**row, "features_seconds": cost.get(row["tl_type"], 0.01)} for row in first]
    for given in (spent, spent[::-1]):
        seconds = {p["tl_type"]: p["seconds"] for p in summarise(given).points}
        assert seconds[RECOMMENDED] == 8.0 + 5.0 + 2.0
        assert seconds[RANDOM] == seconds["fine-tuning from scratch"] == 3.0 + 2.0
    alone = [row for row in spent if row["tl_type"] == RECOMMENDED]
    (point, *_) = summarise([{**row, "features_seconds": 13.0} for row in alone]).points
    assert point["seconds"] == 15.0


def test_methods_are_compared_with_their_backbones(rows: list[Any], tmp_path: Path) -> None:
    found = summarise(rows)
    tests, methods = found.comparisons[AMONG_METHODS], len(found.methods)
    assert len(tests) == methods * (methods - 1) // 2
    best = found.methods[0]
    assert tests[0].first == f"{best['tl_type']}, {best['backbone']}"
    seeds = len({row["seed"] for row in rows})
    assert all(one.belief and one.belief.seeds == pytest.approx(seeds) for one in tests)
    json.dumps(found.to_dict(), allow_nan=False)
    flat = compared_rows(found.comparisons)
    contest_rows.write(flat, tmp_path / "pairs.csv", flat[0])
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == len(flat) + 1
    alone = [row for row in rows if row["backbone"] == best["backbone"]]
    assert AMONG_METHODS not in summarise(alone).comparisons
