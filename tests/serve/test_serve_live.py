"""Live audio over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ctcasr.features import FeatureSettings
from ctcasr.runtime import Recognizer
from ctcasr.serve import ServeSettings

Serving = Callable[..., AbstractContextManager[str]]


def open_live(address: str, query: str = "") -> ClientConnection:
    return connect(f"{address.replace('http', 'ws')}/v1/live{query}", open_timeout=20, close_timeout=1)


def results(socket: ClientConnection) -> list[dict[str, Any]]:
    found = []
    with suppress(ConnectionClosedError):  # it was closed with a code that says why
        for message in socket:
            found.append(json.loads(message))  # noqa: PERF401  (what came before the end counts)
    return found


def samples(path: Path) -> np.ndarray:
    waveform, _ = sf.read(path, dtype="int16")
    return np.asarray(waveform, "<i2")


def test_results_come_while_it_is_said(address: str, sample: Path, spoken: str) -> None:
    with open_live(address, "?sample_rate=22050") as socket:
        for chunk in np.array_split(samples(sample), 20):
            socket.send(chunk.tobytes())
        socket.send("end")
        found = results(socket)
    assert found[-1] == {"type": "end"}
    assert " ".join(one["text"] for one in found if one["type"] == "final") == spoken
    assert sum(one["type"] == "partial" for one in found) > 1
    words = [word["word"] for one in found if one["type"] == "final" for word in one["words"]]
    assert " ".join(words) == spoken


def test_a_model_that_reads_forward_answers_sooner(
    serving: Serving, make_bundle: Callable[..., Path], noise: Callable[..., np.ndarray]
) -> None:
    features = FeatureSettings(sample_rate=8000, mel_bins=20, normalization="none")
    recognizer = Recognizer.load(make_bundle(features, bidirectional=False), "fp32")
    waveform = noise(1, 1.0)
    with serving(recognizer) as address, open_live(address, "?sample_rate=8000") as socket:
        for chunk in np.array_split((32767 * waveform).astype("<i2"), 10):
            socket.send(chunk.tobytes())
        socket.send("end")
        found = results(socket)
    assert sum(one["type"] == "partial" for one in found) >= 5  # a window would not have ended
    heard = (32767 * waveform).astype("<i2").astype(np.float32) / 32768
    expected = recognizer.transcribe_waveform(heard).text.split()
    finals = [word["word"] for one in found if one["type"] == "final" for word in one["words"]]
    assert finals == expected


def test_nothing_was_said(address: str) -> None:
    with open_live(address) as socket:
        socket.send("end")
        assert results(socket) == [{"type": "end"}]


@pytest.mark.parametrize(
    "query", ["?sample_rate=1", "?sample_rate=x", "?sample_rate=-16000", "?sample_rate="]
)
def test_wrong_rates(address: str, query: str) -> None:
    with open_live(address, query) as socket:
        found = results(socket)
    assert [one["type"] for one in found] == ["error"]
    assert socket.close_code == 1008


@pytest.mark.parametrize("message", [b"abc", "hello", bytes(1_000_002)])
def test_wrong_messages(address: str, message: bytes | str) -> None:
    with open_live(address) as socket:
        socket.send(message)
        found = results(socket)
    assert [one["type"] for one in found] == ["error"]


def test_limits(recognizer: Recognizer, serving: Serving) -> None:
    settings = ServeSettings(live=1, live_seconds=1.0, idle_seconds=0.3, token="secret")
    with serving(recognizer, settings) as address:
        with open_live(address) as socket:
            assert "token" in results(socket)[0]["message"]
        with open_live(address, "?token=secret") as first:
            first.send(bytes(3200))
            with open_live(address, "?token=secret") as second:
                assert "open already" in results(second)[0]["message"]
            first.send(bytes(64_000))
            assert "more than 1 s came" in results(first)[-1]["message"]
        with open_live(address, "?token=secret") as idle:
            assert "nothing came for 0.3 s" in results(idle)[-1]["message"]


def test_other_places_are_no_sockets(address: str) -> None:
    with pytest.raises(InvalidStatus):
        connect(address.replace("http", "ws") + "/health", open_timeout=20)
