"""Spellings, and the tree that a search walks down to find words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel

Int32 = npt.NDArray[np.int32]

NONE = -1
"""No node."""


@dataclass(frozen=True, eq=False)
class Spellings:
    """How words are spelled: P spellings, those of a word one after the other.

    Attributes:
        words: `(P,)` number of the word of each, ascending.
        first: `(P + 1,)` first symbol of each, and the end of the last one's.
        symbols: of all of them, one after the other.
    """

    words: Int32
    first: Int32
    symbols: Int32

    @classmethod
    def of(cls, spelled: Iterable[tuple[int, Sequence[int]]]) -> Spellings:
        """Return the spellings of a list of pairs, a word's number and the symbols that spell it."""
        pairs = list(spelled)
        lengths = np.fromiter((len(symbols) for _, symbols in pairs), np.int32, len(pairs))
        return cls(
            np.fromiter((number for number, _ in pairs), np.int32, len(pairs)),
            np.append(0, np.cumsum(lengths)).astype(np.int32),
            np.fromiter(chain.from_iterable(symbols for _, symbols in pairs), np.int32, lengths.sum()),
        )

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the pairs that `of` takes."""
        first, symbols = self.first.tolist(), self.symbols.tolist()
        for place, number in enumerate(self.words.tolist()):
            yield number, tuple(symbols[first[place] : first[place + 1]])


@dataclass(frozen=True)
class Trie:
    """Spellings as a tree in breadth-first order, the children of a node by their symbols; node 0 is the root.

    Attributes:
        first: `(M + 1,)` first child of each node, and the end of the last one's children.
        entered: `(M,)` symbol by which a node is entered.
        levels: first node of each depth, and the number of nodes.
        parents: `(M,)`; 0 for the root.
        ends: `(P,)` the node at which each spelling ends.
    """

    first: Int32
    entered: Int32
    levels: tuple[int, ...]
    parents: Int32
    ends: Int32

    @classmethod
    def of(cls, spellings: Spellings) -> Trie:
        """Build the tree."""
        most = len(spellings.symbols) + 1
        entered, child, sibling = (np.full(most, NONE, np.int32) for _ in range(3))
        ends = np.empty(len(spellings), np.int32)
        largest = int(spellings.symbols.max(initial=0))
        below_root = np.full(largest + 1, NONE, np.int32)
        nodes = _grow(spellings.first, spellings.symbols, below_root, Links(entered, child, sibling), ends)
        order, parents = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
        first, place_of = np.empty(nodes + 1, np.int32), np.empty(nodes, np.int32)
        levels = np.empty(int(np.diff(spellings.first).max()) + 2, np.int32)
        depths = _number(below_root, Links(entered, child, sibling), order, Numbered(first, parents, levels))
        place_of[order] = np.arange(nodes, dtype=np.int32)
        entered[0] = 0
        return cls(first, entered[order], tuple(levels[:depths].tolist()), parents, place_of[ends])


class Links(NamedTuple):
    """A tree as it grows, each `(M,)`: the symbol that enters a node, its first child, and the sibling that follows."""

    entered: Int32
    child: Int32
    sibling: Int32


class Numbered(NamedTuple):
    """What the numbering writes; see `Trie`."""

    first: Int32
    parents: Int32
    levels: Int32


@bare_kernel
def _grow(first: Int32, symbols: Int32, below_root: Int32, links: Links, ends: Int32) -> int:
    """Put spellings into a tree, the children of a node by their symbols; return the number of nodes.

    The root, which may have as many children as there are symbols, finds them in a table instead.
    """
    entered, child, sibling = links
    nodes = 1
    for spelling in range(len(ends)):
        node = 0
        for place in range(first[spelling], first[spelling + 1]):
            symbol = symbols[place]
            before = NONE
            if node == 0:
                found = below_root[symbol]
            else:
                found = child[node]
                while found != NONE and entered[found] < symbol:
                    before, found = found, sibling[found]
                if found != NONE and entered[found] != symbol:
                    found = NONE
            if found == NONE:
                found, nodes = nodes, nodes + 1
                entered[found] = symbol
                if node == 0:
                    below_root[symbol] = found
                elif before == NONE:
                    sibling[found], child[node] = child[node], found
                else:
                    sibling[found], sibling[before] = sibling[before], found
            node = found
        ends[spelling] = node
    return nodes


@bare_kernel
def _number(below_root: Int32, links: Links, order: Int32, numbered: Numbered) -> int:
    """Number the nodes breadth first: `order` says which node gets each number; return how many levels were written."""
    first, parents, levels = numbered
    levels[0], levels[1] = 0, 1
    count, depths, place = 1, 2, 0
    for symbol in range(len(below_root)):
        if below_root[symbol] != NONE:
            order[count] = below_root[symbol]
            count += 1
    first[0] = 1
    while True:
        place += 1
        if place == levels[depths - 1]:  # all of a level is passed, and all of the next one listed
            if place == count:
                break
            levels[depths] = count
            depths += 1
        first[place] = count
        node = links.child[order[place]]
        while node != NONE:
            order[count], parents[count] = node, place
            count += 1
            node = links.sibling[node]
    first[count] = count
    return depths
