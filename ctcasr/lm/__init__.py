"""N-gram language models: reading, asking, training, pruning and measuring them."""

from ctcasr.lm.arpa import read_arpa
from ctcasr.lm.arpa_writing import write_arpa
from ctcasr.lm.automaton import NGramArrays
from ctcasr.lm.counting import CountSettings, NGramCounts, count_ngrams
from ctcasr.lm.kneser_ney import Discounts, kneser_ney, kneser_ney_discounts
from ctcasr.lm.model import NGramModel
from ctcasr.lm.opening import load_model
from ctcasr.lm.perplexity import Perplexity, perplexity
from ctcasr.lm.pruning import check_threshold, prune
from ctcasr.lm.reading import Unit
from ctcasr.lm.smoothing import Smoothing, witten_bell
from ctcasr.lm.storage import load, save
from ctcasr.lm.tables import END, START, UNKNOWN, NGramTable, NGramTables

__all__ = [
    "END",
    "START",
    "UNKNOWN",
    "CountSettings",
    "Discounts",
    "NGramArrays",
    "NGramCounts",
    "NGramModel",
    "NGramTable",
    "NGramTables",
    "Perplexity",
    "Smoothing",
    "Unit",
    "check_threshold",
    "count_ngrams",
    "kneser_ney",
    "kneser_ney_discounts",
    "load",
    "load_model",
    "perplexity",
    "prune",
    "read_arpa",
    "save",
    "witten_bell",
    "write_arpa",
]
