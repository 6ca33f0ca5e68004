"""Utterances put together anew: what is heard is what is written, and they fit where they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.data import Utterance
from ctcasr.errors import DataError
from ctcasr.training.splicing import Splicer

RATE = 8000
TONES = {"a": 500.0, "b": 1100.0, "c": 1700.0, "d": 2300.0, "e": 2900.0}


def spoken(
    name: str, text: str, gaps: list[float], speaker: str | None = "s"
) -> tuple[Utterance, np.ndarray]:
    """Sing a tone of 0.1 s for each word, with these gaps before, between and after.

    The word times are a CTC model's: they lie within the words.
    """
    words = text.split()
    parts, times, now = [np.zeros(round(gaps[0] * RATE))], [], gaps[0]
    for word, gap in zip(words, gaps[1:], strict=True):
        parts += [0.5 * np.sin(2 * np.pi * TONES[word] * np.arange(800) / RATE), np.zeros(round(gap * RATE))]
        times.append((now + 0.04, now + 0.06))
        now += 0.1 + gap
    waveform = np.concatenate(parts).astype(np.float32)
    utterance = Utterance(name, Path(name), len(waveform) / RATE, text, speaker=speaker, words=tuple(times))
    return utterance, waveform


def heard(waveform: np.ndarray) -> list[str]:
    """Return the tones of a waveform: stretches of sound at least 50 ms long, named by their frequency."""
    loud = np.convolve(np.abs(waveform) > 0.01, np.ones(40), "same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud, [0]))))
    found = []
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= 400:
            spectrum = np.abs(np.fft.rfft(waveform[start:stop]))
            hertz = float(np.argmax(spectrum)) * RATE / (stop - start)
            found.append(min(TONES, key=lambda name: abs(TONES[name] - hertz)))
    return found


Corpus = tuple[list[Utterance], Callable[[Utterance], np.ndarray]]


def corpus(*spoken_utterances: tuple[Utterance, np.ndarray]) -> Corpus:
    waveforms = {utterance.id: waveform for utterance, waveform in spoken_utterances}
    return [utterance for utterance, _ in spoken_utterances], lambda utterance: waveforms[utterance.id]


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    made = []
    for number in range(draw(st.integers(1, 4))):
        text = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6))
        gaps = draw(st.lists(st.floats(0.05, 0.2), min_size=len(text) + 1, max_size=len(text) + 1))
        speaker = draw(st.sampled_from(["one", "two", None]))
        made.append(spoken(f"u{number}", " ".join(text), gaps, speaker))
    return corpus(*made)


@given(corpora(), st.integers(0, 2**16))
def test_what_is_heard_is_what_is_written(made: Corpus, seed: int) -> None:
    utterances, load = made
    splicer, rng = Splicer(utterances, RATE), np.random.default_rng(seed)
    for number, own in enumerate(utterances):
        spliced = splicer(number, load, rng)
        if spliced is None:
            continue
        waveform, text, origin = spliced
        assert waveform.dtype == np.float32
        assert 0 < len(waveform) <= own.duration_seconds * RATE + 1
        assert heard(waveform) == text.split()
        pool = [u for u in utterances if u.speaker == own.speaker] if own.speaker else [own]
        assert set(text.split()) <= {word for u in pool for word in u.text.split()}
        assert sum(round(piece.seconds * RATE) for piece in origin) == len(waveform)
        whole = np.concatenate(
            [
                load(utterances[piece.utterance])[round(piece.start_seconds * RATE) :][
                    : round(piece.seconds * RATE)
                ]
                for piece in origin
            ]
        )
        assert np.abs(waveform).sum() <= np.abs(whole).sum() + 1e-3  # but for the fades
        assert np.mean(waveform == whole) > 0.7


def test_words_come_from_several_recordings() -> None:
    utterances, load = corpus(
        spoken("one", "a b a b a b", [0.1] * 7), spoken("two", "c d c d c d", [0.1] * 7)
    )
    splicer, rng = Splicer(utterances, RATE), np.random.default_rng(0)
    texts = {spliced[1] for _ in range(50) if (spliced := splicer(0, load, rng))}
    assert len(texts) > 40
    assert any(set(text.split()) == {"a", "b", "c", "d"} for text in texts)


def test_another_speakers_words_are_not_used() -> None:
    utterances, load = corpus(spoken("one", "a a a", [0.1] * 4, "x"), spoken("two", "b b b", [0.1] * 4, "y"))
    splicer, rng = Splicer(utterances, RATE), np.random.default_rng(0)
    for _ in range(20):
        spliced = splicer(1, load, rng)
        assert spliced is None or set(spliced[1].split()) == {"b"}


def test_pieces_do_not_click() -> None:
    utterances, load = corpus(spoken("one", "a b", [0.05, 0.0, 0.05]))  # no pause between the words
    splicer, rng = Splicer(utterances, RATE), np.random.default_rng(3)
    waveforms = [spliced[0] for _ in range(20) if (spliced := splicer(0, load, rng))]
    steepest = np.abs(np.diff(load(utterances[0]))).max()
    assert all(np.abs(np.diff(waveform)).max() <= 1.01 * steepest for waveform in waveforms)


def test_an_utterance_without_word_times_stays() -> None:
    (first, second), load = corpus(spoken("one", "a b", [0.1] * 3), spoken("two", "c", [0.1] * 2))
    splicer = Splicer([first, replace(second, words=None)], RATE)
    rng = np.random.default_rng(0)
    assert splicer(1, load, rng) is None
    assert all("c" not in spliced[1] for _ in range(20) if (spliced := splicer(0, load, rng)))


def test_without_any_word_times_it_says_what_to_do() -> None:
    utterances, _ = corpus(spoken("one", "a b", [0.1] * 3))
    with pytest.raises(DataError, match=r"word times, which augment\.splice .*`ctcasr align"):
        Splicer([replace(utterances[0], words=None)], RATE)
