"""The vocabulary of a training set, in the units that the configuration wants."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctcasr.errors import ConfigError, DataError
from ctcasr.text import BLANK, PhoneVocabulary, PieceVocabulary, Pronunciations, Vocabulary
from ctcasr.training.config import TextSettings

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor


def make_vocabulary(settings: TextSettings, texts: Sequence[str], manifest: Path) -> Vocabulary:
    """Return the vocabulary of training transcripts.

    Args:
        settings: the units, and what they need.
        texts: of the training manifest.
        manifest: its path, for messages.

    Raises:
        DataError: the dictionary of phones is damaged, all transcripts are empty, or they have too few pieces.
        ConfigError: pieces are wanted, and SentencePiece is not installed.
    """
    if settings.units == "phone":
        assert settings.lexicon is not None
        return PhoneVocabulary.of(Pronunciations.read(settings.lexicon))
    if settings.units == "bpe":
        assert settings.pieces is not None
        return train_pieces(texts, settings.pieces, manifest)
    if not any(texts):
        raise DataError(f"{manifest}: has no transcripts; expected a `text` in each line")
    return Vocabulary.from_texts(texts)


def train_pieces(texts: Sequence[str], count: int, manifest: Path) -> PieceVocabulary:
    """Train so many pieces by byte-pair encoding (Sennrich et al. 2016) with SentencePiece.

    Raises:
        DataError: the transcripts are too few, or the number is not above that of their characters.
        ConfigError: SentencePiece is not installed.
    """
    model = sentencepiece_model(texts, count, manifest)
    unknown = model.unk_id()
    pieces = [model.id_to_piece(number) for number in range(len(model)) if number != unknown]
    return PieceVocabulary((BLANK, *pieces))


def sentencepiece_model(texts: Sequence[str], count: int, manifest: Path) -> SentencePieceProcessor:
    """Return SentencePiece's model of the pieces; see `train_pieces`."""
    try:
        import sentencepiece  # here: only this kind of unit needs it
    except ImportError as error:
        raise ConfigError(
            "text.units = 'bpe' needs sentencepiece; install it with `pip install 'ctcasr[train]'`"
        ) from error
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            model_type="bpe",
            vocab_size=count + 1,  # and <unk>
            character_coverage=1.0,
            normalization_rule_name="identity",
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:  # of any kind; its message ends with what is wrong
        reason = str(error).strip().split("\n")[-1].rpartition("] ")[2]
        raise DataError(
            f"{manifest}: {count} pieces cannot be trained on its transcripts ({reason}); change text.pieces"
        ) from error
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
