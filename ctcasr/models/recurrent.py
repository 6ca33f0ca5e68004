"""Recurrent layers that do not feel the padding, without packing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ctcasr.models.cells import RECURRENT, LightGru, make_cell
from ctcasr.models.settings import ModelSettings
from ctcasr.models.subsampling import valid_frames

State = Tensor | tuple[Tensor | int, ...] | None
"""Where a cell ended, as the next call takes it."""


def reversal(lengths: Tensor, frames: int) -> Tensor:
    """Return the indices `(B, frames)` that turn each sequence round within its length.

    Padding stays where it is, and the indices are their own inverse.
    """
    frame = torch.arange(frames, device=lengths.device)[None]
    return torch.where(frame < lengths[:, None], lengths[:, None] - 1 - frame, frame)


class FrameDropout(nn.Dropout):
    """Dropout that sets the same inputs to zero in all frames of an utterance (Gal and Ghahramani 2016)."""

    def forward(self, sequences: Tensor) -> Tensor:
        """Return `sequences (B, T, inputs)` with some of the inputs zero, and the others scaled up."""
        return sequences * super().forward(torch.ones_like(sequences[:, :1]))


def make_dropout(settings: ModelSettings) -> nn.Dropout:
    """Return what stands between two layers."""
    return FrameDropout(settings.dropout) if settings.variational_dropout else nn.Dropout(settings.dropout)


class RecurrentLayer(nn.Module):
    """One layer of recurrent cells, in one direction or in both (Graves and Schmidhuber 2005), normalised behind.

    The backward direction reads each sequence turned round within its own length, so that both directions
    meet the padding last: the outputs inside a length are those of the sequence alone. Unlike packing this
    keeps the matrices large, and is several times as fast on a CPU.

    Weights of an LSTM start as torch starts them. A forget bias of 1 (Jozefowicz et al. 2015) makes the phase in which
    all output is blank twice as long: recipes/an4/RESULTS.md.
    """

    def __init__(self, settings: ModelSettings, inputs: int, *, is_first: bool = False) -> None:
        """Make the layer; the first one's inputs are not dropped, and not added to its outputs."""
        super().__init__()
        outputs = settings.width * (1 + settings.bidirectional)
        # Dropping convolution outputs would hide whole bands of a frame: the first layer sees them all.
        self.dropout = nn.Identity() if is_first else make_dropout(settings)
        self.recurrent_dropout = nn.Dropout(settings.recurrent_dropout)
        self.ahead = make_cell(settings, inputs)
        self.back = make_cell(settings, inputs) if settings.bidirectional else None
        self.norm = nn.LayerNorm(outputs) if settings.layer_norm else nn.Identity()
        self.residual = settings.residual and not is_first
        self.bptt_frames = settings.bptt_frames

    def forward(self, sequences: Tensor, turn: Tensor, valid: Tensor) -> Tensor:
        """Return `(B, T', outputs)` of `sequences (B, T', inputs)`.

        Args:
            sequences: padded behind.
            turn: `(B, T')`, from `reversal`.
            valid: `(B, T')`, false where a frame is padding, which it is in both directions alike.
        """
        dropped = self.dropout(sequences)
        outputs = self._run(self.ahead, dropped, valid)
        if self.back is not None:
            back = self._run(self.back, _gather_frames(dropped, turn), valid)
            outputs = torch.cat((outputs, _gather_frames(back, turn)), dim=-1)
        normed: Tensor = self.norm(outputs)
        return sequences + normed if self.residual else normed

    def _run(self, cell: nn.Module, sequences: Tensor, valid: Tensor) -> Tensor:
        """Run one direction; in training, some recurrent weights are zero for the whole batch (Merity et al. 2018).

        With `bptt_frames`, backpropagation through time is truncated (Williams and Peng 1990): each window of frames
        begins with the state where the last one ended, but no gradient runs back through that state.
        """
        weights = {}
        if self.training and self.recurrent_dropout.p:
            weights[RECURRENT] = self.recurrent_dropout(cell.get_parameter(RECURRENT))
        window = self.bptt_frames if self.training else None
        if (
            sequences.device.type == "cpu"
            and isinstance(cell, (nn.RNN, nn.GRU))
            and torch.is_autocast_enabled("cpu")
        ):
            # Torch's loops of these two would convert states and weights in every frame: slower, and less exact.
            with torch.autocast("cpu", enabled=False):
                return _outputs(cell, weights, sequences.float(), window)
        # Over the whole batch at once: windows must not be normalised each by itself.
        heard = cell.normalised(sequences, valid) if isinstance(cell, LightGru) else None
        return _outputs(cell, weights, sequences, window, heard)


class RecurrentLayers(nn.ModuleList):
    """Recurrent layers on one another, from `inputs` numbers a frame to `outputs`."""

    def __init__(self, settings: ModelSettings, inputs: int) -> None:
        outputs = settings.width * (1 + settings.bidirectional)
        super().__init__(
            RecurrentLayer(settings, outputs if number else inputs, is_first=not number)
            for number in range(settings.layers)
        )
        self.outputs = outputs

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        """Return `(B, T', outputs)` of `sequences (B, T', inputs)`, of which `lengths (B,)` frames are no padding."""
        return list(self.each(sequences, lengths))[-1]

    def each(self, sequences: Tensor, lengths: Tensor) -> Iterator[Tensor]:
        """Yield what each layer puts out, the lowest first; see `forward`."""
        turn, valid = (make(lengths, sequences.shape[1]) for make in (reversal, valid_frames))
        for layer in self:
            sequences = layer(sequences, turn, valid)
            yield sequences


def _outputs(
    cell: nn.Module,
    weights: dict[str, Tensor],
    sequences: Tensor,
    window: int | None = None,
    heard: Tensor | None = None,
) -> Tensor:
    """Return the outputs of a cell, whose gradients end where a window of frames begins.

    `heard` is what the inputs give, of a cell for which that is known: `(T, B, gates * hidden)`.
    """
    outputs: list[Tensor] = []
    state: State = None
    size = window or sequences.shape[1]
    for number, part in enumerate(torch.split(sequences, size, dim=1)):
        arguments: tuple[object, ...] = (part, state) if number or heard is not None else (part,)
        if heard is not None:
            arguments += (heard[number * size : (number + 1) * size],)
        output, state = torch.func.functional_call(cell, weights, arguments) if weights else cell(*arguments)
        state = _detached(state)
        outputs.append(output)
    return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]


def _detached(state: State) -> State:
    """Return a state through which no gradient runs; some cells also count frames."""
    if isinstance(state, tuple):
        return tuple(part.detach() if isinstance(part, Tensor) else part for part in state)
    return None if state is None else state.detach()


def _gather_frames(sequences: Tensor, index: Tensor) -> Tensor:
    return sequences.gather(1, index[..., None].expand(-1, -1, sequences.shape[-1]))
