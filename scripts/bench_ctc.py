"""The CTC loss against torch's, from log-probabilities to their gradient, on a CPU.

    OMP_NUM_THREADS=1 python scripts/bench_ctc.py [--quick] [--json FILE]

Utterances are random. Exits with 1 if a loss is further from float64's than 1e-5 (relative), or a gradient than 1e-6.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from benchmark_table import Row, arguments, interleave, median_ratio, report
from torch import Tensor
from torch.nn import functional

from ctcasr.models import ctc_loss

SHAPES = ((16, 250, 100, 29), (32, 400, 150, 29), (16, 250, 40, 1000), (16, 375, 60, 5000))
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-6


def torch_loss(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Return what torch makes of the same arguments."""
    return functional.ctc_loss(log_probs.transpose(0, 1), targets, lengths, target_lengths, reduction="none")


def compare_losses(shape: tuple[int, int, int, int], threads: int, rounds: int) -> tuple[Row, bool]:
    """Return the row of one shape, and whether our losses and gradients are right."""
    size, frames, count, symbols = shape
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, frames, symbols, generator=generator)
    targets = torch.randint(1, symbols, (size, count), generator=generator)
    rest = (torch.full((size,), frames), targets, torch.full((size,), count))

    def outcome(loss: Callable[..., Tensor], leaf: Tensor) -> tuple[Tensor, Tensor]:
        leaf = leaf.clone().requires_grad_()
        losses = loss(leaf.log_softmax(-1), *rest)
        return losses.detach(), torch.autograd.grad(losses.sum(), leaf)[0]

    losses, gradient = outcome(torch_loss, logits.double())
    errors = []
    for loss in (ctc_loss, torch_loss):
        found, slope = outcome(loss, logits)
        errors.append((float((found / losses - 1).abs().max()), float((slope - gradient).abs().max())))
    log_probs = logits.log_softmax(-1).requires_grad_()

    def step(loss: Callable[..., Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(log_probs, *rest).sum(), log_probs)

    times = interleave([step(ctc_loss), step(torch_loss)], rounds)
    milliseconds = [1e3 * sorted(column)[len(column) // 2] for column in times]
    name = f"loss B={size} T'={frames} U={count} V={symbols}, {threads} thread{'s' * (threads > 1)}"
    print(
        f"{name}: error of losses {errors[0][0]:.0e} (torch {errors[1][0]:.0e}), of gradients {errors[0][1]:.0e} "
        f"(torch {errors[1][1]:.0e})",
        file=sys.stderr,
    )
    row = Row(name, milliseconds[0], "torch", milliseconds[1], "ms (less is better)", median_ratio(*times))
    return row, errors[0][0] < LOSS_TOLERANCE and errors[0][1] <= GRADIENT_TOLERANCE


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    rounds = 5 if options.quick else 15
    # Small batches end in no time; of the large ones, --quick times one thread.
    cases = [(shape, 1) for shape in SHAPES] + [(shape, 2) for shape in SHAPES[: 2 if options.quick else 4]]
    results = [compare_losses(shape, threads, rounds) for shape, threads in cases]
    report([row for row, _ in results], options.json)
    return int(not all(right for _, right in results))


if __name__ == "__main__":
    sys.exit(main())
