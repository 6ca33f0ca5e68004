"""Material of the decoding benchmark: text, language model, vocabulary, and CTC posteriors that look real."""

from __future__ import annotations

import io
import lzma
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sentencepiece

from ctcasr import audio, lm
from ctcasr.data import read_manifest
from ctcasr.runtime import Recognizer

Rows = npt.NDArray[np.float32]

BOOKS = Path(__file__).resolve().parent.parent.parent / "shared/data/text/books/books.txt.xz"
AN4 = Path(__file__).resolve().parent.parent / "recipes/an4/data/dev.jsonl"
CHARACTERS = ("<blank>", "<space>", "'", *"abcdefghijklmnopqrstuvwxyz")
LOOK_ALIKES = ("aeiou", "bpdtkg", "sczfvx", "mnlr", "wuyj", "qkc", "h'")
FRAME_SECONDS = 0.04


@dataclass(frozen=True)
class Language:
    """A word 3-gram as an ARPA file and in our form, its words, and sentences that it has not seen."""

    arpa: Path
    model: lm.NGramModel
    words: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """Posteriors with what was said.

    The weights are natural logarithms, and the same for every decoder: those with which the peer made the fewest
    errors, of a grid of 12 pairs (characters, flashlight-text), 15 (pieces, pyctcdecode) and 24 (AN4,
    flashlight-text); on other sentences where they are made from books, on the same ones of AN4.

    Attributes:
        symbols: the first is the blank.
        references: what was said.
        log_probs: `(T', V)` of each.
        lm_weight: of the language model's log-probability.
        word_bonus: for each word.
        pieces: splits a word into symbols; its letters if there is none.
    """

    symbols: tuple[str, ...]
    references: tuple[str, ...]
    log_probs: tuple[Rows, ...]
    lm_weight: float = 0.9
    word_bonus: float = 2.0
    pieces: sentencepiece.SentencePieceProcessor | None = None

    def spell(self, word: str) -> list[str]:
        """Return the symbols of a word."""
        return list(word) if self.pieces is None else self.pieces.encode(word, out_type=str)

    def text(self, ids: Sequence[int]) -> str:
        """Return what symbols write."""
        joined = "".join(self.symbols[number] for number in ids)
        return " ".join(joined.replace("<space>", " ").replace("▁", " ").split())


def read_language(folder: Path, training_words: int, sentences: int) -> Language:
    """Train a word 3-gram on books, all words that come twice, and hold sentences of 85 to 125 letters out."""
    lines: list[str] = []
    total = 0
    with lzma.open(BOOKS, "rt", encoding="utf-8") as text:
        for paragraph in text:
            for sentence in re.split(r"(?<=[.!?])\s+", paragraph.lower()):
                words = re.findall(r"[a-z]+(?:'[a-z]+)?", sentence)
                if 4 <= len(words) <= 40:
                    lines.append(" ".join(words))
                    total += len(words)
            if total > training_words:
                break
    chosen = [line for line in lines[::37] if 85 <= len(line) <= 125][:sentences]
    kept = [line for line in lines if line not in set(chosen)]
    counts = Counter(word for line in kept for word in line.split())
    vocabulary = sorted(word for word, count in counts.items() if count > 1)
    text_path, arpa = folder / "text.txt", folder / "words.arpa"
    text_path.write_text("\n".join(kept), encoding="utf-8")
    settings = lm.CountSettings(3, "word", 1, tuple(vocabulary))
    tables = lm.kneser_ney(lm.count_ngrams([text_path], settings))
    lm.write_arpa(tables, arpa)
    return Language(arpa, lm.read_arpa(arpa), tuple(vocabulary), tuple(chosen))


def characters(language: Language) -> Case:
    """Return posteriors over characters; a symbol is mistaken for one that sounds like it."""
    numbers = {symbol: number for number, symbol in enumerate(CHARACTERS)}
    spelled = [
        [numbers["<space>" if letter == " " else letter] for letter in sentence]
        for sentence in language.sentences
    ]
    alike = {
        number: [
            numbers[other] for group in LOOK_ALIKES if symbol in group for other in group if other != symbol
        ]
        or [numbers["e"], numbers["t"]]
        for number, symbol in enumerate(CHARACTERS)
    }
    rng = np.random.default_rng(7)
    rows = tuple(_posteriors(ids, len(CHARACTERS), alike, rng) for ids in spelled)
    return Case(CHARACTERS, language.sentences, rows)


def pieces(language: Language, folder: Path, size: int = 1000) -> Case:
    """Return posteriors over BPE pieces; a piece is mistaken for any other."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_writer=written,
        vocab_size=size - 1,
        model_type="bpe",
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        input_sentence_size=20000,
        shuffle_input_sentence=False,
        minloglevel=2,
    )
    splitter = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    symbols = ("<blank>", *(splitter.id_to_piece(number) for number in range(size - 1)))
    rng = np.random.default_rng(8)
    rows = []
    for sentence in language.sentences:
        ids = [number + 1 for number in splitter.encode(sentence)]
        rows.append(_posteriors(ids, size, None, rng, frames=int(2.5 * len(sentence)) + 8))
    return Case(symbols, language.sentences, tuple(rows), 0.5, 3.0, splitter)


def _posteriors(
    ids: Sequence[int],
    symbols: int,
    alike: dict[int, list[int]] | None,
    rng: np.random.Generator,
    frames: int | None = None,
) -> Rows:
    """Return peaky log-probabilities `(T', V)`: a symbol on one frame or two, blanks between, some mistaken."""
    frames = frames or int(2.5 * len(ids)) + 8
    logits = rng.gumbel(0, 1.2 if symbols < 100 else 0.8, (frames, symbols))
    centres = np.linspace(2, frames - 4, len(ids)).astype(int)
    spoken = np.zeros(frames, bool)
    for place, (symbol, centre) in enumerate(zip(ids, centres, strict=True)):
        free = place + 1 == len(ids) or centres[place + 1] > centre + 2
        span = slice(centre, centre + (2 if free and rng.random() < 0.3 else 1))
        other = int(rng.choice(alike[symbol])) if alike else int(rng.integers(1, symbols))
        kind = rng.random()
        if kind < 0.04:
            own, wrong = rng.uniform(3, 8), rng.uniform(8, 10)
        elif kind < 0.14:
            own, wrong = rng.uniform(7.5, 10), rng.uniform(6, 9)
        else:
            own, wrong = rng.uniform(11, 15), rng.uniform(1, 4)
        logits[span, symbol] += own
        logits[span, other] += wrong
        logits[span, 0] += rng.uniform(3, 8)
        spoken[span] = True
        for beside in (span.start - 1, span.stop):
            if not spoken[beside]:
                logits[beside, symbol] += rng.uniform(2, 8)
    logits[~spoken, 0] += rng.uniform(10, 16, int((~spoken).sum()))
    logits -= logits.max(axis=1, keepdims=True)
    log_probs: Rows = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    return log_probs


def spoken_letters(utterances: int) -> Case | None:
    """Return real posteriors: the bundled recogniser on the dev part of AN4, if it was prepared."""
    if not AN4.is_file():
        return None
    recognizer = Recognizer.load("an4")
    rate = recognizer.bundle.description.features.sample_rate
    chosen = read_manifest(AN4)[:utterances]
    rows = tuple(recognizer.log_probs(audio.load(utterance.audio_path, rate)) for utterance in chosen)
    texts = tuple(utterance.text for utterance in chosen)
    return Case(recognizer.bundle.vocabulary.symbols, texts, rows, 0.25, 2.0)


def an4_language(folder: Path) -> Language:
    """Return a word 3-gram of AN4's training transcripts."""
    texts = [utterance.text for utterance in read_manifest(AN4.with_name("train.jsonl"))]
    path, arpa = folder / "an4.txt", folder / "an4.arpa"
    path.write_text("\n".join(texts), encoding="utf-8")
    lm.write_arpa(lm.kneser_ney(lm.count_ngrams([path], lm.CountSettings(3, "word", 1, None))), arpa)
    words = tuple(sorted({word for text in texts for word in text.split()}))
    return Language(arpa, lm.read_arpa(arpa), words, ())


def work_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the language models of one run."""
    return tempfile.TemporaryDirectory(prefix="bench_decode")
