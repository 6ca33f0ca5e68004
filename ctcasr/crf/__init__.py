"""Linear-chain conditional random fields: losses, probabilities of tags, the best tags (numpy and numba)."""

from ctcasr.crf.chain import Chain, ChainBatch
from ctcasr.crf.forward_backward import ChainSums, chain_losses, forward_backward
from ctcasr.crf.viterbi import best_tags

__all__ = ["Chain", "ChainBatch", "ChainSums", "best_tags", "chain_losses", "forward_backward"]
