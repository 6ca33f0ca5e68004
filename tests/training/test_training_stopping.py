"""Signals: torch's LSTM does not survive them, so that no network computes where one may come."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.rate_finding import find_rate
from ctcasr.training.stopping import shielded
from ctcasr.training.surface import SurfaceSettings, measure_surface
from ctcasr.training.wiring import prove_wiring

STOPPING = {signal.SIGTERM, signal.SIGINT}


def held_back() -> bool:
    return signal.pthread_sigmask(signal.SIG_BLOCK, []) >= STOPPING


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note whether signals are held back each time when an LSTM computes, forward and backward."""
    noted: list[bool] = []
    original = nn.LSTM.forward

    def forward(self, *arguments, **options):
        noted.append(held_back())
        outputs, state = original(self, *arguments, **options)
        if outputs.requires_grad:
            outputs.register_hook(lambda _: noted.append(held_back()))
        return outputs, state

    monkeypatch.setattr(nn.LSTM, "forward", forward)
    return noted


def test_a_signal_waits_until_the_network_has_computed() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with shielded():
            with shielded():
                # To this thread: of one to the process, another thread may take notice.
                signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert not came
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_training_holds_signals_back(corpus: Callable[..., Path], seen: list[bool]) -> None:
    Trainer(read_config(corpus(optimizer__epochs=1))).run()
    assert seen
    assert all(seen)
    assert not held_back()


@pytest.mark.slow
def test_all_that_tries_a_network_holds_signals_back(
    corpus: Callable[..., Path], seen: list[bool], tmp_path: Path
) -> None:
    settings = read_config(corpus(optimizer__epochs=1))
    prove_wiring(settings)
    find_rate(settings)
    Trainer(settings).run()
    measure_surface(tmp_path / "run", SurfaceSettings(None, 0.1, 3, 0))
    assert seen
    assert all(seen)
