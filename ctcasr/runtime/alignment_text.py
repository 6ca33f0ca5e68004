"""A transcript in the symbols of a model, word by word, beside the spelling it came in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from ctcasr.errors import DataError
from ctcasr.text import PhoneVocabulary, Vocabulary


@dataclass(frozen=True)
class SpelledWord:
    """A word as it was written, and as the model writes it.

    Attributes:
        text: as it was written.
        spelling: in characters of the vocabulary, or as the dictionary of a model of phones has it.
        symbols: numbers of the symbols of its usual spelling, at least one.
    """

    text: str
    spelling: str
    symbols: tuple[int, ...]


@dataclass(frozen=True)
class SpelledLine:
    """A line of the text.

    Attributes:
        number: in the text, from 1.
        text: as it was written, one space between words.
        words: those of which something can be spelled, at least one.
    """

    number: int
    text: str
    words: tuple[SpelledWord, ...]


@dataclass(frozen=True)
class SpelledText:
    """The lines of a text that can be spelled, and what was left out of it.

    Attributes:
        lines: at least one.
        skipped: how often each character (for phones: word) was left out because the vocabulary lacks it.
        skipped_lines: numbers of the lines of which nothing was left.
    """

    lines: tuple[SpelledLine, ...]
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_lines: tuple[int, ...] = ()


def spell(text: str, vocabulary: Vocabulary, *, skip_unknown: bool = False) -> SpelledText:
    """Spell a text in the symbols of a vocabulary; empty lines are passed over.

    The text is brought into Unicode form NFC; a character that the vocabulary lacks is taken in lower case,
    or else in upper case. Words are looked up in the dictionary of a model of phones in the same way, and without the
    punctuation around them.

    Args:
        text: a segment a line.
        vocabulary: of the model.
        skip_unknown: leave out the characters (for phones: words) that the vocabulary has in no case, instead of
            refusing them.

    Raises:
        DataError: the text is empty, or holds such characters; names them and the first line with one.
    """
    skipped: Counter[str] = Counter()
    lines, skipped_lines, first_wrong = [], [], 0
    for number, line in enumerate(text.split("\n"), 1):
        words, before = [], skipped.total()
        for word in unicodedata.normalize("NFC", line).split():
            spelling, unknown = vocabulary.fit(word)
            skipped.update(unknown)
            if spelling:
                words.append(SpelledWord(word, spelling, vocabulary.spellings(spelling)[0]))
        if skipped.total() > before and not first_wrong:
            first_wrong = number
        if words:
            lines.append(
                SpelledLine(number, " ".join(unicodedata.normalize("NFC", line).split()), tuple(words))
            )
        elif skipped.total() > before:
            skipped_lines.append(number)
    if skipped and not skip_unknown:
        raise DataError(
            f"line {first_wrong}: the model cannot write {name_unknown(skipped, vocabulary)}, only "
            f"{_sample(vocabulary)}; spell them out as they are spoken, or leave them out with --skip-unknown"
        )
    if not lines:
        found = f"{vocabulary.unknown_noun}s that the model can write" if skipped else "words"
        raise DataError(f"the text holds no {found}; expected what is said, a segment a line")
    return SpelledText(tuple(lines), dict(skipped), tuple(skipped_lines))


def name_unknown(counts: dict[str, int], vocabulary: Vocabulary) -> str:
    """Return `the characters '3' (2 times), '&' (once)`, the most frequent first, eight of them at most."""
    common = Counter(counts).most_common()
    named = [f"{character!r} ({_times(count)})" for character, count in common[:8]]
    if len(common) > 8:
        named.append(f"and {len(common) - 8} more")
    return f"the {vocabulary.unknown_noun}{'s' if len(common) > 1 else ''} {', '.join(named)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _sample(vocabulary: Vocabulary) -> str:
    if isinstance(vocabulary, PhoneVocabulary):
        return f"the {len(vocabulary.pronunciations.by_word)} words of its dictionary"
    letters = [c for c in dict.fromkeys("".join(vocabulary.characters)) if c in vocabulary.letters]
    return " ".join(letters[:30]) + (" ..." if len(letters) > 30 else "")


__all__ = ["SpelledLine", "SpelledText", "SpelledWord", "name_unknown", "spell"]
