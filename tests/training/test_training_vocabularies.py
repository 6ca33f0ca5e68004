"""Vocabularies of training sets, and pieces against SentencePiece's own segmentation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import ConfigError, DataError
from ctcasr.text import PhoneVocabulary, PieceVocabulary
from ctcasr.training.config import TextSettings
from ctcasr.training.vocabularies import make_vocabulary, sentencepiece_model, train_pieces

MANIFEST = Path("train.jsonl")
TEXTS = [
    "the cat sat on the mat",
    "a cat and the hat",
    "that mat",
    "attach the hat to a cat",
    "tea at ten",
] * 3


def test_pieces_are_sentencepieces() -> None:
    peer = sentencepiece_model(TEXTS, 30, MANIFEST)
    ours = train_pieces(TEXTS, 30, MANIFEST)
    assert len(ours) == 31

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.lists(st.text("acdehmnost", min_size=1, max_size=9), min_size=1, max_size=4).map(" ".join))
    def same(text: str) -> None:
        assert [ours.symbols[number] for number in ours.encode(text)] == peer.encode(text, out_type=str)

    same()


def test_the_same_pieces_every_time() -> None:
    assert train_pieces(TEXTS, 25, MANIFEST) == train_pieces(TEXTS, 25, MANIFEST)


def test_units(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("yes Y EH S\nno N OW\n", encoding="utf-8")
    settings_of = {
        "char": TextSettings(),
        "phone": TextSettings(units="phone", lexicon=tmp_path / "words.txt"),
        "bpe": TextSettings(units="bpe", pieces=30),
    }
    made = {units: make_vocabulary(chosen, TEXTS, MANIFEST) for units, chosen in settings_of.items()}
    assert {units: vocabulary.units for units, vocabulary in made.items()} == {u: u for u in settings_of}
    assert made["char"].symbols[1:4] == ("<space>", "a", "c")
    assert isinstance(made["phone"], PhoneVocabulary)
    assert made["phone"].symbols[1:] == ("EH", "N", "OW", "S", "Y")
    assert isinstance(made["bpe"], PieceVocabulary)


@pytest.mark.parametrize("count", [8, 60_000])
def test_numbers_that_do_not_fit_the_transcripts(count: int) -> None:
    with pytest.raises(
        DataError, match=rf"train\.jsonl: {count} pieces cannot be trained .*; change text\.pieces"
    ):
        train_pieces(TEXTS, count, MANIFEST)


def test_without_sentencepiece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ConfigError, match="needs sentencepiece"):
        train_pieces(TEXTS, 30, MANIFEST)


def test_transcripts_are_written_by_their_pieces() -> None:
    vocabulary = train_pieces(TEXTS, 30, MANIFEST)
    for text in TEXTS[:5]:
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == text
        assert ids.dtype == np.int64
        assert len(ids) < len(text)
