from __future__ import annotations

import pytest

from db.database import Database
from db.vocabulary import EXTENT_UNREPORTED, TL_TYPES
from metaanalysis.figures.review.concepts import figure_2
from metaanalysis.review.approaches import (
    APPROACHES,
    CLASSICAL,
    CONNECTED,
    CONVOLUTIONAL,
    FROZEN,
    GROUPS,
    NEW,
    PRETRAINED,
    TRAINED,
    blocks,
    definitions,
)
from tests.metaanalysis.figures.drawn import layers, review, words


def test_the_approaches_are_the_review_s_tl_types() -> None:
    # How far an "extent unreported" network is fine-tuned is just what is not known.
    assert set(APPROACHES) == set(TL_TYPES) - {EXTENT_UNREPORTED}
    assert [name for name, approach in APPROACHES.items() if not approach.transfers] == [
        "random initialisation"
    ]


@pytest.mark.parametrize(
    ("approach", "start", "states", "head"),
    [
        # As the review's definitions have it: see data/review.yaml, tl_definitions.
        ("feature extractor", PRETRAINED, {FROZEN}, CONNECTED),
        ("feature extractor hybrid", PRETRAINED, {FROZEN}, CLASSICAL),
        ("fine-tuning", PRETRAINED, {FROZEN, TRAINED}, CONNECTED),
        ("fine-tuning from scratch", PRETRAINED, {TRAINED}, CONNECTED),
        ("random initialisation", NEW, {TRAINED}, CONNECTED),
    ],
)
def test_blocks_follow_the_definition(
    approach: str, start: str, states: set[str], head: str
) -> None:
    mine = blocks()[lambda table: table["approach"] == approach]
    convolutions = mine[mine["layer"] == CONVOLUTIONAL]
    assert convolutions["position"].tolist() == list(range(1, GROUPS + 1))
    assert set(convolutions["start"]) == {start}
    assert set(convolutions["state"]) == states
    last = mine[mine["layer"] != CONVOLUTIONAL]
    assert last[["layer", "start", "state"]].to_numpy().tolist() == [[head, NEW, TRAINED]]


def test_fine_tuning_trains_the_last_groups_and_not_the_first() -> None:
    table = blocks()
    mine = table[(table["approach"] == "fine-tuning") & (table["layer"] == CONVOLUTIONAL)]
    assert mine["state"].tolist() == [FROZEN] * 3 + [TRAINED] * 2


def test_definitions_are_the_review_s(database: Database) -> None:
    printed = {key: text for key, text in review()["tl_definitions"].items() if key != "place"}
    assert definitions(database) == printed


def _boxes(figure: object) -> list[tuple[dict[str, object], list[dict[str, object]]]]:
    return [
        (mark, drawn)
        for mark, drawn, _ in layers(figure)  # type: ignore[arg-type]
        if mark["type"] == "rect" and "state" in drawn[0]
    ]


def test_figure_draws_every_block_in_the_look_of_its_state(database: Database) -> None:
    figure = figure_2(database)
    drawn = {(row["approach"], row["position"]) for _, rows in _boxes(figure) for row in rows}
    assert drawn == set(zip(figure.data["approach"], figure.data["position"], strict=True))
    fills = {row["state"]: set() for _, rows in _boxes(figure) for row in rows}
    for mark, rows in _boxes(figure):
        for row in rows:
            fills[row["state"]].add(mark["fill"])
            assert ("strokeDash" in mark) is (row["start"] == NEW)
    assert len(fills[FROZEN]) == len(fills[TRAINED]) == 1
    assert fills[FROZEN] != fills[TRAINED]


def test_only_frozen_blocks_are_hatched(database: Database) -> None:
    figure = figure_2(database)
    boxes = [row for _, rows in _boxes(figure) for row in rows]
    slanted = [
        row
        for mark, rows, _ in layers(figure)
        if mark["type"] == "rule"
        for row in rows
        if row["x"] != row["to_x"] and row["y"] != row["to_y"]
    ]
    hatched = set()
    for line in slanted:
        for index, box in enumerate(boxes):
            if (
                box["left"] <= line["x"] <= box["right"]
                and box["left"] <= line["to_x"] <= box["right"]
                and box["top"] <= line["to_y"] <= line["y"] <= box["bottom"]
            ):
                hatched.add(index)
    assert hatched == {i for i, box in enumerate(boxes) if box["state"] == FROZEN}


def test_figure_tells_the_comparator_and_defines_each_approach(database: Database) -> None:
    figure = figure_2(database)
    text = words(figure)
    assert text.count("comparator") == 1
    joined = " ".join(text).replace("\n", " ")
    for name, definition in definitions(database).items():
        assert name in text
        assert definition in joined
    assert figure.title == "Four ways to transfer a network, and starting from nothing"
