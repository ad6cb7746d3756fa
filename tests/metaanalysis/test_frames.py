"""The literature as pandas frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import metaanalysis
from db.database import Database
from db.errors import UsageError
from metaanalysis import query, reported_metrics, studies


def test_studies_is_one_row_a_study(database: Database) -> None:
    frame = studies(database)
    assert len(frame) == 114
    assert frame["key"].is_unique
    assert frame["n_images"].isna().sum() == 114 - 60
    assert str(frame["n_images"].dtype) == "Int64"
    assert str(frame["auc"].dtype) == "Float64"
    assert frame.attrs["selection"] == query.select(database).sentences()


def test_filters_are_those_of_the_command(database: Database) -> None:
    frame = studies(database, modality="OCT")
    assert frame["ref"].tolist() == [49, 112, 113, 115, 116, 122]
    assert studies(database, modality=["OCT", "SPECT"], year=2019)["year"].unique().tolist() == [
        2019
    ]
    with pytest.raises(UsageError, match="'OTC'"):
        studies(database, modality="OTC")


def test_columns(database: Database) -> None:
    assert list(studies(database, columns=["ref", "families"])) == ["ref", "families"]


def test_no_study_is_an_empty_frame_with_the_columns(database: Database) -> None:
    frame = studies(database, modality="OCT", year="1999")
    assert len(frame) == 0
    assert "accuracy" in frame


def test_reported_metrics_is_one_row_a_value(database: Database) -> None:
    frame = reported_metrics(database)
    assert len(frame) == 320
    assert frame["value"].between(0, 1).all()
    assert frame.groupby(["key", "metric"])["headline"].sum().max() == 1
    some = reported_metrics(database, modality="OCT")
    assert set(some["ref"]) <= {49, 112, 113, 115, 116, 122}


def test_without_a_database_the_default_one_is_opened(tmp_path: Path) -> None:
    assert len(studies(modality="OCT")) == 6
    assert len(reported_metrics(modality="SPECT")) > 0
    assert len(metaanalysis.agreement().fields) == 9


def test_the_public_names_are_there() -> None:
    for name in metaanalysis.__all__:
        assert getattr(metaanalysis, name) is not None
    assert set(dir(metaanalysis)) == set(metaanalysis.__all__)
    with pytest.raises(AttributeError):
        metaanalysis.nothing  # noqa: B018


def test_frames_carry_missing_values_not_guesses(database: Database) -> None:
    row = studies(database, text="Treder").iloc[0]
    assert row["key"] == "treder2018"
    assert pd.isna(row["n_images"])
    assert row["backbones"] is None
