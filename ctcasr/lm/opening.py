"""Opening of a model whatever its form."""

from __future__ import annotations

from pathlib import Path

from ctcasr.errors import DataError
from ctcasr.lm import storage
from ctcasr.lm.arpa import read_arpa
from ctcasr.lm.model import NGramModel


def load_model(path: Path) -> NGramModel:
    """Load a model: an `lm.npz` of ours, or an ARPA file, compressed or not; what the file holds decides.

    Raises:
        DataError: the file cannot be read, or is damaged, or is neither.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(len(storage.MAGIC))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected an ARPA model or an lm.npz") from error
    return storage.load(path) if begin == storage.MAGIC else read_arpa(path)
