"""Training from files to weights against a plain torch loop, and one step through the BiLSTM against packing.

    OMP_NUM_THREADS=1 python scripts/bench_train.py [--quick] [--json FILE]

The plain loop has the same recordings, batches and model, with packed `nn.LSTM` and `F.ctc_loss`; both run in turn, as
they do with our features made by a worker or in the training process. bf16 is measured where the processor has it.
Below the table stands where our time goes. Exits with 1 if the two disagree in outputs, losses or gradients, or if an
utterance alone is not what it is in a batch.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch
from benchmark_table import Row, arguments, interleave, median_ratio, report
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from train_cases import OurTraining, PlainTraining, disagreement, write_corpus

from ctcasr.models import ModelSettings
from ctcasr.models.recurrent import RecurrentLayers
from ctcasr.models.subsampling import valid_frames
from ctcasr.training.stepping import bf16_is_native

TOLERANCE = 1e-4
LOSS_TOLERANCE = 5e-3
"""Torch's own CTC loss computes in float32: its gradients are off by up to half of this."""
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


def compare(hidden: int, layers: int, rounds: int, frames: int = FRAMES) -> tuple[list[Row], float, float]:
    """Return the rows of one size, its disagreement with packing, and its batch-invariance error."""
    torch.manual_seed(0)
    ours = padded_stack(hidden, layers)
    peer = packed_stack(ours, hidden)
    inputs = torch.randn(BATCH, frames, INPUTS)
    lengths = torch.linspace(frames, 0.6 * frames, BATCH).long()
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
    names = ["padded fp32", "padded bf16"] if bf16_is_native() else ["padded fp32"]
    steps = [lambda: step(False), lambda: step(True)][: len(names)]
    times = interleave([*steps, peer_step], rounds)
    milliseconds = [1000 * sorted(column)[len(column) // 2] for column in times]
    rows = [
        Row(
            f"{layers}x{hidden} {name}",
            milliseconds[n],
            "packed nn.LSTM fp32",
            milliseconds[-1],
            "ms/step",
            median_ratio(times[n], times[-1]),
        )
        for n, name in enumerate(names)
    ]
    return rows, disagreement, invariance


def whole_training(count: int, rounds: int, worker: bool) -> tuple[list[Row], float]:
    """Return the rows of training from files to weights, and by how much the plain loop disagrees."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_corpus(Path(folder), count)
        fp32 = OurTraining(config, "run.precision=fp32")
        sides = {"fp32": fp32}
        if bf16_is_native() and not torch.cuda.is_available():
            sides["bf16"] = OurTraining(config, "run.precision=bf16")
        if worker:
            sides["one worker"] = OurTraining(config, "batches.workers=1")
            sides["no worker"] = OurTraining(config)
        plain = PlainTraining(fp32)
        wrong = disagreement(fp32, plain)
        times = dict(
            zip(
                [*sides, "plain"],
                interleave([*(side.epoch for side in sides.values()), plain.epoch], rounds),
                strict=True,
            )
        )
        fastest = list(sides.values())[1 if "bf16" in sides else 0]
        with fastest.watched() as seconds:
            started = time.perf_counter()
            fastest.epoch()
            whole = time.perf_counter() - started
    speeds = {name: fp32.audio_seconds / sorted(column)[len(column) // 2] for name, column in times.items()}
    pairs: list[tuple[str, str, str]] = [
        (name, "plain", "plain torch loop, fp32") for name in ("fp32", "bf16") if name in sides
    ]
    if worker:
        pairs.append(("one worker", "no worker", "in the training process"))
    rows = [
        Row(
            f"training, {name}",
            speeds[name],
            label,
            speeds[peer],
            "hours/hour",
            median_ratio(times[name], times[peer]),
        )
        for name, peer, label in pairs
    ]
    shares = ", ".join(f"{stage} {100 * spent / whole:.0f} %" for stage, spent in seconds.items())
    rest = 100 * (1 - sum(seconds.values()) / whole)
    print(f"share of time: {shares}, all else {rest:.0f} %", file=sys.stderr)
    return rows, wrong


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    rows, disagreeing = whole_training(*((8, 1, False) if options.quick else (24, 3, True)))
    print(f"whole training: disagreement with the plain loop {disagreeing:.1e}", file=sys.stderr)
    frames = 100 if options.quick else FRAMES
    # Of hidden units, layers and rounds: the largest has one, for five of it, packed, take many minutes.
    sizes = [(256, 3, 1)] if options.quick else [(256, 3, 5), (320, 3, 3), (512, 5, 1)]
    wrong = disagreeing > LOSS_TOLERANCE
    for hidden, layers, rounds in sizes:
        found, difference, invariance = compare(hidden, layers, rounds, frames)
        rows += found
        wrong |= max(difference, invariance) > TOLERANCE
        print(
            f"{layers}x{hidden}: disagreement with packing {difference:.1e}, alone against in a batch "
            f"{invariance:.1e}",
            file=sys.stderr,
        )
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; steps: B {BATCH}, T {frames}, mean length 80 %"
    )
    report(rows, options.json)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
