"""One training step through the padding-exact BiLSTM, against packed `nn.LSTM` of the same size.

    OMP_NUM_THREADS=1 python scripts/bench_train.py [--quick] [--json FILE]

Exits with 1 if the two disagree in outputs or gradients, or if an utterance alone differs from itself in the
batch.
"""

from __future__ import annotations

import sys

import torch
from benchmark_table import Row, arguments, interleave, median_ratio, report
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ctcasr.models import ModelSettings
from ctcasr.models.recurrent import RecurrentLayers
from ctcasr.models.subsampling import valid_frames

TOLERANCE = 1e-4
BATCH, FRAMES, INPUTS = 16, 250, 320


def padded_stack(hidden: int, layers: int) -> RecurrentLayers:
    """Return our layers, without dropout and normalisation so that both sides compute the same."""
    return RecurrentLayers(ModelSettings(hidden=hidden, layers=layers, layer_norm=False, dropout=0.0), INPUTS)


def packed_stack(ours: RecurrentLayers, hidden: int) -> nn.LSTM:
    """Return torch's bidirectional LSTM with the same weights."""
    peer = nn.LSTM(INPUTS, hidden, len(ours), batch_first=True, bidirectional=True)
    for number, layer in enumerate(ours):
        for suffix, lstm in (("", layer.ahead), ("_reverse", layer.back)):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                target = getattr(peer, f"{name}_l{number}{suffix}")
                target.data.copy_(getattr(lstm, f"{name}_l0").data)
    return peer


def run_padded(stack: RecurrentLayers, inputs: Tensor, lengths: Tensor) -> Tensor:
    """Return our outputs, zero beyond each length."""
    outputs: Tensor = stack(inputs, lengths)
    return outputs * valid_frames(lengths, inputs.shape[1])[..., None]


def run_packed(peer: nn.LSTM, inputs: Tensor, lengths: Tensor) -> Tensor:
    """Return the peer's outputs, zero beyond each length."""
    outputs, _ = peer(pack_padded_sequence(inputs, lengths, batch_first=True))
    padded: Tensor = pad_packed_sequence(outputs, batch_first=True)[0]
    return padded


def compare(hidden: int, layers: int, rounds: int) -> tuple[list[Row], float, float]:
    """Return the rows of one size, its disagreement with packing, and its batch-invariance error."""
    torch.manual_seed(0)
    ours = padded_stack(hidden, layers)
    peer = packed_stack(ours, hidden)
    inputs = torch.randn(BATCH, FRAMES, INPUTS)
    lengths = torch.linspace(FRAMES, 0.6 * FRAMES, BATCH).long()
    with torch.no_grad():
        together = run_padded(ours, inputs, lengths)
        disagreement = float((together - run_packed(peer, inputs, lengths)).abs().max())
        invariance = max(
            float(
                (
                    run_padded(ours, inputs[row : row + 1, :length], lengths[row : row + 1])[0]
                    - together[row, :length]
                )
                .abs()
                .max()
            )
            for row, length in enumerate(lengths.tolist())
        )

    def step(bf16: bool) -> None:
        ours.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = run_padded(ours, inputs, lengths)
        torch.autograd.backward(outputs.float().sum())

    def peer_step() -> None:
        peer.zero_grad()
        torch.autograd.backward(run_packed(peer, inputs, lengths).sum())

    step(False)
    peer_step()
    gradient = ours.get_parameter("0.back.weight_ih_l0").grad
    theirs = peer.get_parameter("weight_ih_l0_reverse").grad
    assert gradient is not None
    assert theirs is not None
    disagreement = max(disagreement, float((gradient - theirs).abs().max() / theirs.abs().max()))
    times = interleave([lambda: step(False), lambda: step(True), peer_step], rounds)
    milliseconds = [1000 * sorted(column)[len(column) // 2] for column in times]
    rows = [
        Row(
            f"{layers}x{hidden} {name}",
            milliseconds[n],
            "packed nn.LSTM fp32",
            milliseconds[2],
            "ms/step",
            median_ratio(times[n], times[2]),
        )
        for n, name in enumerate(("padded fp32", "padded bf16"))
    ]
    return rows, disagreement, invariance


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    sizes = [(256, 3)] if options.quick else [(256, 3), (320, 3), (512, 5)]
    rows, wrong = [], False
    for hidden, layers in sizes:
        found, disagreement, invariance = compare(hidden, layers, 3 if options.quick else 5)
        rows += found
        wrong |= max(disagreement, invariance) > TOLERANCE
        print(
            f"{layers}x{hidden}: disagreement with packing {disagreement:.1e}, alone against in a batch "
            f"{invariance:.1e}",
            file=sys.stderr,
        )
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; B {BATCH}, T {FRAMES}, mean length 80 %"
    )
    report(rows, options.json)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
