"""What is wrong with the text of an utterance, and the text as it should be."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from ctcasr.data import Utterance
from ctcasr.doctor.findings import Finding
from ctcasr.text import Vocabulary

_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn"})
_JOINERS = "\u200c\u200d"  # Persian and the scripts of India write with them


def mended(text: str) -> str:
    """Return the text in Unicode form NFC, without invisible characters and superfluous white space."""
    visible = "".join(
        " " if character.isspace() else character for character in text if not _is_invisible(character)
    )
    return " ".join(unicodedata.normalize("NFC", visible).split())


def _is_invisible(character: str) -> bool:
    if character.isspace() or character in _JOINERS:
        return False
    return unicodedata.category(character) in _INVISIBLE


def check_text(utterance: Utterance, vocabulary: Vocabulary | None) -> Iterator[Finding]:
    """Yield what is wrong with the text of an utterance."""

    def finding(kind: str, message: str) -> Finding:
        return Finding(kind, utterance.where, message, utterance.id)

    text = utterance.text
    if not mended(text):
        yield finding("text-empty", "the text is empty; add what is said, or drop the utterance")
        return
    invisible = sorted({f"U+{ord(character):04X}" for character in text if _is_invisible(character)})
    if invisible:
        yield finding(
            "text-invisible", f"the text holds {', '.join(invisible)}, which nobody sees; remove it"
        )
    if unicodedata.normalize("NFC", text) != text:
        yield finding(
            "text-unicode", "the text is not in Unicode form NFC, so what looks alike differs; normalise it"
        )
    if " ".join(text.split()) != text:
        yield finding("text-spaces", f"the text {text[:60]!r} has superfluous white space; take it away")
    if vocabulary is not None:
        unknown = vocabulary.unknown(mended(text))
        if unknown:
            yield finding(
                "text-vocabulary",
                f"the text holds {' '.join(unknown[:10])}, which the model cannot write; spell it otherwise",
            )
