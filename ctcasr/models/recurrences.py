"""Recurrences that torch has no kernel for: a loop over frames, forward and backward, with nothing else in it.

All that does not depend on the frame before is computed outside, for all frames in one matrix product: what the inputs
give, and in the backward pass the gradient of the recurrent weights. What is left of a frame is one product and a few
operations in place. Frames come first here, `(T, B, ...)`, so that those of one moment lie together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def light_gru(inputs: Tensor, weight: Tensor, start: Tensor) -> Tensor:
    """Return the states `(T, B, H)` of light gated recurrent units (Ravanelli et al. 2018, section III).

    `z = sigmoid(inputs_z + U_z h)`, `c = relu(inputs_c + U_c h)`, `h' = z h + (1 - z) c`.

    Args:
        inputs: `(T, B, 2 * H)`, for the update gate z and for the candidate c.
        weight: `(2 * H, H)`, U_z above U_c.
        start: `(B, H)`, the state before the first frame.
    """
    states: Tensor = _LightGru.apply(inputs, weight, start)  # type: ignore[no-untyped-call]
    return states


def clockwork(inputs: Tensor, weight: Tensor, start: Tensor, active: Sequence[int]) -> Tensor:
    """Return the states `(T, B, H)` of a clockwork RNN (Koutník et al. 2014, equations 1 and 2).

    In each frame the first `active` units become `tanh(inputs + U h)`, the others stay as they were.

    Args:
        inputs: `(T, B, H)`.
        weight: `(H, H)`, zero where a unit does not hear another one.
        start: `(B, H)`, the state before the first frame.
        active: units that change in each of the T frames.
    """
    states: Tensor = _Clockwork.apply(inputs, weight, start, active)  # type: ignore[no-untyped-call]
    return states


def projected_lstm(
    inputs: Tensor, weight: Tensor, projection: Tensor, start: Tensor, cells: Tensor
) -> Tensor:
    """Return outputs and cells `(T, B, P + H)` of LSTMs with projected outputs (Sak et al. 2014).

    As there, but without peepholes, as in torch: `c' = f c + i g`, `r' = P (o tanh(c'))`, where the gates i, f, o are
    sigmoids and g is the tanh of `inputs + R r`.

    Args:
        inputs: `(T, B, 4 * H)`, for the gates i, f, g, o.
        weight: R, `(4 * H, P)`.
        projection: P, `(P, H)`.
        start: `(B, P)`, the outputs before the first frame.
        cells: `(B, H)`, the cells before it.
    """
    states: Tensor = _ProjectedLstm.apply(inputs, weight, projection, start, cells)  # type: ignore[no-untyped-call]
    return states


class _LightGru(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, start: Tensor) -> Tensor:
        hidden = weight.shape[1]
        states, gates, across = _room(inputs, start), torch.empty_like(inputs), weight.t()
        for frame in range(len(inputs)):
            torch.addmm(inputs[frame], states[frame], across, out=gates[frame])
            update = gates[frame, :, :hidden].sigmoid_()
            candidate = gates[frame, :, hidden:].relu_()
            torch.lerp(candidate, states[frame], update, out=states[frame + 1])
        ctx.save_for_backward(weight, states, gates)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        weight, states, gates = ctx.saved_tensors
        hidden = weight.shape[1]
        update, candidate = gates[..., :hidden], gates[..., hidden:]
        slopes = torch.stack(
            ((states[:-1] - candidate) * update * (1 - update), (1 - update) * (candidate > 0)), dim=2
        )
        ahead = torch.empty_like(gates)
        carry = torch.zeros_like(states[0])
        for frame in reversed(range(len(gates))):
            carry += gradient[frame]
            torch.mul(slopes[frame], carry[:, None], out=ahead[frame].view(slopes[frame].shape))
            carry = torch.addmm(carry * update[frame], ahead[frame], weight)
        return ahead, _weight_gradient(ahead, states[:-1]), carry


class _Clockwork(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, start: Tensor, active: Sequence[int]) -> Tensor:
        states, across = _room(inputs, start), weight.t()
        for frame, count in enumerate(active):
            heard = torch.addmm(inputs[frame, :, :count], states[frame], across[:, :count])
            states[frame + 1, :, :count] = heard.tanh_()
            states[frame + 1, :, count:] = states[frame, :, count:]
        ctx.save_for_backward(weight, states)
        ctx.active = active
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, states = ctx.saved_tensors
        ahead, slopes = torch.zeros_like(gradient), 1 - states[1:].square()
        carry = torch.zeros_like(states[0])
        for frame, count in zip(reversed(range(len(gradient))), reversed(ctx.active), strict=True):
            carry += gradient[frame]
            changed = carry[:, :count] * slopes[frame, :, :count]
            ahead[frame, :, :count] = changed
            carry[:, :count] = 0
            carry.addmm_(changed, weight[:count])
        return ahead, _weight_gradient(ahead, states[:-1]), carry, None


class _ProjectedLstm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, projection: Tensor, start: Tensor, cells: Tensor
    ) -> Tensor:
        outputs, hidden = projection.shape
        states = _room(inputs, torch.cat((start, cells), dim=1))
        gates, across, down = torch.empty_like(inputs), weight.t(), projection.t()
        for frame in range(len(inputs)):
            torch.addmm(inputs[frame], states[frame, :, :outputs], across, out=gates[frame])
            gates[frame, :, : 2 * hidden].sigmoid_()
            gates[frame, :, 2 * hidden : 3 * hidden].tanh_()
            gates[frame, :, 3 * hidden :].sigmoid_()
            i, f, g, o = gates[frame].chunk(4, dim=1)
            after = states[frame + 1, :, outputs:]
            torch.mul(f, states[frame, :, outputs:], out=after).addcmul_(i, g)
            states[frame + 1, :, :outputs] = (after.tanh() * o) @ down
        ctx.save_for_backward(weight, projection, states, gates)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        weight, projection, states, gates = ctx.saved_tensors
        outputs, hidden = projection.shape
        i, f, g, o = gates.chunk(4, dim=2)
        squashed = states[1:, :, outputs:].tanh()
        through = o * (1 - squashed.square())
        slopes = (g * i * (1 - i), states[:-1, :, outputs:] * f * (1 - f), i * (1 - g.square()))
        from_cells = torch.stack(slopes, dim=2)
        from_outputs = squashed * o * (1 - o)
        ahead, rows = torch.empty_like(gates), torch.empty_like(states[1:, :, :outputs])
        carry, carried = torch.zeros_like(states[0, :, :outputs]), torch.zeros_like(states[0, :, outputs:])
        for frame in reversed(range(len(gates))):
            torch.add(carry, gradient[frame, :, :outputs], out=rows[frame])
            back = rows[frame] @ projection
            carried = (carried + gradient[frame, :, outputs:]).addcmul_(back, through[frame])
            torch.mul(
                from_cells[frame],
                carried[:, None],
                out=ahead[frame, :, : 3 * hidden].view(from_cells[frame].shape),
            )
            torch.mul(back, from_outputs[frame], out=ahead[frame, :, 3 * hidden :])
            carry = ahead[frame] @ weight
            carried = carried * f[frame]
        return (
            ahead,
            _weight_gradient(ahead, states[:-1, :, :outputs]),
            _weight_gradient(rows, squashed * o),
            carry,
            carried,
        )


def _room(inputs: Tensor, start: Tensor) -> Tensor:
    """Return room for the states before and after each frame; the first is the start."""
    states = inputs.new_empty(len(inputs) + 1, *start.shape)
    states[0] = start
    return states


def _weight_gradient(ahead: Tensor, states: Tensor) -> Tensor:
    """Return the sum over frames and rows of the outer products of `ahead (T, B, G)` and `states (T, B, H)`."""
    return ahead.flatten(0, 1).t() @ states.flatten(0, 1)
