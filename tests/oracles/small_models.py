"""Small inputs that the decoders' tests share: a word language model with back-off, and log-probabilities."""

from __future__ import annotations

import numpy as np

WORD_ARPA = """\\data\\
ngram 1=7
ngram 2=5
ngram 3=1

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.4
-0.9\t</s>
-0.5\ta\t-0.3
-0.7\tab\t-0.2
-1.1\tba\t-0.1
-0.8\tha

\\2-grams:
-0.3\t<s> a\t-0.15
-0.6\ta a
-0.2\ta ba
-0.4\tab </s>
-0.9\tba ab

\\3-grams:
-0.1\t<s> a ba

\\end\\
"""


def log_probs_of(seed: int, frames: int, symbols: int, peak: float = 2.0) -> np.ndarray:
    """Return random `log_probs (frames, symbols)`; the larger the peak, the surer they are."""
    logits = np.random.default_rng(seed).normal(size=(frames, symbols)) * peak
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
