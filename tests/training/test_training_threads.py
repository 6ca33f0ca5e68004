"""Threads: as many as there are processors for, and as the user says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ctcasr.training import threads


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("quota", "processes", "expected"),
    [
        (None, None, 8),
        ("max 100000", None, 8),
        ("200000 100000", None, 2),
        ("50000 100000", None, 1),
        ("1600000 100000", None, 8),
        (None, "2", 4),
        ("300000 100000", "2", 1),
        (None, "16", 1),
    ],
)
def test_processes_share_what_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str | None, processes: str | None, expected: int
) -> None:
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    if processes is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    threads.limit_threads()
    assert torch.get_num_threads() == expected


def test_there_are_never_more_than_torch_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(3)
    threads.limit_threads()
    assert torch.get_num_threads() == 3


def test_the_user_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    threads.limit_threads()
    assert torch.get_num_threads() == 8
