"""Guessed pronunciations: against an exhaustive search, on words with rules, on bad words, on CMU's dictionary."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.g2p import LONGEST_WORD, Pronouncer
from ctcasr.text import Pronunciations

CMU = Path(__file__).parents[3] / "shared/data/text/cmudict/cmudict.dict"
RULES = {"a": "AA", "b": "B", "k": "K", "o": "OW", "s": "S", "x": "K S", "e": "", "sh": "SH"}


def said(word: str) -> tuple[str, ...]:
    """Return the phones of a language in which every letter has one sound, but for `sh`."""
    return tuple(" ".join(RULES[part] for part in re.findall("sh|.", word)).split())


def language(seed: int, count: int) -> dict[str, tuple[str, ...]]:
    rng = random.Random(seed)
    words = {"".join(rng.choices(list(RULES), k=rng.randint(2, 6))) for _ in range(count)}
    return {word: said(word) for word in sorted(words) if said(word)}


@pytest.fixture(scope="module")
def pronouncer() -> Pronouncer:
    return Pronouncer.train(Pronunciations({word: (phones,) for word, phones in language(0, 800).items()}))


def test_rules_are_learned_and_hold_for_new_words(pronouncer: Pronouncer) -> None:
    known, new = language(0, 800), language(1, 400)
    words = [word for word in new if word not in known]
    assert len(words) > 100
    right = sum(pronouncer.pronounce(word)[0].phones == said(word) for word in words)
    assert right / len(words) > 0.95


@settings(max_examples=25, deadline=None)
@given(st.text("abkosxe", min_size=1, max_size=3).filter(lambda word: set(word) != {"e"}))
def test_the_best_guess_is_that_of_enumeration(pronouncer: Pronouncer, word: str) -> None:
    model, graphones = pronouncer.model, pronouncer.graphones
    best: dict[tuple[str, ...], float] = {}
    choices = [
        range(
            graphones.first[pronouncer.letters.index(letter)],
            graphones.first[pronouncer.letters.index(letter) + 1],
        )
        for letter in word
    ]
    for path in itertools.product(*choices):
        names = [model.words[graphones.words[number]] for number in path]
        phones = tuple(pronouncer.phones[p - 1] for number in path for p in graphones.phones[number] if p)
        score = sum(model.score_sentence(names))
        if phones:
            best[phones] = max(score, best.get(phones, -np.inf))
    found = pronouncer.pronounce(word, 3)
    assert found[0].log_prob == pytest.approx(max(best.values()), abs=1e-4)
    assert all(guess.log_prob == pytest.approx(best[guess.phones], abs=1e-4) for guess in found)
    assert sorted((guess.log_prob for guess in found), reverse=True) == [guess.log_prob for guess in found]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("", "it has 0 letters"),
        ("caß", r"no word of the dictionary has \['c', 'ß'\]"),
        ("eee", "its letters are silent"),
        ("b" * (LONGEST_WORD + 1), f"it has {LONGEST_WORD + 1} letters"),
    ],
)
def test_words_that_cannot_be_pronounced_are_told(pronouncer: Pronouncer, word: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        pronouncer.pronounce(word)


def test_the_longest_word_has_a_guess(pronouncer: Pronouncer) -> None:
    assert pronouncer.pronounce("b" * LONGEST_WORD)[0].phones == ("B",) * LONGEST_WORD


def test_a_dictionary_without_letters_for_its_phones_teaches_nothing() -> None:
    with pytest.raises(DataError, match="letters for all its phones"):
        Pronouncer.train(Pronunciations({"w": (("D", "AH", "B"),)}))


def test_a_dictionary_of_one_word_is_enough() -> None:
    found = Pronouncer.train(Pronunciations({"go": (("G", "OW"),)}))
    assert found.pronounce("go")[0].phones == ("G", "OW")


@pytest.mark.slow
@pytest.mark.skipif(not CMU.exists(), reason=f"CMU's dictionary is not at {CMU}")
def test_words_left_out_of_cmus_dictionary_are_guessed() -> None:
    cmu = Pronunciations.read(CMU).without_stress().by_word
    words = [word for word in cmu if re.fullmatch("[a-z]+", word)]
    random.Random(0).shuffle(words)
    out, kept = words[:500], words[500:20_500]
    pronouncer = Pronouncer.train(Pronunciations({word: cmu[word] for word in kept}))
    right = sum(pronouncer.pronounce(word)[0].phones in cmu[word] for word in out)
    assert right / len(out) > 0.5
