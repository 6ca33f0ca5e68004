"""How many threads torch computes with: no more than there are processors for."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ctcasr.training.stopping import shielded

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use: microseconds of processor time and the period in which it may use them, or `max`."""


def available_processors() -> int:
    """Return how many processors this process may use: by its affinity, and in a container by its quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = CPU_QUOTA.read_text(encoding="ascii").split()
        return max(1, min(count, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or one without a quota
        return count


def limit_threads() -> None:
    """Let the processes of a run on this machine share its processors, unless `OMP_NUM_THREADS` says otherwise.

    Torch itself sees all processors of the machine, in a container with two of them too, and each process of
    several takes them all: threads that wait for one another cost several times what they gain.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(min(torch.get_num_threads(), max(1, available_processors() // processes)))
    with shielded():  # the threads, which start with the first sum that is worth it, never get a signal
        torch.ones(1 << 20).sum()
