"""Guessed pronunciations against phonetisaurus (WFSTs in C++), on words that a dictionary was robbed of.

    python scripts/bench_pronounce.py cmudict.dict [--words 3000] [--seed 0] [--quick] [--json FILE]

Both learn from the rest of the dictionary, without marks of stress, and guess the words that were left out. A guess is
right if it is one of the dictionary's pronunciations; phone errors are counted against the nearest of them. --quick
learns from 15,000 words. `pip install phonetisaurus==0.3.0` brings the peer; without it ours stands alone. Exits with 1
if less than half of our guesses are right.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmark_table import Row, report

from ctcasr.g2p import Pronouncer
from ctcasr.scoring import align
from ctcasr.text import Pronunciations

Phones = tuple[str, ...]
Guesser = Callable[[Sequence[str]], Mapping[str, Phones]]


@dataclass(frozen=True)
class Outcome:
    """How well and how fast words were guessed."""

    wrong_words: float
    wrong_phones: float
    learning_seconds: float
    words_per_second: float


def our_guesser(known: Pronunciations) -> Guesser:
    """Return our model, trained."""
    pronouncer = Pronouncer.train(known)
    return lambda words: {word: pronouncer.pronounce(word)[0].phones for word in words}


def peer_guesser(folder: Path, known: Pronunciations) -> Guesser:
    """Return phonetisaurus, trained; its model lies in a folder."""
    import phonetisaurus

    lexicon = {word: [list(phones) for phones in variants] for word, variants in known.by_word.items()}
    phonetisaurus.train(lexicon, folder / "model.fst")
    return lambda words: {
        word: tuple(phones) for word, phones in phonetisaurus.predict(words, folder / "model.fst")
    }


def measure(
    make: Callable[[Pronunciations], Guesser],
    known: Pronunciations,
    left_out: Mapping[str, tuple[Phones, ...]],
) -> Outcome:
    """Learn from what is known and guess what was left out."""
    started = time.perf_counter()
    guess = make(known)
    learned = time.perf_counter()
    found = guess(list(left_out))
    ended = time.perf_counter()
    wrong_words = wrong_phones = phones = 0
    for word, variants in left_out.items():
        nearest = min(variants, key=lambda variant: align(variant, found.get(word, ())).counts.errors)
        wrong_phones += align(nearest, found.get(word, ())).counts.errors
        phones += len(nearest)
        wrong_words += found.get(word) not in variants
    return Outcome(
        wrong_words / len(left_out),
        wrong_phones / phones,
        learned - started,
        len(left_out) / (ended - learned),
    )


def divided(
    dictionary: Pronunciations, words: int, seed: int, most: int | None
) -> tuple[Pronunciations, dict[str, tuple[Phones, ...]]]:
    """Return the dictionary without some of its words of letters, and these words."""
    names = sorted(word for word in dictionary.by_word if re.fullmatch("[a-z']+", word))
    random.Random(seed).shuffle(names)
    left_out, kept = names[:words], names[words:][:most]
    known = kept if most is not None else dictionary.by_word.keys() - set(left_out)
    return (
        Pronunciations({word: dictionary.by_word[word] for word in sorted(known)}),
        {word: dictionary.by_word[word] for word in left_out},
    )


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--words", type=int, default=3000, help="that are left out and guessed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="end within 50 s")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    dictionary = Pronunciations.read(options.dictionary).without_stress()
    known, left_out = divided(dictionary, options.words, options.seed, 15_000 if options.quick else None)
    our_guesser(Pronunciations({"go": (("G", "OW"),)}))(["go"])  # compiles
    ours = measure(our_guesser, known, left_out)
    try:
        with tempfile.TemporaryDirectory() as folder:
            theirs, name = measure(partial(peer_guesser, Path(folder)), known, left_out), "phonetisaurus"
    except ModuleNotFoundError:
        theirs, name = ours, "ourselves (phonetisaurus is not installed)"
    rows = [
        Row(
            "wrong words",
            100 * ours.wrong_words,
            name,
            100 * theirs.wrong_words,
            "%",
            theirs.wrong_words / ours.wrong_words,
        ),
        Row(
            "wrong phones",
            100 * ours.wrong_phones,
            name,
            100 * theirs.wrong_phones,
            "%",
            theirs.wrong_phones / ours.wrong_phones,
        ),
        Row(
            "learning",
            ours.learning_seconds,
            name,
            theirs.learning_seconds,
            "s",
            theirs.learning_seconds / ours.learning_seconds,
        ),
        Row(
            "guessing",
            ours.words_per_second,
            name,
            theirs.words_per_second,
            "words/s",
            ours.words_per_second / theirs.words_per_second,
        ),
    ]
    print(f"{len(known.by_word)} words known, {len(left_out)} left out, seed {options.seed}")
    report(rows, options.json)
    return int(ours.wrong_words > 0.5)


if __name__ == "__main__":
    sys.exit(main())
