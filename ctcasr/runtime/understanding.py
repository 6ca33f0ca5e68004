"""From words or recordings to what they mean: tags, slots, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.crf import Chain, ChainBatch
from ctcasr.data import Utterance, load_utterance
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.features import FeatureExtractor
from ctcasr.runtime.bundle import DESCRIPTION, find_model
from ctcasr.runtime.session import first_line, load_network
from ctcasr.runtime.understanding_bundle import UnderstandingBundle, read_understanding
from ctcasr.scoring.spans import spans_of

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Slot:
    """Words `[start, end)` of one kind; the confidence is that of the tag that the network is least sure of."""

    kind: str
    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Meaning:
    """What a sentence or a recording means.

    Attributes:
        words: that were read; none of a recording.
        tags: of each word, where the bundle tags.
        slots: the spans of the tags.
        label: of the whole, where the bundle has labels.
        confidence: in the label, its probability; 1 where there is none.
    """

    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    slots: tuple[Slot, ...] = ()
    label: str = ""
    confidence: float = 1.0


class Understander:
    """Say what sentences or recordings mean, with a bundle that tags or classifies.

    >>> understander = Understander.load("atis-bundle")  # doctest: +SKIP
    >>> understander.read("flights from boston to denver".split()).slots  # doctest: +SKIP
    """

    def __init__(self, bundle: UnderstandingBundle, precision: str | None = None) -> None:
        """Load the bundle's network, by default in int8 where there is one.

        Raises:
            BundleError: a file of the bundle is missing, damaged, or does not fit the others.
        """
        self.bundle = bundle
        self.path = find_model(bundle.folder, precision)
        self._session = load_network(self.path)
        self._check()
        description = bundle.description
        self._extractor: FeatureExtractor | None = None
        if description.features is not None:
            try:
                self._extractor = FeatureExtractor(description.features, description.statistics)
            except ConfigError as error:
                raise BundleError(f"{bundle.folder / DESCRIPTION}: {error}") from error

    @classmethod
    def load(cls, name: str | Path, precision: str | None = None) -> Understander:
        """Load a bundle by path.

        Raises:
            BundleError: there is no such bundle, it is damaged, or it transcribes.
        """
        return cls(read_understanding(name), precision)

    def _check(self) -> None:
        """Raise BundleError unless the network takes and gives what the bundle says."""
        bundle = self.bundle
        inputs = tuple(node.name for node in self._session.get_inputs())
        hears = bundle.description.input == "audio"
        expected = ("features", "feature_lengths") if hears else ("words", "characters", "lengths")
        outputs = {node.name: node.shape[-1] for node in self._session.get_outputs()}
        sizes = {"tag_scores": bundle.tags, "label_scores": bundle.labels}
        wanted = {name: len(names) for name, names in sizes.items() if names is not None}
        if inputs != expected or outputs != wanted:
            raise BundleError(
                f"{self.path}: maps {list(inputs)} to {outputs}; expected {list(expected)} to {wanted}: "
                "export the run again"
            )

    @property
    def hears(self) -> bool:
        """Whether it takes recordings, and not words."""
        return self._extractor is not None

    def read(self, words: Sequence[str]) -> Meaning:
        """Return what a sentence means.

        Raises:
            DataError: it has no words, or the bundle takes recordings.
        """
        if self.bundle.vocabulary is None:
            raise DataError(f"{self.bundle.folder}: hears recordings; name audio files instead of text")
        if not words:
            raise DataError("the text has no words; expected at least one")
        encoded = self.bundle.vocabulary.encode(words)
        scores = self._run(
            {
                "words": encoded.words[None],
                "characters": encoded.characters[None],
                "lengths": np.array([len(words)], np.int64),
            }
        )
        return self._meaning(scores, tuple(words))

    def hear(self, recording: Path | Utterance) -> Meaning:
        """Return what a recording, or an utterance of a manifest, is.

        Raises:
            AudioError: it cannot be read.
            DataError: it is too short for one frame, or the bundle takes words.
        """
        features = self.bundle.description.features
        if features is None or self._extractor is None:
            raise DataError(f"{self.bundle.folder}: reads words; give it text instead of recordings")
        if isinstance(recording, Utterance):
            waveform = load_utterance(recording, features.sample_rate)
        else:
            waveform = audio.load(recording, features.sample_rate)
        frames = self._extractor(waveform)
        if not len(frames):
            raise DataError(f"{recording}: is too short for one frame of features; nothing can be said of it")
        scores = self._run({"features": frames[None], "feature_lengths": np.array([len(frames)], np.int64)})
        return self._meaning(scores, ())

    def _run(self, inputs: dict[str, npt.NDArray[np.generic]]) -> dict[str, Float32]:
        names = [node.name for node in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(names, inputs), strict=True))
        except Exception as error:  # ONNX Runtime raises many kinds, none of them public
            raise BundleError(
                f"{self.path}: cannot be run ({first_line(error)}); export the run again"
            ) from error

    def _meaning(self, scores: dict[str, Float32], words: tuple[str, ...]) -> Meaning:
        bundle, label, confidence = self.bundle, "", 1.0
        tags: tuple[str, ...] = ()
        slots: tuple[Slot, ...] = ()
        if bundle.labels is not None:
            found = scores["label_scores"][0].astype(np.float64)
            shares = np.exp(found - found.max())
            label, confidence = bundle.labels.names[int(found.argmax())], float(shares.max() / shares.sum())
        if bundle.tags is not None:
            tags, sureness = self._tagged(scores["tag_scores"])
            slots = tuple(
                Slot(span.kind, " ".join(words[span.start : span.end]), span.start, span.end,
                     float(sureness[span.start : span.end].min()))
                for span in spans_of(tags)
            )  # fmt: skip
        return Meaning(words, tags, slots, label, confidence)

    def _tagged(self, scores: Float32) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
        """Return the best tags of one sentence and the probability of each."""
        # Imported when first needed: numba takes a while, and most of what the command line does is without it.
        from ctcasr.crf.forward_backward import forward_backward
        from ctcasr.crf.viterbi import best_tags

        assert self.bundle.tags is not None
        count, places = len(self.bundle.tags), scores.shape[1]
        chain = self.bundle.chain or Chain.silent(count)
        batch = ChainBatch(scores, np.array([places]), chain)
        best, _ = best_tags(batch)
        marginals = forward_backward(batch, best).marginals[0]
        names = self.bundle.tags.names
        return tuple(names[tag] for tag in best[0]), marginals[np.arange(places), best[0]]
