"""Transcripts with what they mean: slots with their times in the audio, and a label."""

from __future__ import annotations

from dataclasses import replace

from ctcasr.runtime.transcript import HeardMeaning, HeardSlot, Transcript
from ctcasr.runtime.understanding import Understander


def with_meaning(transcript: Transcript, understander: Understander) -> Transcript:
    """Return the transcript with what it means; one without words means nothing.

    A slot reaches from the start of its first word to the end of its last.
    """
    words = transcript.words
    if not words:
        return transcript
    meaning = understander.read([word.text for word in words])
    slots = tuple(
        HeardSlot(
            slot.kind,
            slot.text,
            words[slot.start].start_seconds,
            words[slot.end - 1].end_seconds,
            slot.confidence,
        )
        for slot in meaning.slots
    )
    return replace(transcript, meaning=HeardMeaning(slots, meaning.label, meaning.confidence))
