"""Utterances of a manifest with the times of their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ctcasr.data import Utterance, load_utterance
from ctcasr.errors import ConfigError, CtcAsrError, DataError
from ctcasr.runtime.aligned import AlignedWord
from ctcasr.runtime.alignment import AlignmentOptions, align_transcript
from ctcasr.runtime.ordered import in_order
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.text import PhoneVocabulary, Pronunciations


@dataclass(frozen=True)
class AlignedUtterance:
    """An utterance with its `words`, or why it has none.

    Attributes:
        utterance: with `words`, seconds from its start; as it was where there is an error.
        confidence: of its worst second, as `AlignedSegment` has it; 1 where the text is empty.
        error: names the utterance and what is wrong; empty if nothing is.
        skipped_text: how often each character (for phones: word) was left out; only with `skip_unknown`.
    """

    utterance: Utterance
    confidence: float = 1.0
    error: str = ""
    skipped_text: tuple[tuple[str, int], ...] = ()


def align_utterances(
    recognizer: Recognizer,
    utterances: Iterable[Utterance],
    options: AlignmentOptions | None = None,
    *,
    name_pronunciations: bool = False,
    threads: int | None = None,
) -> Iterator[AlignedUtterance]:
    """Return the utterances with the times of their words, in the order given, as they are found.

    One that cannot be read or aligned has an error, and the others go on. An utterance without text has no words.

    Args:
        recognizer: of the bundle; how it decodes does not matter.
        utterances: of a manifest.
        options: what may be left out of the texts and of the audio; a word of which nothing is left is an error,
            because each has to have its times.
        name_pronunciations: of a word that is not said as usual the text says how, `a(2)` being the second
            pronunciation of `a` in the dictionary; for models of phones.
        threads: utterances at a time; by default one a processor.

    Raises:
        ConfigError: pronunciations are wanted of a model that does not write phones.
    """
    if name_pronunciations and not isinstance(recognizer.bundle.vocabulary, PhoneVocabulary):
        raise ConfigError(
            "only a model that writes phones tells pronunciations apart; leave them out, or name one"
        )

    def align_one(utterance: Utterance) -> AlignedUtterance:
        try:
            return _align_one(recognizer, utterance, options, name_pronunciations)
        except CtcAsrError as error:
            return AlignedUtterance(utterance, error=f"{utterance}: {error}")

    return in_order(align_one, utterances, threads)


def _align_one(
    recognizer: Recognizer, utterance: Utterance, options: AlignmentOptions | None, name_pronunciations: bool
) -> AlignedUtterance:
    texts = utterance.text.split()
    if not texts:
        return AlignedUtterance(replace(utterance, words=()))
    waveform = load_utterance(utterance, recognizer.bundle.description.features.sample_rate)
    # One at a time here: the utterances themselves are dealt out to threads.
    aligned = align_transcript(recognizer, waveform, " ".join(texts), options, threads=1)
    if len(aligned.words) != len(texts):
        raise DataError(
            f"nothing is left of {len(texts) - len(aligned.words)} of the {len(texts)} words of {utterance.text!r}; "
            "spell them out as they are spoken, or drop the utterance"
        )
    longest = utterance.duration_seconds
    words = tuple(
        (min(word.start_seconds, longest), min(word.end_seconds, longest)) for word in aligned.words
    )
    vocabulary, text = recognizer.bundle.vocabulary, utterance.text
    if name_pronunciations and isinstance(vocabulary, PhoneVocabulary):
        text = " ".join(_named(word, vocabulary.pronunciations) for word in aligned.words)
    return AlignedUtterance(
        replace(utterance, text=text, words=words),
        aligned.segments[0].confidence,
        skipped_text=tuple(aligned.skipped_text.items()),
    )


def _named(word: AlignedWord, pronunciations: Pronunciations) -> str:
    """Return a word with the number of its pronunciation, unless that is the usual one or named already."""
    said = tuple(token.text for token in word.tokens)
    number = pronunciations.variants(word.spelling).index(said) + 1
    return word.text if number == 1 else f"{word.spelling}({number})"


__all__ = ["AlignedUtterance", "align_utterances"]
