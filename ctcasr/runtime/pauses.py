"""Cut the scores of a long recording into segments at pauses, where the network writes nothing for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.decoding.topology import Topology
from ctcasr.errors import ConfigError
from ctcasr.text import BLANK_ID, Vocabulary

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PauseSettings:
    """Where a segment ends, in seconds.

    Attributes:
        shortest_seconds: of a segment; before, no pause ends it.
        pause_seconds: a pause of this length ends it.
        longest_seconds: of a segment; here it ends in the longest pause that it has, be it ever so short.
    """

    shortest_seconds: float = 8.0
    pause_seconds: float = 0.6
    longest_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not (0 <= self.shortest_seconds < self.longest_seconds < 3600 and 0 < self.pause_seconds < 3600):
            raise ConfigError(
                f"segments of {self.shortest_seconds:g} to {self.longest_seconds:g} s with pauses of "
                f"{self.pause_seconds:g} s; expected seconds from 0, the shortest below the longest"
            )


@dataclass(frozen=True)
class SegmentRows:
    """Scores `(n, O)` of a segment and the frame in which it begins."""

    start: int
    log_probs: Float32
    is_last: bool = False


class PauseSplitter:
    """Take rows piece by piece, give segments; whatever the pieces are, the segments are the same."""

    def __init__(
        self,
        settings: PauseSettings,
        vocabulary: Vocabulary,
        frame_seconds: float,
        topology: Topology | None = None,
    ) -> None:
        """Start at the beginning of a recording; the topology is CTC's, unless another is given."""
        topology = topology or Topology("ctc", 1, vocabulary.symbols)
        self._silent = np.zeros(topology.output_count, bool)
        for number, text in enumerate(vocabulary.characters):
            if number == BLANK_ID or text == " ":
                self._silent[list(topology.outputs(number))] = True
        self._shortest = round(settings.shortest_seconds / frame_seconds)
        self._pause = max(1, round(settings.pause_seconds / frame_seconds))
        self._longest = max(2, round(settings.longest_seconds / frame_seconds))
        self._rows = np.zeros((0, topology.output_count), np.float32)
        self._start = 0

    def push(self, rows: Float32) -> Iterator[SegmentRows]:
        """Take rows `(n, O)`; yield the segments that have ended."""
        self._rows = np.concatenate((self._rows, rows))
        while (cut := self._cut()) is not None:
            yield SegmentRows(self._start, self._rows[:cut])
            self._rows = self._rows[cut:].copy()
            self._start += cut

    def finish(self) -> SegmentRows:
        """Return the last segment, which may have no rows."""
        return SegmentRows(self._start, self._rows, True)

    @property
    def open_rows(self) -> SegmentRows:
        """The segment that has not ended."""
        return SegmentRows(self._start, self._rows)

    def _cut(self) -> int | None:
        """Return the frame at which the open segment ends, if it does."""
        if len(self._rows) <= min(self._shortest + self._pause, self._longest):
            return None
        silent = self._silent[self._rows[: self._longest].argmax(axis=1)]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False]))))
        starts, ends = edges[::2], edges[1::2]
        # The half of a pause that is heard first decides: how long it will be does not matter.
        enough = np.maximum(starts, self._shortest) + self._pause
        whole = np.flatnonzero(enough <= ends)
        if len(whole):
            return int(enough[whole[0]]) - self._pause // 2
        if len(self._rows) < self._longest:
            return None
        inside = (starts > 0) & (ends < self._longest)
        if not inside.any():
            return self._longest
        longest = int(np.argmax(np.where(inside, ends - starts, 0)))
        return int(starts[longest] + ends[longest] + 1) // 2


def split(pieces: Iterable[Float32], splitter: PauseSplitter) -> Iterator[SegmentRows]:
    """Yield the segments of a recording from its rows."""
    for rows in pieces:
        yield from splitter.push(rows)
    yield splitter.finish()


__all__ = ["PauseSettings", "PauseSplitter", "SegmentRows", "split"]
