"""Targets for single frames, from the alignments of a model that was trained before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.data import Utterance, load_utterance
from ctcasr.decoding.topology import Topology
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import Recognizer
from ctcasr.runtime.aligned import AlignedTranscript, AlignedWord
from ctcasr.runtime.alignment import align_transcript
from ctcasr.runtime.decoding_parts import DecodingOptions
from ctcasr.runtime.ordered import in_order
from ctcasr.text import Vocabulary
from ctcasr.training.splicing import Piece

Integers = npt.NDArray[np.int64]

GROWTH_SECONDS = 0.1
"""How far the symbols of CTC, which are narrower than their sound, grow into a pause beside them."""

UNKNOWN = -1
"""Target of a frame of which nothing is known; it is not learned."""


@dataclass(frozen=True)
class Timeline:
    """The outputs that an utterance goes through, `(N,)`, and when each ends, in seconds, the last one never."""

    outputs: Integers
    ends: npt.NDArray[np.float64]

    def at(self, seconds: npt.NDArray[np.float64]) -> Integers:
        """Return the outputs at some times."""
        return self.outputs[np.searchsorted(self.ends[:-1], seconds, side="right")]


class Part(NamedTuple):
    """A stretch of an utterance: its symbol, and its end in seconds."""

    symbol: int
    end_seconds: float


def align_all(aligner: Path, utterances: Sequence[Utterance], topology: Topology) -> list[Timeline | str]:
    """Return for each utterance what its frames are to be, or why that is not known.

    Args:
        aligner: folder of the bundle that aligns.
        utterances: with transcripts.
        topology: of the outputs that are to be learned.

    Raises:
        BundleError: the bundle is damaged.
        ConfigError: it writes other symbols.
    """
    recognizer = Recognizer.load(aligner, decoding=DecodingOptions(is_greedy=True))
    vocabulary = recognizer.bundle.vocabulary
    if vocabulary.symbols != topology.symbols:
        raise ConfigError(
            f"frames.aligner {aligner}: writes {_listed(vocabulary.symbols)}, the transcripts have "
            f"{_listed(topology.symbols)}; align with a model of the same transcripts and units"
        )

    def align_one(utterance: Utterance) -> Timeline | str:
        try:
            return _align_one(recognizer, utterance, topology)
        except CtcAsrError as error:
            return f"cannot be aligned by {aligner}: {error}"

    return list(in_order(align_one, utterances))


def _listed(symbols: Sequence[str]) -> str:
    return f"{len(symbols) - 1} symbols ({' '.join(symbols[1:6])} ...)"


def _align_one(recognizer: Recognizer, utterance: Utterance, topology: Topology) -> Timeline:
    if not utterance.text.split():
        return _timeline([Part(topology.pause_symbol, np.inf)], topology)
    waveform = load_utterance(utterance, recognizer.bundle.description.features.sample_rate)
    text = " ".join(utterance.text.split())
    aligned = align_transcript(recognizer, waveform, text, threads=1)
    growth = GROWTH_SECONDS if recognizer.bundle.topology.kind == "ctc" else 0.0
    return _timeline(list(parts_of(aligned, recognizer.bundle.vocabulary, topology, growth)), topology)


def parts_of(
    aligned: AlignedTranscript, vocabulary: Vocabulary, topology: Topology, growth: float
) -> Iterator[Part]:
    """Yield symbols and pauses that fill an utterance.

    Symbols of a word meet halfway between what was aligned. Those beside a pause grow into it by `growth` seconds;
    pauses that this would fill are none, but where words have to be parted, a third of the pause is left.
    """
    numbers = {symbol: number for number, symbol in enumerate(vocabulary.symbols)}
    pause = topology.pause_symbol
    words = aligned.words
    begin = words[0].start_seconds
    if begin > growth:
        yield Part(pause, begin - growth)
    for place, word in enumerate(words):
        for one, other in zip(word.tokens, word.tokens[1:], strict=False):
            yield Part(numbers[one.text], (one.end_seconds + other.start_seconds) / 2)
        last = numbers[word.tokens[-1].text]
        following = words[place + 1] if place + 1 < len(words) else None
        gap = _gap(word, following, aligned.duration_seconds)
        if following is None:
            yield Part(last, word.end_seconds + min(growth, gap))
            yield Part(pause, np.inf)
        elif topology.parts_words or gap > 2 * growth:
            grown = min(growth, gap / 3)
            yield Part(last, word.end_seconds + grown)
            yield Part(pause, following.start_seconds - grown)
        else:
            yield Part(last, (word.end_seconds + following.start_seconds) / 2)


def _gap(word: AlignedWord, following: AlignedWord | None, duration_seconds: float) -> float:
    return (duration_seconds if following is None else following.start_seconds) - word.end_seconds


def _timeline(parts: Sequence[Part], topology: Topology) -> Timeline:
    """Divide each symbol's time evenly among its states."""
    outputs: list[int] = []
    ends: list[float] = []
    reached = 0.0
    for symbol, end in parts:
        states = topology.outputs(symbol)
        outputs += states
        share = (end - reached) / len(states)
        ends += [reached + share * number for number in range(1, len(states))] + [end]
        reached = end
    return Timeline(np.array(outputs, np.int64), np.array(ends))


def frame_targets(
    timelines: Sequence[Timeline | str],
    origin: Sequence[Piece],
    frames: int,
    frame_seconds: float,
) -> Integers:
    """Return the target of each frame, `(T',)`, by what is said in its middle; `UNKNOWN` where that is not known.

    Args:
        timelines: of all utterances.
        origin: where the sound comes from, piece after piece.
        frames: T'.
        frame_seconds: of the sound before its speed was changed.
    """
    middles = np.asarray((np.arange(frames) + 0.5) * frame_seconds, np.float64)
    targets = np.full(frames, UNKNOWN, np.int64)
    begin = 0.0
    for place, piece in enumerate(origin):
        end = begin + piece.seconds if place + 1 < len(origin) else np.inf  # frames reach beyond the sound
        inside = (middles >= begin) & (middles < end)
        timeline = timelines[piece.utterance]
        if isinstance(timeline, Timeline):
            targets[inside] = timeline.at(middles[inside] - begin + piece.start_seconds)
        begin = end
    return targets


__all__ = ["UNKNOWN", "Timeline", "align_all", "frame_targets", "parts_of"]
