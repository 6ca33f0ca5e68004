"""Rules that take away differences of spelling before a score: text in, text out, one rule a function.

Each rule leaves a text that it has already changed as it is, and none looks at another text.
"""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´＇", "'"))
_EDGE_APOSTROPHES = re.compile(r"(?<!\w)'+|'+(?!\w)")
_CJK = r"\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Han, and the Japanese syllables; Korean puts spaces between words and is left alone."""

_SPACE_BESIDE_CJK = re.compile(rf"(?<=[{_CJK}])\s+|\s+(?=[{_CJK}])")

FILLERS = frozenset(
    {"uh", "uhh", "um", "umm", "uhm", "er", "err", "erm", "eh", "hm", "hmm", "mm", "mmm", "mhm"}
)

_WHOLE = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "let's": "let us",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
}
_ENDINGS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am"}
_KEPT_WHOLE = frozenset({"ain't"})  # stands for several verbs


def compatibility_form(text: str) -> str:
    """Return the text in Unicode form NFKC: one code for what looks the same, `ﬁ` and `Ａ` in plain letters."""
    return unicodedata.normalize("NFKC", text)


def lower_case(text: str) -> str:
    """Return the text in lower case, and still composed where lowering took it apart."""
    return unicodedata.normalize("NFKC", text.lower())


def without_punctuation(text: str) -> str:
    """Replace punctuation and symbols by spaces; apostrophes inside words stay, in one form."""
    text = text.translate(_APOSTROPHES)
    kept = "".join(
        character if character == "'" or unicodedata.category(character)[0] not in "PSC" else " "
        for character in text
    )
    return single_spaces(_EDGE_APOSTROPHES.sub(" ", kept))


def single_spaces(text: str) -> str:
    """Return the text with one space between words and none at the ends."""
    return " ".join(text.split())


def without_fillers(text: str) -> str:
    """Leave out English hesitations (`FILLERS`); of a text in lower case without punctuation."""
    return " ".join(word for word in text.split() if word not in FILLERS)


def expanded_contractions(text: str) -> str:
    """Write out English contractions that stand for one thing only; of a text in lower case.

    `'s` (is, has, possessive) and `'d` (had, would) stay as they are: which it is, the word does not say.
    """
    return " ".join(_expanded(word) for word in text.split())


def _expanded(word: str) -> str:
    if word in _WHOLE or word in _KEPT_WHOLE:
        return _WHOLE.get(word, word)
    for ending, written in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending) + written
    return word


def joined_cjk(text: str) -> str:
    """Take away the spaces beside Chinese characters and Japanese syllables, where some put them and some do not."""
    return _SPACE_BESIDE_CJK.sub("", single_spaces(text))
