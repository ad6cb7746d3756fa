"""The audit as a whole: what it finds in the packaged data, and in a study that is added."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.database import Database, open_database
from db.errors import NotFoundError, UnknownTermError, UsageError
from db.user import add_studies
from metaanalysis.audit import CHECKS, VERDICTS, Finding, audit, tally, with_verdict
from metaanalysis.audit.registry import OF_STUDY
from tests.study_files import good, write

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def findings(database: Database) -> list[Finding]:
    return audit(database)


def of(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.id == name]
    return found


class TestAll:
    def test_every_finding_is_whole(self, findings: list[Finding]) -> None:
        for finding in findings:
            assert finding.verdict in VERDICTS
            assert finding.check in CHECKS
            assert finding.id.startswith(f"{finding.check}.")
            assert finding.ref is None or not finding.explanation[0].islower()
            assert finding.explanation.endswith((".", ")"))
            assert finding.source, finding.id

    def test_ids_are_unique_and_stable(self, database: Database, findings: list[Finding]) -> None:
        ids = [finding.id for finding in findings]
        assert len(set(ids)) == len(ids)
        assert [finding.id for finding in audit(database)] == ids

    def test_every_check_finds_something_to_check(self, findings: list[Finding]) -> None:
        assert {finding.check for finding in findings} == set(CHECKS)

    def test_worst_first(self, findings: list[Finding]) -> None:
        order = list(VERDICTS)
        places = [order.index(finding.verdict) for finding in findings]
        assert places == sorted(places)
        assert list(tally(findings)) == order
        assert sum(tally(findings).values()) == len(findings)

    def test_every_reported_value_is_looked_at(self, database: Database) -> None:
        rows = database.rows(
            "SELECT s.key, m.metric FROM reported_metric m JOIN study s ON s.id = m.study_id "
            "WHERE m.metric IN ('accuracy', 'sensitivity', 'specificity', 'precision', 'NPV', "
            "'surveillance interval concordance')"
        )
        assert len(audit(database, checks=["proportion"])) == len(rows)
        with_interval = database.rows(
            "SELECT COUNT(*) AS n FROM reported_metric WHERE ci_low IS NOT NULL"
        )
        assert len(audit(database, checks=["interval"])) == with_interval[0]["n"]

    def test_on_both_databases(self, either: Database, findings: list[Finding]) -> None:
        assert audit(either) == findings


class TestWhatThePackagedRowsShow:
    """Each is found by a rule that knows no study; the numbers are those of the sources."""

    def test_the_retracted_study(self, findings: list[Finding]) -> None:
        found = [f for f in findings if f.check == "retraction"]
        assert [(f.ref, f.verdict) for f in found] == [(73, "suspicious")]

    def test_an_accuracy_whose_interval_is_of_another_count(self, findings: list[Finding]) -> None:
        """The value alone could be a mean of seven runs; with its interval it cannot."""
        found = of(findings, "proportion.he2019.accuracy.1")
        assert (found.ref, found.verdict) == (103, "suspicious")
        assert "7 runs could (148 of 196 is 0.7551)" in found.explanation
        found = of(findings, "same-count.he2019.accuracy.1")
        assert (found.verdict, found.recomputed) == ("inconsistent", "21/28 = 0.7500")
        interval = of(findings, "interval.he2019.accuracy.1")
        assert (interval.verdict, interval.recomputed) == ("suspicious", "21/28 = 0.7500")
        assert of(findings, "proportion.he2019.accuracy.2").verdict == "consistent"

    def test_a_sensitivity_that_takes_more_positives_than_a_test_set_has(
        self, findings: list[Finding]
    ) -> None:
        """62 of 74 fits, and the 35 positives of the test set do not; but 35 is in no row."""
        found = of(findings, "proportion.cheng2018.sensitivity.2")
        assert (found.ref, found.verdict) == (139, "not checkable")
        assert found.recomputed is not None
        assert "37" in found.recomputed
        interval = of(findings, "interval.cheng2018.AUC.1")
        low, high = map(int, re.findall(r"\d+", interval.recomputed or "")[:2])
        assert low <= 74 <= high
        assert not low <= 35 <= high

    def test_headlines_of_networks_that_were_not_transferred(self, findings: list[Finding]) -> None:
        found = [f for f in findings if f.check == "headline"]
        assert {f.ref for f in found if "random weights" in f.explanation} == {36, 87, 110}
        assert {f.ref for f in found if "authors' own" in f.explanation} == {60, 114}

    def test_five_studies_on_inception_and_vgg(self, findings: list[Finding]) -> None:
        found = of(findings, "claim.inception-beats-vgg")
        assert found.verdict == "contradicted"
        for ref in (30, 31, 32, 33):
            assert f"[{ref}]" in " ".join(found.rows), ref

    def test_class_counts_that_stand_in_a_note_only_are_not_found(
        self, findings: list[Finding]
    ) -> None:
        """Reference 151's classes add up to 1428, not 1427: the rows hold the total alone."""
        assert not [f for f in findings if f.ref == 151 and f.verdict == "inconsistent"]

    def test_everything_that_is_inconsistent(self, findings: list[Finding]) -> None:
        assert {f.id for f in findings if f.verdict == "inconsistent"} == {
            "flow.included",
            "correlation.spearman-auc",
            "table-1.GoogLeNet.parameters",
            "table-1.ResNet50.layers",
            "same-count.he2019.accuracy.1",
        }

    def test_disagreements_are_all_told(self, database: Database, findings: list[Finding]) -> None:
        rows = database.rows("SELECT COUNT(*) AS n FROM disagreement")
        assert sum(f.check == "disagreement" for f in findings) == rows[0]["n"]


class TestNoRuleNamesAStudy:
    def test_in_the_code(self, database: Database) -> None:
        keys = [row["key"] for row in database.rows("SELECT key FROM study")]
        for path in (ROOT / "metaanalysis" / "audit").rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            # The example of the package shows its output.
            text = re.sub(r"^>>>.*?(?=^\"\"\"|\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
            assert not [key for key in keys if key in text], path


BAD = """\
metrics:
  - {metric: accuracy, value: 0.755, ci_low: 0.551, ci_high: 0.893, n: 28, split: test, basis: abstract, source: here}
  - {metric: accuracy, value: 0.7523, n: 28, split: test, headline: true, backbone: custom, basis: abstract, source: here}
  - {metric: AUC, value: 0.93, ci_low: 0.9, ci_high: 0.99, basis: abstract, source: here}
  - {metric: sensitivity, value: 0.91, n: 400, split: external, basis: abstract, source: here}
  - {metric: specificity, value: 0.85, n: 400, split: external, basis: abstract, source: here}
  - {metric: accuracy, value: 0.95, n: 400, split: external, basis: abstract, source: here}
  - {metric: accuracy, value: 0.3, split: validation, basis: abstract, source: here}
  - {metric: AUC, value: 1.0, split: validation, basis: abstract, source: here}
"""

MORE = """\
  n_train: {value: 1200, basis: abstract, source: here, note: As printed.}
  n_test: {value: 100, basis: abstract, source: here}
  split_unit: {value: images, basis: abstract, source: here}
  retracted: {value: true, basis: title, source: here}
"""


class TestAStudyThatIsAdded:
    @pytest.fixture
    def mine(self, where: str, tmp_path: Path) -> Iterator[Database]:
        text = good("bad2026")
        text = text[: text.index("metrics:")]
        text = text.replace(
            "n_images: {value: 1234, basis: abstract, source: https://doi.org/10.1000/bad2026}",
            "n_images: {value: 1234, basis: abstract, source: here, "
            "disagreements: [{value: 4321, source: there, note: Counts them again.}]}",
        )
        bad = write(tmp_path / "bad2026.yaml", text + MORE + BAD)
        fine = write(tmp_path / "fine2026.yaml", good("fine2026"))
        with open_database(where) as database:
            add_studies(database, [bad, fine])
            with database.writing() as connection:  # no file may say so any more; rows may
                connection.exec_driver_sql(
                    "UPDATE reported_metric SET ci_low = 0.95, ci_high = 0.99 WHERE ci_low = 0.9"
                    " AND study_id IN (SELECT id FROM study WHERE key = 'bad2026')"
                )
            yield database

    def test_gets_every_check_at_once(self, mine: Database) -> None:
        found = audit(mine, studies=["bad2026"])
        worst = {(f.check, f.verdict) for f in found}
        assert worst >= {
            ("counts", "inconsistent"),
            ("proportion", "inconsistent"),
            ("joint", "inconsistent"),
            ("interval", "inconsistent"),
            ("same-count", "inconsistent"),
            ("extreme", "suspicious"),
            ("baseline", "suspicious"),
            ("headline", "suspicious"),
            ("disagreement", "suspicious"),
            ("retraction", "suspicious"),
        }
        assert {f.check for f in found} == {
            name for name, check in CHECKS.items() if check.of == OF_STUDY
        }
        told = next(f for f in found if f.check == "disagreement")
        assert (told.reported, told.recomputed) == ("1234", "4321")
        assert "Counts them again." in told.explanation

    def test_a_sound_study_has_nothing_to_be_said_about(self, mine: Database) -> None:
        found = audit(mine, studies=["fine2026"])
        assert not with_verdict(found, ["inconsistent", "suspicious"])

    def test_the_review_does_not_change(self, mine: Database, findings: list[Finding]) -> None:
        mine_too = [f for f in audit(mine) if f.subject == "review"]
        assert mine_too == [f for f in findings if f.subject == "review"]


class TestAsking:
    def test_by_study(self, database: Database) -> None:
        for name in ("103", "he2019", "10.1007/s00330-019-06082-2"):
            assert {f.subject for f in audit(database, studies=[name])} == {"he2019"}

    def test_by_check(self, database: Database) -> None:
        found = audit(database, checks=["Table 1", "flow"])
        assert {f.check for f in found} == {"table-1", "flow"}

    def test_by_verdict(self, findings: list[Finding]) -> None:
        assert {f.verdict for f in with_verdict(findings, ["Not-checkable"])} == {"not checkable"}

    def test_words_that_do_not_exist(self, database: Database, findings: list[Finding]) -> None:
        with pytest.raises(UnknownTermError, match="flw"):
            audit(database, checks=["flw"])
        with pytest.raises(UnknownTermError, match="verdict"):
            with_verdict(findings, ["bad"])
        with pytest.raises(NotFoundError, match="no study 'nobody2020'"):
            audit(database, studies=["nobody2020"])
        with pytest.raises(UsageError, match="claim: checks the review"):
            audit(database, studies=["103"], checks=["claim", "joint"])

    def test_as_plain_data(self, findings: list[Finding]) -> None:
        row = findings[0].to_dict()
        wanted = "id subject check verdict reported recomputed explanation source"
        assert set(wanted.split()) <= row.keys()
        assert isinstance(row["rows"], list)
