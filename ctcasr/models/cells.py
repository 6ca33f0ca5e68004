"""Recurrent cells: one direction of a layer, on sequences of one batch.

Each is called as torch's `nn.LSTM` is with `batch_first`: from `sequences (B, T, inputs)`, and the state where an
earlier call ended if there was one, to `outputs (B, T, width)` and the state after the last frame. Parameters are named
as torch's: those that multiply the state have one name in all, `RECURRENT`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctcasr.models.batch_norm import FrameBatchNorm
from ctcasr.models.recurrences import clockwork, light_gru, projected_lstm
from ctcasr.models.settings import ModelSettings

RECURRENT = "weight_hh_l0"

SLOWNESS = 0.95
"""Share of a slow unit of an SCRN that is left after a frame: alpha of Mikolov et al. 2014."""


def make_cell(settings: ModelSettings, inputs: int) -> nn.Module:
    """Return one direction of a layer, with torch's starting values where torch has the cell."""
    hidden = settings.hidden
    match settings.cell:
        case "rnn":
            return nn.RNN(inputs, hidden, batch_first=True)
        case "lstm":
            return nn.LSTM(inputs, hidden, batch_first=True)
        case "gru":
            return nn.GRU(inputs, hidden, batch_first=True)
        case "lstmp":
            assert settings.projection is not None
            return ProjectedLstm(inputs, hidden, settings.projection)
        case "ligru":
            return LightGru(inputs, hidden)
        case "clockwork":
            assert settings.clock_modules is not None
            return ClockworkRnn(inputs, hidden, settings.clock_modules)
        case "scrn":
            assert settings.slow_units is not None
            return StructurallyConstrainedRnn(inputs, hidden, settings.slow_units)


class _Cell(nn.Module):
    """What the cells share that torch does not have: weights of inputs and state, started as torch starts them."""

    def __init__(self, inputs: int, hidden: int, gates: int, heard: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_ih_l0 = nn.Parameter(torch.empty(gates * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(gates * hidden, heard))
        self.bias_ih_l0 = nn.Parameter(torch.empty(gates * hidden))
        self._start(self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0)

    def _start(self, *parameters: Tensor) -> None:
        for parameter in parameters:
            nn.init.uniform_(parameter, -(self.hidden**-0.5), self.hidden**-0.5)

    def _heard(self, sequences: Tensor) -> Tensor:
        """Return what the inputs give, `(T, B, gates * hidden)`, in float32 at least."""
        heard = functional.linear(sequences.transpose(0, 1), self.weight_ih_l0, self.bias_ih_l0)
        return heard.to(torch.promote_types(heard.dtype, torch.float32))


class ProjectedLstm(_Cell):
    """An LSTM with a recurrent projection layer (Sak et al. 2014); its state is `(outputs, cells)`."""

    def __init__(self, inputs: int, hidden: int, projection: int) -> None:
        super().__init__(inputs, hidden, 4, projection)
        self.weight_hr_l0 = nn.Parameter(torch.empty(projection, hidden))
        self._start(self.weight_hr_l0)

    def forward(
        self, sequences: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return `outputs (B, T, projection)` and the state; see the module."""
        heard, width = self._heard(sequences), len(self.weight_hr_l0)
        outputs, cells = state or (_zeros(heard, width), _zeros(heard, self.hidden))
        with torch.autocast(heard.device.type, enabled=False):
            states = projected_lstm(heard, self.weight_hh_l0, self.weight_hr_l0, outputs, cells)
        return states[..., :width].transpose(0, 1), (states[-1, :, :width], states[-1, :, width:])


class LightGru(_Cell):
    """A light gated recurrent unit (Ravanelli et al. 2018); its state is `(B, hidden)`.

    As in the paper, what the inputs give is normalised over the batch while the cell is trained (Ioffe and Szegedy
    2015), padding left out, and by the running mean and variance of that otherwise: outputs of a trained cell depend on
    nothing but the utterance. With layer normalisation in its place the cell learned next to nothing:
    recipes/an4/cells/RESULTS.md.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, 2, hidden)
        self.norm = FrameBatchNorm(2 * hidden)
        self.register_parameter("bias_ih_l0", None)  # that of the normalisation is enough
        # As in the paper: the states are rectified, not squashed, and must not grow from frame to frame.
        for gate in self.weight_hh_l0.data.chunk(2):
            nn.init.orthogonal_(gate)

    def normalised(self, sequences: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return what the inputs give, `(T, B, 2 * hidden)`, each unit normalised; zero in padding while training.

        Args:
            sequences: `(B, T, inputs)`.
            valid: `(B, T)`, false where a frame is padding; None: all frames count.
        """
        heard = functional.linear(sequences.transpose(0, 1), self.weight_ih_l0)
        heard = heard.to(torch.promote_types(heard.dtype, torch.float32))
        normed: Tensor = self.norm(heard, None if valid is None else valid.t())
        return normed

    def forward(
        self, sequences: Tensor, state: Tensor | None = None, heard: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return `outputs (B, T, hidden)` and the state; see the module. `heard` is `normalised`, if that is known."""
        heard = self.normalised(sequences) if heard is None else heard
        start = _zeros(heard, self.hidden) if state is None else state
        with torch.autocast(heard.device.type, enabled=False):
            states = light_gru(heard, self.weight_hh_l0, start)
        return states.transpose(0, 1), states[-1]


class ClockworkRnn(_Cell):
    """A clockwork RNN (Koutník et al. 2014); its state is `(B, hidden)` and the number of frames before it.

    Module number m, of as many units as the others, changes in every 2^m-th frame, and hears itself and the slower
    ones; the fastest comes first. Frames are counted from where the direction begins to read.
    """

    mask: Tensor

    def __init__(self, inputs: int, hidden: int, modules: int) -> None:
        super().__init__(inputs, hidden, 1, hidden)
        self.clock_modules = modules
        size = hidden // modules
        mask = torch.ones(modules, modules).triu().repeat_interleave(size, 0).repeat_interleave(size, 1)
        self.register_buffer("mask", mask, persistent=False)

    def active(self, first: int, frames: int) -> list[int]:
        """Return how many units change in each frame, the first of them being number `first`."""
        slowest = 1 << (self.clock_modules - 1)
        turns = (math.gcd(frame, slowest).bit_length() for frame in range(first, first + frames))
        return [turn * self.hidden // self.clock_modules for turn in turns]

    def forward(
        self, sequences: Tensor, state: tuple[Tensor, int] | None = None
    ) -> tuple[Tensor, tuple[Tensor, int]]:
        """Return `outputs (B, T, hidden)` and the state; see the module."""
        heard = self._heard(sequences)
        start, first = state or (_zeros(heard, self.hidden), 0)
        with torch.autocast(heard.device.type, enabled=False):
            weight = self.weight_hh_l0 * self.mask
            states = clockwork(heard, weight, start, self.active(first, len(heard)))
        return states.transpose(0, 1), (states[-1], first + len(heard))


class StructurallyConstrainedRnn(_Cell):
    """An RNN beside units that change slowly (Mikolov et al. 2014, equations 4 to 6); its state is `(hidden, slow)`.

    `s' = (1 - alpha) B x + alpha s`, `h' = sigmoid(P s' + A x + R h)`, the outputs are h' and s' side by side.

    The slow units hear nothing but the inputs: a decaying sum, a matrix product over the frames. And as
    `sigmoid(x) = (tanh(x / 2) + 1) / 2`, the hidden units are those of torch's RNN with other weights.
    """

    def __init__(self, inputs: int, hidden: int, slow: int) -> None:
        super().__init__(inputs + slow, hidden, 1, hidden)  # A beside P
        self.weight_slow_l0 = nn.Parameter(torch.empty(slow, inputs))
        self._start(self.weight_slow_l0)

    def forward(
        self, sequences: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return `outputs (B, T, hidden + slow units)` and the state; see the module."""
        with torch.autocast(sequences.device.type, enabled=False):
            sequences = sequences.to(self.weight_slow_l0.dtype)
            rows = sequences.transpose(0, 1)
            start, before = state or (_zeros(rows, self.hidden), _zeros(rows, len(self.weight_slow_l0)))
            slow = self._slow(sequences, before)
            weight, bias = self.weight_hh_l0 / 4, self.bias_ih_l0 / 2 + self.weight_hh_l0.sum(1) / 4
            turned, last = torch.rnn_tanh(
                torch.cat((sequences, slow), dim=-1),
                (2 * start - 1)[None],
                (self.weight_ih_l0 / 2, weight, bias, torch.zeros_like(bias)),
                has_biases=True,
                num_layers=1,
                dropout=0.0,
                train=self.training,
                bidirectional=False,
                batch_first=True,
            )
        return torch.cat(((turned + 1) / 2, slow), dim=-1), ((last[0] + 1) / 2, slow[:, -1])

    def _slow(self, sequences: Tensor, before: Tensor) -> Tensor:
        """Return the slow units `(B, T, slow)` of all frames, from `before (B, slow)` on."""
        frames = torch.arange(sequences.shape[1], device=sequences.device, dtype=sequences.dtype)
        left = (SLOWNESS ** (frames[:, None] - frames[None]).clamp_min(0)).tril()
        heard = (1 - SLOWNESS) * functional.linear(sequences, self.weight_slow_l0)
        return left @ heard + (SLOWNESS ** (frames + 1))[:, None] * before[:, None]


def _zeros(rows: Tensor, width: int) -> Tensor:
    """Return a state of zeros for `rows (T, B, ...)`."""
    return rows.new_zeros(rows.shape[1], width)
