"""ctcasr: CTC speech recognition with bidirectional LSTMs, from recipe to transcript."""

__version__ = "0.1.0"
