"""What a decoder is made of: what the user asks for, and what the bundle carries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from ctcasr.decoding import BeamSettings, HmmSettings
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.runtime.bundle import LANGUAGE_MODEL, LEXICON, PRIORS, Bundle
from ctcasr.text import SPACE, WORD_START_MARK, Vocabulary

if TYPE_CHECKING:
    from ctcasr.decoding.lexicon import Lexicon
    from ctcasr.lm import NGramModel

Part = TypeVar("Part")


@dataclass(frozen=True)
class DecodingOptions:
    """What a user wants of the decoder, beyond what the bundle says.

    Attributes:
        is_greedy: decode along the best path, whatever the bundle carries.
        language_model: file of an n-gram model: ARPA, gzipped ARPA, or compiled.
        lexicon: file of words with spellings, or of words alone.
        hot_words: phrases to favour.
        settings: of the search, by name, instead of the bundle's.
        is_beam: search with a beam even where nothing else asks for one.
        method: trimming, or the Viterbi search through an HMM.
    """

    is_greedy: bool = False
    language_model: Path | None = None
    lexicon: Path | None = None
    hot_words: Sequence[str] = ()
    settings: dict[str, float] = field(default_factory=dict)
    is_beam: bool = False
    method: Literal["trim", "hmm"] | None = None

    @property
    def wants_beam(self) -> bool:
        """Whether something is asked for that greedy decoding cannot do."""
        return bool(self.language_model or self.lexicon or self.hot_words or self.settings or self.is_beam)


@dataclass(frozen=True)
class Parts:
    """A beam search's settings, language model and lexicon, and the priors of the symbols if there are any."""

    settings: BeamSettings
    model: NGramModel | None = None
    lexicon: Lexicon | None = None
    priors: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class HmmParts:
    """A Viterbi search's settings, lexicon, priors, and language model."""

    settings: HmmSettings
    lexicon: Lexicon
    priors: npt.NDArray[np.float64]
    model: NGramModel | None = None


def hmm_parts(bundle: Bundle, options: DecodingOptions) -> HmmParts:
    """Read what a Viterbi search needs; options come before what the bundle carries.

    Raises:
        ConfigError: there is no lexicon or there are no priors.
    """
    priors = bundle.priors()
    if priors is None:
        raise ConfigError(
            f"{bundle.folder}: has no {PRIORS}, which an HMM needs; estimate them with `ctcasr priors MANIFEST -m "
            f"{bundle.folder}`"
        )
    base = bundle.description.hmm or HmmSettings()
    settings = HmmSettings.model_validate(base.model_dump() | read_settings(options.settings, HmmSettings))
    model, lexicon = _read_words(bundle, options)
    if lexicon is None:
        raise ConfigError(
            "the HMM decoder needs words; name a lexicon with --lexicon, or a language model over words with --lm"
        )
    return HmmParts(settings, lexicon, priors, model)


def carries_beam(bundle: Bundle) -> bool:
    """Tell whether a bundle decodes with a beam search: it has a language model, a lexicon, or settings of one."""
    return bundle.description.decoding is not None or any(
        (bundle.folder / name).is_file() for name in (LANGUAGE_MODEL, LEXICON)
    )


def decoding_parts(bundle: Bundle, options: DecodingOptions) -> Parts:
    """Read what a beam search needs; options come before what the bundle carries."""
    base = bundle.description.decoding or BeamSettings()
    settings = BeamSettings.model_validate(base.model_dump() | read_settings(options.settings))
    model, lexicon = _read_words(bundle, options)
    if (
        lexicon is None and "unknown_cost" not in options.settings
    ):  # the bundle's, without the bundle's lexicon
        settings = settings.model_copy(update={"unknown_cost": None})
    return Parts(settings, model, lexicon, _priors_of_symbols(bundle, settings))


def _priors_of_symbols(bundle: Bundle, settings: BeamSettings) -> npt.NDArray[np.float64] | None:
    """Return the priors of a bundle's symbols, `(V,)`.

    Raises:
        ConfigError: the settings need them, and there are none.
    """
    priors = bundle.priors()
    if priors is not None:
        return np.asarray(np.exp(bundle.topology.merged(np.log(priors)[None])[0]), np.float64)
    if settings.prior_scale:
        raise ConfigError(
            f"{bundle.folder}: has no {PRIORS}, which prior_scale = {settings.prior_scale:g} needs; estimate them with "
            f"`ctcasr priors MANIFEST -m {bundle.folder}`"
        )
    return None


def _read_words(bundle: Bundle, options: DecodingOptions) -> tuple[NGramModel | None, Lexicon | None]:
    """Read language model and lexicon, those of the options or the bundle's own."""
    from ctcasr.decoding.lexicon import Lexicon
    from ctcasr.lm import load_model

    vocabulary = bundle.vocabulary
    model_path = options.language_model or bundle.folder / LANGUAGE_MODEL
    model = _read_part(model_path, load_model, is_own=options.language_model is None)
    lexicon = None
    # The bundle's own is for its own model, but for the dictionary of phones, which any model needs.
    if options.lexicon is not None or options.language_model is None or vocabulary.units == "phone":
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
    return model, lexicon


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
    """Tell whether a model is over symbols: `<space>` or a marked piece is among its words, or nothing parts words."""
    if vocabulary.units == "bpe":
        return any(word.startswith(WORD_START_MARK) for word in model.words)
    return SPACE in model.words or SPACE not in vocabulary.symbols


def _known_words(model: NGramModel, vocabulary: Vocabulary, path: Path) -> Lexicon:
    """Return the lexicon of the words of a language model that can be spelled."""
    from ctcasr.decoding.lexicon import Lexicon
    from ctcasr.decoding.lexicon_reading import shown

    letters = vocabulary.letters
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
    return Lexicon.of_words(spelled, vocabulary)


def read_settings(
    values: Mapping[str, float | None], kind: type[BeamSettings] | type[HmmSettings] = BeamSettings
) -> dict[str, float]:
    """Return the settings that were given, checked.

    Raises:
        ConfigError: one is out of its range, or is not of this search; names it.
    """
    given = {name: value for name, value in values.items() if value is not None}
    strange = [name for name in given if name not in kind.model_fields]
    if strange:
        search = "beam search" if kind is BeamSettings else "HMM decoder"
        raise ConfigError(f"the {search} has no {strange[0]}; leave it out, or choose another --decoder")
    try:
        kind.model_validate(given)
    except ValueError as error:
        first = error.errors()[0]  # type: ignore[attr-defined]
        raise ConfigError(f"{first['loc'][0]} = {first['input']}: {first['msg'].lower()}") from error
    return given


__all__ = [
    "DecodingOptions",
    "HmmParts",
    "Parts",
    "carries_beam",
    "decoding_parts",
    "hmm_parts",
    "read_settings",
]
