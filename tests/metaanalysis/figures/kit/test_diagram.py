from __future__ import annotations

import pytest

from metaanalysis.figures.kit.diagram import arrows, boxes, words


@pytest.mark.parametrize(
    ("ends", "angle", "tip"),
    [
        ((0, 5, 20, 5), 90, (16, 5)),
        ((20, 5, 0, 5), 270, (4, 5)),
        ((5, 0, 5, 20), 180, (5, 16)),
        ((5, 20, 5, 0), 0, (5, 4)),
    ],
)
def test_heads_point_along_their_arrow_and_end_with_it(
    ends: tuple[float, float, float, float], angle: float, tip: tuple[float, float]
) -> None:
    x, y, to_x, to_y = ends
    arrow = arrows([{"x": x, "y": y, "to_x": to_x, "to_y": to_y}], head=8)
    (head,) = arrow.layer[1].data.to_dict("records")
    assert head["turned"] == angle
    assert (head["tip_x"], head["tip_y"]) == tip


def test_places_are_pixels_from_the_top_left() -> None:
    spec = boxes([(10, 20, 5, 9)]).to_dict()
    assert spec["encoding"]["x"]["scale"] is spec["encoding"]["y"]["scale"] is None
    named = boxes([{"left": 10, "right": 20, "top": 5, "bottom": 9}]).data
    assert boxes([(10, 20, 5, 9)]).data.equals(named)


def test_numbers_are_written_as_text() -> None:
    chart = words([{"x": 1, "y": 1, "text": 467}])
    assert chart.data["text"].tolist() == ["467"]
