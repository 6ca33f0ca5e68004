"""Words that the dictionary of a model of phones lacks: how they are said is guessed from their letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from ctcasr.errors import DataError
from ctcasr.runtime.bundle import Bundle
from ctcasr.text import PhoneVocabulary, Pronunciations

_AROUND = re.compile(r"^\W+|\W+$")


def with_guesses(bundle: Bundle, texts: Iterable[str]) -> tuple[Bundle, dict[str, tuple[str, ...]]]:
    """Return a bundle whose dictionary has the words of texts as well, and the guessed phones of those it lacked.

    A bundle that does not write phones, or lacks no word, stays as it is. Words with signs that no word of the
    dictionary has, such as digits, stay unknown. The guesses are those of `ctcasr.g2p`, which learns from the
    bundle's dictionary: ten seconds for 140,000 words.
    """
    vocabulary = bundle.vocabulary
    if not isinstance(vocabulary, PhoneVocabulary):
        return bundle, {}
    words = {word for text in texts for word in unicodedata.normalize("NFC", text).split()}
    missing = sorted({_AROUND.sub("", word).lower() for word in words if vocabulary.fit(word)[1]})
    if not missing:
        return bundle, {}
    from ctcasr.g2p import Pronouncer  # here: only unknown words need it

    pronouncer = Pronouncer.train(vocabulary.pronunciations)
    guesses: dict[str, tuple[str, ...]] = {}
    for word in missing:
        try:
            guesses[word] = pronouncer.pronounce(word)[0].phones
        except DataError:
            continue  # it stays unknown, and whoever needs it says so
    known = {**vocabulary.pronunciations.by_word, **{word: (phones,) for word, phones in guesses.items()}}
    return replace(bundle, vocabulary=replace(vocabulary, pronunciations=Pronunciations(known))), guesses


__all__ = ["with_guesses"]
