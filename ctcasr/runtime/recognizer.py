"""The pipeline from audio files to transcripts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.data import Utterance
from ctcasr.decoding import Hypothesis, check_log_probs
from ctcasr.decoding.confidence import CANDIDATES
from ctcasr.errors import AudioError, BundleError, ConfigError, CtcAsrError, DataError
from ctcasr.features import FeatureExtractor
from ctcasr.runtime.bundle import DESCRIPTION, Bundle, find_bundle, read_bundle
from ctcasr.runtime.confidence import evidence_of
from ctcasr.runtime.decoder import DecodingOptions, make_decoder
from ctcasr.runtime.session import AcousticSession
from ctcasr.runtime.threads import in_order
from ctcasr.runtime.words import Word, texts_of, words_of
from ctcasr.text import Vocabulary

MAX_SECONDS = 1800.0
"""Longest recording that is recognised in one piece; memory grows by about 45 MB a minute."""

SPELLINGS = 4
"""Hypotheses that are searched for each alternative: some have the same text."""


@dataclass(frozen=True)
class Alternative:
    """One of the best hypotheses: its text, and natural logarithms of its scores as `Hypothesis` has them."""

    text: str
    log_prob: float
    acoustic_log_prob: float
    lm_log_prob: float


@dataclass(frozen=True)
class Transcript:
    """What was recognised in one recording, or why nothing was.

    Attributes:
        id: the utterance's id, or the stem of the file's name.
        audio_path: the recording; empty for a waveform.
        duration_seconds: of the audio that was recognised.
        text: the words, one space between them.
        words: words with times and confidences. A word's confidence is the probability that it is correct where
            the bundle is calibrated for the decoder (`ctcasr calibrate`). Where it is not, it is the word's
            posterior among the best hypotheses of a beam search, or its symbols' mean probability if greedy.
        confidence: in the whole text, in [0, 1], never calibrated: posterior of the best hypothesis of a beam
            search; if greedy, mean confidence of the symbols, 1 where nothing was recognised.
        error: why the recording could not be recognised; empty if it was.
        timings: seconds spent on `read`, `features`, `network` and `decode`.
        alternatives: the best hypotheses of different texts, the transcript's own first; as many as were asked
            for, or fewer if the search has no more.
    """

    id: str
    audio_path: str = ""
    duration_seconds: float = 0.0
    text: str = ""
    words: tuple[Word, ...] = ()
    confidence: float = 0.0
    error: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()


class Recognizer:
    """Transcribe recordings with a model bundle.

    >>> recognizer = Recognizer.load()  # doctest: +SKIP
    >>> for transcript in recognizer.transcribe(["talk.wav"]):  # doctest: +SKIP
    ...     print(transcript.text)
    """

    def __init__(
        self,
        bundle: Bundle,
        precision: Literal["int8", "fp32"] | None = None,
        *,
        decoding: DecodingOptions | None = None,
        alternatives: int = 1,
    ) -> None:
        """Load the bundle's network, and its language model and lexicon if it has them.

        Args:
            bundle: to recognise with.
            precision: of the network; by default int8 where there is one.
            decoding: what is wanted of the decoder, beyond what the bundle says.
            alternatives: hypotheses wanted of each recording.

        Raises:
            BundleError: a file of the bundle is missing, damaged, or does not fit the others.
            ConfigError: the decoding options contradict each other.
            DataError: a language model or lexicon of the options is damaged.
        """
        self.bundle = bundle
        self._alternatives = alternatives
        self._decode = make_decoder(bundle, decoding)
        self._session = AcousticSession(bundle, precision)
        try:
            self._extractor = FeatureExtractor(bundle.description.features, bundle.description.statistics)
        except ConfigError as error:
            raise BundleError(f"{bundle.folder / DESCRIPTION}: {error}") from error
        self._try_out()

    def _try_out(self) -> None:
        """Score a little silence: damaged weights and a wrong subsampling show here, and not in transcripts."""
        description = self.bundle.description
        frames = 4 * description.subsampling + 1
        features = self._extractor(np.zeros((frames - 1) * description.features.hop_samples, np.float32))
        if not np.isfinite(features).all():
            raise BundleError(
                f"{self.bundle.folder / DESCRIPTION}: statistics: normalise silence to NaN or infinity; "
                "export the run again"
            )
        scores = self._session(features)
        if len(scores) != 5:
            raise BundleError(
                f"{self._session.path}: makes {len(scores)} frames of {frames}; the subsampling of "
                f"{description.subsampling} in {DESCRIPTION} makes 5: export the run again"
            )
        try:
            check_log_probs(scores)
        except DataError as error:
            raise BundleError(f"{self._session.path}: {error}; export the run again") from error

    @classmethod
    def load(
        cls,
        bundle: str | Path | None = None,
        precision: Literal["int8", "fp32"] | None = None,
        *,
        decoding: DecodingOptions | None = None,
        alternatives: int = 1,
    ) -> Recognizer:
        """Load a bundle by path or by the name it has inside the package; by default the package's own.

        Raises:
            BundleError: there is no such bundle, or it is damaged.
        """
        return cls(read_bundle(find_bundle(bundle)), precision, decoding=decoding, alternatives=alternatives)

    @property
    def precision(self) -> str:
        """Precision of the network that was loaded: `int8` or `fp32`."""
        return self._session.precision

    def log_probs(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return `log_probs (T', V)` of a mono waveform `(N,)` at the bundle's sample rate."""
        return self._session(self._extractor(waveform))

    def log_probs_of(self, utterance: Utterance) -> npt.NDArray[np.float32]:
        """Return `log_probs (T', V)` of an utterance of a manifest.

        Raises:
            AudioError: its audio cannot be read.
        """
        waveform = audio.load(
            utterance.audio_path,
            self.bundle.description.features.sample_rate,
            offset_seconds=utterance.offset_seconds,
            duration_seconds=utterance.duration_seconds,
        )
        return self.log_probs(waveform)

    def transcribe(
        self, recordings: Iterable[str | Path | Utterance], *, threads: int | None = None
    ) -> Iterator[Transcript]:
        """Return a transcript for each recording, in the order given, as they are made.

        A recording that cannot be read yields a transcript with `error` set, and the others go on. Each is
        recognised alone, several at a time, so that no transcript depends on its neighbours; only a few
        are held in memory at once.

        Args:
            recordings: audio files, or utterances of a manifest.
            threads: recordings at a time; by default one for each processor.
        """
        return in_order(self._transcribe_one, recordings, threads)

    def _transcribe_one(self, recording: str | Path | Utterance) -> Transcript:
        if isinstance(recording, Utterance):
            identity, path = recording.id, recording.audio_path
            offset, duration = recording.offset_seconds, recording.duration_seconds
        else:
            identity, path, offset, duration = Path(recording).stem, Path(recording), 0.0, None
        started = time.perf_counter()
        rate = self.bundle.description.features.sample_rate
        try:
            seconds = audio.probe(path).duration_seconds if duration is None else duration
            if seconds > MAX_SECONDS:
                raise AudioError(
                    f"{path}: lasts {seconds / 60:.0f} minutes; expected at most {MAX_SECONDS / 60:.0f}: "
                    "cut it into pieces first"
                )
            waveform = audio.load(path, rate, offset_seconds=offset, duration_seconds=duration)
            read_seconds = time.perf_counter() - started
            return self.transcribe_waveform(waveform, identity, str(path), read_seconds=read_seconds)
        except AudioError as error:
            return Transcript(identity, str(path), error=str(error))
        except CtcAsrError as error:
            return Transcript(identity, str(path), error=f"{path}: {error}")

    def transcribe_waveform(
        self,
        waveform: npt.NDArray[np.float32],
        identity: str = "",
        audio_path: str = "",
        *,
        read_seconds: float = 0.0,
    ) -> Transcript:
        """Transcribe a mono float32 waveform `(N,)` at the bundle's sample rate."""
        times = [time.perf_counter()]
        features = self._extractor(waveform)
        times.append(time.perf_counter())
        log_probs = self._session(features)
        times.append(time.perf_counter())
        decoder, vocabulary = self._decode, self.bundle.vocabulary
        hypotheses = decoder(log_probs, max(SPELLINGS * self._alternatives, CANDIDATES))
        duration = len(waveform) / self.bundle.description.features.sample_rate
        words = words_of(hypotheses[0], vocabulary, self.bundle.frame_seconds, duration)
        evidence, confidence = evidence_of(hypotheses, words, vocabulary, is_greedy=decoder.is_greedy)
        alternatives = _distinct(hypotheses, vocabulary, self._alternatives) if self._alternatives > 1 else ()
        times.append(time.perf_counter())
        stages = dict(zip(("features", "network", "decode"), np.diff(times).tolist(), strict=True))
        return Transcript(
            id=identity,
            audio_path=audio_path,
            duration_seconds=duration,
            text=" ".join(word.text for word in words),
            words=tuple(
                replace(word, confidence=decoder.confidence(shown))
                for word, shown in zip(words, evidence, strict=True)
            ),
            confidence=confidence,
            timings={"read": read_seconds, **stages},
            alternatives=alternatives,
        )


def _distinct(hypotheses: Iterable[Hypothesis], vocabulary: Vocabulary, most: int) -> tuple[Alternative, ...]:
    """Return the best hypothesis of each text, but no more than so many: others differ in their spaces alone."""
    found: dict[str, Alternative] = {}
    for hypothesis in hypotheses:
        text = " ".join(texts_of(hypothesis, vocabulary))
        scores = hypothesis.log_prob, hypothesis.acoustic_log_prob, hypothesis.lm_log_prob
        found.setdefault(text, Alternative(text, *scores))
        if len(found) == most:
            break
    return tuple(found.values())
