"""Corpora in other people's layouts: read into utterances, and written from them."""

from ctcasr.data.exchange.exporting import EXPORTERS
from ctcasr.data.exchange.importing import IMPORTERS, ImportSettings

__all__ = ["EXPORTERS", "IMPORTERS", "ImportSettings"]
