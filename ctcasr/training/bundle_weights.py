"""The weights of a bundle's network, read back from its ONNX graph, so that a training can go on from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor

from ctcasr.errors import BundleError, ConfigError
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.runtime import Bundle
from ctcasr.runtime.bundle import MODEL_FILES, find_model
from ctcasr.training.onnx_graph import build_graph

Constants = dict[str, npt.NDArray[np.float32]]

_DIGIT = 1 << 12
"""Numbers of weights are carried through a float32 graph in two digits: it holds integers up to 2^24 only."""

_LEAST = 2
"""What is added to a digit: below it are the zeros and ones of a graph that are no weights."""


def bundle_weights(bundle: Bundle, settings: ModelSettings) -> tuple[Path, dict[str, Tensor]]:
    """Return the file of a bundle's network and its weights, by their names in an `AcousticModel`.

    A graph is written in which each weight is its own number: where a number stands, the bundle's graph has that
    weight. It has those of float32 to the last bit; those of int8 to what quantisation left of them.

    Args:
        bundle: one that transcribes.
        settings: of the network that it was exported from.

    Raises:
        ConfigError: it was exported from a network of other settings, or of a cell whose graph does not have the
            weights as they are.
        BundleError: the file of the network is missing or damaged.
    """
    path = _best_model(bundle.folder)
    found = _constants(_read_graph(path))
    model = AcousticModel(settings, bundle.description.features.dimension, bundle.description.symbols)
    size = sum(tensor.numel() for tensor in model.state_dict().values())
    numbers = np.arange(size)
    low, high = (_with_weights(model, digit + _LEAST) for digit in (numbers % _DIGIT, numbers // _DIGIT))
    _check_shapes(path, found, low)
    weights = np.zeros(size, np.float32)
    for name, constant in found.items():
        digits = np.stack([low[name].ravel(), high[name].ravel()]) - _LEAST
        is_weight = ((digits >= 0) & (digits == np.rint(digits))).all(axis=0)
        places = digits[:, is_weight].astype(np.int64)
        weights[places[0] + _DIGIT * places[1]] = constant.ravel()[is_weight]
    written = _with_weights(model, weights)
    if not all(np.array_equal(written[name], constant) for name, constant in found.items()):
        raise ConfigError(
            f"{path}: the weights of model.cell = {settings.cell!r} cannot be read back from a bundle; give "
            "run.start_from the folder of the run"
        )
    return path, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _best_model(folder: Path) -> Path:
    """Return the float32 network of a bundle, or the int8 one where it is alone."""
    path = folder / MODEL_FILES["fp32"]
    return path if path.is_file() else find_model(folder)


def _read_graph(path: Path) -> onnx.GraphProto:
    try:
        return onnx.load(path).graph
    except (OSError, DecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); export the run again") from error


def _constants(graph: onnx.GraphProto) -> Constants:
    """Return the constants in float32 by their names before quantisation, those of the graphs in its nodes as well."""
    graphs = [graph, *(item.g for node in graph.node for item in node.attribute if item.HasField("g"))]
    raw = {item.name: numpy_helper.to_array(item) for part in graphs for item in part.initializer}
    constants = {}
    for name, array in raw.items():
        if array.dtype == np.int8 and name.endswith("_quantized"):
            name = name.removesuffix("_quantized")
            scale, zero = raw[f"{name}_scale"], raw[f"{name}_zero_point"]
            columns = (array.astype(np.int32) - zero[..., None, :]).astype(np.float32) * scale[..., None, :]
            # An LSTM's matrices were turned.
            constants[name] = columns if columns.ndim == 2 else columns.swapaxes(1, 2)
        elif array.dtype == np.float32 and not name.endswith("_scale"):
            constants[name] = array
    return constants


def _with_weights(model: AcousticModel, weights: npt.NDArray[np.generic]) -> Constants:
    """Set all weights of a model, one after the other, and return the constants of its graph."""
    tensors = model.state_dict().values()
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(torch.from_numpy(weights.astype(np.float32)), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
    return _constants(build_graph(model).graph)


def _check_shapes(path: Path, found: Constants, expected: Constants) -> None:
    shapes, wanted = ({name: array.shape for name, array in part.items()} for part in (found, expected))
    differ = [name for name in sorted(shapes | wanted, key=_number) if shapes.get(name) != wanted.get(name)]
    if differ:
        name = differ[0]
        raise ConfigError(
            f"{path}: is not the network of this configuration's [model]: a matrix of it is "
            f"{shapes.get(name, 'missing')}, here {wanted.get(name, 'missing')}; give channels, layers, hidden and "
            "cell as they were when it was trained: the bundle's README.md tells them"
        )


def _number(name: str) -> tuple[int, str]:
    """Order constants as they were added."""
    digits = name.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else 0), name
