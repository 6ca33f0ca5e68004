"""Networks as ONNX graphs, node by node: what they are made of, and the acoustic model.

The graphs are written out rather than traced: the recurrent operators take the sequence lengths, so that padding is
honoured without the reversal that training uses, and a file does not depend on a tracer's version.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.models.recurrent import RecurrentLayer, RecurrentLayers
from ctcasr.models.subsampling import KERNEL, STRIDES, ConvSubsampling, halved
from ctcasr.training.onnx_builder import GraphBuilder, value
from ctcasr.training.onnx_cells import Memory, add_batch_norm, add_layer


def build_graph(model: AcousticModel) -> onnx.ModelProto:
    """Return the model as ONNX.

    Maps `features (B, T, F)` and `feature_lengths (B,)` to `log_probs (B, T', V)` and `input_lengths (B,)`.
    """
    graph = GraphBuilder()
    hidden, lengths = add_subsampling(graph, model.subsampling)
    log_probs = _output(graph, model, add_layers(graph, model.layers, hidden, lengths))
    keep = graph.add("Unsqueeze", [graph.mask(lengths, log_probs, 1), graph.integers(2)])
    graph.name_output(graph.add("Mul", [log_probs, keep]), "log_probs")
    graph.name_output(lengths, "input_lengths")
    return graph.model(
        [value("features", ("B", "T", model.bins)), value("feature_lengths", ("B",), TensorProto.INT64)],
        [
            value("log_probs", ("B", "T'", model.symbols)),
            value("input_lengths", ("B",), TensorProto.INT64),
        ],
    )


def build_stream_graph(model: AcousticModel) -> onnx.ModelProto:
    """Return a model of one direction as ONNX for a recording that comes in pieces.

    Maps `features (1, T, F)`, T a multiple of 4, of which the first `feature_lengths (1,)` frames are no padding,
    and the states where the last piece ended, to `log_probs (1, T', V)` and the states after this piece. A state
    `state_N` comes back as `next_state_N`; where a recording begins it is zero, and an axis without a size has one
    entry. Padding may only stand where the recording ends. With a subsampling of 2, each output waits for two more
    feature frames: the last comes when these, as padding, do.
    """
    graph, memory = GraphBuilder(), Memory()
    sequences = graph.add("Transpose", [_stream_subsampling(graph, model, memory)], perm=[1, 0, 2])
    for layer in model.layers:
        assert isinstance(layer, RecurrentLayer)
        assert layer.back is None
        sequences = add_layer(graph, layer, sequences, "", memory)
    graph.name_output(_output(graph, model, sequences), "log_probs")
    outputs = [value("log_probs", (1, "T'", model.symbols))]
    for entered, after in zip(memory.inputs, memory.after, strict=True):
        graph.name_output(after, f"next_{entered.name}")
        outputs.append(onnx.ValueInfoProto(name=f"next_{entered.name}", type=entered.type))
    return graph.model(
        [
            value("features", (1, "T", model.bins)),
            value("feature_lengths", (1,), TensorProto.INT64),
            *memory.inputs,
        ],
        outputs,
    )


def add_layers(graph: GraphBuilder, layers: RecurrentLayers, hidden: str, lengths: str) -> str:
    """Add recurrent layers over `hidden (B, T', inputs)`; return the name of `(T', B, outputs)`."""
    lengths_32 = graph.add("Cast", [lengths], to=TensorProto.INT32)
    sequences = graph.add("Transpose", [hidden], perm=[1, 0, 2])
    for layer in layers:
        assert isinstance(layer, RecurrentLayer)
        sequences = add_layer(graph, layer, sequences, lengths_32)
    return sequences


def add_subsampling(graph: GraphBuilder, subsampling: ConvSubsampling) -> tuple[str, str]:
    """Add the convolutions over `features`; return the names of `(B, T', outputs)` and of the lengths `(B,)`."""
    maps, lengths = graph.add("Unsqueeze", ["features", graph.integers(1)]), "feature_lengths"
    for convolution, stride in zip(subsampling.convolutions, STRIDES[subsampling.factor], strict=True):
        kept = _keep(graph, maps, lengths)
        maps = _convolve(graph, convolution, kept, [1, 1, 1, 1], stride)
        if stride == 2:
            lengths = _halved(graph, lengths)
    return _flat(graph, subsampling, maps), lengths


def _stream_subsampling(graph: GraphBuilder, model: AcousticModel, memory: Memory) -> str:
    """Add the convolutions over a piece and the frames before it that they still see, without padding in time.

    A kernel of 3 sees one frame on either side. With stride 2, outputs end with the piece and need one frame before it.
    With stride 1 the last frame waits for the one behind it: two frames are kept; only one where a recording begins,
    the padding.
    """
    maps, lengths = graph.add("Unsqueeze", ["features", graph.integers(1)]), "feature_lengths"
    channels, bins = 1, model.bins
    for convolution, stride in zip(
        model.subsampling.convolutions, STRIDES[model.settings.subsampling], strict=True
    ):
        kept = KERNEL - stride
        before = memory.enter((1, channels, 1 if kept == 1 else "kept", bins))
        seen = graph.add("Concat", [before, _keep(graph, maps, lengths)], axis=2)
        memory.leave(graph.last(seen, kept, 2))
        maps = _convolve(graph, convolution, seen, [0, 1, 0, 1], stride)
        lengths = _halved(graph, lengths)
        channels, bins = model.settings.channels, halved(bins)
    return _flat(graph, model.subsampling, maps)


def _keep(graph: GraphBuilder, maps: str, lengths: str) -> str:
    """Set the frames beyond each length to zero."""
    inside = graph.add("Unsqueeze", [graph.mask(lengths, maps, 2), graph.integers(1, 3)])
    return graph.add("Mul", [maps, inside])


def _convolve(graph: GraphBuilder, convolution: nn.Module, maps: str, pads: list[int], stride: int) -> str:
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    weights = [graph.constant(convolution.weight), graph.constant(convolution.bias)]
    return graph.add("Relu", [graph.add("Conv", [maps, *weights], pads=pads, strides=[stride, 2])])


def _halved(graph: GraphBuilder, lengths: str) -> str:
    rounded = graph.add("Add", [lengths, graph.constant(1, np.int64)])
    return graph.add("Div", [rounded, graph.constant(2, np.int64)])


def _flat(graph: GraphBuilder, subsampling: ConvSubsampling, maps: str) -> str:
    shape = graph.integers(0, 0, subsampling.output_size)
    frames = graph.add("Reshape", [graph.add("Transpose", [maps], perm=[0, 2, 1, 3]), shape])
    return frames if subsampling.norm is None else add_batch_norm(graph, subsampling.norm, frames)


def _output(graph: GraphBuilder, model: AcousticModel, sequences: str) -> str:
    """Add the output layer; return the log-probabilities `(B, T', V)` of `sequences (T', B, width)`."""
    logits = graph.add("MatMul", [sequences, graph.constant(model.output.weight.T)])
    logits = graph.add("Add", [logits, graph.constant(model.output.bias)])
    return graph.add("Transpose", [graph.add("LogSoftmax", [logits], axis=-1)], perm=[1, 0, 2])


def has_int8(settings: ModelSettings) -> bool:
    """Tell whether an int8 network is worth having: ONNX Runtime quantises neither its RNN nor its GRU operator."""
    return settings.cell not in ("rnn", "gru", "scrn")


def write_models(model: AcousticModel, fp32: Path, int8: Path) -> None:
    """Write an acoustic model; see `save_models`."""
    save_models(build_graph(model), model.settings, fp32, int8)


def save_models(graph: onnx.ModelProto, settings: ModelSettings, fp32: Path, int8: Path) -> None:
    """Write the float32 graph, and the one with int8 weights and dynamically quantised activations if it is worth it.

    In int8 are all matrices of an LSTM, and of the other cells those that multiply the inputs of a layer. Weights take
    seven bits: where a processor has no instructions for int8 (VNNI), ONNX Runtime adds pairs of products in 16 bits,
    which eight bits overflow. So every processor writes the same.
    """
    onnx.save(graph, fp32)
    if has_int8(settings):
        root = logging.getLogger()
        root.addFilter(_is_no_advice)
        try:
            quantize_dynamic(
                fp32,
                int8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["LSTM", "MatMul"],
                per_channel=True,
                reduce_range=True,
            )
        finally:
            root.removeFilter(_is_no_advice)


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Keep back onnxruntime's advice to optimise a graph first: ours is as it should be, and nobody can act on it."""
    return "pre-processing before quantization" not in record.getMessage()
