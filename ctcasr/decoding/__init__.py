"""Decoding: from log-probabilities to hypotheses.

The beam search, `ctcasr.decoding.beam.BeamSearch`, is not imported here: greedy decoding starts faster without its
compiled kernels.
"""

from ctcasr.decoding.greedy import greedy, trim
from ctcasr.decoding.hypothesis import Hypothesis, Token, WordSpan, check_log_probs
from ctcasr.decoding.settings import BeamSettings, HmmSettings

__all__ = [
    "BeamSettings",
    "HmmSettings",
    "Hypothesis",
    "Token",
    "WordSpan",
    "check_log_probs",
    "greedy",
    "trim",
]
