"""CTC: collapsing of paths, feasibility, and the exhaustive reference.

What is compiled is not loaded from here, for a quick start: `ctcasr.ctc.aligning` (forced alignment) and
`ctcasr.ctc.forward_backward` (loss, gradient, soft alignment).
"""

from ctcasr.ctc.collapsing import collapse, min_input_length
from ctcasr.ctc.exhaustive import best_labelling, labelling_log_probs, log_likelihood

__all__ = ["best_labelling", "collapse", "labelling_log_probs", "log_likelihood", "min_input_length"]
