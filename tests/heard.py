"""An utterance that is heard in several ways, and models and lexicons that settle on one of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.text import BLANK, SPACE, Vocabulary

VOCABULARY = Vocabulary((BLANK, "a", "b", SPACE, *"cdefghij"))
"""The symbols of the tiny bundle."""

GREEDY, BEAM = "cab ace", "cab acej"
"""What the best path writes, and what all paths together do: the `j` is in two frames, each time just unlikely."""

WORDS = {"cab": -3.0, "ceb": -1.0, "ace": -3.0, "ade": -1.0, "cebade": -2.0, "cabace": -4.0}
"""Words of the utterance, and log10-probabilities that favour what is heard less well."""


def heard() -> npt.NDArray[np.float32]:
    """Return `log_probs (T', V)` of "c [ae] b _ a [cd] e" and a doubtful "j", each in a frame, then a blank."""
    frames: list[dict[str, float]] = []
    for letters in ("c", "ae", "b", " ", "a", "cd", "e"):
        if letters == " ":
            frames.append({SPACE: 0.6, BLANK: 0.39})
        else:
            frames.append(dict(zip(letters, (0.54, 0.45) if len(letters) == 2 else (0.99,), strict=True)))
        frames.append({BLANK: 0.99})
    frames += [{BLANK: 0.54, "j": 0.45}] * 2
    rows = np.full((len(frames), len(VOCABULARY)), 0.01 / len(VOCABULARY))
    for row, probabilities in zip(rows, frames, strict=True):
        for symbol, probability in probabilities.items():
            row[VOCABULARY.symbols.index(symbol)] += probability
    return np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def arpa(unigrams: dict[str, float], bigrams: dict[str, float] | None = None) -> str:
    """Return a model in ARPA form: `<unk>`, `<s>`, `</s>` and the given log10-probabilities."""
    levels = [{"<unk>": -5.0, "<s>": -99.0, "</s>": -1.0, **unigrams}, *([bigrams] if bigrams else [])]
    counts = "".join(f"ngram {order}={len(level)}\n" for order, level in enumerate(levels, 1))
    sections = "".join(
        f"\n\\{order}-grams:\n" + "".join(f"{log10:g}\t{words}\n" for words, log10 in level.items())
        for order, level in enumerate(levels, 1)
    )
    return f"\\data\\\n{counts}{sections}\n\\end\\\n"


WORD_ARPA = arpa(WORDS)
SYMBOL_ARPA = arpa(dict.fromkeys(VOCABULARY.symbols[1:], -1.2), {"c e": -0.1, "a d": -0.1})
