"""Linear-chain conditional random fields.

What is compiled is not loaded from here, for a quick start: `ctcasr.crf.forward_backward` (losses, probabilities of
tags) and `ctcasr.crf.viterbi` (the best tags).
"""

from ctcasr.crf.chain import Chain, ChainBatch

__all__ = ["Chain", "ChainBatch"]
