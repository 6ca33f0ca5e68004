"""Decoding: from log-probabilities to hypotheses."""

from ctcasr.decoding.greedy import greedy
from ctcasr.decoding.hypothesis import Hypothesis, Token, check_log_probs

__all__ = ["Hypothesis", "Token", "check_log_probs", "greedy"]
