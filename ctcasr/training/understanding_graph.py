"""Networks that understand as ONNX graphs, node by node."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from ctcasr.models.heads import LabelHead
from ctcasr.models.tokens import KERNEL, TokenFront
from ctcasr.models.understanding import UnderstandingModel
from ctcasr.training.onnx_graph import GraphBuilder, add_layers, add_subsampling, finish, value_info

_FAR_BELOW = -1e30
"""What is added to the match of a padded step, whose share becomes zero by it."""


def build_understanding_graph(model: UnderstandingModel) -> onnx.ModelProto:
    """Return the network as ONNX.

    Maps `words (B, T)`, `characters (B, T, C)` and `lengths (B,)`, or `features (B, T, F)` and `feature_lengths (B,)`,
    to `tag_scores (B, T, V)` and `label_scores (B, L)`, as far as it has them.
    """
    graph = GraphBuilder()
    if isinstance(model.front, TokenFront):
        hidden, lengths = _tokens(graph, model.front), "lengths"
        inputs = [
            value_info("words", TensorProto.INT64, ["B", "T"]),
            value_info("characters", TensorProto.INT64, ["B", "T", "C"]),
            value_info("lengths", TensorProto.INT64, ["B"]),
        ]
    else:
        hidden, lengths = add_subsampling(graph, model.front)
        inputs = [
            value_info("features", TensorProto.FLOAT, ["B", "T", model.front.bins]),
            value_info("feature_lengths", TensorProto.INT64, ["B"]),
        ]
    sequences = graph.add("Transpose", [add_layers(graph, model.layers, hidden, lengths)], perm=[1, 0, 2])
    outputs = []
    if model.tag_head is not None:
        _name(graph, _linear(graph, sequences, model.tag_head.output), "tag_scores")
        outputs.append(value_info("tag_scores", TensorProto.FLOAT, ["B", "T", model.outputs.tags]))
    if model.label_head is not None:
        pooled = _pooled(graph, model.label_head, sequences, lengths)
        _name(graph, _linear(graph, pooled, model.label_head.output), "label_scores")
        outputs.append(value_info("label_scores", TensorProto.FLOAT, ["B", model.outputs.labels]))
    return finish(graph, inputs, outputs)


def _tokens(graph: GraphBuilder, front: TokenFront) -> str:
    vectors = graph.add("Gather", [graph.constant(front.words.weight), "words"], axis=0)
    if front.characters is None:
        return vectors
    spelled = graph.add("Gather", [graph.constant(front.characters.weight), "characters"], axis=0)
    maps = graph.add("Transpose", [spelled], perm=[0, 3, 1, 2])  # (B, size, T, C)
    assert front.spelling.bias is not None
    weights = [graph.constant(front.spelling.weight[:, :, None]), graph.constant(front.spelling.bias)]
    maps = graph.add("Conv", [maps, *weights], pads=[0, KERNEL // 2, 0, KERNEL // 2])
    inside = graph.add("Greater", ["characters", graph.constant(0, np.int64)])
    inside = graph.add("Unsqueeze", [graph.add("Cast", [inside], to=TensorProto.FLOAT), _axes(graph, 1)])
    maps = graph.add("Mul", [graph.add("Relu", [maps]), inside])
    highest = graph.add("ReduceMax", [maps], axes=[3], keepdims=0)
    return graph.add("Concat", [vectors, graph.add("Transpose", [highest], perm=[0, 2, 1])], axis=2)


def _pooled(graph: GraphBuilder, head: LabelHead, sequences: str, lengths: str) -> str:
    """Add the pooling over `sequences (B, T, inputs)`; return the name of `(B, inputs)`."""
    mask = graph.mask(lengths, sequences, 1)
    if head.pooling == "last":
        shorter = graph.add("Sub", [lengths, graph.constant(1, np.int64)])
        last = graph.add("Sub", [mask, graph.mask(shorter, sequences, 1)])  # one at the last step, else zero
        ends = _weighted(graph, sequences, last)
        first = graph.add("Gather", [sequences, graph.constant(0, np.int64)], axis=1)
        inputs = head.output.in_features
        if head.ahead == inputs:
            return ends
        halves = [
            graph.add("Slice", [source, _axes(graph, start), _axes(graph, stop), _axes(graph, 1)])
            for source, start, stop in ((ends, 0, head.ahead), (first, head.ahead, inputs))
        ]
        return graph.add("Concat", halves, axis=1)
    if head.pooling == "mean":
        count = graph.add("Cast", [graph.add("Unsqueeze", [lengths, _axes(graph, 1)])], to=TensorProto.FLOAT)
        return graph.add("Div", [_weighted(graph, sequences, mask), count])
    match = graph.add("MatMul", [graph.add("Tanh", [_linear(graph, sequences, head.key)]),
                                 graph.constant(head.query.weight[0])])  # fmt: skip
    outside = graph.add("Sub", [graph.constant(1.0), mask])
    match = graph.add("Sub", [match, graph.add("Mul", [outside, graph.constant(-_FAR_BELOW)])])
    return _weighted(graph, sequences, graph.add("Softmax", [match], axis=1))


def _weighted(graph: GraphBuilder, sequences: str, weights: str) -> str:
    """Return the sum of the steps, each with its weight of `(B, T)`."""
    product = graph.add("Mul", [sequences, graph.add("Unsqueeze", [weights, _axes(graph, 2)])])
    return graph.add("ReduceSum", [product, _axes(graph, 1)], keepdims=0)


def _linear(graph: GraphBuilder, inputs: str, layer: nn.Linear) -> str:
    product = graph.add("MatMul", [inputs, graph.constant(layer.weight.T)])
    return graph.add("Add", [product, graph.constant(layer.bias)])


def _axes(graph: GraphBuilder, axis: int) -> str:
    return graph.constant([axis], np.int64)


def _name(graph: GraphBuilder, value: str, name: str) -> None:
    graph.nodes.append(helper.make_node("Identity", [value], [name], name=name))
