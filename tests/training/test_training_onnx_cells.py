"""The ONNX graphs of all cells, whole and in pieces, against the torch model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch

from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.training.onnx_graph import build_graph, build_stream_graph, has_int8, write_models

BINS, SYMBOLS = 11, 5
OWN: dict[str, dict[str, int]] = {
    "rnn": {},
    "lstm": {},
    "gru": {},
    "lstmp": {"projection": 5},
    "ligru": {},
    "clockwork": {"clock_modules": 3},
    "scrn": {"slow_units": 4},
}
every_cell = pytest.mark.parametrize("cell", OWN)


def model(cell: str, **fields: object) -> AcousticModel:
    torch.manual_seed(3)
    shape: dict[str, Any] = {"cell": cell, "channels": 3, "layers": 2, "hidden": 12} | OWN[cell] | fields
    network = AcousticModel(ModelSettings(**shape), BINS, SYMBOLS)
    for name, tensor in network.state_dict().items():
        tensor += torch.rand_like(tensor) if "running" in name else 0.1 * torch.randn_like(tensor)
    return network.eval()


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Return features whose padding is not zero, and lengths of every remainder by 4."""
    lengths = torch.tensor([41, 1, 2, 3, 38, 40])
    return torch.randn(6, 41, BINS, generator=torch.Generator().manual_seed(1)), lengths


def run(network: onnxruntime.InferenceSession, features: torch.Tensor, lengths: torch.Tensor) -> list[Any]:
    found: list[Any] = network.run(None, {"features": features.numpy(), "feature_lengths": lengths.numpy()})
    return found


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"bidirectional": False},
        {"residual": True, "layers": 3},
        {"layer_norm": False, "subsampling": 2},
        {"batch_norm": True},
    ],
    ids=["both-ways", "forward", "residual", "no-norm", "batch-norm"],
)
def test_the_graph_equals_the_torch_model(cell: str, fields: dict[str, object]) -> None:
    network = model(cell, **fields)
    features, lengths = batch()
    with torch.no_grad():
        expected, counts = network(features, lengths)
    graph = session(build_graph(network).SerializeToString())
    found, found_counts = run(graph, features, lengths)
    assert found_counts.tolist() == counts.tolist()
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=2e-5)
    alone, _ = run(graph, features[4:5, :38], lengths[4:5])
    np.testing.assert_allclose(found[4, : counts[4]], alone[0], rtol=0, atol=1e-5)


@every_cell
def test_int8_is_written_where_it_quantises_the_layers(cell: str, tmp_path: Path) -> None:
    network = model(cell, hidden=24)
    write_models(network, tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").exists() == has_int8(network.settings)
    if not has_int8(network.settings):
        return
    operators = {node.op_type for node in _nodes(tmp_path / "int8.onnx")}
    assert operators & {"DynamicQuantizeLSTM", "MatMulInteger"}
    features, lengths = batch()
    exact, quantised = (
        run(session((tmp_path / name).read_bytes()), features[:1], lengths[:1])[0]
        for name in ("fp32.onnx", "int8.onnx")
    )
    difference = np.abs(np.exp(exact) - np.exp(quantised))
    assert 0 < difference.max() < 0.15


def _nodes(path: Path) -> list[Any]:
    import onnx

    return list(onnx.load(path).graph.node)


def pieces(
    network: onnxruntime.InferenceSession, features: npt.NDArray[np.float32], sizes: list[int]
) -> list[Any]:
    """Return what the stream graph makes of pieces of those sizes, the last padded to a multiple of 4."""
    states = {
        node.name: np.zeros(
            [size if isinstance(size, int) else 1 for size in node.shape],
            np.int64 if "int64" in node.type else np.float32,
        )
        for node in network.get_inputs()[2:]
    }
    outputs, begin = [], 0
    for size in sizes:
        piece = features[begin : begin + size]
        begin += len(piece)
        padded = np.pad(piece, ((0, size - len(piece)), (0, 0)), constant_values=7.0)
        fed = {"features": padded[None], "feature_lengths": np.array([len(piece)])}
        log_probs, *after = network.run(None, fed | states)
        states = dict(zip(states, after, strict=True))
        outputs.append(log_probs[0])
    return outputs


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize("subsampling", [2, 4])
@pytest.mark.parametrize("frames", [1, 4, 41, 47])
def test_pieces_give_what_the_whole_does(cell: str, subsampling: int, frames: int) -> None:
    network = model(
        cell, bidirectional=False, subsampling=subsampling, residual=True, batch_norm=subsampling == 4
    )
    features = torch.randn(1, frames, BINS, generator=torch.Generator().manual_seed(frames))
    with torch.no_grad():
        expected, _ = network(features, torch.tensor([frames]))
    graph = session(build_stream_graph(network).SerializeToString())
    for sizes in ([48, 4], [4] * 13, [8, 4, 20, 16, 4]):
        found = np.concatenate(pieces(graph, features[0].numpy(), sizes))
        count = -(-frames // subsampling)
        np.testing.assert_allclose(found[:count], expected[0].numpy(), rtol=0, atol=2e-5)
