"""Utterances put together anew from the words of one speaker's recordings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.data import Utterance
from ctcasr.errors import DataError

Float32 = npt.NDArray[np.float32]
Loader = Callable[[Utterance], Float32]

MOST_WORDS = 3
"""Longest run of words that is taken from one place."""

QUIET_SECONDS = 0.02
"""Length of the stretch whose energy decides where two words are cut apart."""

FADE_SECONDS = 0.004
"""Length of the fade at either end of a piece: without it the seam clicks."""


class Piece(NamedTuple):
    """Where sound comes from: seconds of an utterance of the manifest, by its number."""

    utterance: int
    start_seconds: float
    seconds: float


class Splicer:
    """Make utterances that nobody said from words that were said.

    A small corpus repeats its sentences, and a recurrent network learns them by heart, as a language model that
    hears badly. Runs of one to three words, drawn from a speaker's recordings and cut where it is quietest between
    two words, leave only the sound to learn from (aligned data augmentation: Lam et al. 2021, On-the-fly aligned
    data augmentation for sequence-to-sequence ASR; theirs replaces single words across speakers).
    """

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int) -> None:
        """Group the utterances whose word times are known by speaker.

        Raises:
            DataError: no utterance has word times.
        """
        self.sample_rate = sample_rate
        self.utterances = utterances
        self.words = [utterance.text.split() for utterance in utterances]
        self._of_speaker: dict[str | None, list[int]] = defaultdict(list)
        for number, utterance in enumerate(utterances):
            if utterance.words:
                self._of_speaker[utterance.speaker].append(number)
        if not self._of_speaker:
            raise DataError(
                "no utterance of the training manifest has word times, which augment.splice cuts at; write them with "
                "`ctcasr align MANIFEST -m BUNDLE -o ALIGNED`, or set augment.splice to 0"
            )

    def __call__(
        self, number: int, load: Loader, rng: np.random.Generator
    ) -> tuple[Float32, str, tuple[Piece, ...]] | None:
        """Return the waveform `(N,)`, the text and the pieces of an utterance in place of the one of this number.

        It is at most as long as that, so that it fits the batch that was planned. None for an utterance without
        word times, and where the first piece that was drawn is too long.

        Raises:
            AudioError: a recording cannot be read.
        """
        own = self.utterances[number]
        pool = [number] if own.speaker is None else self._of_speaker[own.speaker]
        pieces: list[Float32] = []
        texts: list[str] = []
        origin: list[Piece] = []
        left = round(own.duration_seconds * self.sample_rate)
        while own.words:
            source = int(rng.choice(pool))
            first = int(rng.integers(len(self.words[source])))
            last = min(first + int(rng.integers(MOST_WORDS)), len(self.words[source]) - 1)
            piece, start = self._piece(load(self.utterances[source]), self.utterances[source], first, last)
            if len(piece) > left:
                break
            left -= len(piece)
            pieces.append(piece)
            origin.append(Piece(source, start / self.sample_rate, len(piece) / self.sample_rate))
            texts.extend(self.words[source][first : last + 1])
        if not pieces:
            return None
        return np.concatenate(pieces), " ".join(texts), tuple(origin)

    def _piece(self, waveform: Float32, utterance: Utterance, first: int, last: int) -> tuple[Float32, int]:
        """Cut the words from the first to the last out of a recording; return them and their first sample."""
        assert utterance.words is not None
        start = (
            0 if first == 0 else self._cut(waveform, utterance.words[first - 1][1], utterance.words[first][0])
        )
        stop = len(waveform)
        if last + 1 < len(utterance.words):
            stop = self._cut(waveform, utterance.words[last][1], utterance.words[last + 1][0])
        piece = waveform[start:stop].copy()
        fade = np.linspace(0, 1, round(FADE_SECONDS * self.sample_rate), dtype=np.float32)[: len(piece)]
        piece[: len(fade)] *= fade
        piece[len(piece) - len(fade) :] *= fade[::-1]
        return piece, start

    def _cut(self, waveform: Float32, after_seconds: float, before_seconds: float) -> int:
        """Return the sample in the middle of the quietest stretch between two moments."""
        length = round(QUIET_SECONDS * self.sample_rate)
        start = max(0, round(after_seconds * self.sample_rate) - length // 2)
        stop = round(before_seconds * self.sample_rate) + length // 2
        energy = np.concatenate(([0.0], np.cumsum(np.square(waveform[start:stop], dtype=np.float64))))
        if len(energy) <= length:
            return min(len(waveform), round((after_seconds + before_seconds) / 2 * self.sample_rate))
        return start + int(np.argmin(energy[length:] - energy[:-length])) + length // 2
