"""The arrays that the beam search works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.lm.automaton import NGramArrays

Bool = npt.NDArray[np.bool_]
Byte = npt.NDArray[np.uint8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

Records = Any  # an array of records, whose fields numba reads as attributes

NODES, BEAM, BASE, PICKED, FIRST, RANKED = range(6)
"""Places in `SearchState.counts`.

    NODES     nodes of the tree
    BEAM      prefixes in the beam
    BASE      first slot of the beam
    PICKED    symbols that are tried in this frame
    FIRST     where in the beam the best prefix is
    RANKED    scores in `SearchState.order`
"""

NO_LM, TOKEN_LM, LEXICON = 0, 1, 2
"""Modes: symbols alone; a language model over symbols; words of a lexicon, with a language model or without."""

INSIDE, SEPARATOR, WORD_START, EITHER = 0, 1, 2, 3
"""Kinds of symbols: inside a word; between words; first of a word; any place, words being marked by nothing."""


NODE = np.dtype(
    [
        ("parent", np.int32),
        ("token", np.int32),
        ("word", np.int32),
        ("trie", np.int32),
        ("lm_state", np.int32),
        ("hot", np.int32),
        ("first_child", np.int32),
        ("sibling", np.int32),
        ("factor", np.float64),
        ("score", np.float64),
        ("lm_log_prob", np.float64),
    ]
)
"""A prefix, as a node of the tree of prefixes; node 0 is the empty prefix.

    parent        the prefix without its last symbol; -1 for the empty one
    token         the last symbol; -1 for the empty prefix
    word          the word that ended before or with the last symbol; -1 if none did
    trie          where the word that is being written stands in the lexicon; 0 between words
    lm_state      of the language model, after the words (or symbols) that have ended
    hot           state of the hot words
    first_child, sibling    the children as a list; -1 ends it
    factor        by which the parent's score is multiplied, beyond the symbol's probability
    score         logarithm of all factors so far, without the look-ahead
    lm_log_prob   unweighted log-probability by the language model so far
"""

SLOT = np.dtype(
    [
        ("node", np.int32),
        ("parent", np.int32),
        ("token", np.int32),
        ("trie", np.int32),
        ("lm_state", np.int32),
        ("hot", np.int32),
        ("factor", np.float64),
        ("blank", np.float64),
        ("symbol", np.float64),
        ("stay_blank", np.float64),
        ("stay_symbol", np.float64),
        ("end_factor", np.float64),
    ]
)
"""A prefix in the beam: what its node says, kept close, and

    blank, symbol             probability of its paths that end in a blank, and in its last symbol
    stay_blank, stay_symbol   the same after the frame
    end_factor                largest of the words that may end here, 0 if none may; negative before it is known
"""

FRESH = np.dtype([("slot", np.int32), ("token", np.int32), ("word", np.int32), ("trie", np.int32)])
"""A prefix that may come into the beam: the slot of its parent, its last symbol, word and trie node."""

PICK = np.dtype([("prob", np.float64), ("token", np.int64)])
"""A symbol that prefixes may grow by in a frame."""

ENDING = np.dtype(
    [
        ("node", np.int32),
        ("word", np.int32),
        ("log_prob", np.float64),
        ("acoustic_log_prob", np.float64),
        ("lm_log_prob", np.float64),
        ("key", np.uint64),
    ]
)
"""A prefix as the end of an utterance: its node, the word that ends with it (-1: none), scores, hash of its words."""


class EndingsWanted(NamedTuple):
    """How many endings are wanted, and the word of the language model that is scored at the end; -1 for none."""

    best: int
    end_word: int


class Frames(NamedTuple):
    """What the acoustic model says of some frames.

    Attributes:
        log_probs: `(T', V)` natural logarithms.
        probabilities: `(T', V)` the same, not as logarithms.
    """

    log_probs: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


class SearchState(NamedTuple):
    """A search between two frames, and its work space, for a beam of K prefixes.

    Attributes:
        tree: `(C,)` of `NODE`: all prefixes that were ever in the beam.
        slot_of: `(C,)` where a node is in the beam; -1 if it is not.
        slots: `(2 K,)` of `SLOT`: one half is the beam, the other becomes the next one.
        fresh: `(N,)` of `FRESH`: prefixes that grew in this frame.
        total: `(K + N,)` scores of the prefixes that stay and then of the fresh ones.
        order: `(K + N,)` work space of the selection.
        picks: of `PICK`, the most probable first.
        place_of: `(V,)` where a symbol is among the picks; -1 if it is not.
        taken: `(K * P,)` whether a child of a slot by a pick is in the beam.
        counts: see `NODES` and those after it.
        log_scale: `(1,)` logarithm of what the probabilities were divided by.
    """

    tree: Records
    slot_of: Int32
    slots: Records
    fresh: Records
    total: Float64
    order: Float64
    picks: Records
    place_of: Int32
    taken: Bool
    counts: Int64
    log_scale: Float64


class LexiconArrays(NamedTuple):
    """A lexicon as a trie over symbols, in breadth-first order: the children of a node lie side by side.

    Attributes:
        first: `(M + 1,)` first child of a node; its last one stands before the next node's first.
        entered: `(M,)` symbol by which a node is entered, ascending among siblings.
        children: `(M,)` the symbols of a node's children as bits, where there are 64 symbols at most; else empty.
        look_ahead: `(M,)` best weighted unigram score of the words below; 0 for the root.
        factor: `(M,)` exponential of the look-ahead's change on entering the node.
        word_first, words: `(M + 1,)`, `(E,)` the words that end at a node.
        lm_words: `(W,)` number of each word in the language model; for a token model, of each symbol.
        lm_shares: `(W,)` log share of a word in what the model says of its number, which others may have, too.
        bonus: `(W,)` added to a word's weighted log-probability.
        kind: `(V,)` kind of each symbol.
        unknown: `(1,)` the node that holds words outside the lexicon; 0 if there are to be none.
    """

    first: Int32
    entered: Int32
    children: npt.NDArray[np.uint64]
    look_ahead: Float64
    factor: Float64
    word_first: Int32
    words: Int32
    lm_words: Int32
    lm_shares: Float64
    bonus: Float64
    kind: Byte
    unknown: Int32


class HotArrays(NamedTuple):
    """Hot words as a deterministic automaton over symbols.

    Attributes:
        on: `(1,)` whether there are any.
        next_state: `(S, V)`.
        gain: `(S, V)` log bonus of a transition: positive while a phrase grows, negative when it fails.
        factor: `(S, V)` exponential of the gain.
        final_gain: `(S,)` log bonus of stopping in a state.
    """

    on: Bool
    next_state: Int32
    gain: Float64
    factor: Float64
    final_gain: Float64


class SearchWeights(NamedTuple):
    """Numbers that steer the search.

    `most_factor` bounds by how much a symbol can raise a score, the end of a word before it apart, and `endings`
    how many new prefixes a prefix and a symbol can make.
    """

    mode: int
    beam: int
    tokens: int
    min_token_log_prob: float
    blank_skip: float
    score_factor: float
    lm_weight: float
    bonus: float
    most_factor: float
    endings: int


class SearchArrays(NamedTuple):
    """What a search does not change, as the kernels read it."""

    lexicon: LexiconArrays
    model: NGramArrays
    hot: HotArrays
    weights: SearchWeights
