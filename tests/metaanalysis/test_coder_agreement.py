"""Two coders: agreement as counted by hand from the files."""

from __future__ import annotations

import pytest

from db.database import Database
from metaanalysis.coder_agreement import agreement, cohens_kappa


def test_agreement_of_the_packaged_codings(database: Database) -> None:
    found = agreement(database)
    assert found.studies == 30
    assert {field.field: (field.agreed, field.compared) for field in found.fields} == {
        "modality": (30, 30),
        "subject": (29, 30),
        "n_classes": (30, 30),
        "backbones": (22, 23),
        "tl_types": (13, 19),
        "n_images": (10, 13),
        "n_patients": (9, 9),
        "n_test": (7, 8),
        "headline metrics": (47, 50),
    }
    by_name = {field.field: field for field in found.fields}
    assert by_name["modality"].kappa == 1
    assert by_name["subject"].kappa == pytest.approx(0.96, abs=0.005)
    assert by_name["n_images"].kappa is None
    # What a study says about its transfer learning, also where only one coder saw anything.
    assert by_name["tl_types"].read == 21


def test_the_first_coding_is_the_one_before_adjudication(database: Database) -> None:
    by_place = {(d.key, d.field): d for d in agreement(database).differences}
    nishio = by_place["nishio2018", "tl_types"]
    assert nishio.first == ["fine-tuning (extent unreported)"]
    assert nishio.second == ["random initialisation"]
    assert nishio.adjudication.startswith("union of what the two coders saw: ")
    only_second = by_place["mohamed2018", "tl_types"]
    assert only_second.first is None
    assert by_place["minaee2020", "n_images"].adjudication.startswith("not adjudicated")


def test_every_difference_is_listed(database: Database) -> None:
    found = agreement(database)
    expected = sum(f.compared - f.agreed + f.only_first + f.only_second for f in found.fields)
    assert len(found.differences) == expected
    assert found.to_frame()["agreed"].sum() == sum(field.agreed for field in found.fields)


def test_kappa_of_a_table_worked_out_by_hand() -> None:
    # 20 both yes, 15 both no, 5 and 10 apart: observed 0.7, by chance 0.5, kappa 0.4.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohens_kappa(list(first), list(second)) == pytest.approx(0.4)


def test_kappa_at_the_edges() -> None:
    assert cohens_kappa([], []) is None
    assert cohens_kappa(["a", "a"], ["a", "a"]) == 1
    assert cohens_kappa(["a", "b"], ["b", "a"]) == pytest.approx(-1)
