"""Scores of a recording that comes in pieces, by a network that goes on where it stopped.

A unidirectional network needs nothing of what comes after but the few feature frames that its convolutions see. Its
states are carried from step to step, and so is what the convolutions still see of the step before: no frame is
computed twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ctcasr.errors import BundleError, ConfigError
from ctcasr.features import FeatureExtractor
from ctcasr.features.numpy_stream import FeatureStream
from ctcasr.runtime.bundle import Bundle
from ctcasr.runtime.session import check_sizes, first_line, load_network

Float32 = npt.NDArray[np.float32]

STEP_SECONDS = 0.16
"""What is computed at a time, unless the settings of a stream say otherwise."""

_MULTIPLE = 4
"""The network takes a multiple of so many feature frames."""

_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class StreamNetwork:
    """The network of a bundle that takes and gives its states; recordings share it, each with states of its own."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the network.

        Raises:
            BundleError: the bundle has none, it is damaged, or its inputs and outputs do not fit the bundle.
        """
        path = bundle.stream_path
        if path is None:
            raise BundleError(
                f"{bundle.folder}: has no network that goes on frame by frame; export the run again"
            )
        self.path = path
        self._session = load_network(path)
        self._states = {
            node.name: (
                tuple(size if isinstance(size, int) else 1 for size in node.shape),
                _DTYPES.get(node.type, np.float32),
            )
            for node in self._session.get_inputs()[2:]
        }
        inputs = [node.name for node in self._session.get_inputs()]
        outputs = [node.name for node in self._session.get_outputs()]
        expected = [f"next_{name}" for name in self._states]
        if inputs[:2] != ["features", "feature_lengths"] or outputs != ["log_probs", *expected]:
            raise BundleError(
                f"{path}: maps {inputs} to {outputs}; expected features, feature_lengths and states to "
                "log_probs and the states after them: export the run again"
            )
        check_sizes(self._session, path, bundle)
        self._outputs = outputs

    def start(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the states where a recording begins."""
        return {name: np.zeros(shape, dtype) for name, (shape, dtype) in self._states.items()}

    def __call__(
        self, features: Float32, valid: int, states: dict[str, npt.NDArray[np.generic]]
    ) -> tuple[Float32, dict[str, npt.NDArray[np.generic]]]:
        """Return `log_probs (n, V)` of the features `(T, F)`, `valid` of them no padding, and the states after them.

        Raises:
            BundleError: ONNX Runtime cannot compute them.
        """
        fed = {"features": features[None], "feature_lengths": np.array([valid], np.int64)}
        try:
            log_probs, *after = self._session.run(self._outputs, fed | states)
        except Exception as error:  # many kinds, none of them public
            raise BundleError(
                f"{self.path}: cannot score {len(features)} frames ({first_line(error)}); export the run again"
            ) from error
        return log_probs[0], dict(zip(states, after, strict=True))


class IncrementalRows:
    """Take the samples of one recording, give rows of scores; each frame is computed once.

    Steps have the same frames whatever the pieces are, and so the scores are the same to the last bit.
    """

    def __init__(
        self, network: StreamNetwork, extractor: FeatureExtractor, bundle: Bundle, step_seconds: float
    ) -> None:
        """Start at the beginning of a recording.

        Args:
            network: of the bundle.
            extractor: of the bundle.
            bundle: that the network belongs to.
            step_seconds: of audio that are computed at a time, rounded to what the network takes.

        Raises:
            ConfigError: the step is not above 0, or the features need the whole recording.
        """
        if not 0 < step_seconds < 3600:
            raise ConfigError(f"steps of {step_seconds:g} s; expected more than 0, and less than 3600")
        description = bundle.description
        hop_seconds = description.features.hop_samples / description.features.sample_rate
        self._step = _MULTIPLE * max(1, round(step_seconds / hop_seconds / _MULTIPLE))
        self._network, self._subsampling = network, description.subsampling
        self._features = FeatureStream(extractor, self._step)
        self._states = network.start()
        self._frames = 0  # of features
        self._rows = 0
        self._rate, self._bins = description.features.sample_rate, description.features.dimension
        self._hop_seconds = hop_seconds
        self.samples = 0

    @property
    def latency_seconds(self) -> float:
        """The most that a row comes after its audio, apart from the time for computing."""
        waited = self._step + (_MULTIPLE - self._subsampling)  # with 2, a row waits for two frames more
        return waited * self._hop_seconds + self._features.delay_samples / self._rate

    @property
    def open_rows(self) -> Float32 | None:
        """The rows that may still change: none."""
        return None

    @property
    def is_one_piece(self) -> bool:
        """Whether the rows are to be decoded in one piece: never."""
        return False

    def push(self, samples: Float32) -> Iterator[Float32]:
        """Take samples `(n,)`; yield rows `(n, V)` step by step."""
        self.samples += len(samples)
        for features in self._features.push(samples):
            yield self._score(features)

    def finish(self) -> Iterator[Float32]:
        """Yield the rows that are left; none where nothing was taken."""
        if not self.samples:
            return
        for features in self._features.finish():
            yield self._score(features)
        rows = -(-self._frames // self._subsampling)
        if rows > self._rows:  # the last one waits for what comes after it
            yield self._score(np.zeros((0, self._bins), np.float32))

    def _score(self, features: Float32) -> Float32:
        missing = max(_MULTIPLE, -(-len(features) // _MULTIPLE) * _MULTIPLE) - len(features)
        padded = np.pad(features, ((0, missing), (0, 0)))
        log_probs, self._states = self._network(padded, len(features), self._states)
        self._frames += len(features)
        rows = log_probs[: -(-self._frames // self._subsampling) - self._rows]
        self._rows += len(rows)
        return rows


__all__ = ["STEP_SECONDS", "IncrementalRows", "StreamNetwork"]
