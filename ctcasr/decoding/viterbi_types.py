"""The arrays that the Viterbi search works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ctcasr.decoding.search_types import Bool, Float64, Int32, Int64
from ctcasr.lm.automaton import NGramArrays

Records = Any  # an array of records, whose fields numba reads as attributes

TOKENS, FRESH, ENDINGS, RECORDS, FRAME, SHORT_OF_TOKENS, SHORT_OF_RECORDS, DEAD = range(8)
"""Places in `ViterbiState.counts`: how many there are of each, frames seen, what room is short, whether all died."""

BEGIN = -1
"""State at the root before the first frame."""

NOWHERE = -1
"""No word, no record, no pause."""

TOKEN = np.dtype(
    [
        ("lm_state", np.int32),
        ("node", np.int32),
        ("state", np.int32),
        ("record", np.int32),
        ("start", np.int32),
        ("score", np.float64),
    ]
)
"""The best path to a state: where it is, its last record, where its word began, and its score.

`state` counts from 0; one more than the last is the blank after the symbol. At the root, 0 is the pause.
"""

ENDING = np.dtype(
    [
        ("lm_state", np.int32),
        ("last", np.int32),
        ("record", np.int32),
        ("word", np.int32),
        ("node", np.int32),
        ("start", np.int32),
        ("score", np.float64),
        ("lm_log_prob", np.float64),
    ]
)
"""The best path to the end of a word, before the next frame; `last` is the symbol that must not follow, or 0."""

RECORD = np.dtype(
    [
        ("before", np.int32),
        ("word", np.int32),
        ("node", np.int32),
        ("start", np.int32),
        ("end", np.int32),
        ("lm_log_prob", np.float64),
    ]
)
"""A word on a path: the record before it, its node of the tree, its frames `[start, end)`.

`lm_log_prob` is the unweighted one of all words so far.
"""


class HmmGraph(NamedTuple):
    """The lexicon as a tree of states.

    Attributes:
        first: `(M + 1,)` first child of each node; its last one stands before the next node's first.
        entered: `(M,)` symbol by which a node is entered.
        outputs: `(M, n)` outputs of its states.
        look_ahead: `(M,)` best weighted unigram score of the words below; 0 for the root.
        word_first, words: `(M + 1,)`, `(E,)` the words that end at a node.
        lm_words: `(W,)` number of each word in the language model.
        lm_shares: `(W,)` log share of a word in what the model says of its number.
        bonus: `(W,)` added to a word's weighted log-probability.
    """

    first: Int32
    entered: Int32
    outputs: Int32
    look_ahead: Float64
    word_first: Int32
    words: Int32
    lm_words: Int32
    lm_shares: Float64
    bonus: Float64


class HmmWeights(NamedTuple):
    """Numbers that steer the search.

    `pause` is the output of a pause between words, or `NOWHERE`; `parts_words` says that there has to be one;
    `has_blank` that the topology is CTC's. `stay` and `leave` are log-probabilities of the way out of a state.
    """

    states: int
    pause: int
    parts_words: bool
    has_blank: bool
    stay: float
    leave: float
    lm_weight: float
    beam: int
    threshold: float


class ViterbiState(NamedTuple):
    """A search between two frames, and its work space.

    Attributes:
        tokens: `(C,)` of `TOKEN`.
        fresh: `(C,)` of `TOKEN`: those of the next frame.
        endings: `(C,)` of `ENDING`.
        records: `(R,)` of `RECORD`.
        order: `(C,)` work space of the selection.
        keys, slots: `(H,)` a hash table of what is in `fresh` or `endings`; H is a power of two above 2 C.
        used: `(H,)` which of its places are taken.
        counts: see `TOKENS` and the others.
    """

    tokens: Records
    fresh: Records
    endings: Records
    records: Records
    order: Float64
    keys: Int64
    slots: Int32
    used: Bool
    counts: Int64


class Search(NamedTuple):
    """All that a search needs: its state, which it changes, and what it stands on."""

    state: ViterbiState
    graph: HmmGraph
    model: NGramArrays
    weights: HmmWeights
