"""Networks as ONNX graphs, node by node: what they are made of, and the acoustic model.

A graph is written out rather than traced: the LSTM operator takes the sequence lengths, so that padding is
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
from ctcasr.models.subsampling import STRIDES, ConvSubsampling

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
    hidden, lengths = add_subsampling(graph, model.subsampling)
    sequences = add_layers(graph, model.layers, hidden, lengths)
    logits = graph.add("MatMul", [sequences, graph.constant(model.output.weight.T)])
    logits = graph.add("Add", [logits, graph.constant(model.output.bias)])
    log_probs = graph.add("Transpose", [graph.add("LogSoftmax", [logits], axis=-1)], perm=[1, 0, 2])
    keep = graph.add("Unsqueeze", [graph.mask(lengths, log_probs, 1), graph.constant([2], np.int64)])
    graph.nodes.append(helper.make_node("Mul", [log_probs, keep], ["log_probs"], name="log_probs"))
    graph.nodes.append(helper.make_node("Identity", [lengths], ["input_lengths"], name="input_lengths"))
    features = value_info("features", TensorProto.FLOAT, ["B", "T", model.bins])
    outputs = [
        value_info("log_probs", TensorProto.FLOAT, ["B", "T'", model.symbols]),
        value_info("input_lengths", TensorProto.INT64, ["B"]),
    ]
    return finish(graph, [features, value_info("feature_lengths", TensorProto.INT64, ["B"])], outputs)


def add_layers(graph: GraphBuilder, layers: nn.ModuleList, hidden: str, lengths: str) -> str:
    """Add recurrent layers over `hidden (B, T', inputs)`; return the name of `(T', B, outputs)`."""
    lengths_32 = graph.add("Cast", [lengths], to=TensorProto.INT32)
    sequences = graph.add("Transpose", [hidden], perm=[1, 0, 2])
    for layer in layers:
        assert isinstance(layer, BiLSTMLayer)
        sequences = _bilstm(graph, layer, sequences, lengths_32)
    return sequences


def add_subsampling(graph: GraphBuilder, subsampling: ConvSubsampling) -> tuple[str, str]:
    """Add the convolutions over `features`; return the names of `(B, T', outputs)` and of the lengths `(B,)`."""
    maps = graph.add("Unsqueeze", ["features", graph.constant([1], np.int64)])
    lengths = "feature_lengths"
    for convolution, stride in zip(subsampling.convolutions, STRIDES[subsampling.factor], strict=True):
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
    flat = graph.constant([0, 0, subsampling.output_size], np.int64)
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


def value_info(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
    """Return the description of an input or an output."""
    return helper.make_tensor_value_info(name, kind, shape)


def finish(
    graph: GraphBuilder, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """Return the checked graph."""
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "ctcasr", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="ctcasr",
    )
    proto.ir_version = _IR_VERSION
    onnx.checker.check_model(proto, full_check=True)
    return proto


def write_models(model: AcousticModel, fp32: Path, int8: Path) -> None:
    """Write an acoustic model; see `save_models`."""
    save_models(build_graph(model), fp32, int8)


def save_models(graph: onnx.ModelProto, fp32: Path, int8: Path) -> None:
    """Write the float32 graph, and the one with int8 weights and dynamically quantised activations."""
    onnx.save(graph, fp32)
    quantize_dynamic(
        fp32,
        int8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["LSTM", "MatMul"],
        per_channel=True,
    )
