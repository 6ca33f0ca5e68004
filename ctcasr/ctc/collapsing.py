"""The map of CTC from a path (one symbol a frame) to a labelling, and what it takes to write a labelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def collapse(path: Sequence[int] | npt.NDArray[np.integer], blank: int | None = 0) -> list[int]:
    """Merge repeats, then remove blanks (Graves et al. 2006, section 3.1, the map B).

    Args:
        path: symbol numbers, one a frame.
        blank: the number of the blank; None if there is none, which is trimming: equal neighbours are then never
            written, whatever the path.
    """
    labelling: list[int] = []
    previous = blank
    for symbol in map(int, path):
        if symbol not in (previous, blank):
            labelling.append(symbol)
        previous = symbol
    return labelling


def min_input_length(targets: Sequence[int] | npt.NDArray[np.integer]) -> int:
    """Return the fewest frames in which CTC can write the targets.

    One frame for each symbol, and one blank between each pair of equal neighbours.
    """
    symbols = np.asarray(targets)
    return len(symbols) + int(np.count_nonzero(symbols[1:] == symbols[:-1]))
