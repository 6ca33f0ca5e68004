"""Words that a model's dictionary of phones lacks: guessed, and told on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice

from ctcasr.runtime import Bundle
from ctcasr.runtime.guessed_words import with_guesses

SHOWN = 5


def with_told_guesses(bundle: Bundle, texts: Iterable[str]) -> Bundle:
    """Return a bundle whose dictionary has the words of texts as well; say how those it lacked are said."""
    richer, guesses = with_guesses(bundle, texts)
    if guesses:
        some = ", ".join(f"{word} ({' '.join(phones)})" for word, phones in islice(guesses.items(), SHOWN))
        more = f" and {len(guesses) - SHOWN} more" if len(guesses) > SHOWN else ""
        print(f"guessed how words are said that the dictionary lacks: {some}{more}", file=sys.stderr)
    return richer
