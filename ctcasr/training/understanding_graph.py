"""Networks that understand as ONNX graphs, node by node."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto
from torch import nn

from ctcasr.models.heads import LabelHead
from ctcasr.models.tokens import (
    FIRST_SUBWORD,
    HASH_FACTOR,
    HASH_MODULUS,
    KERNEL,
    LONGEST,
    SHORTEST,
    TokenFront,
)
from ctcasr.models.understanding import UnderstandingModel
from ctcasr.training.onnx_builder import GraphBuilder, value
from ctcasr.training.onnx_graph import add_layers, add_subsampling

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
            value("words", ("B", "T"), TensorProto.INT64),
            value("characters", ("B", "T", "C"), TensorProto.INT64),
            value("lengths", ("B",), TensorProto.INT64),
        ]
    else:
        hidden, lengths = add_subsampling(graph, model.front)
        inputs = [
            value("features", ("B", "T", model.front.bins)),
            value("feature_lengths", ("B",), TensorProto.INT64),
        ]
    sequences = graph.add("Transpose", [add_layers(graph, model.layers, hidden, lengths)], perm=[1, 0, 2])
    outputs = []
    if model.tag_head is not None:
        graph.name_output(_linear(graph, sequences, model.tag_head.output), "tag_scores")
        outputs.append(value("tag_scores", ("B", "T", model.outputs.tags)))
    if model.label_head is not None:
        pooled = _pooled(graph, model.label_head, sequences, lengths)
        graph.name_output(_linear(graph, pooled, model.label_head.output), "label_scores")
        outputs.append(value("label_scores", ("B", model.outputs.labels)))
    return graph.model(inputs, outputs)


def _tokens(graph: GraphBuilder, front: TokenFront) -> str:
    vectors = graph.add("Gather", [graph.constant(front.words.weight), "words"], axis=0)
    if front.subwords is not None:
        vectors = graph.add("Add", [vectors, _subwords(graph, front.subwords)])
    if front.characters is None:
        return vectors
    spelled = graph.add("Gather", [graph.constant(front.characters.weight), "characters"], axis=0)
    maps = graph.add("Transpose", [spelled], perm=[0, 3, 1, 2])  # (B, size, T, C)
    assert front.spelling.bias is not None
    weights = [graph.constant(front.spelling.weight[:, :, None]), graph.constant(front.spelling.bias)]
    maps = graph.add("Conv", [maps, *weights], pads=[0, KERNEL // 2, 0, KERNEL // 2])
    inside = graph.add("Greater", ["characters", graph.constant(0, np.int64)])
    inside = graph.add("Unsqueeze", [graph.add("Cast", [inside], to=TensorProto.FLOAT), graph.integers(1)])
    maps = graph.add("Mul", [graph.add("Relu", [maps]), inside])
    highest = graph.add("ReduceMax", [maps], axes=[3], keepdims=0)
    return graph.add("Concat", [vectors, graph.add("Transpose", [highest], perm=[0, 2, 1])], axis=2)


def _subwords(graph: GraphBuilder, table: nn.Embedding) -> str:
    """Add what `models.tokens.subword_rows` does, and the sum of these rows; return the name of `(B, T, size)`."""
    last = np.iinfo(np.int64).max
    one, zero = graph.constant(1, np.int64), graph.constant(0, np.int64)
    padded = graph.add("Pad", ["characters", graph.integers(0, 0, 1, 0, 0, LONGEST - 2), zero])
    digits = []
    for place in range(LONGEST):
        end = place - LONGEST + 1 or last
        ends = [graph.integers(number) for number in (place, end, 2)]
        digits.append(graph.add("Slice", [padded, *ends]))
    hashed, found = graph.add("Add", [digits[0], one]), []
    for size, digit in enumerate(digits[1:], 2):
        product = graph.add("Mul", [hashed, graph.constant(HASH_FACTOR, np.int64)])
        total = graph.add("Add", [graph.add("Add", [product, digit]), one])
        hashed = graph.add("Mod", [total, graph.constant(HASH_MODULUS, np.int64)])
        if size >= SHORTEST:
            count = graph.constant(table.num_embeddings - FIRST_SUBWORD, np.int64)
            row = graph.add(
                "Add", [graph.add("Mod", [hashed, count]), graph.constant(FIRST_SUBWORD, np.int64)]
            )
            found.append(graph.add("Where", [graph.add("Greater", [digits[size - 2], zero]), row, zero]))
    rows = graph.add("Concat", found, axis=2)
    pieces = graph.add("Gather", [graph.constant(table.weight), rows], axis=0)
    inside = graph.add("Cast", [graph.add("Greater", [rows, zero])], to=TensorProto.FLOAT)
    number = graph.add(
        "Max", [graph.add("ReduceSum", [inside, graph.integers(2)], keepdims=1), graph.constant(1.0)]
    )
    return graph.add(
        "Div", [graph.add("ReduceSum", [pieces, graph.integers(2)], keepdims=0), graph.add("Sqrt", [number])]
    )


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
            graph.add("Slice", [source, graph.integers(start), graph.integers(stop), graph.integers(1)])
            for source, start, stop in ((ends, 0, head.ahead), (first, head.ahead, inputs))
        ]
        return graph.add("Concat", halves, axis=1)
    if head.pooling == "mean":
        count = graph.add(
            "Cast", [graph.add("Unsqueeze", [lengths, graph.integers(1)])], to=TensorProto.FLOAT
        )
        return graph.add("Div", [_weighted(graph, sequences, mask), count])
    keyed = graph.add("Tanh", [_linear(graph, sequences, head.key)])
    match = graph.add("MatMul", [keyed, graph.constant(head.query.weight.T)])
    match = graph.add("Squeeze", [match, graph.integers(2)])
    outside = graph.add("Sub", [graph.constant(1.0), mask])
    match = graph.add("Add", [match, graph.add("Mul", [outside, graph.constant(_FAR_BELOW)])])
    return _weighted(graph, sequences, graph.add("Softmax", [match], axis=1))


def _weighted(graph: GraphBuilder, sequences: str, weights: str) -> str:
    """Return the sum of the steps, each with its weight of `(B, T)`."""
    product = graph.add("Mul", [sequences, graph.add("Unsqueeze", [weights, graph.integers(2)])])
    return graph.add("ReduceSum", [product, graph.integers(1)], keepdims=0)


def _linear(graph: GraphBuilder, inputs: str, layer: nn.Linear) -> str:
    product = graph.add("MatMul", [inputs, graph.constant(layer.weight.T)])
    return graph.add("Add", [product, graph.constant(layer.bias)])
