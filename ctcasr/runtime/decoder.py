"""Which decoder a bundle and its user want, made ready."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ctcasr.decoding import BeamSettings, Hypothesis, greedy
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.runtime.bundle import LANGUAGE_MODEL, LEXICON, Bundle
from ctcasr.runtime.confidence import ConfidenceCalibration, Evidence, WordCalibration
from ctcasr.text import SPACE, Vocabulary

if TYPE_CHECKING:
    from ctcasr.decoding.beam import BeamSearch
    from ctcasr.decoding.lexicon import Lexicon
    from ctcasr.lm import NGramModel

Part = TypeVar("Part")

NEEDS = {
    "lm_weight": "a language model",
    "word_bonus": "a language model or a lexicon",
    "unknown_cost": "a lexicon",
    "hotword_boost": "hot words",
}
"""Without what a setting would change nothing."""


@dataclass(frozen=True)
class Decoder:
    """A way to decode, made ready.

    Attributes:
        search: from `log_probs (T', V)` to the so many best hypotheses, the best first.
        is_greedy: `search` follows the best path, and finds one hypothesis.
        calibration: makes probabilities of the words' evidence; none where the bundle has none that fits.
    """

    search: Callable[[npt.NDArray[np.float32], int], list[Hypothesis]]
    is_greedy: bool
    calibration: WordCalibration | None = None

    def __call__(self, log_probs: npt.NDArray[np.float32], best: int) -> list[Hypothesis]:
        """Return the `best` hypotheses of `log_probs (T', V)`, the best first; there may be fewer."""
        return self.search(log_probs, best)

    def confidence(self, evidence: Evidence) -> float:
        """Return the confidence in a word, calibrated where that is possible."""
        return self.calibration.probability(evidence) if self.calibration is not None else evidence.raw


@dataclass(frozen=True)
class DecodingOptions:
    """What a user wants of the decoder, beyond what the bundle says.

    Attributes:
        is_greedy: decode along the best path, whatever the bundle carries.
        language_model: file of an n-gram model: ARPA, gzipped ARPA, or compiled.
        lexicon: file of words with spellings, or of words alone.
        hot_words: phrases to favour.
        settings: of the beam search, by name, instead of the bundle's.
        is_beam: search with a beam even where nothing else asks for one.
    """

    is_greedy: bool = False
    language_model: Path | None = None
    lexicon: Path | None = None
    hot_words: Sequence[str] = ()
    settings: dict[str, float] = field(default_factory=dict)
    is_beam: bool = False

    @property
    def wants_beam(self) -> bool:
        """Whether something is asked for that greedy decoding cannot do."""
        return bool(self.language_model or self.lexicon or self.hot_words or self.settings or self.is_beam)


@dataclass(frozen=True)
class Parts:
    """A beam search's settings, language model and lexicon."""

    settings: BeamSettings
    model: NGramModel | None = None
    lexicon: Lexicon | None = None


def make_decoder(bundle: Bundle, options: DecodingOptions | None = None) -> Decoder:
    """Return the decoder: greedy, unless the bundle carries what a beam search needs, or the options want one.

    Raises:
        ConfigError: the options contradict each other, one would change nothing, or a hot word cannot be spelled.
        DataError: a language model or a lexicon is damaged.
        BundleError: the bundle's own language model or lexicon is damaged.
    """
    options = options or DecodingOptions()
    if options.is_greedy and options.wants_beam:
        raise ConfigError(
            "greedy decoding has no beam, language model, lexicon or hot words; leave out --greedy or the others"
        )
    calibration = bundle.description.confidence or ConfidenceCalibration()
    if options.is_greedy or not (options.wants_beam or carries_beam(bundle)):
        return Decoder(lambda log_probs, _: [greedy(log_probs)], True, calibration.greedy)
    from ctcasr.decoding.beam import BeamSearch  # with it comes numba, which takes a while
    from ctcasr.decoding.hot_words import hot_words
    from ctcasr.decoding.lexicon import kinds_of

    parts = decoding_parts(bundle, options)
    _check_used(options, parts)
    vocabulary = bundle.vocabulary
    hot = hot_words(
        options.hot_words, vocabulary.encode, kinds_of(vocabulary.symbols), parts.settings.hotword_boost
    )
    search = BeamSearch(vocabulary.symbols, parts.settings, lexicon=parts.lexicon, model=parts.model, hot=hot)
    _warm_up(search, len(vocabulary))
    is_own = options.language_model is None and options.lexicon is None
    return Decoder(
        lambda log_probs, best: search.decode(log_probs, best=best),
        False,
        calibration.beam if is_own else None,
    )


def carries_beam(bundle: Bundle) -> bool:
    """Tell whether a bundle decodes with a beam search: it has a language model, a lexicon, or settings of one."""
    return bundle.description.decoding is not None or any(
        (bundle.folder / name).is_file() for name in (LANGUAGE_MODEL, LEXICON)
    )


def _check_used(options: DecodingOptions, parts: Parts) -> None:
    """Raise ConfigError if a setting was asked for that changes nothing."""
    has_words = parts.lexicon is not None
    used = {
        "lm_weight": parts.model is not None,
        "word_bonus": parts.model is not None or has_words,
        "unknown_cost": has_words,
        "hotword_boost": bool(options.hot_words),
    }
    for name in options.settings:
        if not used.get(name, True):
            raise ConfigError(f"{name} needs {NEEDS[name]}, found none; name {NEEDS[name]}, or leave it out")


def _warm_up(search: BeamSearch, symbols: int) -> None:
    """Decode a frame, so that threads do not compile the kernels side by side; say it if that takes a while."""
    message = "compiling the beam search, once on this machine: about half a minute"
    note = threading.Timer(2.0, logging.getLogger(__name__).warning, [message])
    note.start()
    try:
        search.decode(np.full((1, symbols), -math.log(symbols), np.float32))[0].tokens  # noqa: B018
    finally:
        note.cancel()


def decoding_parts(bundle: Bundle, options: DecodingOptions) -> Parts:
    """Read what a beam search needs; options come before what the bundle carries."""
    from ctcasr.decoding.lexicon import Lexicon
    from ctcasr.lm import load_model

    base = bundle.description.decoding or BeamSettings()
    settings = BeamSettings.model_validate(base.model_dump() | read_settings(options.settings))
    vocabulary = bundle.vocabulary
    model_path = options.language_model or bundle.folder / LANGUAGE_MODEL
    model = _read_part(model_path, load_model, is_own=options.language_model is None)
    lexicon = None
    if options.lexicon is not None or options.language_model is None:  # the bundle's own is for its own model
        lexicon = _read_part(
            options.lexicon or bundle.folder / LEXICON,
            lambda path: Lexicon.read(path, vocabulary.symbols),
            is_own=options.lexicon is None,
        )
    if model is not None and lexicon is not None and SPACE in model.words and SPACE in vocabulary.symbols:
        raise (ConfigError if options.wants_beam else BundleError)(
            f"{model_path}: is a language model over symbols, but a lexicon asks for one over words; "
            "decode with one of them"
        )
    if model is not None and lexicon is None and not _is_of_symbols(model, vocabulary):
        lexicon = _known_words(model, vocabulary, model_path)
    if (
        lexicon is None and "unknown_cost" not in options.settings
    ):  # the bundle's, without the bundle's lexicon
        settings = settings.model_copy(update={"unknown_cost": None})
    return Parts(settings, model, lexicon)


def _read_part(path: Path, read: Callable[[Path], Part], *, is_own: bool) -> Part | None:
    """Read a file that the options name, or the bundle's own one, which it need not have.

    Raises:
        DataError: the file cannot be read, or is damaged.
        BundleError: it is the bundle's own.
    """
    if not is_own:
        return read(path)
    try:
        return read(path) if path.is_file() else None
    except DataError as error:
        raise BundleError(f"{error}, or decode with --greedy") from error


def _is_of_symbols(model: NGramModel, vocabulary: Vocabulary) -> bool:
    """Tell whether a model is over symbols: `<space>` is among its words, or symbols are all that there is."""
    return SPACE in model.words or SPACE not in vocabulary.symbols


def _known_words(model: NGramModel, vocabulary: Vocabulary, path: Path) -> Lexicon:
    """Return the lexicon of the words of a language model that can be spelled."""
    from ctcasr.decoding.lexicon import Lexicon, shown

    letters = set(vocabulary.characters) - {"", " "}
    words = [word for word in model.words if not (word.startswith("<") and word.endswith(">"))]
    spelled = [word for word in words if set(word) <= letters]
    if not spelled:
        raise ConfigError(
            f"{path}: none of its {len(words)} words can be spelled with the model's symbols "
            f"({' '.join(sorted(letters)[:8])} ...); train it on text normalised as the transcripts are"
        )
    if len(spelled) < len(words):
        lost = next(word for word in words if not set(word) <= letters)
        logging.getLogger(__name__).warning(
            f"{path}: {len(words) - len(spelled)} of {len(words)} words, such as {shown(lost)}, cannot be spelled "
            "with the model's symbols and are never written"
        )
    return Lexicon.of_characters(spelled, vocabulary)


def read_settings(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the settings that were given, checked.

    Raises:
        ConfigError: one is out of its range; names it.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        BeamSettings.model_validate(given)
    except ValueError as error:
        first = error.errors()[0]  # type: ignore[attr-defined]
        raise ConfigError(f"{first['loc'][0]} = {first['input']}: {first['msg'].lower()}") from error
    return given


__all__ = ["Decoder", "DecodingOptions", "Parts", "decoding_parts", "make_decoder", "read_settings"]
