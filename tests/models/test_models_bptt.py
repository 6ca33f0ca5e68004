"""Truncated backpropagation through time: the state is carried, the gradient is cut."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from ctcasr.models import ModelSettings
from ctcasr.models.cells import make_cell
from ctcasr.models.recurrent import RecurrentLayers
from tests.models.test_models_cells import INPUTS, OWN, every_cell, frames
from tests.oracles.cells import CELLS

LENGTHS = torch.tensor([13, 7])


def layers(cell: str, bptt_frames: int | None, **fields: object) -> RecurrentLayers:
    torch.manual_seed(0)
    settings = {"cell": cell, "hidden": 6, "layers": 2, "dropout": 0.0, "bidirectional": False}
    return RecurrentLayers(
        ModelSettings(**settings | OWN.get(cell, {}) | fields, bptt_frames=bptt_frames), INPUTS
    ).double()


def weights(stack: RecurrentLayers) -> Tensor:
    """Return weights that differ: the plain sum of what is normalised does not change."""
    return torch.linspace(-1, 2, stack.outputs, dtype=torch.float64)


def gradients(stack: RecurrentLayers, sequences: Tensor) -> list[Tensor]:
    sequences = sequences.clone().requires_grad_()
    (stack(sequences, LENGTHS) * weights(stack)).square().sum().backward()
    assert sequences.grad is not None
    return [
        sequences.grad,
        *(parameter.grad for parameter in stack.parameters() if parameter.grad is not None),
    ]


@every_cell
def test_a_window_as_long_as_the_sequence_is_full_backpropagation(cell: str) -> None:
    sequences = frames(2, 13)
    full = gradients(layers(cell, None), sequences)
    for window in (13, 1000):
        for ours, theirs in zip(gradients(layers(cell, window), sequences), full, strict=True):
            assert torch.equal(ours, theirs)


@every_cell
def test_shorter_windows_change_gradients_and_no_output(cell: str) -> None:
    sequences = frames(2, 13)
    full, cut = layers(cell, None), layers(cell, 4)
    torch.testing.assert_close(cut(sequences, LENGTHS), full(sequences, LENGTHS), rtol=0, atol=1e-12)
    differing = [
        not torch.allclose(ours, theirs)
        for ours, theirs in zip(gradients(cut, sequences), gradients(full, sequences), strict=True)
    ]
    assert any(differing)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "ligru"])  # its mean is over all windows
def test_no_gradient_runs_from_one_window_to_the_one_before(cell: str) -> None:
    stack, sequences = layers(cell, 4), frames(1, 13).requires_grad_()
    # In the third window, of frames 8 to 11:
    (stack(sequences, torch.tensor([13]))[0, 9] * weights(stack)).sum().backward()
    assert sequences.grad is not None
    reached = sequences.grad[0].abs().sum(-1) > 1e-12
    assert reached.tolist() == [False] * 8 + [True] * 2 + [False] * 3


def test_it_is_a_loop_over_windows_with_the_state_cut() -> None:
    torch.manual_seed(1)
    cell = make_cell(ModelSettings(hidden=6), INPUTS).double()
    stack = layers("lstm", 5, layers=1, layer_norm=False)
    stack[0].ahead.load_state_dict(cell.state_dict())
    sequences, state, outputs = frames(2, 13), None, []
    for start in range(0, 13, 5):
        output, state = cell(sequences[:, start : start + 5], state)
        state = tuple(part.detach() for part in state)
        outputs.append(output)
    torch.cat(outputs, 1).square().sum().backward()
    stack(sequences, LENGTHS).square().sum().backward()
    for ours, theirs in zip(stack[0].ahead.parameters(), cell.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_evaluation_knows_no_windows() -> None:
    stack, sequences = layers("lstm", 4).eval(), frames(1, 13).requires_grad_()
    (stack(sequences, torch.tensor([13]))[0, 9] * weights(stack)).sum().backward()
    assert sequences.grad is not None
    assert (sequences.grad[0, :10].abs().sum(-1) > 1e-12).all()


def test_both_directions_have_no_windows() -> None:
    with pytest.raises(ValidationError, match=r"needs model\.bidirectional = false; found true"):
        ModelSettings(bptt_frames=4)
