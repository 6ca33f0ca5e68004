"""A training step through one direction of each cell, against torch alone.

    OMP_NUM_THREADS=1 python scripts/bench_cells.py [--quick] [--json FILE]

The peer of rnn, lstm and gru is torch's module on a packed batch; of the other cells, the same step with their loop
over frames left to torch to differentiate. Exits with 1 if a gradient differs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from benchmark_table import Row, arguments, interleave, median_ratio, report
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ctcasr.models import ModelSettings
from ctcasr.models.cells import ClockworkRnn, LightGru, ProjectedLstm, make_cell

BATCH, FRAMES, INPUTS, HIDDEN = 16, 250, 320, 256
TOLERANCE = 1e-3
CELLS: dict[str, dict[str, int]] = {
    "rnn": {},
    "lstm": {},
    "gru": {},
    "lstmp": {"projection": HIDDEN // 2},
    "ligru": {},
    "clockwork": {"clock_modules": 4},
}


def packed(cell: nn.Module, sequences: Tensor, lengths: Tensor) -> Tensor:
    """Return the outputs of torch's module on a packed batch."""
    found = cell(pack_padded_sequence(sequences, lengths, batch_first=True))[0]
    outputs: Tensor = pad_packed_sequence(found, batch_first=True)[0]
    return outputs


def looped(cell: nn.Module, sequences: Tensor) -> Tensor:
    """Return the outputs of a cell, frame by frame in plain torch."""
    state = sequences.new_zeros(len(sequences), HIDDEN)
    outputs, cells = [], state
    if isinstance(cell, LightGru):
        for heard in cell.normalised(sequences):
            z, c = (heard + state @ cell.weight_hh_l0.t()).chunk(2, dim=1)
            gate = z.sigmoid()
            state = gate * state + (1 - gate) * c.relu()
            outputs.append(state)
        return torch.stack(outputs, 1)
    assert isinstance(cell, (ClockworkRnn, ProjectedLstm))
    all_heard = nn.functional.linear(sequences.transpose(0, 1), cell.weight_ih_l0, cell.bias_ih_l0)
    if isinstance(cell, ProjectedLstm):
        shown = sequences.new_zeros(len(sequences), len(cell.weight_hr_l0))
        for heard in all_heard:
            i, f, g, o = (heard + shown @ cell.weight_hh_l0.t()).chunk(4, dim=1)
            cells = f.sigmoid() * cells + i.sigmoid() * g.tanh()
            shown = (o.sigmoid() * cells.tanh()) @ cell.weight_hr_l0.t()
            outputs.append(shown)
        return torch.stack(outputs, 1)
    weight = (cell.weight_hh_l0 * cell.mask).t()
    for heard, active in zip(all_heard, cell.active(0, len(all_heard)), strict=True):
        changed = (heard + state @ weight).tanh()
        state = torch.cat((changed[:, :active], state[:, active:]), dim=1)
        outputs.append(state)
    return torch.stack(outputs, 1)


def compare(name: str, rounds: int) -> tuple[Row, float]:
    """Return a cell's row, and how far the gradients of its recurrent weights are from the peer's."""
    torch.manual_seed(0)
    cell = make_cell(ModelSettings.model_validate({"cell": name, "hidden": HIDDEN} | CELLS[name]), INPUTS)
    sequences = torch.randn(BATCH, FRAMES, INPUTS)
    native = isinstance(cell, nn.RNNBase)
    lengths = torch.linspace(FRAMES, 0.6 * FRAMES, BATCH).long() if native else torch.full((BATCH,), FRAMES)
    inside = (torch.arange(FRAMES) < lengths[:, None])[..., None]

    def step(outputs: Callable[[], Tensor]) -> Tensor:
        cell.zero_grad()
        torch.autograd.backward((outputs() * inside).sum())
        gradient = cell.get_parameter("weight_hh_l0").grad
        assert gradient is not None
        return gradient.clone()

    def ours() -> Tensor:
        return step(lambda: cell(sequences)[0])

    def theirs() -> Tensor:
        return step(lambda: packed(cell, sequences, lengths) if native else looped(cell, sequences))

    expected = theirs()
    difference = float((ours() - expected).abs().max() / expected.abs().max())
    times = interleave([ours, theirs], rounds)
    milliseconds = [1000 * sorted(column)[len(column) // 2] for column in times]
    peer = "packed" if native else "loop in torch"
    return Row(name, milliseconds[0], peer, milliseconds[1], "ms/step", median_ratio(*times)), difference


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    found = [compare(name, 3 if options.quick else 9) for name in CELLS]
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; B {BATCH}, T {FRAMES}, {HIDDEN} cells"
    )
    report([row for row, _ in found], options.json)
    worst = max(difference for _, difference in found)
    print(f"largest difference of a gradient: {worst:.1e}", file=sys.stderr)
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
