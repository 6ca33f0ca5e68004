"""Which decoder a bundle and its user want, made ready."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ctcasr.decoding import Hypothesis, greedy, trim
from ctcasr.errors import ConfigError, DataError
from ctcasr.runtime.bundle import PRIORS, Bundle
from ctcasr.runtime.confidence import ConfidenceCalibration, Evidence, WordCalibration
from ctcasr.runtime.decoding_parts import (
    DecodingOptions,
    HmmParts,
    Parts,
    carries_beam,
    decoding_parts,
    hmm_parts,
    read_settings,
)
from ctcasr.text import Vocabulary

if TYPE_CHECKING:
    from ctcasr.decoding.hmm import HmmSearch
    from ctcasr.decoding.lexicon import Lexicon

Method = Literal["greedy", "beam", "trim", "hmm"]
Scores = npt.NDArray[np.float32]

NEEDS = {
    "lm_weight": "a language model",
    "word_bonus": "a language model or a lexicon",
    "unknown_cost": "a lexicon",
    "hotword_boost": "hot words",
}
"""Without what a setting would change nothing."""

NO_WORDS = {
    "greedy": "greedy decoding has no beam, language model, lexicon or hot words; leave out --greedy or the others",
    "trim": "trimming has no beam, language model, lexicon or hot words; leave them out, or choose another --decoder",
}


@dataclass(frozen=True)
class Decoder:
    """A way to decode, made ready.

    Attributes:
        search: from `log_probs (T', O)` of the network to the so many best hypotheses, the best first.
        is_greedy: `search` follows the best path, and finds one hypothesis.
        is_bare: no lexicon is behind it: it writes symbols.
        calibration: makes probabilities of the words' evidence; none where the bundle has none that fits.
    """

    search: Callable[[npt.NDArray[np.float32], int], list[Hypothesis]]
    is_greedy: bool
    is_bare: bool
    calibration: WordCalibration | None = None

    def __call__(self, log_probs: npt.NDArray[np.float32], best: int) -> list[Hypothesis]:
        """Return the `best` hypotheses of `log_probs (T', O)`, the best first; there may be fewer."""
        return self.search(log_probs, best)

    def writes_phones(self, vocabulary: Vocabulary) -> bool:
        """Tell whether phones are written: the model writes phones, and no lexicon makes words of them."""
        return self.is_bare and vocabulary.units == "phone"

    def reference(self, text: str, vocabulary: Vocabulary) -> str:
        """Return a transcript as this decoder would write it: in phones, where it writes phones.

        Raises:
            DataError: a word of it is not in the dictionary.
        """
        return vocabulary.decode(vocabulary.encode(text)) if self.writes_phones(vocabulary) else text

    def confidence(self, evidence: Evidence) -> float:
        """Return the confidence in a word, calibrated where that is possible."""
        return self.calibration.probability(evidence) if self.calibration is not None else evidence.raw


def make_decoder(bundle: Bundle, options: DecodingOptions | None = None) -> Decoder:
    """Return the decoder that the options want, or else the one that the bundle carries what it needs for.

    Raises:
        ConfigError: the options contradict each other, one would change nothing, or a hot word cannot be spelled.
        DataError: a language model or a lexicon is damaged.
        BundleError: the bundle's own language model, lexicon or priors are damaged.
    """
    options = options or DecodingOptions()
    method, topology = method_of(bundle, options), bundle.topology
    if method == "hmm":
        return _hmm_decoder(bundle, options)
    calibration = bundle.description.confidence or ConfidenceCalibration()
    if method == "beam":
        return _beam_decoder(bundle, options, calibration.beam)
    if method == "trim":
        return Decoder(lambda log_probs, _: [trim(topology.merged(log_probs))], True, True)
    return Decoder(lambda log_probs, _: [greedy(topology.merged(log_probs))], True, True, calibration.greedy)


def method_of(bundle: Bundle, options: DecodingOptions) -> Method:
    """Return how a bundle is decoded with these options.

    Raises:
        ConfigError: the options contradict each other.
    """
    named: Method | None = "greedy" if options.is_greedy else options.method
    if options.is_greedy and options.method is not None:
        raise ConfigError(
            f"--greedy and --decoder {options.method} are two ways to decode; leave out one of them"
        )
    if named in NO_WORDS and options.wants_beam:
        raise ConfigError(NO_WORDS[named])
    if named is not None:
        return named
    if bundle.topology.kind == "hmm":
        carries = (bundle.folder / PRIORS).is_file() and carries_beam(bundle)
        return "hmm" if carries or options.wants_beam else "greedy"
    return "beam" if options.wants_beam or carries_beam(bundle) else "greedy"


def _beam_decoder(bundle: Bundle, options: DecodingOptions, calibration: WordCalibration | None) -> Decoder:
    """Return the beam search that the bundle and the options make, calibrated if it is the bundle's own."""
    from ctcasr.decoding.beam import BeamSearch  # with it comes numba, which takes a while
    from ctcasr.decoding.hot_words import hot_words
    from ctcasr.decoding.lexicon import kinds_of

    parts = decoding_parts(bundle, options)
    has_words = parts.lexicon is not None
    _check_used(
        options,
        lm_weight=parts.model is not None,
        word_bonus=parts.model is not None or has_words,
        unknown_cost=has_words,
        hotword_boost=bool(options.hot_words),
    )
    vocabulary, topology = bundle.vocabulary, bundle.topology
    encode: Callable[[str], Iterable[int]] = vocabulary.encode
    if options.hot_words and vocabulary.units == "phone" and parts.lexicon is not None:
        encode = _speller(parts.lexicon, vocabulary)
    hot = hot_words(options.hot_words, encode, kinds_of(vocabulary.symbols), parts.settings.hotword_boost)
    search = BeamSearch(
        vocabulary.symbols,
        parts.settings,
        lexicon=parts.lexicon,
        model=parts.model,
        hot=hot,
        priors=parts.priors,
    )
    _warm_up(lambda log_probs: search.decode(log_probs)[0], len(vocabulary))
    is_own = options.language_model is None and options.lexicon is None
    return Decoder(
        lambda log_probs, best: search.decode(topology.merged(log_probs), best=best),
        False,
        parts.lexicon is None,
        calibration if is_own else None,
    )


def _speller(lexicon: Lexicon, vocabulary: Vocabulary) -> Callable[[str], Sequence[int]]:
    """Return how a text is said: its words as the lexicon has them, or else the vocabulary's dictionary."""
    spelled: dict[str, tuple[int, ...]] = {}
    for number, symbols in lexicon.spellings:
        spelled.setdefault(lexicon.words[number], symbols)

    def encode(text: str) -> Sequence[int]:
        words = text.split()
        if all(word in spelled for word in words):
            return [symbol for word in words for symbol in spelled[word]]
        return [int(symbol) for symbol in vocabulary.encode(text)]

    return encode


def _hmm_decoder(bundle: Bundle, options: DecodingOptions) -> Decoder:
    """Return the Viterbi search through the HMM of the bundle's words."""
    if options.hot_words or options.is_beam:
        wanted = "hot words" if options.hot_words else "several hypotheses, or a beam search"
        raise ConfigError(f"the HMM decoder has no {wanted}; leave them out, or decode with --decoder beam")
    parts = hmm_parts(bundle, options)
    _check_used(options, lm_weight=parts.model is not None)
    search = hmm_search(bundle, parts)
    _warm_up(search.decode, bundle.topology.output_count)
    return Decoder(lambda log_probs, _: [search.decode(log_probs)], True, False)


def hmm_search(bundle: Bundle, parts: HmmParts) -> HmmSearch:
    """Return the Viterbi search that the parts make."""
    from ctcasr.decoding.hmm import HmmSearch

    return HmmSearch(bundle.topology, parts.priors, parts.settings, lexicon=parts.lexicon, model=parts.model)


def _check_used(options: DecodingOptions, **used: bool) -> None:
    """Raise ConfigError if a setting was asked for that changes nothing."""
    for name in options.settings:
        if not used.get(name, True):
            raise ConfigError(f"{name} needs {NEEDS[name]}, found none; name {NEEDS[name]}, or leave it out")


def _warm_up(decode: Callable[[Scores], Hypothesis], outputs: int) -> None:
    """Decode a frame, so that threads do not compile the kernels side by side; say it if that takes a while."""
    message = "compiling the search, once on this machine: about half a minute"
    note = threading.Timer(2.0, logging.getLogger(__name__).warning, [message])
    note.start()
    try:
        with suppress(DataError):  # one frame may be too short for any word
            decode(np.full((1, outputs), -math.log(outputs), np.float32)).tokens  # noqa: B018
    finally:
        note.cancel()


__all__ = [
    "Decoder",
    "DecodingOptions",
    "HmmParts",
    "Parts",
    "carries_beam",
    "decoding_parts",
    "hmm_parts",
    "hmm_search",
    "make_decoder",
    "method_of",
    "read_settings",
]
