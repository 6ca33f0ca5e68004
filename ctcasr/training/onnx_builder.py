"""ONNX graphs, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

OPSET = 17
_IR_VERSION = 8  # of opset 17: older ONNX Runtimes read the file as well


class GraphBuilder:
    """Collect nodes and constants; the graph in a node has a builder of its own, whose names begin with its prefix."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.add_many(operator, inputs, 1, **attributes)[0]

    def add_many(self, operator: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node with so many outputs and return their names."""
        name = f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        outputs = [name, *(f"{name}_{number}" for number in range(1, count))]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, name=name, **attributes))
        return outputs

    def name_output(self, value: str, name: str) -> None:
        """Give a value the name of an output of the graph."""
        self.nodes.append(helper.make_node("Identity", [value], [name], name=name))

    def constant(self, value: npt.ArrayLike | Tensor, dtype: type[np.generic] = np.float32) -> str:
        """Add a constant and return its name."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        """Add a constant row of integers and return its name."""
        return self.constant(values, np.int64)

    def size(self, of: str, axis: int) -> str:
        """Return the size of an axis, an integer without axes."""
        return self.add("Gather", [self.add("Shape", [of]), self.constant(axis, np.int64)])

    def range(self, size: str) -> str:
        """Return the integers below a size."""
        return self.add("Range", [self.constant(0, np.int64), size, self.constant(1, np.int64)])

    def mask(self, lengths: str, like: str, axis: int) -> str:
        """Return the mask `(B, T)` in float of the frames inside each length; T is axis `axis` of `like`."""
        frames = self.range(self.size(like, axis))
        inside = self.add("Less", [frames, self.add("Unsqueeze", [lengths, self.integers(1)])])
        return self.add("Cast", [inside], to=TensorProto.FLOAT)

    def last(self, value: str, count: int, axis: int) -> str:
        """Return the last entries of an axis."""
        ends = [self.integers(-count), self.integers(np.iinfo(np.int64).max), self.integers(axis)]
        return self.add("Slice", [value, *ends])

    def body(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """Return what was collected as a graph."""
        return helper.make_graph(
            self.nodes, self._prefix + "body", list(inputs), list(outputs), self.constants
        )

    def model(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Return what was collected as a checked model."""
        proto = helper.make_model(
            helper.make_graph(self.nodes, "ctcasr", list(inputs), list(outputs), self.constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="ctcasr",
        )
        proto.ir_version = _IR_VERSION
        onnx.checker.check_model(proto, full_check=True)
        return proto


def value(name: str, shape: Sequence[str | int], kind: int = onnx.TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Describe an input or output of a graph."""
    return helper.make_tensor_value_info(name, kind, list(shape))
