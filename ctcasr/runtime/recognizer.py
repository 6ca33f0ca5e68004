"""The pipeline from audio files to transcripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.data import Utterance, load_utterance, recording
from ctcasr.decoding import check_log_probs
from ctcasr.errors import AudioError, BundleError, ConfigError, CtcAsrError, DataError
from ctcasr.features import FeatureExtractor
from ctcasr.runtime.bundle import DESCRIPTION, Bundle, find_bundle, read_bundle
from ctcasr.runtime.decoder import DecodingOptions, make_decoder
from ctcasr.runtime.incremental import STEP_SECONDS, IncrementalRows, StreamNetwork
from ctcasr.runtime.long_audio import LongAudioSettings, Pipeline, Stages, Watch, Workers
from ctcasr.runtime.ordered import map_ordered
from ctcasr.runtime.pauses import PauseSplitter, SegmentRows
from ctcasr.runtime.segment_decoder import SegmentDecoder
from ctcasr.runtime.session import AcousticSession
from ctcasr.runtime.streaming import RecognitionStream, RowSource, StreamParts, StreamSettings, WindowedRows
from ctcasr.runtime.transcript import Segment, Transcript, transcript_of
from ctcasr.runtime.window_cutting import WindowCutter, WindowSettings


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
        long_audio: LongAudioSettings | None = None,
    ) -> None:
        """Load the bundle's network, and its language model and lexicon if it has them.

        Args:
            bundle: to recognise with.
            precision: of the network; by default int8 where there is one.
            decoding: what is wanted of the decoder, beyond what the bundle says.
            alternatives: hypotheses wanted of each recording, or of each segment of a long one.
            long_audio: how recordings are cut that are longer than a window.

        Raises:
            BundleError: a file of the bundle is missing, damaged, or does not fit the others.
            ConfigError: the decoding options contradict each other.
            DataError: a language model or lexicon of the options is damaged.
        """
        self.bundle = bundle
        self.long_audio = long_audio or LongAudioSettings()
        self._decode = SegmentDecoder(bundle, make_decoder(bundle, decoding), alternatives)
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
        long_audio: LongAudioSettings | None = None,
    ) -> Recognizer:
        """Load a bundle by path or by the name it has inside the package; by default the package's own.

        Raises:
            BundleError: there is no such bundle, or it is damaged.
        """
        return cls(
            read_bundle(find_bundle(bundle)),
            precision,
            decoding=decoding,
            alternatives=alternatives,
            long_audio=long_audio,
        )

    @property
    def precision(self) -> str:
        """Precision of the network that was loaded: `int8` or `fp32`."""
        return self._session.precision

    def reference(self, text: str) -> str:
        """Return a transcript as this recognizer would write it: in phones, where it writes phones.

        Raises:
            DataError: a word of it is not in the dictionary.
        """
        return self._decode.decoder.reference(text, self.bundle.vocabulary)

    @property
    def writes_phones(self) -> bool:
        """Whether transcripts are phones: the model writes phones, and no lexicon makes words of them."""
        return self._decode.decoder.writes_phones(self.bundle.vocabulary)

    def log_probs(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return `log_probs (T', O)` of a mono waveform `(N,)` at the bundle's sample rate."""
        return self._session(self._extractor(waveform))

    def log_probs_of(self, utterance: Utterance) -> npt.NDArray[np.float32]:
        """Return `log_probs (T', O)` of an utterance of a manifest.

        Raises:
            AudioError: its audio cannot be read.
        """
        waveform = load_utterance(utterance, self.bundle.description.features.sample_rate)
        return self.log_probs(waveform)

    def cutter(self, settings: WindowSettings | None = None) -> WindowCutter:
        """Return what cuts one recording into windows, the recognizer's by default."""
        features = self.bundle.description.features
        step = self.bundle.description.subsampling * features.hop_samples
        return WindowCutter(settings or self.long_audio.windows, features.sample_rate, step)

    def stream(
        self, sample_rate: int | None = None, settings: StreamSettings | None = None
    ) -> RecognitionStream:
        """Begin to recognise a recording that comes in chunks: frame by frame if the model can, else in windows.

        Args:
            sample_rate: of the chunks, Hz; by default the bundle's.
            settings: of steps, windows and pauses; frame by frame, the step is by default `incremental.STEP_SECONDS`.

        Raises:
            BundleError: the network of the bundle for streams is damaged.
            ConfigError: the sample rate is out of range.
        """
        network, rate = self._stream_network, self.bundle.description.features.sample_rate
        if settings is None:
            settings = StreamSettings() if network is None else StreamSettings(step_seconds=STEP_SECONDS)
        rows: RowSource = (
            WindowedRows(self.log_probs, self.cutter(settings.long_audio.windows), settings.latency_seconds)
            if network is None
            else IncrementalRows(network, self._extractor, self.bundle, settings.step_seconds)
        )
        parts = StreamParts(rows, self._decode, self._splitter(settings.long_audio), rate)
        return RecognitionStream(parts, sample_rate or rate)

    @cached_property
    def _stream_network(self) -> StreamNetwork | None:
        return None if self.bundle.stream_path is None else StreamNetwork(self.bundle)

    def _splitter(self, settings: LongAudioSettings) -> PauseSplitter:
        bundle = self.bundle
        return PauseSplitter(settings.pauses, bundle.vocabulary, bundle.frame_seconds, bundle.topology)

    def transcribe(
        self,
        recordings: Iterable[str | Path | Utterance],
        *,
        threads: int | None = None,
        watch: Watch | None = None,
    ) -> Iterator[Transcript]:
        """Yield a transcript for each recording, in the order given.

        A recording that cannot be read yields a transcript with `error` set, and the others go on. Each is
        recognised alone, several at a time, so that no transcript depends on its neighbours; only a few
        are held in memory at once. Of a long recording only the windows in work are in memory.

        Args:
            recordings: audio files, or utterances of a manifest.
            threads: recordings, or windows of a long recording, at a time; by default one for each processor.
            watch: is told, by any thread, how far a recording is, when a window of it or all of it is done.
        """
        threads = threads or os.cpu_count() or 1
        with ExitStack() as stack:
            pool = ThreadPoolExecutor(threads)
            stack.callback(pool.shutdown, cancel_futures=True)
            windows = ThreadPoolExecutor(threads) if threads > 1 else None
            if windows is not None:
                stack.callback(windows.shutdown, cancel_futures=True)
            workers = Workers(threads, windows, watch)
            yield from map_ordered(
                lambda numbered: self._transcribe_one(*numbered, workers),
                enumerate(recordings),
                pool,
                4 * threads,
            )

    def _transcribe_one(self, number: int, source: str | Path | Utterance, workers: Workers) -> Transcript:
        if isinstance(source, Utterance):
            identity, path = source.id, source.audio_path
            offset, duration = source.offset_seconds, source.duration_seconds
        else:
            identity, path, offset, duration = Path(source).stem, Path(source), 0.0, None
        rate = self.bundle.description.features.sample_rate
        report = None
        try:
            if workers.watch is not None:
                watch = workers.watch
                whole = audio.probe(path).duration_seconds if duration is None else duration

                def report(seconds: float) -> None:
                    watch(number, seconds, min(1.0, seconds / whole))

            with recording(source) if isinstance(source, Utterance) else nullcontext(path) as file:
                blocks = audio.stream(file, rate, offset_seconds=offset, duration_seconds=duration)
                transcript = self._recognise(blocks, workers, report)
            return replace(transcript, id=identity, audio_path=str(path))
        except AudioError as error:
            return Transcript(identity, str(path), error=str(error))
        except CtcAsrError as error:
            return Transcript(identity, str(path), error=f"{path}: {error}")

    def transcribe_waveform(
        self, waveform: npt.NDArray[np.float32], identity: str = "", *, threads: int = 1
    ) -> Transcript:
        """Transcribe a mono float32 waveform `(N,)` at the bundle's sample rate.

        Args:
            waveform: of any length; an empty one has no words.
            identity: of the transcript.
            threads: windows of a long waveform at a time.
        """
        if threads == 1:
            return replace(self._recognise([waveform], Workers(1)), id=identity)
        with ThreadPoolExecutor(threads) as pool:
            return replace(self._recognise([waveform], Workers(threads, pool)), id=identity)

    def _recognise(
        self,
        blocks: Iterable[npt.NDArray[np.float32]],
        workers: Workers,
        report: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Return the transcript, without a name, of a waveform that comes in blocks."""
        stages = Stages()

        def score(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            with stages("features"):
                features = self._extractor(waveform)
            with stages("network"):
                return self._session(features)

        def decode(rows: SegmentRows, duration_seconds: float) -> Segment:
            with stages("decode"):
                return self._decode(rows, duration_seconds)

        rate, frame_seconds = self.bundle.description.features.sample_rate, self.bundle.frame_seconds
        pipeline = Pipeline(
            score,
            decode,
            lambda: self._splitter(self.long_audio),
            report,
            workers.windows,
            workers.threads,
        )
        cutter = self.cutter()
        segments = tuple(pipeline.segments(stages.reading(blocks), cutter, frame_seconds, rate))
        duration = cutter.samples / rate
        if report is not None:
            report(duration)
        return transcript_of(segments, duration, stages.seconds)
