"""Rules that bring transcripts into the form that a model learns."""

from __future__ import annotations

import unicodedata


def normalize(text: str, *, case: str = "lower") -> str:
    """Return the text in Unicode form NFC, one space between words, in one case.

    Args:
        text: any text.
        case: `lower`, `upper` or `keep`.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if case == "keep":
        return text
    return text.lower() if case == "lower" else text.upper()
