"""What only shows when utterances are compared: doubles, leaks between manifests, outliers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from ctcasr.data import Utterance
from ctcasr.doctor.findings import Finding
from ctcasr.doctor.listening import SILENT_DB, Heard

LONG_TEXT_WORDS = 12
"""Shorter texts are said again and again in many corpora, and that is no fault."""

FEWEST_FOR_OUTLIERS = 20
OUTLIER_DEVIATIONS = 3.5
OUTLIER_FACTOR = 3.0
"""An outlier is far off both in robust standard deviations and as a factor."""

Sounds = Mapping[str, Heard]


def doubles(utterances: Sequence[Utterance], heard: Sounds) -> Iterator[Finding]:
    """Yield utterances whose sound, or whose long text by the same speaker, an earlier one has."""
    sounds: dict[str, Utterance] = {}
    texts: dict[tuple[str | None, str], Utterance] = {}
    for utterance in utterances:
        digest = _digest(heard, utterance)
        if digest and (first := sounds.setdefault(digest, utterance)) is not utterance:
            yield _finding("audio-duplicate", utterance, f"sounds exactly as {first}; drop one of the two")
            continue
        if not _is_long(utterance.text):
            continue
        first = texts.setdefault((utterance.speaker, utterance.text), utterance)
        if first is not utterance and utterance.speaker is not None:
            yield _finding(
                "text-duplicate", utterance, f"has the text of {first}, of the same speaker; is it right?"
            )


def leaks(
    utterances: Sequence[Utterance], heard: Sounds, others: Sequence[Utterance], others_heard: Sounds
) -> Iterator[Finding]:
    """Yield utterances whose sound, speaker or long text another manifest has as well."""
    sounds = {digest: other for other in others if (digest := _digest(others_heard, other))}
    speakers = {other.speaker: other for other in others if other.speaker is not None}
    texts = {other.text: other for other in others if _is_long(other.text)}
    for utterance in utterances:
        if (digest := _digest(heard, utterance)) in sounds:
            yield _finding("shared-audio", utterance, f"sounds exactly as {sounds[digest]}; drop it")
        if utterance.speaker in speakers:
            other = speakers[utterance.speaker]
            yield _finding(
                "shared-speaker", utterance, f"{utterance.speaker} speaks in {other} as well; drop it"
            )
        if utterance.text in texts:
            yield _finding(
                "shared-text", utterance, f"has the text of {texts[utterance.text]}; is that meant?"
            )


def outliers(utterances: Sequence[Utterance], heard: Sounds) -> Iterator[Finding]:
    """Yield utterances whose text is far too long or too short for the speech in the audio.

    Characters for a second of speech (not of silence) are compared with the median of the corpus, on a
    logarithmic scale; the deviation is the scaled median of absolute deviations.
    """
    rates = {}
    for utterance in utterances:
        sound = heard.get(utterance.id)
        if sound is None or sound.problem or sound.loudest_db <= SILENT_DB or not utterance.text.strip():
            continue
        # One character more on both sides: a single letter takes its second and is no outlier.
        rates[utterance.id] = math.log((len(utterance.text) + 1) / (sound.speech_seconds + 0.1))
    if len(rates) < FEWEST_FOR_OUTLIERS:
        return
    middle = median(rates.values())
    deviation = 1.4826 * median(abs(rate - middle) for rate in rates.values())
    limit = max(OUTLIER_DEVIATIONS * deviation, math.log(OUTLIER_FACTOR))
    for utterance in utterances:
        rate = rates.get(utterance.id, middle)
        if abs(rate - middle) > limit:
            factor = math.exp(abs(rate - middle))
            much = "much" if rate > middle else "little"
            yield _finding(
                "rate-outlier",
                utterance,
                f"{len(utterance.text)} characters in {heard[utterance.id].speech_seconds:.1f} s of speech are "
                f"{factor:.1f} times too {much} for this corpus; is the text that of the audio?",
            )


def _finding(kind: str, utterance: Utterance, message: str) -> Finding:
    return Finding(kind, utterance.where, message, utterance.id)


def _digest(heard: Sounds, utterance: Utterance) -> str:
    sound = heard.get(utterance.id)
    return sound.digest if sound and sound.loudest_db > SILENT_DB else ""


def _is_long(text: str) -> bool:
    return len(text.split()) >= LONG_TEXT_WORDS or (" " not in text and len(text) >= 2 * LONG_TEXT_WORDS)
