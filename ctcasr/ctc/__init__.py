"""CTC: collapsing of paths, feasibility, and the exhaustive reference."""

from ctcasr.ctc.collapsing import collapse, min_input_length
from ctcasr.ctc.exhaustive import best_labelling, labelling_log_probs, log_likelihood

__all__ = ["best_labelling", "collapse", "labelling_log_probs", "log_likelihood", "min_input_length"]
