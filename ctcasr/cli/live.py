"""`ctcasr transcribe --live`: the microphone to text, while somebody speaks."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import Recognizer
from ctcasr.runtime.streaming import StreamResult

BLOCK_SECONDS = 0.1


def microphone(rate: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield what the default microphone hears, in chunks `(n,)` at a rate in Hz, until it is interrupted.

    Raises:
        ConfigError: sounddevice or PortAudio is not installed.
        CtcAsrError: there is no microphone, or it cannot be opened.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: it is there, and PortAudio is not
        raise ConfigError(
            f"--live needs sounddevice and PortAudio ({error}); install them with pip install 'ctcasr[live]' "
            "and, on Linux, apt install libportaudio2"
        ) from error
    chunks: queue.SimpleQueue[npt.NDArray[np.float32]] = queue.SimpleQueue()

    def heard(block: npt.NDArray[np.float32], *_: Any) -> None:
        chunks.put(block[:, 0].copy())

    try:
        with sounddevice.InputStream(
            samplerate=rate,
            channels=1,
            dtype="float32",
            blocksize=round(BLOCK_SECONDS * rate),
            callback=heard,
        ):
            while True:
                yield chunks.get()
    except sounddevice.PortAudioError as error:
        raise CtcAsrError(
            f"the microphone cannot be opened ({error}); connect one, or transcribe a file"
        ) from error


def transcribe_live(recognizer: Recognizer) -> None:
    """Print each segment when it has ended, until Ctrl-C; what is recognised so far shows on a terminal's stderr.

    Raises:
        CtcAsrError: as `microphone`.
    """
    rate = recognizer.bundle.description.features.sample_rate
    stream = recognizer.stream()
    screen = _Screen(sys.stderr.isatty())
    try:
        for number, chunk in enumerate(microphone(rate)):
            if number == 0:
                print("listening; Ctrl-C ends", file=sys.stderr)
            screen.show(stream.feed(chunk))
    except KeyboardInterrupt:
        pass
    screen.show(stream.finish())


class _Screen:
    """Final results as lines on stdout, partial ones on one line of a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def show(self, results: list[StreamResult]) -> None:
        for result in results:
            if self._is_terminal:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            if result.is_final:
                print(result.segment.text, flush=True)
            elif self._is_terminal:
                print(result.segment.text[-100:], end="", file=sys.stderr, flush=True)


__all__ = ["microphone", "transcribe_live"]
