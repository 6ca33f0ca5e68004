"""What a linear-chain conditional random field scores: single tags, and which tag follows which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chain:
    """Scores of neighbouring tags, as natural logarithms of factors that need not be normalised.

    The score of tags y is `starts[y_1] + sum_t scores[t, y_t] + sum_t transitions[y_t, y_t+1] + ends[y_T]`, and
    their probability the exponential of it, divided by its sum over all sequences (Lafferty et al. 2001,
    equation 1). Minus infinity forbids.

    Attributes:
        transitions: `(V, V)`, from a tag (row) to the next (column).
        starts: `(V,)`, of the first tag.
        ends: `(V,)`, of the last tag.

    Raises:
        DataError: shapes do not fit each other, or a score is NaN or plus infinity.
    """

    transitions: Floats
    starts: Floats
    ends: Floats

    def __post_init__(self) -> None:
        count = len(self.starts)
        shapes = [array.shape for array in (self.transitions, self.starts, self.ends)]
        if shapes != [(count, count), (count,), (count,)]:
            raise DataError(
                f"transitions, starts and ends have shapes {shapes}; expected (tags, tags), (tags,) and (tags,)"
            )

    @classmethod
    def silent(cls, count: int) -> Chain:
        """Return the chain of `count` tags, each of which is by itself."""
        return cls(
            np.zeros((count, count), np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32)
        )

    def write(self, path: Path) -> None:
        """Write the chain as `.npz`, in float32."""
        arrays = {name: np.asarray(array, np.float32) for name, array in vars(self).items()}
        np.savez(path, transitions=arrays["transitions"], starts=arrays["starts"], ends=arrays["ends"])

    @classmethod
    def read(cls, path: Path) -> Chain:
        """Read what `write` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls(arrays["transitions"], arrays["starts"], arrays["ends"])
        except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, BadZipFile) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); expected the transitions of a chain: export the run again"
            ) from error


@dataclass(frozen=True)
class ChainBatch:
    """Sentences with scores of their tags; what lies beyond a length is never read.

    Attributes:
        scores: `(B, T, V)`, float32 or float64, of each tag at each place, not normalised.
        lengths: `(B,)` valid places.
        chain: scores of neighbours.

    Raises:
        DataError: shapes or lengths do not fit each other.
    """

    scores: Floats
    lengths: Integers
    chain: Chain

    def __post_init__(self) -> None:
        if self.scores.ndim != 3 or self.scores.shape[2] != len(self.chain.starts):
            raise DataError(
                f"scores have shape {self.scores.shape}; expected (sentences, places, {len(self.chain.starts)} tags)"
            )
        if self.scores.dtype not in (np.float32, np.float64):
            raise DataError(f"scores are {self.scores.dtype}; expected float32 or float64: convert them")
        rows, places, _ = self.scores.shape
        wrong = np.asarray(self.lengths.shape != (rows,)) | (self.lengths < 0) | (self.lengths > places)
        if np.any(wrong):
            raise DataError(
                f"lengths are {self.lengths.tolist()[:5]} ...; expected {rows} numbers from 0 to {places}, the size "
                "of the padded array"
            )

    def check_tags(self, tags: Integers) -> None:
        """Check tags `(B, T)` of the sentences.

        Raises:
            DataError: their shape does not fit, or one within a length is no tag.
        """
        rows, places, count = self.scores.shape
        if tags.shape != (rows, places):
            raise DataError(f"tags have shape {tags.shape}; expected {(rows, places)}, as the scores have")
        wrong = ((tags < 0) | (tags >= count)) & (np.arange(places) < self.lengths[:, None])
        if wrong.any():
            row, place = map(int, np.argwhere(wrong)[0])
            raise DataError(f"tag {place} of sentence {row} is {tags[row, place]}; expected 0 to {count - 1}")
