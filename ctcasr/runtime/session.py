"""The acoustic model in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ctcasr.errors import BundleError
from ctcasr.runtime.bundle import Bundle

Float32 = npt.NDArray[np.float32]

INPUTS = ("features", "feature_lengths")
OUTPUTS = ("log_probs", "input_lengths")


class AcousticSession:
    """Run a bundle's network on one utterance at a time.

    One at a time because dynamic int8 takes the scale of its activations from the whole input: in a batch,
    an utterance's scores would depend on its neighbours. Threads share the session and run in parallel,
    which on a CPU keeps the cores as busy as batches would and pads nothing.
    """

    def __init__(self, bundle: Bundle, precision: str | None = None) -> None:
        """Load the network.

        Raises:
            BundleError: the file is damaged, or its inputs and outputs do not fit the bundle.
        """
        self.path = path = bundle.model_path(precision)
        self.precision = "int8" if path.name.endswith(".int8.onnx") else "fp32"
        self._session = load_network(path)
        self._check(path, bundle)

    def _check(self, path: Path, bundle: Bundle) -> None:
        inputs = tuple(node.name for node in self._session.get_inputs())
        outputs = tuple(node.name for node in self._session.get_outputs())
        if inputs != INPUTS or outputs != OUTPUTS:
            raise BundleError(
                f"{path}: maps {list(inputs)} to {list(outputs)}; expected {INPUTS} to {OUTPUTS}"
            )
        check_sizes(self._session, path, bundle)

    def __call__(self, features: Float32) -> Float32:
        """Return `log_probs (T', V)` of the features `(T, F)` of one utterance.

        Raises:
            BundleError: ONNX Runtime cannot compute them.
        """
        lengths = np.array([len(features)], np.int64)
        try:
            log_probs, input_lengths = self._session.run(
                OUTPUTS, {"features": features[None], "feature_lengths": lengths}
            )
        except Exception as error:  # many kinds, as above
            raise BundleError(
                f"{self.path}: cannot score {len(features)} frames ({first_line(error)}); export the run again"
            ) from error
        scores: Float32 = log_probs[0, : input_lengths[0]]
        return scores


def load_network(path: Path) -> onnxruntime.InferenceSession:
    """Load a network to run on one thread.

    Raises:
        BundleError: the file is damaged.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised; nothing else needs to be printed
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many kinds, none of them public
        raise BundleError(f"{path}: cannot be loaded ({first_line(error)}); export the run again") from error


def check_sizes(session: onnxruntime.InferenceSession, path: Path, bundle: Bundle) -> None:
    """Raise BundleError unless a network takes the features of the bundle and writes its symbols."""
    (features, *_), (log_probs, *_) = session.get_inputs(), session.get_outputs()
    bins, symbols = bundle.description.features.dimension, bundle.description.symbols
    if features.shape[-1] != bins:
        raise BundleError(f"{path}: takes {features.shape[-1]} feature bins; bundle.json describes {bins}")
    if log_probs.shape[-1] != symbols:
        raise BundleError(f"{path}: writes {log_probs.shape[-1]} symbols; bundle.json names {symbols}")


def first_line(error: Exception) -> str:
    """Return the beginning of what ONNX Runtime says."""
    return str(error).strip().split("\n")[0][:200]
