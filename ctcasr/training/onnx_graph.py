"""The acoustic model as an ONNX graph, node by node.

The graph is written out rather than traced: the LSTM operator takes the sequence lengths, so that padding is
honoured without the reversal that training uses, and the file does not depend on a tracer's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from ctcasr.models import AcousticModel
from ctcasr.models.bilstm import BiLSTMLayer
from ctcasr.models.subsampling import STRIDES

OPSET = 17
_IR_VERSION = 8  # of opset 17: older ONNX Runtimes read the file as well


class GraphBuilder:
    """Collect nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, value: npt.ArrayLike | Tensor, dtype: type[np.generic] = np.float32) -> str:
        """Add a constant and return its name."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype, order="C"), name))
        return name

    def mask(self, lengths: str, like: str, axis: int) -> str:
        """Return the mask `(B, T)` in float of the frames inside each length; T is axis `axis` of `like`."""
        size = self.add("Gather", [self.add("Shape", [like]), self.constant(axis, np.int64)])
        frames = self.add("Range", [self.constant(0, np.int64), size, self.constant(1, np.int64)])
        inside = self.add("Less", [frames, self.add("Unsqueeze", [lengths, self.constant([1], np.int64)])])
        return self.add("Cast", [inside], to=TensorProto.FLOAT)


def build_graph(model: AcousticModel) -> onnx.ModelProto:
    """Return the model as ONNX.

    Maps `features (B, T, F)` and `feature_lengths (B,)` to `log_probs (B, T', V)` and `input_lengths (B,)`.
    """
    graph = GraphBuilder()
    hidden, lengths = _subsampling(graph, model)
    lengths_32 = graph.add("Cast", [lengths], to=TensorProto.INT32)
    sequences = graph.add("Transpose", [hidden], perm=[1, 0, 2])
    for layer in model.layers:
        assert isinstance(layer, BiLSTMLayer)
        sequences = _bilstm(graph, layer, sequences, lengths_32)
    logits = graph.add("MatMul", [sequences, graph.constant(model.output.weight.T)])
    logits = graph.add("Add", [logits, graph.constant(model.output.bias)])
    log_probs = graph.add("Transpose", [graph.add("LogSoftmax", [logits], axis=-1)], perm=[1, 0, 2])
    keep = graph.add("Unsqueeze", [graph.mask(lengths, log_probs, 1), graph.constant([2], np.int64)])
    graph.nodes.append(helper.make_node("Mul", [log_probs, keep], ["log_probs"], name="log_probs"))
    graph.nodes.append(helper.make_node("Identity", [lengths], ["input_lengths"], name="input_lengths"))
    return _finish(graph, model)


def _subsampling(graph: GraphBuilder, model: AcousticModel) -> tuple[str, str]:
    maps = graph.add("Unsqueeze", ["features", graph.constant([1], np.int64)])
    lengths = "feature_lengths"
    for convolution, stride in zip(
        model.subsampling.convolutions, STRIDES[model.settings.subsampling], strict=True
    ):
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        keep = graph.add("Unsqueeze", [graph.mask(lengths, maps, 2), graph.constant([1, 3], np.int64)])
        weights = [graph.constant(convolution.weight), graph.constant(convolution.bias)]
        maps = graph.add(
            "Conv", [graph.add("Mul", [maps, keep]), *weights], pads=[1, 1, 1, 1], strides=[stride, 2]
        )
        maps = graph.add("Relu", [maps])
        if stride == 2:
            rounded = graph.add("Add", [lengths, graph.constant(1, np.int64)])
            lengths = graph.add("Div", [rounded, graph.constant(2, np.int64)])
    flat = graph.constant([0, 0, model.subsampling.output_size], np.int64)
    return graph.add("Reshape", [graph.add("Transpose", [maps], perm=[0, 2, 1, 3]), flat]), lengths


def _bilstm(graph: GraphBuilder, layer: BiLSTMLayer, sequences: str, lengths: str) -> str:
    """Add one layer over `(T', B, inputs)`."""
    hidden = layer.ahead.hidden_size
    directions = (layer.ahead, layer.back)
    weights = np.stack([_gates(lstm.get_parameter("weight_ih_l0"), hidden) for lstm in directions])
    recurrent = np.stack([_gates(lstm.get_parameter("weight_hh_l0"), hidden) for lstm in directions])
    biases = np.stack(
        [
            np.concatenate(
                [
                    _gates(lstm.get_parameter("bias_ih_l0"), hidden),
                    _gates(lstm.get_parameter("bias_hh_l0"), hidden),
                ]
            )
            for lstm in directions
        ]
    )
    inputs = [sequences, graph.constant(weights), graph.constant(recurrent), graph.constant(biases), lengths]
    output = graph.add("LSTM", inputs, hidden_size=hidden, direction="bidirectional")
    output = graph.add("Transpose", [output], perm=[0, 2, 1, 3])
    output = graph.add("Reshape", [output, graph.constant([0, 0, 2 * hidden], np.int64)])
    norm = [graph.constant(layer.norm.weight), graph.constant(layer.norm.bias)]
    return graph.add("LayerNormalization", [output, *norm], axis=-1, epsilon=layer.norm.eps)


def _gates(parameter: Tensor, hidden: int) -> npt.NDArray[np.float32]:
    """Reorder torch's gates (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    rows = parameter.detach().cpu().numpy()
    i, f, g, o = (rows[number * hidden : (number + 1) * hidden] for number in range(4))
    return np.concatenate([i, o, f, g])


def _finish(graph: GraphBuilder, model: AcousticModel) -> onnx.ModelProto:
    def value(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "ctcasr",
            [
                value("features", TensorProto.FLOAT, ["B", "T", model.bins]),
                value("feature_lengths", TensorProto.INT64, ["B"]),
            ],
            [
                value("log_probs", TensorProto.FLOAT, ["B", "T'", model.symbols]),
                value("input_lengths", TensorProto.INT64, ["B"]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="ctcasr",
    )
    proto.ir_version = _IR_VERSION
    onnx.checker.check_model(proto, full_check=True)
    return proto


def write_models(model: AcousticModel, fp32: Path, int8: Path) -> None:
    """Write the float32 graph, and the one with int8 weights and dynamically quantised activations."""
    onnx.save(build_graph(model), fp32)
    quantize_dynamic(
        fp32,
        int8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["LSTM", "MatMul"],
        per_channel=True,
    )
