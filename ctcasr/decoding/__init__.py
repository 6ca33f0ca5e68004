"""Decoding: from log-probabilities to hypotheses.

The beam search, `ctcasr.decoding.beam.BeamSearch`, is not imported here: greedy decoding starts faster without its
compiled kernels.
"""

from ctcasr.decoding.greedy import greedy
from ctcasr.decoding.hypothesis import Hypothesis, Token, WordSpan, check_log_probs
from ctcasr.decoding.settings import BeamSettings

__all__ = ["BeamSettings", "Hypothesis", "Token", "WordSpan", "check_log_probs", "greedy"]
