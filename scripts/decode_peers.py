"""The beam search decoders that the decoding benchmark compares with; one that is not installed is left out."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from decode_cases import Case, Language, Rows

Decode = Callable[[Rows], str]

THRESHOLD = 15.0
"""Prefixes so far below the best one are dropped, by flashlight-text and by ours against it."""

MIN_TOKEN_LOG_PROB, PRUNE_LOG_PROB, UNKNOWN_COST = -5.0, -10.0, -10.0
"""What pyctcdecode prunes with by default, and what an unknown word costs."""


def installed(module: str) -> bool:
    """Tell whether a peer can be imported."""
    return find_spec(module) is not None


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop what C++ libraries print while they load a language model."""
    saved = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def flashlight(case: Case, language: Language, beam: int, tokens: int, *, log_add: bool = False) -> Decode:
    """Return flashlight-text's lexicon decoder; it needs a closing frame with the word separator."""
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconDecoder,
        LexiconDecoderOptions,
        SmearingMode,
        Trie,
    )
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    words = Dictionary()
    for word in (*language.words, "<unk>"):
        words.add_entry(word)
    with silence():
        model = KenLM(str(language.arpa), words)
    separator, symbols = case.symbols.index("<space>"), len(case.symbols)
    trie, start = Trie(symbols, separator), model.start(False)
    numbers = {symbol: number for number, symbol in enumerate(case.symbols)}
    for number, word in enumerate(language.words):
        _, score = model.score(start, number)
        trie.insert([*(numbers[piece] for piece in case.spell(word)), separator], number, score)
    trie.smear(SmearingMode.MAX)
    options = LexiconDecoderOptions(
        beam_size=beam,
        beam_size_token=tokens,
        beam_threshold=THRESHOLD,
        lm_weight=case.lm_weight * np.log(10),  # its scores are decimal logarithms
        word_score=case.word_bonus,
        unk_score=-np.inf,
        sil_score=0.0,
        log_add=log_add,
        criterion_type=CriterionType.CTC,
    )
    decoder = LexiconDecoder(options, trie, model, separator, 0, words.get_index("<unk>"), [], False)
    closing = np.full((1, symbols), -20.0, np.float32)
    closing[0, separator] = 0.0

    def decode(log_probs: Rows) -> str:
        rows = np.concatenate((log_probs, closing))
        best = decoder.decode(rows.ctypes.data, len(rows), symbols)[0]
        return " ".join(language.words[number] for number in best.words if 0 <= number < len(language.words))

    return decode


def fast_ctc(case: Case, beam: int, cut: float) -> Decode:
    """Return fast-ctc-decode's beam search, without a language model; symbols below `cut` are not tried."""
    import fast_ctc_decode

    alphabet = "".join(chr(0x4E00 + number) for number in range(len(case.symbols)))

    def decode(log_probs: Rows) -> str:
        found, _ = fast_ctc_decode.beam_search(
            np.exp(log_probs), alphabet, beam_size=beam, beam_cut_threshold=cut
        )
        return case.text([ord(letter) - 0x4E00 for letter in found])

    return decode


def pyctcdecode(case: Case, language: Language, beam: int) -> Decode:
    """Return pyctcdecode with its own pruning and the same language model."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with silence():
        peer = import_module("pyctcdecode")
        labels = ["" if number == 0 else symbol for number, symbol in enumerate(case.symbols)]
        labels = [{"<space>": " ", "<unk>": "⁇"}.get(label, label) for label in labels]
        decoder: Any = peer.build_ctcdecoder(
            labels,
            str(language.arpa),
            unigrams=list(language.words),
            alpha=case.lm_weight,
            beta=case.word_bonus,
            unk_score_offset=UNKNOWN_COST,
        )

    def decode(log_probs: Rows) -> str:
        return str(
            decoder.decode(
                log_probs,
                beam_width=beam,
                beam_prune_logp=PRUNE_LOG_PROB,
                token_min_logp=MIN_TOKEN_LOG_PROB,
            )
        )

    return decode
