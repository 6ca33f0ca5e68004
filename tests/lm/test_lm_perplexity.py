"""Perplexities, as KenLM's `query` reports them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from ctcasr.errors import DataError
from ctcasr.lm import (
    CountSettings,
    NGramModel,
    count_ngrams,
    kneser_ney,
    perplexity,
    read_arpa,
    reading,
    write_arpa,
)
from tests.lm.peers import kenlm, needs_kenlm
from tests.lm.samples import TINY_ARPA, random_sentences

Write = Callable[..., Path]


def of_kenlm(path: Path, sentences: list[list[str]]) -> tuple[float, float, int, int]:
    """Return perplexity with and without OOVs, OOVs and tokens, computed as KenLM's query_main.cc does."""
    peer = kenlm.Model(str(path))
    total, unknown_total, unknown, tokens = 0.0, 0.0, 0, 0
    for sentence in sentences:
        for score, _, is_unknown in peer.full_scores(" ".join(sentence)):
            total += score
            tokens += 1
            if is_unknown:
                unknown_total += score
                unknown += 1
    return 10 ** (-total / tokens), 10 ** (-(total - unknown_total) / (tokens - unknown)), unknown, tokens


@needs_kenlm
@pytest.mark.parametrize("block_bytes", [50, 1 << 17])
def test_as_kenlm(
    write_text: Write, tmp_path: Path, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
    counts = count_ngrams([write_text(random_sentences(1, 100))], CountSettings(min_count=3))
    write_arpa(kneser_ney(counts), tmp_path / "model.arpa")
    sentences = random_sentences(2, 100, 40)
    found = perplexity(read_arpa(tmp_path / "model.arpa"), [write_text(sentences, "test.txt")])
    including, excluding, unknown, tokens = of_kenlm(tmp_path / "model.arpa", sentences)
    assert found.unknown == unknown > 0
    assert found.tokens == tokens
    assert found.sentences == 100
    assert found.including_unknown == pytest.approx(including, rel=1e-5)
    assert found.excluding_unknown == pytest.approx(excluding, rel=1e-5)


def test_by_hand(write: Write) -> None:
    model = read_arpa(write(TINY_ARPA))
    found = perplexity(model, [write("a b\n\nzebra\n", "text"), write("c", "more")])
    log10_probs = [-0.4, -0.1, -0.13 - 0.8 + 0.01, -0.3 - 1.5, -0.8, -0.3 - 1.2, -0.7]
    log10_probs[2] = -0.12 - 0.25 - 0.8  # </s> after a b: neither a b nor b has it
    assert (found.sentences, found.tokens, found.unknown) == (3, 7, 1)
    assert found.log_prob == pytest.approx(sum(log10_probs) * math.log(10))
    assert found.unknown_log_prob == pytest.approx(-1.8 * math.log(10))
    assert found.including_unknown == pytest.approx(10 ** (-sum(log10_probs) / 7))
    assert found.excluding_unknown == pytest.approx(10 ** (-(sum(log10_probs) + 1.8) / 6))


def test_characters(write: Write) -> None:
    path = write("ab a\nb ba\n", "text")
    model = NGramModel.from_tables(kneser_ney(count_ngrams([path], CountSettings(order=2, unit="char"))))
    found = perplexity(model, [path], "char")
    assert (found.tokens, found.unknown) == (10, 0)
    assert found.log_prob == pytest.approx(
        sum(model.score_sentence(["a", "b", "<space>", "a"]))
        + sum(model.score_sentence(["b", "<space>", "b", "a"]))
    )
    assert perplexity(model, [path], "word").unknown == 2  # ab and ba


def test_without_a_start_every_sentence_begins_with_nothing(write: Write) -> None:
    model = read_arpa(write("\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<unk>\n-0.1\t</s>\n-0.5\ta\n\n\\end\\\n"))
    found = perplexity(model, [write("a\na\n", "text")])
    assert found.log_prob == pytest.approx(2 * -0.6 * math.log(10))


def test_nothing_to_score(write: Write) -> None:
    found = perplexity(read_arpa(write(TINY_ARPA)), [write("\n", "text")])
    assert found.tokens == 0
    assert math.isnan(found.including_unknown)
    with pytest.raises(DataError):
        perplexity(read_arpa(write(TINY_ARPA)), [write("a <s>", "text")])
