"""What the best path through a recording has to write: a text in the outputs of a network, by its topology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ctcasr.ctc import min_input_length
from ctcasr.ctc.aligning import ALWAYS, MAYBE, NEVER, Alignment, align
from ctcasr.decoding.topology import Topology
from ctcasr.runtime.alignment_text import SpelledLine

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass
class Targets:
    """Targets of an alignment, in order; an output a target, but for the wildcard.

    Attributes:
        topology: of the network.
        star: the number of the wildcard among the outputs, behind the network's own; none without one.
        outputs: `(U,)`.
        symbols: `(U,)`, the symbol that each output belongs to; the number of symbols for the wildcard.
        silences: `(U + 1,)`, for an HMM: whether there may be a pause before each target, and after the last.
        lines: of each line, the targets `[start, end)` of each of its words.
        stars: where the wildcards stand.
    """

    topology: Topology
    star: int | None = None
    outputs: list[int] = field(default_factory=list)
    symbols: list[int] = field(default_factory=list)
    silences: list[int] = field(default_factory=lambda: [MAYBE])
    lines: list[list[tuple[int, int]]] = field(default_factory=list)
    stars: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, lines: Sequence[SpelledLine], topology: Topology, star: int | None) -> Targets:
        """Join words by pauses, and lines by pauses or wildcards; a wildcard is also first and last."""
        targets = cls(topology, star)
        for line in lines:
            if star is not None:
                targets._add_star()
            elif targets.lines:
                targets._add_pause()
            words: list[tuple[int, int]] = []
            for word in line.words:
                if words:
                    targets._add_pause()
                start = len(targets.outputs)
                targets._add_symbols(word.symbols)
                words.append((start, len(targets.outputs)))
            targets.lines.append(words)
        if star is not None:
            targets._add_star()
        return targets

    def _add_symbols(self, symbols: Sequence[int]) -> None:
        for symbol in symbols:
            for output in self.topology.outputs(symbol):
                self._add(output, symbol)

    def _add(self, output: int, symbol: int) -> None:
        self.outputs.append(output)
        self.symbols.append(symbol)
        self.silences.append(NEVER)

    def _add_pause(self) -> None:
        """Let words be parted: a symbol of CTC, a silence of an HMM."""
        topology = self.topology
        if topology.kind == "hmm":
            self.silences[-1] = ALWAYS if topology.parts_words else MAYBE
        elif topology.parts_words:
            self._add(topology.pause, topology.pause_symbol)

    def _add_star(self) -> None:
        assert self.star is not None
        self.silences[-1] = MAYBE
        self.stars.append(len(self.outputs))
        self._add(self.star, len(self.topology.symbols))
        self.silences[-1] = MAYBE

    def align(self, scores: npt.NDArray[np.floating]) -> Alignment:
        """Return the best path that writes the targets, given scores of the outputs `(T', O)`.

        Raises:
            DataError: as of `ctcasr.ctc.aligning.align`.
        """
        if self.topology.kind == "ctc":
            return align(scores, self.outputs)
        silences = np.array([*self.silences[:-1], MAYBE])
        return align(scores, self.outputs, self.topology.pause, silences=silences)

    def least_frames(self) -> int:
        """Return in how few frames the targets can be written."""
        if self.topology.kind == "ctc":
            return min_input_length(self.outputs)
        return len(self.outputs) + self.silences.count(ALWAYS)

    def path(self, found: Alignment, frames: int) -> Integers:
        """Return the symbol in each frame of a path, `(T',)`."""
        pause = self.topology.pause_symbol if self.topology.kind == "hmm" else 0
        path = np.full(frames, pause)
        for symbol, start, end in zip(self.symbols, found.start_frames, found.end_frames, strict=True):
            path[start:end] = symbol
        return path

    def symbol_spans(self, word: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the targets `[start, end)` of each symbol of a word."""
        start, end = word
        spans = []
        while start < end:
            count = len(self.topology.outputs(self.symbols[start]))
            spans.append((start, start + count))
            start += count
        return spans
