"""Words are found by any synonym and case; wrong ones name the nearest."""

import pytest

from db.errors import UnknownTermError
from db.vocabulary import SYNONYMS, TERMS, Lexicon, fold, lexicon


@pytest.mark.parametrize(
    ("field", "word", "term"),
    [
        ("modality", "oct", "OCT"),
        ("modality", "Optical Coherence Tomography", "OCT"),
        ("modality", "x ray", "X-ray"),
        ("modality", "XRAY", "X-ray"),
        ("modality", "ultrasound", "sonography"),
        ("tl_type", "FEATURE-EXTRACTOR", "feature extractor"),
        ("tl_type", "hybrid", "feature extractor hybrid"),
        ("tl_type", "random initialization", "random initialisation"),
        ("metric", "auroc", "AUC"),
        ("metric", "recall", "sensitivity"),
        ("subject", "digestive system", "alimentary system"),
    ],
)
def test_synonyms(field: str, word: str, term: str) -> None:
    assert lexicon(field).resolve(word) == term


@pytest.mark.parametrize("field", list(TERMS))
def test_each_term_stands_for_itself(field: str) -> None:
    for term in TERMS[field]:
        assert lexicon(field).resolve(term) == term


@pytest.mark.parametrize("field", list(SYNONYMS))
def test_each_synonym_leads_to_a_term_and_hides_none(field: str) -> None:
    folded_terms = {fold(term): term for term in TERMS[field]}
    for word, term in SYNONYMS[field].items():
        assert term in TERMS[field]
        assert folded_terms.get(fold(word), term) == term


def test_a_wrong_word_names_the_nearest() -> None:
    with pytest.raises(UnknownTermError, match="'mammograhpy'") as caught:
        lexicon("modality").resolve("mammograhpy")
    assert caught.value.nearest[0] == "mammography"
    assert "Did you mean" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_hopeless_word_lists_what_is_known() -> None:
    with pytest.raises(UnknownTermError) as caught:
        Lexicon("fruit", ["apple", "pear"]).resolve("zzzz")
    assert caught.value.hint == "Known: apple, pear."
