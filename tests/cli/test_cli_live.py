"""`ctcasr transcribe --live`, with a made-up microphone."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctcasr import audio
from ctcasr.runtime import find_bundle

Run = Callable[..., Any]
SAMPLES = find_bundle("an4").parent


class PortAudioError(Exception):
    pass


def module(waveform: np.ndarray, fails: bool = False) -> types.ModuleType:
    """Return a sounddevice whose microphone hears a waveform, and is then interrupted."""

    class InputStream:
        def __init__(self, samplerate: int, channels: int, dtype: str, blocksize: int, callback: Any) -> None:
            assert (samplerate, channels, dtype) == (16_000, 1, "float32")
            if fails:
                raise PortAudioError("no device")
            self._blocks = np.array_split(waveform[:, None], len(waveform) // blocksize)
            self._callback = callback

        def __enter__(self) -> None:
            for block in self._blocks:
                self._callback(block, len(block), None, None)

        def __exit__(self, *_: object) -> None:
            pass

    found = types.ModuleType("sounddevice")
    found.InputStream, found.PortAudioError = InputStream, PortAudioError  # type: ignore[attr-defined]
    return found


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C when nothing more is heard."""
    import queue

    from ctcasr.cli import live

    class Queue(queue.Queue):  # type: ignore[type-arg]
        def get(self, *_: Any, **__: Any) -> Any:
            if self.empty():
                raise KeyboardInterrupt
            return super().get()

    monkeypatch.setattr(live.queue, "SimpleQueue", Queue)


@pytest.mark.usefixtures("interrupted")
def test_what_is_said_is_printed(ctcasr: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", module(audio.load(SAMPLES / "sample.wav", 16_000)))
    said = ctcasr("transcribe", "--live")
    assert said.code == 0
    assert said.out.split() == (SAMPLES / "sample.txt").read_text().split()
    assert said.err == "listening; Ctrl-C ends\n"


def test_no_microphone(ctcasr: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", module(np.zeros(1), fails=True))
    said = ctcasr("transcribe", "--live")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "error: the microphone cannot be opened (no device); connect one, or transcribe a file\n"
    )


def test_no_sounddevice(ctcasr: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    said = ctcasr("transcribe", "--live")
    assert (said.code, said.out) == (2, "")
    assert "pip install 'ctcasr[live]'" in said.err


@pytest.mark.parametrize("more", [["a.wav"], ["-f", "json"], ["-o", "out"], ["--numbers"]])
def test_live_is_alone(ctcasr: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    said = ctcasr("transcribe", "--live", *more)
    assert (said.code, said.out) == (2, "")
    assert "leave out files" in said.err


def test_nothing_to_transcribe(ctcasr: Run, tiny_bundle: Path) -> None:
    said = ctcasr("transcribe", "-m", tiny_bundle)
    assert said.code == 2
    assert "nothing to transcribe" in said.err
