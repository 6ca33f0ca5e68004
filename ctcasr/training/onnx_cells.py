"""Recurrent layers as ONNX nodes.

ONNX has operators for RNN, GRU and LSTM, which take the lengths of sequences. The other cells are a Scan over the
frames, of the forward direction of each: ReverseSequence turns the sequences round within their lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from torch import Tensor, nn

from ctcasr.models.batch_norm import EPSILON, FrameBatchNorm
from ctcasr.models.cells import (
    SLOWNESS,
    ClockworkRnn,
    LightGru,
    ProjectedLstm,
    StructurallyConstrainedRnn,
)
from ctcasr.models.recurrent import RecurrentLayer
from ctcasr.training.onnx_builder import GraphBuilder, value

_GATES = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
"""Where ONNX's gates stand among torch's: of the GRU update, reset, new; of the LSTM input, output, forget, cell."""


@dataclass
class Memory:
    """What a stream carries from one piece to the next: inputs of the graph, and what they are after the piece."""

    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def enter(self, shape: Sequence[str | int], kind: int = onnx.TensorProto.FLOAT) -> str:
        """Add an input, zero where a recording begins, and return its name."""
        self.inputs.append(value(f"state_{len(self.inputs)}", shape, kind))
        name: str = self.inputs[-1].name
        return name

    def leave(self, *values: str) -> None:
        """Say what the inputs that were entered last are after the piece, in their order."""
        self.after += values


def add_layer(
    graph: GraphBuilder, layer: RecurrentLayer, sequences: str, lengths: str, memory: Memory | None = None
) -> str:
    """Add one layer over `sequences (T', B, inputs)` and return its outputs, as long.

    Args:
        graph: to add to.
        layer: of the model.
        sequences: name of the inputs.
        lengths: name of `(B,)` int32 frames; empty where all are.
        memory: of a stream, of which `sequences` are a piece, and B is 1.
    """
    directions = [layer.ahead] if layer.back is None else [layer.ahead, layer.back]
    if isinstance(layer.ahead, nn.RNNBase):
        outputs = _native(graph, directions, sequences, lengths, memory)
    else:
        outputs = _one_way(graph, layer.ahead, sequences, memory)
        if layer.back is not None:
            turned = _turn(graph, sequences, lengths)
            back = _turn(graph, _one_way(graph, layer.back, turned, None), lengths)
            outputs = graph.add("Concat", [outputs, back], axis=-1)
    if isinstance(layer.norm, nn.LayerNorm):
        norm = [graph.constant(layer.norm.weight), graph.constant(layer.norm.bias)]
        outputs = graph.add("LayerNormalization", [outputs, *norm], axis=-1, epsilon=layer.norm.eps)
    return graph.add("Add", [sequences, outputs]) if layer.residual else outputs


def add_batch_norm(graph: GraphBuilder, norm: FrameBatchNorm, frames: str) -> str:
    """Add the normalisation of `frames (..., size)` by running means and variances.

    Its constants are as the module has them, so that `bundle_weights` finds them; ONNX Runtime takes the root once.
    """
    variance = graph.add("Add", [graph.constant(norm.running_var), graph.constant(np.full(1, EPSILON))])
    centred = graph.add("Sub", [frames, graph.constant(norm.running_mean)])
    scaled = graph.add(
        "Mul", [graph.add("Div", [centred, graph.add("Sqrt", [variance])]), graph.constant(norm.weight)]
    )
    return graph.add("Add", [scaled, graph.constant(norm.bias)])


def _native(
    graph: GraphBuilder, directions: list[nn.Module], sequences: str, lengths: str, memory: Memory | None
) -> str:
    first = directions[0]
    assert isinstance(first, nn.RNNBase)
    operator, hidden = type(first).__name__, first.hidden_size

    def stacked(*names: str) -> npt.NDArray[np.float32]:
        rows = [[_gates(cell.get_parameter(name), operator) for name in names] for cell in directions]
        return np.stack([np.concatenate(row) for row in rows])

    weights = [stacked("weight_ih_l0"), stacked("weight_hh_l0"), stacked("bias_ih_l0", "bias_hh_l0")]
    inputs = [sequences, *map(graph.constant, weights), lengths]
    states = 2 if operator == "LSTM" else 1
    if memory is not None:
        inputs += [memory.enter((1, 1, hidden)) for _ in range(states)]
    outputs = graph.add_many(
        operator,
        inputs,
        1 if memory is None else 1 + states,
        hidden_size=hidden,
        direction="bidirectional" if len(directions) == 2 else "forward",
        **({"linear_before_reset": 1} if operator == "GRU" else {}),
    )
    if memory is not None:
        memory.leave(*outputs[1:])
    output = graph.add("Transpose", [outputs[0]], perm=[0, 2, 1, 3])
    return graph.add("Reshape", [output, graph.integers(0, 0, len(directions) * hidden)])


def _gates(parameter: Tensor, operator: str) -> npt.NDArray[np.float32]:
    """Reorder the gates of a parameter from torch's order to ONNX's."""
    order = _GATES[operator]
    rows = np.split(parameter.detach().cpu().numpy(), len(order))
    return np.concatenate([rows[number] for number in order])


def _turn(graph: GraphBuilder, sequences: str, lengths: str) -> str:
    wide = graph.add("Cast", [lengths], to=onnx.TensorProto.INT64)
    return graph.add("ReverseSequence", [sequences, wide], time_axis=0, batch_axis=1)


def _one_way(graph: GraphBuilder, cell: nn.Module, sequences: str, memory: Memory | None) -> str:
    """Add a cell that reads forward and return its outputs `(T', B, width)`."""
    if isinstance(cell, LightGru):
        return _light_gru(graph, cell, sequences, memory)
    if isinstance(cell, ProjectedLstm):
        return _projected_lstm(graph, cell, sequences, memory)
    if isinstance(cell, ClockworkRnn):
        return _clockwork(graph, cell, sequences, memory)
    assert isinstance(cell, StructurallyConstrainedRnn)
    return _structurally_constrained(graph, cell, sequences, memory)


def _heard(graph: GraphBuilder, cell: LightGru | ProjectedLstm | ClockworkRnn, sequences: str) -> str:
    return graph.add("MatMul", [sequences, graph.constant(cell.weight_ih_l0.T)])


def _light_gru(graph: GraphBuilder, cell: LightGru, sequences: str, memory: Memory | None) -> str:
    hidden = cell.hidden
    heard = add_batch_norm(graph, cell.norm, _heard(graph, cell, sequences))
    scan = _Scan(graph, memory, [hidden])
    heard_here, state = scan.take(heard, 2 * hidden), scan.states[0]
    body = scan.body
    gates = body.add("MatMul", [state, body.constant(cell.weight_hh_l0.T)])
    update, candidate = body.add_many("Split", [body.add("Add", [gates, heard_here])], 2, axis=-1)
    candidate = body.add("Relu", [candidate])
    kept = body.add("Mul", [body.add("Sigmoid", [update]), body.add("Sub", [state, candidate])])
    return scan.finish([body.add("Add", [candidate, kept])])


def _projected_lstm(graph: GraphBuilder, cell: ProjectedLstm, sequences: str, memory: Memory | None) -> str:
    hidden, width = cell.hidden, len(cell.weight_hr_l0)
    heard = graph.add("Add", [_heard(graph, cell, sequences), graph.constant(cell.bias_ih_l0)])
    scan = _Scan(graph, memory, [width, hidden])
    heard_here, (output, before), body = scan.take(heard, 4 * hidden), scan.states, scan.body
    gates = body.add("MatMul", [output, body.constant(cell.weight_hh_l0.T)])
    i, f, g, o = body.add_many("Split", [body.add("Add", [gates, heard_here])], 4, axis=-1)
    kept = body.add("Mul", [body.add("Sigmoid", [f]), before])
    new = body.add("Mul", [body.add("Sigmoid", [i]), body.add("Tanh", [g])])
    after = body.add("Add", [kept, new])
    shown = body.add("Mul", [body.add("Sigmoid", [o]), body.add("Tanh", [after])])
    return scan.finish([body.add("MatMul", [shown, body.constant(cell.weight_hr_l0.T)]), after])


def _clockwork(graph: GraphBuilder, cell: ClockworkRnn, sequences: str, memory: Memory | None) -> str:
    hidden = cell.hidden
    heard = graph.add("Add", [_heard(graph, cell, sequences), graph.constant(cell.bias_ih_l0)])
    frames, size = graph.range(graph.size(sequences, 0)), graph.size(sequences, 0)
    if memory is not None:
        first = memory.enter((1,), onnx.TensorProto.INT64)
        frames = graph.add("Add", [frames, first])
        slowest = graph.integers(1 << (cell.clock_modules - 1))
        memory.leave(graph.add("Mod", [graph.add("Add", [first, size]), slowest]))
    periods = np.repeat(1 << np.arange(cell.clock_modules), hidden // cell.clock_modules)
    waited = graph.add(
        "Mod", [graph.add("Unsqueeze", [frames, graph.integers(1)]), graph.constant(periods, np.int64)]
    )
    active = graph.add("Equal", [waited, graph.constant(0, np.int64)])
    scan = _Scan(graph, memory, [hidden])
    heard_here, state, body = scan.take(heard, hidden), scan.states[0], scan.body
    active_here = scan.take_row(active, hidden)
    weight = (cell.weight_hh_l0 * cell.mask).T
    changed = body.add("Add", [body.add("MatMul", [state, body.constant(weight)]), heard_here])
    return scan.finish([body.add("Where", [active_here, body.add("Tanh", [changed]), state])])


def _structurally_constrained(
    graph: GraphBuilder, cell: StructurallyConstrainedRnn, sequences: str, memory: Memory | None
) -> str:
    """Add both kinds of units as RNN operators; the slow ones have the identity for an activation."""

    def rnn(inputs: str, weight: Tensor, recurrent: Tensor, **attributes: object) -> str:
        size = len(recurrent)
        constants = [graph.constant(weight[None]), graph.constant(recurrent[None])]
        names = [inputs, *constants, attributes.pop("bias", ""), ""]
        if memory is not None:
            names.append(memory.enter((1, 1, size)))
        outputs = graph.add_many(
            "RNN", [str(name) for name in names], 1 if memory is None else 2, hidden_size=size, **attributes
        )
        if memory is not None:
            memory.leave(outputs[1])
        return graph.add("Squeeze", [outputs[0], graph.integers(1)])

    slow_units = len(cell.weight_slow_l0)
    slow = rnn(
        sequences,
        (1 - SLOWNESS) * cell.weight_slow_l0,
        SLOWNESS * cell.weight_slow_l0.new_ones(slow_units).diag(),
        activations=["Affine"],
        activation_alpha=[1.0],
        activation_beta=[0.0],
    )
    bias = graph.constant(np.pad(cell.bias_ih_l0.detach().cpu().numpy(), (0, cell.hidden))[None])
    heard = graph.add("Concat", [sequences, slow], axis=-1)
    hidden = rnn(heard, cell.weight_ih_l0, cell.weight_hh_l0, bias=bias, activations=["Sigmoid"])
    return graph.add("Concat", [hidden, slow], axis=-1)


class _Scan:
    """A loop over the frames; the first of its states is what it puts out."""

    def __init__(self, graph: GraphBuilder, memory: Memory | None, widths: Sequence[int]) -> None:
        self._graph, self._memory, self._widths = graph, memory, widths
        self._prefix = f"scan_{len(graph.nodes)}_"
        self.body = GraphBuilder(self._prefix)
        self.states = [f"{self._prefix}state_{number}" for number in range(len(widths))]
        self._frames: list[str] = []
        self._inputs = [value(name, ("B", width)) for name, width in zip(self.states, widths, strict=True)]

    def take(self, sequences: str, width: int) -> str:
        """Read `sequences (T', B, width)`; return the name of a frame `(B, width)` in the body."""
        return self._take(sequences, value(f"{self._prefix}frame_{len(self._frames)}", ("B", width)))

    def take_row(self, rows: str, width: int) -> str:
        """Read truth values `rows (T', width)`; return the name of a row `(width,)` in the body."""
        name = f"{self._prefix}frame_{len(self._frames)}"
        return self._take(rows, value(name, (width,), onnx.TensorProto.BOOL))

    def _take(self, name: str, frame: onnx.ValueInfoProto) -> str:
        self._frames.append(name)
        self._inputs.append(frame)
        inside: str = frame.name
        return inside

    def finish(self, after: list[str]) -> str:
        """Add the loop, with what its states become in a frame; return the first state of all frames."""
        graph, memory = self._graph, self._memory
        shown = self.body.add("Identity", [after[0]])
        outputs = [
            value(name, ("B", width))
            for name, width in zip([*after, shown], [*self._widths, self._widths[0]], strict=True)
        ]
        if memory is None:
            batch = graph.add("Unsqueeze", [graph.size(self._frames[0], 1), graph.integers(0)])
            shapes = (graph.add("Concat", [batch, graph.integers(width)], axis=0) for width in self._widths)
            start = [graph.add("ConstantOfShape", [shape]) for shape in shapes]
        else:
            start = [memory.enter((1, width)) for width in self._widths]
        found = graph.add_many(
            "Scan",
            [*start, *self._frames],
            len(after) + 1,
            body=self.body.body(self._inputs, outputs),
            num_scan_inputs=len(self._frames),
        )
        if memory is not None:
            memory.leave(*found[:-1])
        return found[-1]
