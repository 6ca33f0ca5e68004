"""Hot words: phrases that a beam search favours while they grow, and pays back where they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ctcasr.decoding.lexicon_reading import shown
from ctcasr.decoding.search_types import EITHER, INSIDE, SEPARATOR, WORD_START, HotArrays
from ctcasr.errors import ConfigError, DataError

MAX_TRANSITIONS = 1 << 25
"""Transitions of the automaton, states times symbols, that are built: 600 MB."""

MAX_SYMBOLS = 200
"""Longest phrase."""

MAX_WORTH = 400.0
"""Nats that a symbol may change a score by: the search multiplies probabilities, and e^700 is beyond a float."""

START, STRAY = 0, 1
"""States outside of every phrase: where a word may begin, and inside a word that belongs to none."""


@dataclass
class _State:
    """A phrase that has been written so far, symbol by symbol."""

    symbols: tuple[int, ...]
    children: dict[int, int] = field(default_factory=dict)
    kept: int = 0  # symbols of the longest phrase that ended, at a word's end, on the way here
    complete: bool = False


@dataclass(frozen=True)
class HotWords:
    """Phrases as an automaton over symbols (Aho and Corasick 1975), entered where words begin.

    Each symbol of a phrase is worth `boost` nats as it is written. A phrase that fails is paid back down to
    the longest phrase that had ended inside it; one is complete only where a word ends.

    Phones do not show where a word begins: of a model that writes them single words are favoured, by the lexicon, which
    gives each of them its symbols' worth as it ends.

    Attributes:
        phrases: symbols of each.
        kinds: of each symbol of the vocabulary, see `kinds_of`.
        boost: nats.
        words: the phrases' words and the symbols that spell them, for a lexicon that lacks some.
    """

    phrases: tuple[tuple[int, ...], ...]
    kinds: npt.NDArray[np.uint8]
    boost: float
    words: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.in_lexicon and set(self.phrases) - {symbols for _, symbols in self.words}:
            raise ConfigError(
                "a hot word has a space in it, but this model writes phones, which do not show where words begin; name "
                "single words, the telling one of each phrase"
            )

    @property
    def in_lexicon(self) -> bool:
        """Whether the lexicon favours the words, rather than the automaton."""
        return bool((self.kinds == EITHER).any())

    def worth(self) -> dict[str, float]:
        """Return what the lexicon adds for words in any case, in nats; nothing where the automaton favours them.

        Raises:
            ConfigError: a word is worth too much.
        """
        if not self.in_lexicon:
            return {}
        longest = max((len(symbols) for _, symbols in self.words), default=0)
        self._check_worth(self.boost * longest, longest)
        return {word.casefold(): self.boost * len(symbols) for word, symbols in self.words}

    def arrays(self) -> HotArrays:
        """Build the automaton.

        Raises:
            ConfigError: the phrases are too many, or are worth too much.
        """
        states = self._states()
        if len(states) * len(self.kinds) > MAX_TRANSITIONS:
            raise ConfigError(
                f"the hot words make {len(states)} states of {len(self.kinds)} symbols each; "
                f"expected at most {MAX_TRANSITIONS} transitions: name fewer phrases"
            )
        rows = [self._transitions(states, number) for number in range(len(states))]
        gain = self.boost * np.array([worth for _, worth in rows], np.float64)
        self._check_worth(float(np.abs(gain).max()), max(map(len, self._automatic), default=0))
        final = [0 if state.complete else state.kept - len(state.symbols) for state in states]
        return HotArrays(
            on=np.array([bool(self._automatic)]),
            next_state=np.array([targets for targets, _ in rows], np.int32),
            gain=gain,
            factor=np.exp(gain),
            final_gain=self.boost * np.array(final, np.float64),
        )

    @property
    def _automatic(self) -> tuple[tuple[int, ...], ...]:
        """The phrases that the automaton favours."""
        return () if self.in_lexicon else self.phrases

    def _check_worth(self, worth: float, longest: int) -> None:
        if worth > MAX_WORTH:
            raise ConfigError(
                f"hotword_boost = {self.boost:g}: too much for a hot word of {longest} symbols; expected at most "
                f"{MAX_WORTH / longest:.3g}: lower the boost, or name shorter phrases"
            )

    def found(self, symbols: Sequence[int]) -> list[tuple[int, int]]:
        """Return where phrases stand, whole and at the bounds of words, as `[start, end)` in the symbols."""
        places = []
        for start in range(len(symbols)):
            if start and not self._word_starts(symbols, start):
                continue
            for phrase in self._by_first.get(symbols[start], ()):
                end = start + len(phrase)
                closed = end == len(symbols) or self.kinds[symbols[min(end, len(symbols) - 1)]] != INSIDE
                if closed and tuple(symbols[start:end]) == phrase:
                    places.append((start, end))
        return places

    @cached_property
    def _by_first(self) -> dict[int, list[tuple[int, ...]]]:
        found: dict[int, list[tuple[int, ...]]] = {}
        for phrase in self.phrases:
            found.setdefault(phrase[0], []).append(phrase)
        return found

    def _word_starts(self, symbols: Sequence[int], place: int) -> bool:
        before = self.kinds[symbols[place - 1]] == SEPARATOR
        return bool(before or (place < len(symbols) and self.kinds[symbols[place]] == WORD_START))

    def _states(self) -> list[_State]:
        states = [_State(()), _State(())]
        for phrase in self._automatic:
            number = START
            for token in phrase:
                children = states[number].children
                if token not in children:
                    children[token] = len(states)
                    states.append(_State((*states[number].symbols, token)))
                number = children[token]
            states[number].complete = True
        waiting = [START]
        for number in waiting:  # grows while it is walked: parents before children
            state = states[number]
            for token, child in state.children.items():
                ended = state.complete and self.kinds[token] != INSIDE
                states[child].kept = len(state.symbols) if ended else state.kept
                waiting.append(child)
        return states

    def _transitions(
        self, states: list[_State], number: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return, for each symbol, the state after it and by how many symbols' worth the score changes."""
        state = states[number]
        targets = np.where(self.kinds == SEPARATOR, START, STRAY)
        refund = state.kept - len(state.symbols)
        worth = np.full(len(self.kinds), refund)
        if state.complete:
            worth[self.kinds != INSIDE] = 0
        afresh = number == START or (bool(state.symbols) and self.kinds[state.symbols[-1]] == SEPARATOR)
        for token, child in states[START].children.items():
            if afresh or self.kinds[token] == WORD_START:
                targets[token], worth[token] = child, worth[token] + 1
        for suffix in self._suffixes(states, state.symbols):
            for token, child in suffix.children.items():
                closed = state.complete and self.kinds[token] != INSIDE
                targets[token] = child
                worth[token] = (0 if closed else refund) + len(suffix.symbols) + 1
        for token, child in state.children.items():
            targets[token], worth[token] = child, 1
        targets[0], worth[0] = number, 0
        return targets, worth

    def _suffixes(self, states: list[_State], symbols: tuple[int, ...]) -> list[_State]:
        """Return the states of what a phrase's later words begin anew, the shortest first."""
        found = []
        for start in range(len(symbols) - 1, 0, -1):
            if not self._word_starts(symbols, start):
                continue
            number = START
            for token in symbols[start:]:
                number = states[number].children.get(token, -1)
                if number < 0:
                    break
            if number > STRAY:
                found.append(states[number])
        return found


def hot_words(
    phrases: Iterable[str], encode: Callable[[str], Iterable[int]], kinds: npt.NDArray[np.uint8], boost: float
) -> HotWords:
    """Spell phrases in the symbols of a model, in every case in which it may write them.

    Args:
        phrases: words with spaces between them.
        encode: from a text to symbols; raises DataError for what cannot be spelled.
        kinds: of each symbol of the vocabulary.
        boost: nats that each symbol is worth.

    Raises:
        ConfigError: a phrase is empty, is too long, or cannot be spelled; says which and why.
    """
    texts = [text for phrase in phrases for text in _cases(phrase, encode)]
    words = dict.fromkeys(word for text in texts for word in text.split())
    return HotWords(
        tuple(dict.fromkeys(_spelled(text, encode) for text in texts)),
        kinds,
        boost,
        tuple((word, _spelled(word, encode)) for word in words),
    )


def _spelled(text: str, encode: Callable[[str], Iterable[int]]) -> tuple[int, ...]:
    return tuple(int(symbol) for symbol in encode(text))


def _cases(phrase: str, encode: Callable[[str], Iterable[int]]) -> list[str]:
    """Return a phrase as it stands, in lower, upper, title and sentence case, as far as that can be spelled."""
    text = " ".join(phrase.split())
    if not text:
        raise ConfigError("a hot word is empty; name a word or a phrase")
    if len(text) > MAX_SYMBOLS:
        raise ConfigError(
            f"the hot word {shown(text)} has {len(text)} letters; expected at most {MAX_SYMBOLS}: name its "
            "telling part"
        )
    found, reasons = [], []
    for variant in dict.fromkeys((text, text.lower(), text.upper(), text.title(), text.capitalize())):
        try:
            encode(variant)
        except DataError as error:
            reasons.append(str(error))
        else:
            found.append(variant)
    if not found:
        raise ConfigError(f"the hot word {shown(text)} cannot be spelled: {reasons[0]}")
    return found
