"""Slices of a corpus: who, and what kind of speech, the errors come from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ctcasr.data import Utterance
from ctcasr.scoring import CorpusScore, Interval, UtteranceScore, rate_interval, steps

MOST_SPEAKERS = 30
MOST_CONFUSIONS = 25
_QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Slice:
    """The utterances that share something, and their score.

    Attributes:
        kind: what was sliced by, e.g. `speaker`.
        name: of the slice, e.g. the speaker's.
        score: of its utterances.
        interval: of its error rate, if there is enough to tell.
    """

    kind: str
    name: str
    score: CorpusScore
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of the utterances, by id; an utterance without audio has none.

    Attributes:
        utterances: of the manifest.
        ratios_db: estimated signal-to-noise ratios.
        known_words: words that are not out of vocabulary; None if it is not known which are.
    """

    utterances: Mapping[str, Utterance]
    ratios_db: Mapping[str, float]
    known_words: frozenset[str] | None

    def unknown(self, score: UtteranceScore) -> int:
        """Return how many words of the reference are out of vocabulary."""
        if self.known_words is None:
            return 0
        return sum(word not in self.known_words for word in score.reference.split())

    def rate(self, score: UtteranceScore) -> float | None:
        """Return the speaking rate, in tokens of the reference a second."""
        utterance = self.utterances.get(score.id)
        return score.counts.reference_length / utterance.duration_seconds if utterance else None

    def seconds(self, score: UtteranceScore) -> float | None:
        """Return the duration."""
        utterance = self.utterances.get(score.id)
        return utterance.duration_seconds if utterance else None

    def speaker(self, score: UtteranceScore) -> str | None:
        """Return the speaker."""
        utterance = self.utterances.get(score.id)
        return utterance.speaker if utterance else None


def slices(score: CorpusScore, traits: Traits) -> list[Slice]:
    """Slice by speaker (worst first, at most 30), by quarters of three quantities, and by unknown words."""
    by_speaker: dict[str, list[UtteranceScore]] = defaultdict(list)
    for utterance in score.utterances:
        if speaker := traits.speaker(utterance):
            by_speaker[speaker].append(utterance)
    found = [_slice(score, "speaker", name, members) for name, members in by_speaker.items()]
    found.sort(key=lambda part: -part.score.rate)
    found = found[:MOST_SPEAKERS]
    token = "words" if score.unit == "word" else "characters"
    for kind, value, form in (
        ("duration", traits.seconds, "{:.1f} to {:.1f} s"),
        ("signal to noise", lambda part: traits.ratios_db.get(part.id), "{:.0f} to {:.0f} dB"),
        ("speaking rate", traits.rate, f"{{:.1f}} to {{:.1f}} {token}/s"),
    ):
        found += _quarters(score, kind, value, form)
    if traits.known_words is not None:
        halves: dict[bool, list[UtteranceScore]] = {False: [], True: []}
        for utterance in score.utterances:
            halves[traits.unknown(utterance) > 0].append(utterance)
        names = {False: "only known words", True: "with unknown words"}
        found += [
            _slice(score, "vocabulary", names[key], members) for key, members in halves.items() if members
        ]
    return found


def _quarters(
    score: CorpusScore, kind: str, value: Callable[[UtteranceScore], float | None], form: str
) -> list[Slice]:
    """Cut the utterances into four parts of equal number by a quantity; none if it is the same for all."""
    pairs = [(number, part) for part in score.utterances if (number := value(part)) is not None]
    numbers = np.array([number for number, _ in pairs])
    if len(pairs) < 2 * _QUARTERS or numbers.min() == numbers.max():
        return []
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, _QUARTERS + 1)))
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    members: list[list[UtteranceScore]] = [[] for _ in edges[1:]]
    for place, (_, part) in zip(places, pairs, strict=True):
        members[place].append(part)
    return [
        _slice(score, kind, form.format(low, high), part)
        for low, high, part in zip(edges, edges[1:], members, strict=False)
        if part
    ]


def _slice(score: CorpusScore, kind: str, name: str, members: Sequence[UtteranceScore]) -> Slice:
    part = score.part(members)
    return Slice(kind, name, part, rate_interval(part))


def confusions(utterances: Iterable[UtteranceScore]) -> dict[str, list[tuple[str, str, int]]]:
    """Count what was taken for what: the most frequent substitutions, deletions and insertions.

    Returns:
        For `substitute`, `delete` and `insert` the 25 most frequent `(reference, hypothesis, count)`; where one
        side has nothing, it is empty.
    """
    counters: dict[str, Counter[tuple[str, str]]] = {
        "substitute": Counter(),
        "delete": Counter(),
        "insert": Counter(),
    }
    for utterance in utterances:
        for kind, reference, hypothesis in steps(utterance.alignment):
            if kind != "equal":
                counters[kind][reference or "", hypothesis or ""] += 1
    return {
        kind: [
            (*pair, count) for pair, count in sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        ][:MOST_CONFUSIONS]
        for kind, counter in counters.items()
    }
