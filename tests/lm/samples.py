"""Small texts and models for the tests of the language models."""

from __future__ import annotations

import numpy as np

from ctcasr.lm import NGramTables
from tests.oracles.ngrams import Model

TINY_ARPA = """\\data\\
ngram 1=6
ngram 2=5
ngram 3=2

\\1-grams:
-1.5\t<unk>\t0
0\t<s>\t-0.3
-0.8\t</s>
-1\ta\t-0.2
-1.1\tb\t-0.25
-1.2\tc\t-0.1

\\2-grams:
-0.4\t<s> a\t-0.11
-0.5\ta b\t-0.12
-0.6\tb c\t-0.13
-0.7\tc </s>
-0.71\tb a\t0

\\3-grams:
-0.1\t<s> a b
-0.2\ta b c

\\end\\
"""


def random_sentences(seed: int, count: int = 200, words: int = 30) -> list[list[str]]:
    """Make sentences in which some words are frequent, and follow each other with preference."""
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, words + 1)
    sentences = []
    for _ in range(count):
        ids = generator.choice(words, generator.integers(1, 12), p=weights / weights.sum())
        follow = generator.random(len(ids)) < 0.5
        for place in range(1, len(ids)):
            if follow[place]:
                ids[place] = (7 * ids[place - 1] + 3) % words
        sentences.append([f"w{number}" for number in ids])
    return sentences


def as_dict(tables: NGramTables) -> Model:
    """Return the n-grams of a model by their words."""
    return {
        tuple(tables.words[word] for word in ids): (float(log_prob), float(backoff))
        for order, table in enumerate(tables.levels, 1)
        for ids, log_prob, backoff in zip(tables.ids(order), table.log_probs, table.backoffs, strict=True)
    }
