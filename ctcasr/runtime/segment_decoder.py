"""From the scores of a segment to its words, confidences and alternatives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ctcasr.decoding import Hypothesis
from ctcasr.decoding.confidence import CANDIDATES
from ctcasr.runtime.bundle import Bundle
from ctcasr.runtime.confidence import evidence_of
from ctcasr.runtime.decoder import Decoder
from ctcasr.runtime.pauses import SegmentRows
from ctcasr.runtime.transcript import Alternative, Segment
from ctcasr.runtime.words import Word, texts_of, words_of
from ctcasr.text import Vocabulary

SPELLINGS = 4
"""Hypotheses that are searched for each alternative: some have the same text."""


class SegmentDecoder:
    """Decode segments, each by itself; threads may share one."""

    def __init__(self, bundle: Bundle, decoder: Decoder, alternatives: int) -> None:
        """Remember how to decode, and how many hypotheses are wanted of each segment."""
        self._bundle, self._decoder, self._alternatives = bundle, decoder, alternatives

    @property
    def decoder(self) -> Decoder:
        """How segments are decoded."""
        return self._decoder

    def __call__(self, rows: SegmentRows, duration_seconds: float) -> Segment:
        """Return the segment; no word of it ends after `duration_seconds` of the recording.

        Raises:
            DataError: the scores are not normalised, or nothing fits the lexicon.
        """
        decoder, vocabulary = self._decoder, self._bundle.vocabulary
        frame_seconds = self._bundle.frame_seconds
        start = rows.start * frame_seconds
        end = duration_seconds if rows.is_last else start + len(rows.log_probs) * frame_seconds
        hypotheses = decoder(rows.log_probs, max(SPELLINGS * self._alternatives, CANDIDATES))
        words = words_of(hypotheses[0], vocabulary, frame_seconds, end - start)
        evidence, confidence = evidence_of(hypotheses, words, vocabulary, is_greedy=decoder.is_greedy)
        sure = [
            replace(word, confidence=decoder.confidence(shown))
            for word, shown in zip(words, evidence, strict=True)
        ]
        alternatives = _distinct(hypotheses, vocabulary, self._alternatives) if self._alternatives > 1 else ()
        return Segment(start, end, tuple(_shifted(word, start) for word in sure), confidence, alternatives)


def _shifted(word: Word, seconds: float) -> Word:
    if not seconds:
        return word
    return replace(word, start_seconds=word.start_seconds + seconds, end_seconds=word.end_seconds + seconds)


def _distinct(hypotheses: Iterable[Hypothesis], vocabulary: Vocabulary, most: int) -> tuple[Alternative, ...]:
    """Return the best hypothesis of each text, but no more than so many: others differ in their spaces alone."""
    found: dict[str, Alternative] = {}
    for hypothesis in hypotheses:
        text = " ".join(texts_of(hypothesis, vocabulary))
        scores = hypothesis.log_prob, hypothesis.acoustic_log_prob, hypothesis.lm_log_prob
        found.setdefault(text, Alternative(text, *scores))
        if len(found) == most:
            break
    return tuple(found.values())


__all__ = ["SegmentDecoder"]
